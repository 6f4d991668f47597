# SPDX-License-Identifier: GPL-2.0-or-later
"""FCS_IPSEC_EXT.1.11 of NIAP's PP-Module for VPN Clients 3.0: the ten tests about certificates and identifiers.

The module has two lists of tests, of four and six; they are numbered 1 to 10 here. The peer is the TOE, and we are
the peer of its tests: what the TOE has to judge is our certificate and our ID payload. "The evaluator shall configure
the TOE" is the configuration of the peer, so the peer is embedded or in a lab.

Left out, with the reason:
Test 1: that the TOE makes the key pair and the request for a certificate itself. A key and a certificate are imported,
which the test allows.
Test 4: EAP-TLS and EAP-TTLS, which we do not have. The factor here is a post-quantum pre-shared key (RFC 8784).
Test 7: a certificate without subjectAltName whose Common Name is the reference identifier. A TOE may take it or not;
RFC 4945 section 3.1.9 says no, and the module wants that of later versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fynx_scapy import Identity, Ppk
from fynx_scapy.events import MessageReceived, PpkUsed
from fynx_scapy.harness import BOTH, Credentials, EndAuth, Run, certificates_in, expect, main, scenario, schemes_of
from fynx_scapy.iana import IdType
from fynx_scapy.layers.ikev2 import IKEv2_IDi, IKEv2_IDr
from fynx_scapy.scenarios.certificates.refusals import ours_refused
from fynx_scapy.scenarios.certification.niap import ESP, IKE, niap
from fynx_scapy.taps import Outgoing

KINDS = {"rsa": ("rsa-3072", "rsa-pkcs1-sha384"), "ecdsa": ("ecdsa-p384", "ecdsa-sha384")}
"""The authentications that the module has, with the smallest key that it takes: FCS_CKM.1 and FCS_COP.1/SIG."""
NEEDS = {"rsa": "rsa_pkcs1", "ecdsa": "ecdsa"}
TOE_NAME = "C=US, O=fynx, OU=TOE, CN=toe.example"
PPK, WRONG_PPK = Ppk("0x" + bytes(range(32)).hex(), "toe"), Ppk("0x" + bytes(32).hex(), "toe")
Body = Callable[[Run], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One half of a test: how both ends are configured, and whether the TOE has to let us in."""

    test: int
    what: str
    """What the TOE is configured with, or what we present: the title."""
    accepted: bool
    kind: str = "ecdsa"
    reference: str = "alice"
    """The reference identifier: the identity that the TOE is configured to expect of us."""
    presented: str = ""
    """Our ID payload, if it is not the reference identifier."""
    ours: tuple[tuple[str, Any], ...] = ()
    """Fields of our `EndAuth`."""
    theirs: tuple[tuple[str, Any], ...] = ()
    """Fields of the TOE's `EndAuth`."""
    config: tuple[tuple[str, Any], ...] = ()
    """More of the TOE's configuration."""
    us: tuple[tuple[str, Any], ...] = ()
    """More of our configuration."""
    needs: frozenset[str] = frozenset()
    ipv6: bool = False
    requirements: tuple[str, ...] = ()


def let_in(run: Run) -> None:
    """Both SAs are set up by signatures that the module has, and packets pass."""
    # HDR, SK {IDi, CERT, CERTREQ, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, CERT, AUTH, SAr2, TSi, TSr}
    run.establish()
    run.send_traffic(count=1)
    run.agree()


def present(run: Run, identity: Identity) -> None:
    """Have this be our ID payload, which AUTH covers. We could not answer to an identity that we do not have."""
    kind = IKEv2_IDi if run.we_begin else IKEv2_IDr

    def change(message: Outgoing) -> None:
        ours = kind(IDtype=identity.type, ID=identity.wire_value)
        message.payloads[:] = [ours if type(payload) is kind else payload for payload in message.payloads]

    run.s.tap("payloads", change, when=lambda message: message.encrypted)


def register(name: str, trial: Trial, body: Body | None = None) -> None:
    """Make a scenario of one half of a test."""

    def play(run: Run) -> None:
        if trial.presented:
            present(run, Identity.of(trial.presented))
        (body or (let_in if trial.accepted else ours_refused))(run)

    play.__doc__ = trial.what
    play.__module__ = __name__
    key, scheme = KINDS[trial.kind]
    common = {"key": key, "scheme": scheme}
    auth = Credentials(ours=EndAuth(**common | dict(trial.ours)), theirs=EndAuth(**common | dict(trial.theirs)))
    scenario(
        niap("1.11", trial.test),
        requirements=trial.requirements,
        name=f"niap_{name}",
        roles=BOTH,
        severity="high" if trial.accepted else "critical",
        suites=("niap",),
        needs={"certificates", "suites", NEEDS[trial.kind], *trial.needs},
        config={"auth": auth, "ike": IKE, "esp": ESP, "remote_id": trial.reference} | dict(trial.config),
        ours=dict(trial.us),  # type: ignore[arg-type]
        site={"ipv6": True} if trial.ipv6 else {},
    )(play)


# Tests 1 to 3, for each kind of signature


def imported(run: Run) -> None:
    """The TOE presents the certificate that it was given, whose names the authority has signed, and has its key."""
    from cryptography import x509  # slow to import

    let_in(run)
    messages = run.messages(MessageReceived)
    given = run.peer_config.credentials.theirs[0].issued.der
    sent = certificates_in(messages)
    expect(sent[:1], "the certificate of the TOE").equals([given])
    subject = x509.load_der_x509_certificate(sent[0]).subject.public_bytes()
    expect(str(Identity(IdType.ID_DER_ASN1_DN, subject)), "its subject").equals(TOE_NAME)
    assert run.peer_config.auth is not None
    expect(schemes_of(messages), "its signature").equals([run.peer_config.auth.theirs.scheme])


def _crl(revoked: bool) -> tuple[tuple[str, Any], ...]:
    return ("revoked", revoked), ("checked", "required"), ("evidence", "crl")


def _ocsp(revoked: bool) -> tuple[tuple[str, Any], ...]:
    return ("revoked", revoked), ("checked", "required"), ("evidence", "ocsp-sent")


for _kind in KINDS:
    _word = _kind.upper()
    register(
        f"certificate_imported_{_kind}",
        Trial(
            test=1, accepted=True, kind=_kind, theirs=(("subject", TOE_NAME), ("names", ("toe.example",))),
            config=(("local_id", "toe.example"),),
            what=f"The TOE presents the {_word} certificate that it was given, with its DN, and signs with its key.",
        ),
        imported,
    )  # fmt: skip
    for _name, _trial in {
        "certificate": Trial(
            test=2, accepted=True, kind=_kind, what=f"Both have {_word} certificates of an authority that both trust.",
        ),
        "certificate_untrusted": Trial(
            test=2, accepted=False, kind=_kind, ours=(("authority", "other"),),
            what=f"Our {_word} certificate is of an authority that the TOE does not trust.",
        ),
        "crl_good": Trial(
            test=3, accepted=True, kind=_kind, ours=_crl(False), needs=frozenset({"crl"}),
            what=f"The TOE has a CRL that does not name our {_word} certificate.",
        ),
        "crl_revoked": Trial(
            test=3, accepted=False, kind=_kind, ours=_crl(True), needs=frozenset({"crl"}),
            requirements=("4945-5.2-01",),
            what=f"The TOE has a CRL that names our {_word} certificate.",
        ),
        "ocsp_good": Trial(
            test=3, accepted=True, kind=_kind, ours=_ocsp(False), needs=frozenset({"ocsp"}),
            what=f"The TOE asks for an OCSP response, which says that our {_word} certificate is good.",
        ),
        "ocsp_revoked": Trial(
            test=3, accepted=False, kind=_kind, ours=_ocsp(True), needs=frozenset({"ocsp"}),
            requirements=("4806-4.1-03",),
            what=f"The TOE asks for an OCSP response, which says that our {_word} certificate is revoked.",
        ),
    }.items():  # fmt: skip
        register(f"{_name}_{_kind}", _trial)


# Test 4: a pre-shared key by RFC 8784 beside the certificates


def with_factor(run: Run) -> None:
    """Both SAs are set up, and the keys depend on the pre-shared key."""
    let_in(run)
    expect(run.event(PpkUsed).ppk_id, "the key that was used").equals(str(PPK))


def without_factor(run: Run) -> None:
    """No IKE SA is set up, and the TOE says so wherever it is the one to notice."""
    run.begin()
    run.wait_for_quiet()
    run.no_ike_sa()
    run.no_child_sa()


_REQUIRED = (("ppk", PPK), ("ppk_required", True))
for _name, _what, _us, _body in (
    ("factor_ppk", "The TOE requires a post-quantum pre-shared key, which we have.", (), with_factor),
    (
        "factor_ppk_wrong", "The TOE requires a post-quantum pre-shared key, and ours is another one.",
        (("ppk", WRONG_PPK),), without_factor,
    ),
    (
        "factor_ppk_missing", "The TOE requires a post-quantum pre-shared key, and we have none.",
        (("ppk", ()), ("ppk_required", False)), without_factor,
    ),
):  # fmt: skip
    register(
        _name,
        Trial(test=4, accepted=_body is with_factor, what=_what, config=_REQUIRED, us=_us, needs=frozenset({"ppk"})),
        _body,
    )


# Tests 5, 6, 9 and 10: each type of identifier in subjectAltName

IDENTIFIERS = {
    "fqdn": ("alice.example", "mallory.example"),
    "user_fqdn": ("alice@fynx.example", "mallory@fynx.example"),
    "ipv4": ("192.0.2.1", "192.0.2.2"),
    "ipv6": ("2001:db8::1", "2001:db8::2"),
}
"""The types of identifiers that a subjectAltName may have: one of each, and another one."""
_SECTIONS = {"fqdn": "3.1.2", "user_fqdn": "3.1.3", "ipv4": "3.1.1", "ipv6": "3.1.1"}
_NAMES = frozenset({"other_names"})


def _sentences(kind: str, *numbers: str) -> tuple[str, ...]:
    """The sentences of the section of RFC 4945 about a type of identifier."""
    return tuple(f"4945-{_SECTIONS[kind]}-{number}" for number in numbers)


def _compared(kind: str) -> tuple[str, ...]:
    """ "MUST be capable of verifying", "by default", "MUST be treated as an error"."""
    return _sentences(kind, *(("06", "07", "09") if kind.startswith("ip") else ("03", "04", "07")))


def _number(kind: str, number: int) -> int:
    """Tests 5 and 6 are repeated for IP addresses as test 9."""
    return 9 if kind.startswith("ip") else number


for _kind, (_right, _wrong) in IDENTIFIERS.items():
    _type = _kind.replace("_", " ").replace("ip", "IP").replace("fqdn", "FQDN")
    register(
        f"reference_{_kind}",
        Trial(
            test=_number(_kind, 5), accepted=True, reference=_right, needs=_NAMES,
            requirements=(*_sentences(_kind, "01"), "4945-5.1.3.6.1-06"),
            what=f"The TOE expects the {_type} that is in our certificate.",
        ),
    )  # fmt: skip
    register(
        f"reference_other_{_kind}",
        Trial(
            test=_number(_kind, 6), accepted=False, reference=_right, presented=_wrong, ours=(("names", (_wrong,)),),
            needs=_NAMES, requirements=("4945-3.1-12",),
            what=f"The TOE expects another {_type} than is in our certificate and our ID payload.",
        ),
    )  # fmt: skip
    register(
        f"id_payload_{_kind}",
        Trial(
            test=10, accepted=False, reference=_right, presented=_wrong, ours=(("names", (_right,)),), needs=_NAMES,
            requirements=("4945-3.1-02", "4945-3.1-12"),
            what=f"Our certificate has the {_type} that the TOE expects, and our ID payload another one.",
        ),
    )  # fmt: skip
    register(
        f"certificate_of_another_{_kind}",
        Trial(
            test=10, accepted=False, reference=_right, ours=(("names", (_wrong,)), ("subject", "CN=peer")),
            needs=_NAMES, requirements=("4945-3.1-02", *_compared(_kind)),
            what=f"Our ID payload has the {_type} that the TOE expects, and our certificate another one.",
        ),
    )  # fmt: skip

for _version, _here in {"ipv4": "10.9.0.1", "ipv6": "fd09::1"}.items():
    _needs = frozenset({"address_checked", "other_names", *({"ipv6"} if _version == "ipv6" else ())})
    for _name, _reference, _accepted in (
        (f"header_{_version}", _here, True),
        (f"header_other_{_version}", IDENTIFIERS[_version][0], False),
    ):
        register(
            _name,
            Trial(
                test=9, accepted=_accepted, reference=_reference, ours=(("address_checked", True),), needs=_needs,
                ipv6=_version == "ipv6", requirements=_sentences(_version, "12", "16"),
                what=f"The TOE expects the {_version.replace('ip', 'IP')} address in our certificate and ID payload, "
                f"and we send from {'it' if _accepted else 'another one'}.",
            ),
        )  # fmt: skip


# Test 7: the Common Name does not count beside a subjectAltName

register(
    "common_name_beside_san",
    Trial(
        test=7, accepted=False, reference="alice.example", needs=_NAMES, requirements=("4945-3.1.9-03",),
        ours=(("names", ("mallory.example",)), ("subject", "C=US, O=fynx, CN=alice.example")),
        what="The TOE expects a name that is the Common Name of our certificate, and not in its subjectAltName.",
    ),
)  # fmt: skip


# Test 8: distinguished names

DN = "C=US, O=fynx, OU=lab, CN=alice"
OTHER_DNS = {
    "one_bit_of_the_oid": ("C=US, O=fynx, O=lab, CN=alice", "an OID with one other bit: 2.5.4.10 for 2.5.4.11"),
    "country": ("C=CH, O=fynx, OU=lab, CN=alice", "another C"),
    "organization": ("C=US, O=fyny, OU=lab, CN=alice", "another O"),
    "unit": ("C=US, O=fynx, OU=lac, CN=alice", "another OU"),
    "common_name": ("C=US, O=fynx, OU=lab, CN=alicf", "another CN"),
}
_DNS = frozenset({"distinguished_names"})
register(
    "dn",
    Trial(
        test=8, accepted=True, reference=DN, needs=_DNS, requirements=("4945-3.1.5-01",),
        what="The TOE expects the subject of our certificate.",
    ),
)  # fmt: skip
for _name, (_other, _what) in OTHER_DNS.items():
    register(
        f"dn_{_name}",
        Trial(
            test=8, accepted=False, reference=DN, presented=_other, ours=(("subject", _other),), needs=_DNS,
            requirements=("4945-3.1.5-07",),
            what=f"Our subject and ID payload have {_what} than the DN that the TOE expects.",
        ),
    )  # fmt: skip
register(
    "certificate_of_another_dn",
    Trial(
        test=10, accepted=False, reference=DN, ours=(("subject", OTHER_DNS["common_name"][0]),), needs=_DNS,
        requirements=("4945-3.1.5-04",),
        what="Our ID payload is the DN that the TOE expects, and our certificate has another subject.",
    ),
)  # fmt: skip
register(
    "id_payload_dn",
    Trial(
        test=10, accepted=False, reference=DN, presented=OTHER_DNS["common_name"][0], ours=(("subject", DN),),
        needs=_DNS, what="Our certificate has the subject that the TOE expects, and our ID payload is another DN.",
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(__file__)
