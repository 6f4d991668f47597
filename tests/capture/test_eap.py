# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH after EAP in captures: from a password, and from a TLS key log, alone (RFC 7296 section 2.16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import Certificate, Eap, EapUsers, IkeConfig, Rounds, Session, Subscriber
from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import PROFILES, audit, judge
from fynx_scapy.capture.audit.facts import CaptureFacts, NotifyFacts
from fynx_scapy.capture.follow import Follower
from fynx_scapy.capture.follow.eap import EapSeen
from fynx_scapy.cli import main
from fynx_scapy.eap.method import PeerMethod, ServerMethod
from fynx_scapy.eap.mschapv2 import Mschapv2Peer, Mschapv2Server
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.auth.eap import EapAuthenticator
from fynx_scapy.ike.auth.methods import Proofs
from fynx_scapy.ike.message import Datagram
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.recorder import Recorder
from tests.capture.following import follow, least
from tests.eap.talking import ACCOUNTS, Talk, root
from tests.shared import shared

PASSWORD = "Ar3etTnp"
NONE = "none of the 2 known passwords gives the response of EAP-MSCHAPv2"
Verdicts = list[tuple[str, bool | None, str]]


@cache
def gateway() -> Certificate:
    made = root().issue("CN=gw", ["gw"], "ecdsa-p256", seed="gw")
    return Certificate(made.cert, made.key, made.chain)


@cache
def carol() -> Certificate:
    made = root().issue("CN=carol", ["carol"], "ecdsa-p256", seed="carol")
    return Certificate(made.cert, made.key, made.chain)


class Recorded:
    """A conversation between our ends, and the secrets of its key exchange."""

    def __init__(self, client: Eap | Rounds, users: EapUsers | Rounds, seed: int = 1) -> None:
        session = Session(
            config=IkeConfig(auth=client, remote_auth="gw's key", remote_id="gw"),
            peer={"auth": "gw's key", "remote_auth": users, "local_id": "gw", "remote_id": None},
            seed=seed,
        )
        self.recorder = Recorder()
        self.recorder.watch(session.network, "eap")
        self.datagrams: list[Datagram] = []
        session.network.observe(lambda time, datagram, fate: self.datagrams.append(datagram))
        session.sa_init()
        session.auth()
        self.secrets = self.recorder.keys().secrets

    def verdicts(self, left_out: tuple[int, ...] = (), **known: Any) -> Verdicts:
        """On the AUTH payloads that are made with EAP's key; without some of the datagrams."""
        follower = Follower(KeyLog(secrets=self.secrets, **known))
        for number, datagram in enumerate(self.datagrams):
            if number not in left_out:
                follower.ike(datagram.data, number, None, *datagram.local, *datagram.remote)
        (sa,) = follower.ike_sas
        return [(auth.role, auth.verified, auth.reason) for auth in sa.auth][-2:]


def by_tls(folder: Path, version: str, *, ttls: bool = False, seed: int = 1, **fields: Any) -> tuple[Recorded, KeyLog]:
    """EAP-TLS or EAP-TTLS, and the key log that our client has written."""
    log, fields = folder / "tls.log", {"maximum": version, **fields}
    if ttls:
        users = EapUsers.ttls(gateway(), {"carol": PASSWORD}, **fields)
        client = Eap.ttls("carol", PASSWORD, root().pem, key_log=log, **fields)
    else:
        users = EapUsers.tls(gateway(), root().pem, **fields)
        client = Eap.tls(carol(), root().pem, key_log=log, **fields)
    return Recorded(client, users, seed), KeyLog.load(log)


@cache
def mschapv2() -> Recorded:
    return Recorded(Eap.mschapv2("carol", PASSWORD), EapUsers.passwords({"carol": PASSWORD}))


def both(verified: bool | None, reason: str) -> Verdicts:
    return [("initiator", verified, reason), ("responder", verified, reason)]


# EAP-MSCHAPv2


def of_lab(**known: Any) -> Verdicts:
    path = shared("captures/lab") / "eap-mschapv2-vip"
    keys = KeyLog(secrets=least(path.with_suffix(".keys.json")).secrets, **known)
    (first, _) = follow(path.with_suffix(".pcap"), keys).follower.ike_sas
    assert first.auth[0].verified  # the gateway's, by its certificate
    return [(auth.role, auth.verified, auth.reason) for auth in first.auth[1:]]


def test_a_capture_of_strongswan_from_the_password() -> None:
    assert of_lab(passwords=PASSWORD) == both(True, "EAP-MSCHAPv2, password 1 of 1")
    assert of_lab(passwords=["another", PASSWORD]) == both(True, "EAP-MSCHAPv2, password 2 of 2")
    assert of_lab(passwords=["another", "Ar3ettnp"]) == both(None, NONE)
    assert of_lab() == both(None, "expected the password of EAP-MSCHAPv2 or its MSK, found neither")
    wrong = both(False, f"the known secret does not give this AUTH; {NONE}")
    assert of_lab(psk="a PSK", passwords=["another", b"\xff" * 600]) == wrong


def test_our_own_from_the_password() -> None:
    assert mschapv2().verdicts(passwords=PASSWORD) == both(True, "EAP-MSCHAPv2, password 1 of 1")
    assert mschapv2().verdicts(passwords="another")[0][1] is None


def test_without_the_response() -> None:
    said = "the challenge or the response of EAP-MSCHAPv2 is not in the capture"
    missing = [mschapv2().verdicts((at,), passwords=PASSWORD) for at in range(4, 8)]
    assert both(None, said) in missing
    assert all(
        verdict in (both(None, said), both(True, "EAP-MSCHAPv2, password 1 of 1")) or not verdict for verdict in missing
    )


def test_a_user_of_a_domain() -> None:
    """RFC 2759 section 4: the name counts "without any associated Windows NT domain name"."""
    user = "LAB\\carol"
    made = Recorded(Eap.mschapv2(user, PASSWORD, identity="carol"), EapUsers.passwords({user: PASSWORD}))
    assert made.verdicts(passwords=PASSWORD) == both(True, "EAP-MSCHAPv2, password 1 of 1")


def test_another_try_with_a_challenge_of_its_own() -> None:
    """RFC 2759 section 6: "C=" in a Failure is the challenge of the next try."""
    seen, made = collected([Mschapv2Peer("carol", PASSWORD)], [Mschapv2Server(ACCOUNTS)])
    assert seen.keys(KeyLog(passwords=PASSWORD))[0][0][0] == made
    challenge = "00112233445566778899aabbccddeeff"
    text = f"E=691 R=1 C={challenge} V=3 M=no".encode()
    packet = b"\x1a\x04\x01" + (4 + len(text)).to_bytes(2) + text
    seen.add(False, 90, b"\x01\x09" + (4 + len(packet)).to_bytes(2) + packet)
    assert seen._challenge.hex() == challenge


# EAP-TLS and EAP-TTLS


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("ttls", [False, True])
def test_from_the_tls_key_log(tmp_path: Path, version: str, ttls: bool) -> None:
    made, log = by_tls(tmp_path, version, ttls=ttls, fragment=300)
    name = "EAP-TTLS" if ttls else "EAP-TLS"
    assert (tmp_path / "tls.log").stat().st_mode & 0o777 == 0o600
    assert made.verdicts(tls=log.tls) == both(True, f"{name}, TLS key log")
    assert made.verdicts() == both(None, f"expected the TLS key log of {name} or its MSK, found neither")
    other = [replace(line, random=line.random[::-1]) for line in log.tls]
    assert made.verdicts(tls=other) == both(None, f"the TLS key log has no secret of this connection of {name}")
    wrong = [replace(line, secret=line.secret[::-1]) for line in log.tls]
    assert made.verdicts(tls=wrong) == both(False, "the known secret does not give this AUTH")


def test_a_capture_with_its_key_log_on_the_command_line(tmp_path: Path) -> None:
    made, log = by_tls(tmp_path, "1.3")
    made.recorder.save_capture(tmp_path / "run.pcapng")
    KeyLog(secrets=made.secrets).write(tmp_path / "run.keys.json")
    words = ["follow", str(tmp_path / "run.pcapng"), "--keys", str(tmp_path / "run.keys.json")]
    done = CliRunner().invoke(main, [*words, "--keys", str(tmp_path / "tls.log")])
    assert (done.exit_code, done.output.count("verified (EAP-TLS, TLS key log)")) == (0, 2), done.output
    assert not any(line.secret.hex() in done.output for line in log.tls)
    assert "expected the TLS key log of EAP-TLS" in CliRunner().invoke(main, words).output


PASSWORD_WANTED = "expected the password of EAP-MSCHAPv2 or its MSK, found neither"
LOG_WANTED = "expected the TLS key log of EAP-TLS or its MSK, found neither"


@pytest.mark.parametrize(
    ("method", "given", "reason", "give"),
    [
        ("mschapv2", "", PASSWORD_WANTED, "--eap-password-file, or --msk"),
        ("mschapv2", "--psk x", f"the known secret does not give this AUTH; {PASSWORD_WANTED}", "--eap-password-file"),
        (
            "mschapv2",
            "--eap-password x",
            "the known password does not give the response of EAP-MSCHAPv2",
            "another --eap-password-file, or --msk",
        ),
        ("tls", "", LOG_WANTED, "--keys with the TLS key log of either end (SSLKEYLOGFILE), or --msk"),
        ("aka", "", "expected the MSK of EAP-AKA, found none", "--msk"),
    ],
)  # fmt: skip
def test_why_auth_is_not_verified(tmp_path: Path, method: str, given: str, reason: str, give: str) -> None:
    """And what to give, in each command that says so."""
    usim = Subscriber("11" * 16, "22" * 16)
    client = Eap.aka("0carol", k="11" * 16, opc="22" * 16)
    makers: dict[str, Callable[[], Recorded]] = {
        "mschapv2": mschapv2,
        "tls": lambda: by_tls(tmp_path, "1.3")[0],
        "aka": lambda: Recorded(client, EapUsers.aka({"0carol": usim})),
    }
    made = makers[method]()
    made.recorder.save_capture(tmp_path / "run.pcapng")
    KeyLog(secrets=made.secrets).write(tmp_path / "run.keys.json")
    words = [str(tmp_path / "run.pcapng"), "--keys", str(tmp_path / "run.keys.json"), *given.split()]
    told = {
        command: CliRunner().invoke(main, [command, *words, *more]).output
        for command, *more in (("follow",), ("audit", "--json", "-"), ("capture",))
    }
    assert told["follow"].count(f"{reason}: give {give}") == 2
    assert f"{reason}: give {give}" in told["audit"]
    row = next(line for line in told["capture"].splitlines() if reason[:40] in line)
    assert give[:20] in row


def test_messages_that_were_sent_again(tmp_path: Path) -> None:
    made, log = by_tls(tmp_path, "1.3", fragment=100)
    made.datagrams = [datagram for datagram in made.datagrams for _ in range(2)]
    assert made.verdicts(tls=log.tls) == both(True, "EAP-TLS, TLS key log")


def test_the_secret_of_another_version(tmp_path: Path) -> None:
    made, log = by_tls(tmp_path, "1.3")
    line = replace(log.tls[0], label="CLIENT_RANDOM", secret=bytes(48))
    missing = "expected the EXPORTER_SECRET of this TLS 1.3 connection in the key log, found none"
    assert made.verdicts(tls=[line]) == both(None, missing)


def test_a_fragment_of_a_hello_is_missing(tmp_path: Path) -> None:
    made, log = by_tls(tmp_path, "1.2", fragment=50)
    found = [made.verdicts((at,), tls=log.tls) for at in range(6, 20)]
    missing = both(None, "the hellos of EAP-TLS are not whole in the capture")
    assert found.count(missing) > 2
    assert all(verdict in (missing, both(True, "EAP-TLS, TLS key log")) for verdict in found)


# Octets of any kind


def collected(
    ours: list[PeerMethod], theirs: list[ServerMethod], edit: Callable[[bytes], bytes] = bytes
) -> tuple[EapSeen, bytes]:
    """A conversation in memory as a capture has it, and its MSK."""
    seen, ids = EapSeen(), {True: 0, False: 0}

    def keep(initiator: bool) -> Callable[[bytes], bytes]:
        def take(octets: bytes) -> bytes:
            ids[initiator] += 1
            seen.add(initiator, ids[initiator], edit(octets))
            return octets

        return take

    talk = Talk(ours, theirs, down=keep(False), up=keep(True)).run()
    assert talk.peer.outcome is not None
    return seen, talk.peer.outcome.msk


KNOWN = KeyLog(passwords=PASSWORD, tls=[])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda code, kind, body: bytes([code, 1]) + (5 + len(body)).to_bytes(2) + bytes([kind]) + body,
        st.integers(1, 4), st.sampled_from([1, 4, 13, 21, 26, 254]), st.binary(max_size=80),
    ),
))))  # fmt: skip
def test_any_octets_as_eap(packets: list[tuple[bool, int, bytes]]) -> None:
    seen = EapSeen()
    for initiator, number, octets in packets:
        seen.add(initiator, number, octets)
    found, why = seen.keys(KNOWN)
    assert found == []
    assert bool(why) == (seen.method in (13, 21, 26))


@given(data=st.data())
def test_a_packet_that_was_changed_gives_no_other_key(data: st.DataObject) -> None:
    """A changed octet leaves the MSK as it was, or there is none."""
    count, at = 0, data.draw(st.integers(0, 8))

    def spoil(octets: bytes) -> bytes:
        nonlocal count
        count += 1
        if count - 1 != at:
            return octets
        place = data.draw(st.integers(0, len(octets) - 1))
        return octets[:place] + bytes([octets[place] ^ data.draw(st.integers(1, 255))]) + octets[place + 1 :]

    seen, msk = collected([Mschapv2Peer("carol", PASSWORD)], [Mschapv2Server(ACCOUNTS)], spoil)
    assert [key for key, _ in seen.keys(KNOWN)[0]] in ([], [msk])


def test_a_packet_whose_length_is_wrong_does_not_count() -> None:
    seen, _ = collected([Mschapv2Peer("carol", PASSWORD)], [Mschapv2Server(ACCOUNTS)], lambda octets: octets + b"\0")
    assert (seen.present, seen.method, seen.keys(KNOWN)) == (True, 0, ([], ""))


# AUTH with SK_p


def test_auth_without_the_key_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(EapAuthenticator, "_secret", lambda self, covered: covered.sk_p)
        patch.setattr(EapAuthenticator, "proofs", lambda self: Proofs(keyless_eap=True))
        made = Recorded(Eap.mschapv2("carol", PASSWORD), EapUsers.passwords({"carol": PASSWORD}))
    said = "it is made with SK_p, although the EAP method makes a key (RFC 7296 section 2.16)"
    assert made.verdicts(passwords=PASSWORD) == both(False, said)


def test_a_method_without_a_key() -> None:
    made = Recorded(Eap.md5("carol", PASSWORD), EapUsers.passwords({"carol": PASSWORD}, ["md5"]))
    assert made.verdicts() == both(True, "SK_p, as of an EAP method without a key")


# What the audit says of it


def eap_findings(facts: CaptureFacts) -> list[tuple[str, str, str]]:
    found = judge(facts, PROFILES["rfc"]).findings
    return sorted((each.rule, each.status.name, each.title) for each in found if each.rule.startswith("auth.eap"))


def test_the_audit_names_the_method_and_what_is_weak_about_it(tmp_path: Path) -> None:
    made = Recorded(Eap.md5("carol", PASSWORD), EapUsers.passwords({"carol": PASSWORD}, ["md5"]))
    made.recorder.save_capture(tmp_path / "eap.pcapng")
    with Capture(tmp_path / "eap.pcapng", KeyLog(secrets=made.secrets)) as capture:
        found = audit(capture)
    assert eap_findings(found.facts) == [
        ("auth.eap", "SEEN", "the initiator authenticates by EAP-MD5"),
        ("auth.eap.key", "WEAK", "EAP-MD5 makes no key"),
        (
            "auth.eap.responder",
            "WEAK",
            "beside EAP-MD5, the responder authenticates by Shared_Key_Message_Integrity_Code",
        ),
    ]


def test_the_audit_wants_methods_that_may_stand_alone() -> None:
    path = shared("captures/lab") / "eap-mschapv2-vip"
    with Capture(path.with_suffix(".pcap"), least(path.with_suffix(".keys.json"))) as capture:
        facts = audit(capture).facts
    seen = ("auth.eap", "SEEN", "the initiator authenticates by EAP-MSCHAPv2")
    assert eap_findings(facts) == [seen]
    (conversation,) = facts.conversations
    only = NotifyFacts(3, "initiator", NotifyType.EAP_ONLY_AUTHENTICATION, "IKE_AUTH", b"")
    after = tuple(auth for auth in conversation.auths if auth.number > conversation.eap[0])
    assert len(after) == 2
    alone = replace(conversation, auths=after, notifies=(*conversation.notifies, only))
    weak = ("auth.eap.alone", "FORBIDDEN", "EAP-MSCHAPv2 alone authenticates the responder")
    assert eap_findings(replace(facts, conversations=(alone,))) == [seen, weak]
    assert len(eap_findings(replace(facts, conversations=(replace(alone, eap_type=13),)))) == 1
    assert eap_findings(replace(facts, conversations=(replace(conversation, eap_type=0),))) == []


# Several authentications


@cache
def in_rounds() -> Recorded:
    """A pre-shared key, EAP-MSCHAPv2 and EAP-MD5, one after the other (RFC 4739)."""
    dave = EapUsers.passwords({"dave": "another"}, ["md5"])
    return Recorded(
        Rounds("gw's key", Eap.mschapv2("carol", PASSWORD), Eap.md5("dave", "another")),
        Rounds("gw's key", EapUsers.passwords({"carol": PASSWORD}), dave),
    )


def test_each_round_is_verified_over_the_latest_identities() -> None:
    made = in_rounds()
    follower = Follower(KeyLog(secrets=made.secrets, psk="gw's key", passwords=PASSWORD))
    for number, datagram in enumerate(made.datagrams):
        follower.ike(datagram.data, number, None, *datagram.local, *datagram.remote)
    (sa,) = follower.ike_sas
    assert [(auth.role, auth.identity, auth.verified) for auth in sa.auth] == [
        ("initiator", "fynx", True), ("responder", "gw", True), ("initiator", "carol", True), ("responder", "gw", True),
        ("initiator", "dave", True), ("responder", "gw", True),
    ]  # fmt: skip
    assert [auth.reason.partition(",")[0] for auth in sa.auth if auth.role == "initiator"] == [
        "PSK 1 of 1", "EAP-MSCHAPv2", "SK_p",
    ]  # fmt: skip


def test_the_audit_names_rounds_and_what_was_not_announced(tmp_path: Path) -> None:
    made = in_rounds()
    made.recorder.save_capture(tmp_path / "eap.pcapng")
    with Capture(tmp_path / "eap.pcapng", KeyLog(secrets=made.secrets)) as capture:
        facts = audit(capture).facts

    def rounds(facts: CaptureFacts) -> list[tuple[str, str]]:
        found = judge(facts, PROFILES["rfc"]).findings
        return [(each.rule, each.title) for each in found if each.rule.startswith("auth.rounds")]

    seen = ("auth.rounds", "the initiator authenticates 3 times")
    assert rounds(facts) == [seen]
    (one,) = facts.conversations
    silent = tuple(each for each in one.notifies if each.kind != NotifyType.MULTIPLE_AUTH_SUPPORTED)
    said = ("auth.rounds.unannounced", "the initiator authenticates 3 times, but not both ends support it")
    assert sorted(rounds(replace(facts, conversations=(replace(one, notifies=silent),)))) == [seen, said]
