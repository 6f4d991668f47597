# SPDX-License-Identifier: GPL-2.0-or-later
"""The audit's verdicts on every lab capture, against what the captures' names and configurations say that they hold."""

from __future__ import annotations

import functools
import html
import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import click.testing
import pytest
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import PROFILES, Audit, Severity, Status, audit, judge
from fynx_scapy.capture.audit.causes import CAUSES
from fynx_scapy.capture.audit.rules import RFC_LEVELS
from fynx_scapy.capture.transcript.facts import SeenTransform
from fynx_scapy.commands.audit import audit as command
from fynx_scapy.iana import Encr, Integ, KeMethod, NotifyType, Prf, TransformType
from fynx_scapy.keylog import KeyLog
from fynx_scapy.report.audit import render
from tests.capture.following import least
from tests.shared import FOLDER, shared

LAB = FOLDER / "captures" / "lab"

# -- what the captures hold, written by hand from their names, swanctl.conf files and steps.txt -----------------------

GCM = "ENCR_AES_GCM_16-128"
IKE = f"{GCM} PRF_HMAC_SHA2_256 CURVE25519"  # aes128gcm16-prfsha256-curve25519, what most of them use
IKE_256 = "ENCR_AES_GCM_16-256 PRF_HMAC_SHA2_384 ECP_384"
PSK = "Shared_Key_Message_Integrity_Code"
SIGNED = "Digital_Signature"

# Words for what is notable; the test expands each to the finding that must be there, and to nothing else of its kind.
NOTABLE = {
    "esn": ("child.esn", "64 bits"),
    "nat": ("path.nat", "NAT at the"),  # kernel-libipsec sends false hashes, so that ESP comes in UDP
    "no nat": ("path.nat", "no NAT between"),
    "nat unknown": ("path.nat", "no NAT detection"),
    "fragments": ("path.fragments", "IKE fragmentation"),
    "cookie": ("path.cookie", "cookie"),
    "moved": ("path.moved", "another address"),
    "again": ("ike.again", "conversation 2 replaces conversation 1"),
    "childless": ("ike.childless", "without a Child SA"),
    "collision": ("child.collision", "both peers rekeyed"),
    "narrowed": ("child.narrowed", "narrowed"),
    "transport": ("child.transport", "transport mode"),
    "ipcomp": ("child.ipcomp", "IPCOMP_DEFLATE"),
    "ppk": ("ike.ppk", "post-quantum pre-shared key"),
    "mlkem": ("ike.quantum", "ML_KEM_768"),
    "resent": ("ike.retransmission", "sent again"),
    "twice": ("capture.twice", "captured twice"),
    "pfs": ("child.pfs", "PFS seen"),
    "no pfs": ("child.pfs", "PFS not seen"),
    "pfs unknown": ("child.pfs", "cannot be seen"),
    "clear": ("esp.confidential", "nothing is encrypted"),
    "better": ("ike.better", "proposal 2 has no weakness"),
    "in udp": ("flow.encapsulated", "in UDP"),
}
WEAK_3DES = {
    ("ike.encr", "ENCR_3DES in use: MAY, downgraded"),
    ("ike.integ", "AUTH_HMAC_SHA1_96 in use: MUST-"),
    ("ike.prf", "PRF_HMAC_SHA1 in use: MUST-"),
}


@dataclass(frozen=True)
class Holds:
    """One capture: the algorithms of its IKE SAs and Child SAs, what is notable, how the ends authenticated.

    ``weak`` are the algorithms that the RFCs do not want, as (rule, title); ``errors`` the notifies, by packet.
    ``signature`` is what method 14 was used with, ``worst`` the severity of the gravest finding.
    """

    ike: str = IKE
    esp: str = f"{GCM}"
    notable: str = "nat, in udp"
    rekeyed: str = "no pfs"
    auth: tuple[str, ...] = (PSK, PSK)
    errors: tuple[tuple[str, int], ...] = ()
    weak: frozenset[tuple[str, str]] = frozenset()
    signature: str = ""
    worst: str = "LOW"

    @property
    def words(self) -> set[str]:
        """The words for what is notable."""
        return {word.strip() for word in f"{self.notable}, {self.rekeyed}".split(",") if word.strip()}


KERNEL = Holds(notable="no nat")
HOLDS: dict[str, Holds] = {
    "6.0-6-mlkem768-multike": Holds(
        "ENCR_AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE25519 ML_KEM_768",
        "ENCR_AES_GCM_16-256 CURVE25519 ML_KEM_768",
        "nat, in udp, mlkem, fragments",
        "pfs",
        worst="INFO",
    ),
    "6.0-6-rawesp": Holds(esp=f"{GCM} CURVE25519", notable="no nat", rekeyed="pfs", worst="INFO"),
    "cert-ecdsa": Holds(auth=(SIGNED, SIGNED), signature="ecdsa-with-SHA256"),
    "cert-ed25519": Holds(auth=(SIGNED, SIGNED), signature="Ed25519"),
    "cert-rsa": Holds(notable="nat, in udp, fragments", auth=(SIGNED, SIGNED), signature="sha256WithRSAEncryption"),
    "cert-rsa-frag": Holds(
        IKE_256, "ENCR_AES_GCM_16-256", "nat, in udp, fragments", "pfs unknown", (SIGNED, SIGNED),
        signature="sha256WithRSAEncryption",
    ),
    # libreswan wants PFS for a rekey and was offered none; the capture has packets of the start three times
    "cross-libreswan-gcm": Holds(
        notable="nat, in udp, resent", rekeyed="pfs unknown", errors=(("NO_PROPOSAL_CHOSEN", 16),), worst="MEDIUM"
    ),
    # the responder's certificate first, then both prove that they know the MSK
    "eap-mschapv2-vip": Holds(
        notable="nat, in udp, fragments, narrowed", auth=(SIGNED, PSK, PSK), signature="sha256WithRSAEncryption"
    ),
    "eap-tls": Holds(
        notable="nat, in udp, fragments", rekeyed="pfs unknown", auth=(SIGNED, PSK, PSK),
        signature="sha256WithRSAEncryption",
    ),
    "k-cbc-sha256-esn": replace(KERNEL, esp="ENCR_AES_CBC-128 AUTH_HMAC_SHA2_256_128", notable="no nat, esn"),
    "k-gcm128-esn": replace(KERNEL, notable="no nat, esn"),
    "k-gmac": replace(KERNEL, esp="ENCR_NULL_AUTH_AES_GMAC-128", notable="no nat, clear", worst="MEDIUM"),
    "k-ipcomp": replace(KERNEL, notable="no nat, ipcomp"),
    "k-tfc": KERNEL,
    "k-transport-gcm": replace(KERNEL, notable="no nat, transport"),
    "psk-3des-sha1-modp2048": Holds(
        "ENCR_3DES AUTH_HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_2048",
        "ENCR_3DES AUTH_HMAC_SHA1_96",
        weak=frozenset(
            {
                *WEAK_3DES,
                ("esp.encr", "ENCR_3DES in use: SHOULD NOT"),
                ("esp.integ", "AUTH_HMAC_SHA1_96 in use: MUST-"),
            }
        ),
        worst="MEDIUM",
    ),
    "psk-aesxcbc-modp2048": Holds(
        "ENCR_AES_CBC-128 AUTH_AES_XCBC_96 PRF_AES128_XCBC MODP_2048", "ENCR_AES_CBC-128 AUTH_AES_XCBC_96"
    ),
    "psk-auth-failed": Holds(
        esp="", notable="nat", rekeyed="", auth=(PSK,), errors=(("AUTHENTICATION_FAILED", 4),), worst="HIGH"
    ),
    "psk-cbc128-sha256-modp2048": Holds(
        "ENCR_AES_CBC-128 AUTH_HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 MODP_2048",
        "ENCR_AES_CBC-128 AUTH_HMAC_SHA2_256_128 MODP_2048",
        rekeyed="pfs",
        worst="INFO",
    ),
    "psk-cbc256-sha512-ecp521": Holds(
        "ENCR_AES_CBC-256 AUTH_HMAC_SHA2_512_256 PRF_HMAC_SHA2_512 ECP_521",
        "ENCR_AES_CBC-256 AUTH_HMAC_SHA2_512_256 ECP_521",
        rekeyed="pfs",
        worst="INFO",
    ),
    "psk-ccm128-ecp256": Holds("ENCR_AES_CCM_16-128 PRF_HMAC_SHA2_256 ECP_256", "ENCR_AES_CCM_16-128"),
    "psk-chacha20-x25519": Holds("ENCR_CHACHA20_POLY1305 PRF_HMAC_SHA2_256 CURVE25519", "ENCR_CHACHA20_POLY1305"),
    "psk-child-no-proposal": Holds(
        esp="", notable="nat", rekeyed="", errors=(("NO_PROPOSAL_CHOSEN", 4),), worst="MEDIUM"
    ),
    "psk-childless": Holds(
        esp=f"{GCM} CURVE25519", notable="nat, in udp, childless", rekeyed="pfs", worst="INFO"
    ),
    # three half-open SAs, sent without NAT detection, came before it
    "psk-cookie": Holds(notable="nat, in udp, cookie, nat unknown", rekeyed="pfs unknown"),
    "psk-ctr128-sha256-ecp256": Holds(
        "ENCR_AES_CTR-128 AUTH_HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 ECP_256", "ENCR_AES_CTR-128 AUTH_HMAC_SHA2_256_128"
    ),
    "psk-dpd-loss": Holds(notable="nat, in udp, resent", rekeyed="pfs unknown"),
    "psk-esn-refused": Holds(esp="", notable="nat", rekeyed="", errors=(("NO_PROPOSAL_CHOSEN", 4),), worst="MEDIUM"),
    "psk-frag-intermediate": Holds(notable="nat, in udp, fragments"),
    "psk-gcm128-pfs-x25519": Holds(esp=f"{GCM} CURVE25519", rekeyed="pfs", worst="INFO"),
    "psk-gcm128-x25519": Holds(),
    "psk-gcm256-ecp384": Holds(IKE_256, "ENCR_AES_GCM_16-256 ECP_384", rekeyed="pfs", worst="INFO"),
    "psk-invalid-ke": Holds(f"{GCM} PRF_HMAC_SHA2_256 MODP_2048", errors=(("INVALID_KE_PAYLOAD", 2),)),
    # a packet and its copy 40 µs later, without an IP identification that would tell them apart
    "psk-ipv6": Holds(notable="nat, in udp, twice"),
    # the empty request that probed the new path went out from two addresses
    "psk-mobike": Holds(notable="nat, in udp, moved, resent"),
    # the responder took the weakest of three proposals, the first one
    "psk-multi-proposal": Holds(
        "ENCR_3DES AUTH_HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_1024",
        notable="nat, in udp, better",
        rekeyed="pfs unknown",
        weak=frozenset({*WEAK_3DES, ("ike.ke", "MODP_1024 in use: SHOULD NOT")}),
        worst="MEDIUM",
    ),
    "psk-no-proposal": Holds(
        ike="", esp="", notable="nat", rekeyed="", auth=(), errors=(("NO_PROPOSAL_CHOSEN", 2),), worst="MEDIUM"
    ),
    "psk-null-esp": Holds(esp="ENCR_NULL AUTH_HMAC_SHA2_256_128", notable="nat, in udp, clear", worst="MEDIUM"),
    "psk-ppk": Holds(IKE_256, "ENCR_AES_GCM_16-256", "nat, in udp, ppk"),
    "psk-reauth": Holds(notable="nat, in udp, again", rekeyed="pfs unknown"),
    "psk-rekey-by-responder": Holds(esp=f"{GCM} CURVE25519", rekeyed="pfs", worst="INFO"),
    "psk-rekey-collision": Holds(
        esp=f"{GCM} CURVE25519", notable="nat, in udp, collision", rekeyed="pfs", worst="INFO"
    ),
    "psk-ts-narrowing": Holds(notable="nat, in udp, narrowed", rekeyed="pfs unknown"),
    "psk-ts-unacceptable": Holds(esp="", notable="nat", rekeyed="", errors=(("TS_UNACCEPTABLE", 4),), worst="MEDIUM"),
}  # fmt: skip


@functools.cache
def audited(name: str, profile: str = "rfc") -> Audit:
    """The audit of a lab capture that was opened from its key-exchange secrets alone."""
    path = shared(f"captures/lab/{name}.pcap")
    with Capture(path, least(path.with_suffix(".keys.json"))) as capture:
        return audit(capture, profile)


def algorithms(found: Audit, prefix: str) -> str:
    """Names of what is in use, in the order of cipher, integrity, PRF, key exchanges."""
    names: dict[str, None] = {}
    for kind in ("encr", "integ", "prf", "ke", "addke"):
        for finding in found.find(f"{prefix}.{kind}"):
            names.setdefault(finding.title.partition(" in use")[0])
    return " ".join(names)


def test_every_lab_capture_has_an_expectation() -> None:
    shared("captures/lab")
    assert {path.stem for path in LAB.glob("*.pcap")} == set(HOLDS)


@pytest.mark.parametrize("name", HOLDS)
def test_algorithms(name: str) -> None:
    found, holds = audited(name), HOLDS[name]
    assert algorithms(found, "ike") == holds.ike
    assert algorithms(found, "esp") == holds.esp
    judged = ("ike.encr", "ike.integ", "ike.prf", "ike.ke", "ike.addke", "esp.encr", "esp.integ", "esp.ke", "esp.addke")
    bad = {(each.rule, each.title) for each in found.findings if each.rule in judged and each.status is not Status.OK}
    assert bad == holds.weak
    assert not found.find("ike.offered")
    assert not found.find("esp.offered")


@pytest.mark.parametrize("name", HOLDS)
def test_what_is_notable_is_found_and_nothing_else(name: str) -> None:
    found, words = audited(name), HOLDS[name].words
    assert words <= NOTABLE.keys()
    for word, (rule, text) in NOTABLE.items():
        assert bool(found.find(rule, text)) == (word in words), word
    absent: tuple[str, ...] = (
        "ikev1",
        "ike.beginning",
        "ike.closed",
        "ike.icv",
        "malformed",
        "unreadable",
        "flow.icv",
        "flow.unknown",
    )
    absent += (
        "flow.replay",
        "flow.late",
        "flow.missing",
        "flow.ah",
        "esp.authenticated",
        "ike.nonce",
        "ike.unanswered",
    )
    for rule in absent:
        assert not found.find(rule), rule


@pytest.mark.parametrize("name", HOLDS)
def test_errors_have_a_cause_and_their_packets(name: str) -> None:
    found = audited(name)
    errors = [finding for finding in found.findings if finding.rule.startswith("error.")]
    assert {(each.rule.removeprefix("error."), each.evidence[-1]) for each in errors} == set(HOLDS[name].errors)
    assert all(each.status is Status.FAILED and each.cause and each.explanation for each in errors)


@pytest.mark.parametrize("name", HOLDS)
def test_authentication(name: str) -> None:
    found, holds = audited(name), HOLDS[name]
    methods = sorted(finding.title.partition(":")[0] for finding in found.find("auth.method"))
    expected = sorted(holds.auth * 2) if name == "psk-reauth" else sorted(holds.auth)
    assert methods == expected
    assert {each.title.partition(":")[0] for each in found.find("auth.signature")} == {holds.signature} - {""}
    assert [each.status for each in found.find("auth.verified")] == [Status.OK] * len(expected)
    keys = {each.title for each in found.find("auth.key")}
    assert keys == ({"RSA-3072: SHOULD"} if "RSA" in holds.signature else set())


@pytest.mark.parametrize("name", HOLDS)
def test_worst_finding(name: str) -> None:
    assert audited(name).worst.name == HOLDS[name].worst


@pytest.mark.parametrize("name", HOLDS)
def test_every_finding_names_evidence_and_source(name: str) -> None:
    for finding in audited(name).findings:
        assert finding.evidence, finding
        assert finding.source.document, finding
        assert (finding.severity is Severity.INFO) == (finding.status in (Status.OK, Status.SEEN)) or (
            finding.rule == "ike.retransmission"
        ), finding


def test_lifetimes_are_measured_between_rekeys() -> None:
    # IKE_AUTH in packet 4, rekeyed in 16; that one is rekeyed never, and its IKE SA deleted in 35.
    found = audited("psk-gcm128-x25519")
    lives = {each.evidence: each.title for each in found.find("child.lifetime")}
    assert lives.keys() == {(3, 4, 16), (15, 16, 35)}
    first = next(each for each in found.facts.conversations[0].children if each.numbers == (3, 4))
    assert first.ended is not None
    assert first.ended.time is not None
    assert first.made is not None
    assert lives[(3, 4, 16)] == f"lived {first.ended.time - first.made:.3f} s until it was rekeyed by the initiator"
    assert {each.evidence for each in found.find("ike.lifetime")} == {(1, 2, 26), (25, 26, 35)}


def test_the_refused_offer_is_told() -> None:
    (error,) = audited("psk-esn-refused").find("error.NO_PROPOSAL_CHOSEN")
    assert "The offer was ESP: ENCR_AES_GCM_16-128, ESN." in error.explanation
    (error,) = audited("psk-invalid-ke").find("error.INVALID_KE_PAYLOAD")
    assert "it asks for MODP_2048" in error.explanation
    assert "A retry succeeded." in error.explanation


def test_a_wrong_secret_is_seen_in_auth() -> None:
    # alice's PSK opens her AUTH, bob's does not: he has another one, which is why he refused it
    path = shared("captures/lab/psk-auth-failed.pcap")
    keys = least(path.with_suffix(".keys.json"))
    with Capture(path, KeyLog(secrets=list(keys.secrets), psk="swordfish-1947")) as capture:
        found = audit(capture)
    (verdict,) = found.find("auth.verified")
    assert (verdict.status, verdict.severity, verdict.evidence) == (Status.FAILED, Severity.HIGH, (3,))
    assert "swordfish-1947" not in json.dumps(found.as_dict())


def test_without_keys_what_is_closed_is_unknown_and_not_ok() -> None:
    path = shared("captures/lab/psk-3des-sha1-modp2048.pcap")
    with Capture(path, KeyLog()) as capture:
        found = audit(capture)
    (closed,) = found.find("ike.closed")
    assert (closed.status, closed.severity) == (Status.UNKNOWN, Severity.MEDIUM)
    assert {each.status for each in found.find("flow.unknown")} == {Status.UNKNOWN}
    assert len(found.find("flow.unknown")) == 4
    assert found.find("ike.encr", "ENCR_3DES")  # that much is in the clear
    rules = {each.rule for each in found.findings if each.status is Status.OK}
    assert rules == {"ike.ke"}


# -- the tables -------------------------------------------------------------------------------------------------------


def level(profile: str, protocol: int, kind: int, id: int, bits: int | None = None) -> tuple[str, Status, str]:
    verdict = PROFILES[profile].judge(protocol, SeenTransform(kind, id, bits))
    assert verdict is not None
    return verdict.level, verdict.grade.status, str(verdict.source)


@pytest.mark.parametrize(
    ("protocol", "kind", "id", "bits", "expected"),
    [
        (1, TransformType.ENCR, Encr.ENCR_AES_CBC, 128, ("MUST", Status.OK, "RFC 8247, section 2.1")),
        (1, TransformType.ENCR, Encr.ENCR_AES_CBC, 192, ("MAY", Status.OK, "RFC 8247, section 2.5")),
        (1, TransformType.ENCR, Encr.ENCR_AES_CCM_8, 256, ("MAY", Status.OK, "RFC 8247, section 2.5")),
        (1, TransformType.ENCR, Encr.ENCR_NULL, None, ("MUST NOT", Status.FORBIDDEN, "RFC 8247, section 2.1")),
        (3, TransformType.ENCR, Encr.ENCR_AES_GCM_16, 256, ("MUST", Status.OK, "RFC 8221, section 5")),
        (3, TransformType.ENCR, Encr.ENCR_3DES, None, ("SHOULD NOT", Status.WEAK, "RFC 8221, section 5")),
        (3, TransformType.ENCR, Encr.ENCR_BLOWFISH, 128, ("MUST NOT", Status.FORBIDDEN, "RFC 8221, section 5")),
        (3, TransformType.INTEG, Integ.AUTH_HMAC_MD5_96, None, ("MUST NOT", Status.FORBIDDEN, "RFC 8221, section 6")),
        (1, TransformType.PRF, Prf.PRF_HMAC_MD5, None, ("MUST NOT", Status.FORBIDDEN, "RFC 8247, section 2.2")),
        (1, TransformType.KE, KeMethod.MODP_768, None, ("MUST NOT", Status.FORBIDDEN, "RFC 8247, section 2.4")),
        (1, TransformType.KE, KeMethod.MODP_2048_256, None, ("SHOULD NOT", Status.WEAK, "RFC 8247, section 2.4")),
        # not in the RFCs' tables, deprecated in the registry by RFC 9395
        (
            1, TransformType.ENCR, Encr.ENCR_CAST, 128,
            ("DEPRECATED", Status.FORBIDDEN, "IANA IKEv2 Parameters (with RFC 9395), Transform Type 1"),
        ),
        (
            1, TransformType.PRF, Prf.PRF_HMAC_TIGER, None,
            ("DEPRECATED", Status.FORBIDDEN, "IANA IKEv2 Parameters (with RFC 9395), Transform Type 2"),
        ),
        # a number of nobody's
        (1, TransformType.ENCR, 2000, None, ("not listed", Status.UNKNOWN, "RFC 8247, section 2.1")),
    ],
)  # fmt: skip
def test_levels_of_the_rfcs(
    protocol: int, kind: int, id: int, bits: int | None, expected: tuple[str, Status, str]
) -> None:
    assert level("rfc", protocol, kind, id, bits) == expected


@pytest.mark.parametrize(
    ("document", "start", "stop", "tables"),
    [
        ("rfc8247", "2.1.  Type 1", "2.5.  Summary", [(1, kind) for kind in (1, 2, 3)]),
        ("rfc8221", "5.  ESP Encryption", "7.  ESP and AH Compression", [(3, 1), (3, 3)]),
    ],
)
def test_tables_are_those_of_the_documents(document: str, start: str, stop: str, tables: list[tuple[int, int]]) -> None:
    """Each row of the RFC's tables, read out of its text, against ours; none is missing, none too many."""
    text = shared(f"rfc/{document}.txt").read_text()
    body = text[text.rindex(start) : text.rindex(stop)]
    written = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.strip().startswith("|") and cells[0].split("_")[0] in ("ENCR", "PRF", "AUTH"):
            written[cells[0]] = cells[1]
    names = {1: Encr, 2: Prf, 3: Integ}
    ours = {
        names[kind](row.id).name: row.level for table in tables for row in PROFILES["rfc"].tables[table].rows
        for kind in [table[1]]
    }  # fmt: skip
    written.pop("AUTH_NONE", None)  # judged together with the cipher, by esp.authenticated
    written = {name: found.partition(" / ")[0] for name, found in written.items()}
    if document == "rfc8247":
        assert written.pop("ENCR_3DES") == "MAY"
        assert ours.pop("ENCR_3DES") == "MAY, downgraded"
    assert written == ours
    assert len(ours) > 10


def test_groups_are_those_of_the_document() -> None:
    text = shared("rfc/rfc8247.txt").read_text()
    body = text[text.rindex("2.4.  Type 4") : text.rindex("2.5.  Summary")]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in body.splitlines() if "|" in line]
    written = {int(row[0]): row[2] for row in rows if row[0].isdigit()}
    assert {int(row.id): row.level for row in PROFILES["rfc"].tables[(1, 4)].rows} == written


POLICIES = tomllib.loads((Path(__file__).parent / "policies.toml").read_text())
WORDS = {"O": Status.OK, "W": Status.WEAK, "F": Status.FORBIDDEN, "U": Status.UNKNOWN}


def policy(words: str, profile: str) -> str:
    """The word for a profile in a row of policies.toml."""
    return str(words.split()[POLICIES["profiles"].index(profile)])


def judged(found: Audit, part: str) -> dict[str, Status]:
    """Name -> status of what was judged of IKE, of ESP or of authentication."""
    kinds = ("method", "signature", "key") if part == "auth" else ("encr", "integ", "prf", "ke", "addke")
    return {
        each.title.partition(" in use")[0].partition(":")[0]: each.status
        for kind in kinds
        for each in found.find(f"{part}.{kind}")
    }


@pytest.mark.sample(4)
@pytest.mark.parametrize("profile", POLICIES["profiles"])
@pytest.mark.parametrize("name", HOLDS)
def test_policies_as_written_by_hand(name: str, profile: str) -> None:
    found, holds = judge(audited(name).facts, PROFILES[profile]), HOLDS[name]
    chain = POLICIES["chains"].get(name, {})
    used = {"ike": holds.ike.split(), "esp": holds.esp.split(), "auth": [*holds.auth]}
    used["auth"] += [chain[key] for key in ("signature", "key") if key in chain]
    for part, names in used.items():
        rows = dict(POLICIES[part])
        if part == "auth" and name == "eap-tls":
            rows[PSK] = rows[f"{PSK} after EAP-TLS"]
        assert judged(found, part) == {each: WORDS[policy(rows[each], profile)] for each in names}, part
    offered = [each.split() for each in POLICIES["offered"].get(name, ())]
    expected = {
        (f"{part}.offered", each, WORDS[policy(POLICIES[part][each], profile)])
        for part, each in offered
        if policy(POLICIES[part][each], profile) != "O"
    }
    rules = ("ike.offered", "esp.offered")
    assert {
        (each.rule, each.title.partition(" offered")[0], each.status) for each in found.findings if each.rule in rules
    } == expected
    assert found.worst.name == policy(POLICIES["worst"].get(name, POLICIES["worst"]["default"]), profile)
    for finding in found.findings:
        assert finding.evidence, finding
        assert (finding.severity is Severity.INFO) == (finding.status in (Status.OK, Status.SEEN)) or (
            finding.rule == "ike.retransmission"
        ), finding
    assert not [each for each in found.find("child.strength") if each.status is not Status.OK]
    assert not [each for each in found.find("child.group") if each.status is not Status.OK]


def test_profile_cnsa2() -> None:
    found = audited("psk-gcm128-x25519", "cnsa2")
    assert found.find("ike.encr")[0].status is Status.FORBIDDEN  # AES-128
    assert found.find("ike.prf")[0].status is Status.FORBIDDEN  # SHA-256
    assert found.find("ike.quantum")[0].status is Status.WEAK
    found = audited("6.0-6-mlkem768-multike", "cnsa2")
    assert found.find("ike.encr")[0].status is Status.UNKNOWN  # AES-256: the transform could not be looked up
    assert found.find("ike.prf")[0].status is Status.OK  # SHA-384
    assert found.find("ike.addke")[0].status is Status.FORBIDDEN  # ML-KEM-768, not 1024
    assert found.find("ike.ke")[0].status is Status.UNKNOWN
    assert not [each for each in audited("psk-ppk", "cnsa2").find("ike.quantum") if each.status is Status.WEAK]


def test_unknown_is_never_ok() -> None:
    for profile in PROFILES.values():
        for grade in (*profile.levels.values(), *RFC_LEVELS.values()):
            assert (grade.status is Status.OK) == (grade.severity is Severity.INFO)


def test_every_error_of_rfc_7296_has_a_cause() -> None:
    text = shared("rfc/rfc7296.txt").read_text()
    body = text[text.index("NOTIFY messages: error types") : text.index("NOTIFY messages: status types")]
    numbers = {int(NotifyType[line.split()[0]]) for line in body.splitlines() if len(line.split()) == 2 and "_" in line}
    assert len(numbers) == 17
    assert numbers <= CAUSES.keys()


# -- findings that no lab capture has: the facts of one, changed ------------------------------------------------------


def test_an_offer_that_was_not_chosen_is_judged_milder() -> None:
    facts = audited("psk-gcm128-x25519").facts
    conversation = facts.conversations[0]
    sa = conversation.ike_sas[0]
    weak = replace(sa.offered[0], number=2, transforms=(*sa.offered[0].transforms, SeenTransform(4, KeMethod.MODP_768)))
    sa = replace(sa, offered=(sa.offered[0], weak))
    facts = replace(facts, conversations=(replace(conversation, ike_sas=(sa,)),))
    (finding,) = judge(facts, PROFILES["rfc"]).find("ike.offered")
    assert (finding.title, finding.severity) == ("MODP_768 offered: MUST NOT", Severity.MEDIUM)


def test_encryption_without_integrity_short_nonces_and_replays() -> None:
    facts = audited("psk-cbc128-sha256-modp2048").facts
    conversation = facts.conversations[0]
    child = conversation.children[0]
    assert child.chosen is not None
    bare = replace(child.chosen, transforms=(SeenTransform(1, Encr.ENCR_AES_CBC, 128), SeenTransform(3, Integ.NONE)))
    changed = replace(
        conversation,
        children=(replace(child, chosen=bare),),
        ike_sas=(replace(conversation.ike_sas[0], nonces=((1, 12), (2, 32))),),
    )
    flow = replace(facts.flows[0], replays=2, duplicates=1, late=4, missing=3)
    found = judge(replace(facts, conversations=(changed,), flows=(flow,)), PROFILES["rfc"])
    assert [each.status for each in found.find("esp.authenticated")] == [Status.FORBIDDEN]
    assert [(each.evidence, each.severity) for each in found.find("ike.nonce")] == [((1,), Severity.HIGH)]
    assert found.find("flow.replay", "3 packets")
    assert found.find("flow.late", "4 packets")
    assert found.find("flow.missing", "3 sequence numbers")


def test_what_says_the_same_of_several_sas_is_one_line() -> None:
    found = audited("psk-3des-sha1-modp2048")
    (line,) = [each for each in found.grouped() if each.title == "ENCR_3DES in use: SHOULD NOT"]
    assert (line.subject, line.evidence) == ("Child SA 92566b63/80e607d6 and 1 more", (3, 4, 15, 16))
    assert len(found.find("esp.encr", "SHOULD NOT")) == 2


def changed(number: int, old: str, new: str, folder: Path) -> Audit:
    """The audit of a lab capture in one of whose packets some octets are others."""
    path = shared("captures/lab/psk-gcm128-x25519.pcap")
    packets = list(rdpcap(str(path)))
    octets = bytes(packets[number - 1])
    assert octets.count(bytes.fromhex(old)) == 1
    packets[number - 1] = Ether(octets.replace(bytes.fromhex(old), bytes.fromhex(new)))
    wrpcap(str(folder / "changed.pcap"), packets)
    with Capture(folder / "changed.pcap", KeyLog.beside(path)) as capture:
        return audit(capture)


def test_a_choice_that_nobody_knows_is_unknown(tmp_path: Path) -> None:
    found = changed(2, "0300000802000005", "030000080200fff0", tmp_path)
    assert [each.status for each in found.find("ike.prf", "UNKNOWN-65520 in use: not listed")] == [Status.UNKNOWN]


def test_a_wrong_length_is_malformed(tmp_path: Path) -> None:
    # SA_INIT, version 2.0, flags I, message ID 0, and a length that is less than the header's
    found = changed(1, "21202208 00000000 000000e8".replace(" ", ""), "212022080000000000000007", tmp_path)
    assert [each.evidence for each in found.find("malformed")][:1] == [(1,)]


@pytest.mark.parametrize(("number", "rule"), [(5, "flow.icv"), (17, "ike.icv")])
def test_a_changed_packet_is_found(number: int, rule: str, tmp_path: Path) -> None:
    path = shared("captures/lab/psk-gcm128-x25519.pcap")
    packets = list(rdpcap(str(path)))
    octets = bytes(packets[number - 1])
    packets[number - 1] = Ether(octets[:-1] + bytes((octets[-1] ^ 1,)))
    wrpcap(str(tmp_path / "changed.pcap"), packets)
    with Capture(tmp_path / "changed.pcap", KeyLog.beside(path)) as capture:
        found = audit(capture)
    (finding,) = found.find(rule)
    assert (finding.evidence, finding.severity, finding.status) == ((number,), Severity.HIGH, Status.FAILED)
    assert not audited("psk-gcm128-x25519").find(rule)


# -- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_exit_status() -> None:
    bad = shared("captures/lab/psk-3des-sha1-modp2048.pcap")
    assert run(bad).exit_code == 0
    assert run(bad, "--fail-on", "medium").exit_code == 1
    assert run(bad, "--fail-on", "high").exit_code == 0
    assert run(bad, shared("captures/lab/psk-auth-failed.pcap"), "--fail-on", "high").exit_code == 1
    assert run().exit_code == 2
    assert run(bad, "--profile", "none").exit_code == 2
    assert run(LAB / "nothing.pcap").exit_code == 2
    assert run(shared("captures/README.md")).exit_code == 2
    assert run(bad, "--secret", "no hex").exit_code == 2


def test_terminal_shows_what_matters_and_says_what_it_hides() -> None:
    path = shared("captures/lab/psk-3des-sha1-modp2048.pcap")
    short, long = run(path).output, run(path, "--all").output
    assert "ENCR_3DES in use: SHOULD NOT" in short
    assert "MODP_2048 in use: MUST" not in short
    assert "lines not shown (--all)" in short
    assert "MODP_2048 in use: MUST" in long


def test_json_and_html_hold_all_findings_and_no_secret(tmp_path: Path) -> None:
    path = shared("captures/lab/psk-multi-proposal.pcap")
    document = json.loads(path.with_suffix(".keys.json").read_text())
    secrets = [secret for sa in document["ike_sas"] for secret in sa["ke_secrets"]]
    found = run(path, "--secret", secrets[0], "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert found.exit_code == 0
    page, text = (tmp_path / "a.html").read_text(), (tmp_path / "a.json").read_text()
    (audited_file,) = json.loads(text)["captures"]
    assert {each["rule"] for each in audited_file["findings"]} >= {"ike.ke", "ike.better", "auth.method", "path.nat"}
    for each in audited_file["findings"]:
        assert html.escape(each["title"]).replace("&#x27;", "&#39;") in page
    assert "http" not in page.replace("http-equiv", "")
    for sa in (*document["ike_sas"], *document["child_sas"]):
        for key in (*sa["ke_secrets"], *sa.get("keys", {}).values()):
            value = key.removeprefix("0x")
            assert value not in page + text + found.output


def test_what_a_capture_says_is_escaped_in_the_page() -> None:
    found = audited("psk-no-proposal")
    nasty = replace(found.findings[0], title="<script>alert(1)</script>\x1b[31m")
    page = render([replace(found, findings=(nasty,))])
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.sample(2)
@pytest.mark.parametrize("path", sorted((FOLDER / "captures" / "external").glob("*.pcap*")), ids=lambda path: path.name)
def test_foreign_and_malformed_captures(path: Path) -> None:
    """Each is judged, none ends in an exception, and what cannot be read is said."""
    with Capture(path, KeyLog()) as capture:
        found = audit(capture)
        told = {
            n for rule in ("unreadable", "capture.cut", "path.lost") for each in found.find(rule) for n in each.evidence
        }
        assert told == {problem.number for problem in capture.problems} - {0}
        assert sum(each.count for each in found.find("unreadable")) <= len(capture.problems)
        assert sum(each.count for each in found.find("ikev1")) == sum(
            each.version == 1 for each in capture.conversations
        )
    for finding in found.findings:
        assert finding.status is not Status.OK or finding.evidence
