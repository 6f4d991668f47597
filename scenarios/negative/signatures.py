# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures in AUTH that are right in themselves, but not what the peer accepts (RFC 7296 section 3.8, RFC 7427)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from fynx_scapy import Certificate, ChildConfig, IkeConfig, Retransmission, Trust
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    accepted,
    alive,
    answered,
    authority,
    cases,
    deletes,
    no_sa,
    refused,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    Mutation,
    auth_algorithm,
    auth_signature,
    auth_without_algorithm,
    digest_info,
    drop,
    ecdsa_values,
    extend_payload,
    pss,
    signed,
)

FAILED = answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa()
NOT_TAKEN = (refused() | silent()) & no_sa()
FINE = accepted() & alive()
PROVEN = ("7296-1.2-02",)
SHA1, SHA256, SHA512 = 1, 2, 4
Given = Callable[[], Mapping[str, Any]]


@functools.cache
def low_exponent() -> rsa.RSAPrivateKey:
    """A key with which a signature can be forged where garbage in DigestInfo is taken."""
    return rsa.generate_private_key(3, 2048)


def certificate(name: str, key: Any = "ecdsa-p256", *, serial: str = "", **fields: Any) -> Certificate:
    """A good certificate for an identity."""
    made = authority("negative").issue(f"C=CH, CN={name}", [name], key, seed=f"{name} {serial}".strip())
    return Certificate(made.der, made.key, **fields)


def config(auth: Any, **fields: Any) -> IkeConfig:
    """Our configuration."""
    child = ChildConfig(local_ts=("10.1.0.0/24",), remote_ts=("10.2.0.0/24",))
    given: dict[str, Any] = {
        "trust": Trust(authority("negative").der),
        "retransmission": Retransmission(timeout=1.0, base=2.0, tries=2),
    } | fields
    return IkeConfig(auth=auth, local_id="alice", remote_id="bob", children=(child,), **given)


def ends(
    key: str | Callable[[], Any] = "ecdsa-p256", *, schemes: str | None = None, peer: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Given:  # fmt: skip
    """We have a certificate with a key of this kind, the peer has one with P-256. ``fields`` configure us."""

    @functools.cache
    def made() -> Mapping[str, Any]:
        ours = certificate("alice", key if isinstance(key, str) else key(), schemes=schemes)
        return {"config": config(ours, **fields), "peer": {"auth": certificate("bob")} | dict(peer or {})}

    return made


def at_both(name: str, *, then: Outcome = FAILED, response: Outcome | None = None, **fields: Any) -> list[Case]:
    """The same case with us as the initiator and as the responder."""
    ours = Case(name, base="auth", at="request", then=then, **fields)
    theirs = Case(f"{name}_in_response", base="auth", at="response", then=response or deletes(), **fields)
    return [ours, theirs]


ECDSA, RSA, LOW = ends(), ends("rsa-2048"), ends(low_exponent)
ONE_HASH = {"signature_hashes": (SHA256,)}
SAYS_NOTHING: Mapping[str, Any] = {"signature_hashes": ()}
SHA256_OBJECT = bytes.fromhex("300b0609608648016503040201")
"""An AlgorithmIdentifier of a hash, not of a signature."""
UNKNOWN = bytes.fromhex("300a06082b06010401868d1f")
"""An AlgorithmIdentifier that nobody has assigned."""
LONG = bytes.fromhex("308200ff06082a8648ce3d040302")
"""An AlgorithmIdentifier that says to be longer than it is."""
MD5 = bytes.fromhex("300d06092a864886f70d0101040500")
"""The AlgorithmIdentifier of RSASSA-PKCS1-v1_5 with MD5."""
NO_PSS = bytes.fromhex("300b06092a864886f70d01010a")
"""RSASSA-PSS without its parameters, which RFC 4055 section 3.1 wants in a signature."""
PSS_TRAILER = bytes.fromhex(
    "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d0609"
    "6086480165030402010500a203020120a303020102"
)
"""RSASSA-PSS with SHA-256 and the trailer field 2; only 1 is defined (RFC 4055 section 3.1)."""

ROWS: Sequence[tuple[str, str, Mutation, Given]] = (
    # The hash and the method
    ("hash_that_was_not_announced", "RFC 7427 section 4", signed("ecdsa-sha512"), ends(peer=ONE_HASH)),
    ("rsa_hash_that_was_not_announced", "RFC 7427 section 4", signed("rsa-pkcs1-sha512"),
     ends("rsa-2048", peer=ONE_HASH)),
    ("sha1_of_ecdsa", "RFC 8247 section 3", signed("ecdsa-sha1"), ECDSA),
    ("sha1_of_rsa", "RFC 8247 section 3", signed("rsa-pkcs1-sha1"), RSA),
    ("sha1_of_pss", "RFC 8247 section 3", signed("rsa-pss-sha1"), RSA),
    ("sha1_by_method_1", "RFC 7427 section 3", signed("rsa-sha1"), RSA),
    ("sha256_by_method_1", "RFC 7427 section 3", signed("rsa-sha256"), RSA),
    ("by_method_9_though_both_announced_hashes", "RFC 7427 section 3", signed("ecdsa-p256"), ECDSA),
    ("by_method_14_to_a_peer_that_announced_nothing", "RFC 7427 section 3", signed("ecdsa-sha256"),
     ends(peer=SAYS_NOTHING)),
    ("with_another_hash_than_it_says", "RFC 7427 section 3", signed("ecdsa-sha384") + auth_algorithm("ecdsa-sha256"),
     ECDSA),
    ("pkcs1_that_says_pss", "RFC 7427 section 3", signed("rsa-pkcs1-sha256") + auth_algorithm("rsa-pss-sha256"), RSA),
    ("pss_that_says_pkcs1", "RFC 7427 section 3", signed("rsa-pss-sha256") + auth_algorithm("rsa-pkcs1-sha256"), RSA),
    # The key
    ("with_another_key", "RFC 7296 section 3.6", signed(key="ecdsa-p256"), ECDSA),
    ("with_another_rsa_key", "RFC 7296 section 3.6", signed("rsa-pss-sha256", key="rsa-2048"), RSA),
    ("on_another_curve", "RFC 7296 section 3.6", signed("ecdsa-sha256", key="ecdsa-p384"), ECDSA),
    ("on_a_brainpool_curve_instead", "RFC 7296 section 3.6", signed("ecdsa-sha256", key="brainpoolP256r1"), ECDSA),
    ("of_ed25519_instead_of_ecdsa", "RFC 7296 section 3.6", signed("ed25519", key="ed25519"), ECDSA),
    ("of_rsa_instead_of_ecdsa", "RFC 7296 section 3.6", signed("rsa-pss-sha256", key="rsa-2048"), ECDSA),
    ("of_ecdsa_instead_of_rsa", "RFC 7296 section 3.6", signed("ecdsa-sha256", key="ecdsa-p256"), RSA),
    # What is signed
    ("of_nothing", "RFC 7296 section 2.15", signed(over="nothing"), ECDSA),
    ("of_the_message_alone", "RFC 7296 section 2.15", signed(over="message"), ECDSA),
    ("without_the_nonce", "RFC 7296 section 2.15", signed(over="no-nonce"), ECDSA),
    ("with_a_nonce_of_zeros", "RFC 7296 section 2.15", signed(over="another-nonce"), ECDSA),
    ("without_the_identity", "RFC 7296 section 2.15", signed(over="no-identity"), ECDSA),
    ("of_another_identity", "RFC 7296 section 2.15", signed(over="another-identity"), ECDSA),
    ("in_another_order", "RFC 7296 section 2.15", signed(over="identity-first"), ECDSA),
    # r and s
    ("with_r_zero", "RFC 4754 section 7", ecdsa_values(r="zero"), ECDSA),
    ("with_s_zero", "RFC 4754 section 7", ecdsa_values(s="zero"), ECDSA),
    ("with_both_zero", "CVE-2022-21449; RFC 4754 section 7", ecdsa_values(r="zero", s="zero"), ECDSA),
    ("with_r_and_s_the_order", "RFC 4754 section 7", ecdsa_values(r="order", s="order"), ECDSA),
    ("with_r_beyond_the_order", "RFC 4754 section 7", ecdsa_values(r="order-added"), ECDSA),
    ("with_s_beyond_the_order", "RFC 4754 section 7", ecdsa_values(s="order-added"), ECDSA),
    ("with_s_negative", "RFC 4754 section 7", ecdsa_values(s="order-subtracted"), ECDSA),
    # The padding of RSA
    *(
        (f"pkcs1_{how.replace('-', '_')}", "CVE-2018-16151, CVE-2018-16152; RFC 8017 section 8.2.2", digest_info(how),
         RSA)
        for how in (
            "garbage-behind", "garbage-in-parameters", "garbage-in-padding", "short-padding", "without-digest-info",
            "another-hash", "sha1", "longer-digest", "block-type-2",
        )
    ),
    ("low_exponent_garbage_behind", "CVE-2018-16151; RFC 8017 section 8.2.2", digest_info("garbage-behind"), LOW),
    ("low_exponent_garbage_in_parameters", "CVE-2018-16152; RFC 8017 section 8.2.2",
     digest_info("garbage-in-parameters"), LOW),
    ("rsa_of_one", "RFC 8017 section 8.2.2", auth_signature(bytes(255) + b"\1"), RSA),
    ("rsa_of_zero", "RFC 8017 section 8.2.2", auth_signature(bytes(256)), RSA),
    ("rsa_beyond_the_modulus", "RFC 8017 section 5.2.2", auth_signature(b"\xff" * 256), RSA),
    ("rsa_shorter_than_the_modulus", "RFC 8017 section 8.2.2", auth_signature(bytes(255)), RSA),
    ("pss_with_another_salt_than_it_says", "RFC 4055 section 3.1", pss(salt=20), RSA),
    ("pss_without_the_salt_that_it_says", "RFC 4055 section 3.1", pss(salt=0), RSA),
    ("pss_with_another_mask_than_it_says", "RFC 4055 section 3.1", pss(mask="sha384"), RSA),
    ("pss_without_parameters", "RFC 4055 section 3.1", signed("rsa-pss-sha256") + auth_algorithm(NO_PSS), RSA),
    ("pss_with_another_trailer", "RFC 4055 section 3.1", signed("rsa-pss-sha256") + auth_algorithm(PSS_TRAILER), RSA),
)  # fmt: skip
"""What our signature is, where that is said, and both ends. AUTHENTICATION_FAILED must follow."""

MALFORMED: Sequence[tuple[str, Mutation, Given]] = (
    ("algorithm_unknown", auth_algorithm(UNKNOWN), ECDSA),
    ("algorithm_of_a_hash", auth_algorithm(SHA256_OBJECT), ECDSA),
    ("algorithm_md5", auth_algorithm(MD5), RSA),
    ("algorithm_of_no_octets", auth_algorithm(b""), ECDSA),
    ("algorithm_shorter_than_it_is", auth_algorithm("ecdsa-sha256", length=11), ECDSA),
    ("algorithm_longer_than_its_octets", auth_algorithm(LONG), ECDSA),
    ("algorithm_with_octets_behind_it", auth_algorithm(bytes.fromhex("300a06082a8648ce3d040302") + b"Z"), ECDSA),
    ("algorithm_missing", auth_without_algorithm(), ECDSA),
    ("octets_behind_it", signed("ecdsa-sha256") + extend_payload("AUTH", 40), ECDSA),
    ("of_sixty_thousand_octets", extend_payload("AUTH", 60_000), ECDSA),
)
"""What our AUTH is. It is refused: by AUTHENTICATION_FAILED, or as malformed."""

cases(
    __name__,
    [
        *(
            row for name, source, do, given in ROWS
            for row in at_both(
                f"signature_{name}", do=do, given=given, source=source, requirements=PROVEN, severity="critical",
                suites=("cve",) if source.startswith("CVE") else (),
            )
        ),
        *(
            row for name, do, given in MALFORMED
            for row in at_both(
                f"signature_{name}", do=do, given=given, source="RFC 7427 section 3", requirements=PROVEN,
                severity="critical", then=NOT_TAKEN,
            )
        ),
        *at_both("signature_by_method_1_with_sha1_without_any_announcement", given=ends(
            "rsa-2048", schemes="rsa-sha1", peer=SAYS_NOTHING,
        ), source="RFC 8247 section 3", requirements=PROVEN, severity="critical"),
        # What the peer has to do with our announcements
        *at_both("signature_hashes_of_ours_obeyed", given=ends(
            signature_hashes=(SHA512,), supported_auth_methods=False, peer={"signature_hashes": (SHA256, SHA512)},
        ), then=FINE, response=taken() & alive(), source="RFC 7427 section 4", requirements=PROVEN, severity="high",
            what="We announce SHA-512 alone, so the peer has to sign with it: \"a peer MUST pick one algorithm sent by "
            "the other peer\"."),
        Case("signature_hashes_removed_on_the_path", base="connect", at="IKE_SA_INIT request", given=ECDSA,
             do=drop("N(SIGNATURE_HASH_ALGORITHMS)"), sign="before", then=FAILED, severity="critical",
             source="RFC 7427 section 3", requirements=("7296-2.15-i02",)),
        Case("signature_hashes_removed_on_the_path_in_response", base="connect", at="IKE_SA_INIT response",
             given=ECDSA, do=drop("N(SIGNATURE_HASH_ALGORITHMS)"), sign="before", then=deletes(), severity="critical",
             source="RFC 7427 section 3", requirements=("7296-2.15-i02",)),
    ],
)  # fmt: skip
