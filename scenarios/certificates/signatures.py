# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends sign, by each kind of signature, with a certificate each; the SAs then live on as with any other proof."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import BOTH, EVERY, Credentials, Role, Run, expect, main, scenario, schemes_of
from fynx_scapy.scenarios.rekey.rekey_child import child_rekeyed
from fynx_scapy.scenarios.rekey.rekey_ike import ike_rekeyed

REQUIREMENTS = ("7296-1.2-01", "7296-1.2-02", "7296-3.6-01", "7296-3.6-03")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of signature."""

    key: str
    scheme: str
    source: str
    needs: str
    """What the peer must be able to do, beside to authenticate by certificates, in one word or several."""
    roles: tuple[Role, ...] = BOTH


PKCS1, PSS, ECDSA = "RFC 7427 appendix A.1", "RFC 7427 appendix A.4", "RFC 7427 appendix A.3"
KINDS = {
    "rsa_pkcs1_sha256":     Kind("rsa-2048", "rsa-pkcs1-sha256", PKCS1, "rsa_pkcs1", EVERY),
    "rsa_pkcs1_sha384":     Kind("rsa-2048", "rsa-pkcs1-sha384", PKCS1, "rsa_pkcs1 hashes"),
    "rsa_pkcs1_sha512":     Kind("rsa-2048", "rsa-pkcs1-sha512", PKCS1, "rsa_pkcs1 hashes"),
    "rsa_pss_sha256":       Kind("rsa-2048", "rsa-pss-sha256", PSS, "rsa_pss", EVERY),
    "rsa_pss_sha384":       Kind("rsa-2048", "rsa-pss-sha384", PSS, "rsa_pss hashes"),
    "rsa_pss_sha512":       Kind("rsa-2048", "rsa-pss-sha512", PSS, "rsa_pss hashes"),
    "rsa_sha1":             Kind("rsa-2048", "rsa-sha1", "RFC 7296 section 3.8", "rsa_sha1"),
    "ecdsa_p256":           Kind("ecdsa-p256", "ecdsa-p256", "RFC 4754 section 3", "ecdsa_by_curve"),
    "ecdsa_p384":           Kind("ecdsa-p384", "ecdsa-p384", "RFC 4754 section 3", "ecdsa_by_curve"),
    "ecdsa_p521":           Kind("ecdsa-p521", "ecdsa-p521", "RFC 4754 section 3", "ecdsa_by_curve"),
    "ecdsa_sha256":         Kind("ecdsa-p256", "ecdsa-sha256", ECDSA, "ecdsa", EVERY),
    "ecdsa_sha384":         Kind("ecdsa-p384", "ecdsa-sha384", ECDSA, "ecdsa hashes"),
    "ecdsa_sha512":         Kind("ecdsa-p521", "ecdsa-sha512", ECDSA, "ecdsa hashes"),
    "ecdsa_brainpool_p256": Kind("brainpoolP256r1", "ecdsa-sha256", ECDSA, "ecdsa_brainpool"),
    "ecdsa_brainpool_p384": Kind("brainpoolP384r1", "ecdsa-sha384", ECDSA, "ecdsa_brainpool"),
    "ecdsa_brainpool_p512": Kind("brainpoolP512r1", "ecdsa-sha512", ECDSA, "ecdsa_brainpool"),
    "ed25519":              Kind("ed25519", "ed25519", "RFC 8420 section 2", "ed25519", EVERY),
    "ed448":                Kind("ed448", "ed448", "RFC 8420 section 2", "ed448"),
    "mldsa44":              Kind("mldsa44", "mldsa44", "RFC 9881 section 2", "mldsa"),
    "mldsa65":              Kind("mldsa65", "mldsa65", "RFC 9881 section 2", "mldsa"),
    "mldsa87":              Kind("mldsa87", "mldsa87", "RFC 9881 section 2", "mldsa"),
}  # fmt: skip


def signature(run: Run) -> None:
    """Both ends prove themselves with signatures of this kind; packets pass, and both SAs are rekeyed."""
    auth = run.peer_config.auth
    assert auth is not None
    authenticated(run)
    wanted = ["rsa" if auth.theirs.scheme == "rsa-sha1" else auth.theirs.scheme]  # method 1 does not show its hash
    expect(schemes_of(run.messages(MessageSent)), "the scheme of our signature").equals(wanted)
    expect(schemes_of(run.messages(MessageReceived)), "the scheme of the peer's signature").equals(wanted)


def authenticated(run: Run) -> None:
    """Set up both SAs, send packets, rekey both, send packets again, and compare what both ends have."""
    # HDR, SAi1, KEi, Ni, N(SIGNATURE_HASH_ALGORITHMS)  -->
    # <--  HDR, SAr1, KEr, Nr, CERTREQ, N(SIGNATURE_HASH_ALGORITHMS)
    # HDR, SK {IDi, CERT, CERTREQ, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, CERT, AUTH, SAr2, TSi, TSr}
    run.establish()
    run.send_traffic(count=1)
    child_rekeyed(run, by_us=True)
    ike_rekeyed(run, by_us=True)
    run.send_traffic(count=1)
    run.agree()


for name, made in KINDS.items():
    scenario(
        made.source,
        roles=made.roles,
        name=f"signature_{name}",
        needs={"certificates", *made.needs.split()},
        requirements=REQUIREMENTS,
        config={"auth": Credentials.alike(key=made.key, scheme=made.scheme)},
    )(signature)


if __name__ == "__main__":
    main(__file__)
