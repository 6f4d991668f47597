# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH by a pre-shared key: made and verified by one code, in the engine and in captures (RFC 7296 section 2.15)."""

from __future__ import annotations

import hmac
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fynx_scapy import Session
from fynx_scapy.crypto import signatures
from fynx_scapy.crypto.keymat import derive_sk, skeyseed
from fynx_scapy.crypto.prf import prf
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.iana import AuthMethod, ExchangeType, IdType, NotifyType, Prf, name_of
from fynx_scapy.ike.auth import methods
from fynx_scapy.ike.auth.authenticator import authenticator
from fynx_scapy.ike.auth.methods import Covered, Proofs, verify
from fynx_scapy.ike.auth.psk import PskAuthenticator
from fynx_scapy.ike.config import Psk
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.ike.message import Datagram, Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr
from fynx_scapy.net.recorder import Recorder
from tests.capture.following import follow
from tests.crypto.test_keymat import AES_128, SHA1, SHA1_96, hexed, load, payloads
from tests.examples import examples
from tests.ike.pair import Pair, alice, bob
from tests.test_imports import python

SHARED_KEY = AuthMethod.Shared_Key_Message_Integrity_Code
SECRET = "correct horse battery"
BOTH = pytest.mark.parametrize("role", ["initiator", "responder"])


def recorded() -> Iterator[tuple[Covered, bytes, bytes]]:
    """What the AUTH payloads of a recorded handshake cover, initiator first, with their bodies and the PSK."""
    record = load("ikev2_psk_handshake_complete")
    messages = [hexed(message["hex"]) for message in record["messages"]]
    keys = {name: hexed(value) for name, value in record["derived"].items()}
    nonces = [payloads(message[16], message[28:])[40] for message in messages[:2]]
    for at, end, kind in ((0, "i", 35), (1, "r", 36)):
        protector = Protector(AES_128, SHA1_96, keys[f"SK_e{end}"], keys[f"SK_a{end}"])
        sealed = messages[2 + at]
        inside = payloads(sealed[28], protector.unpad(protector.open(sealed[:32], sealed[32:])))
        covered = Covered(SHA1, messages[at], nonces[1 - at], keys[f"SK_p{end}"], inside[kind])
        yield covered, inside[39], hexed(record["psk"])


@BOTH
@pytest.mark.requirements("7296-2.15-i05")
def test_a_recorded_auth_is_made_and_verified(role: str) -> None:
    covered, body, psk = list(recorded())[role == "responder"]
    assert body[0] == SHARED_KEY
    assert covered.shared_key(psk) == body[4:]
    proofs = Proofs(secrets=((b"another", "one"), (psk, "two")))
    assert verify(body[0], body[4:], covered, proofs) == "two"


def test_a_published_auth_value() -> None:
    _, record = load("ikev2_and_esp_vectors")["ikev2_sha1_aes128"]
    ni, nr, spi_i, spi_r, g_ir = (hexed(record[name]) for name in ("Ni", "Nr", "SPIi", "SPIr", "g_ir"))
    keys = derive_sk(SHA1, AES_128, SHA1_96, skeyseed(SHA1, ni, nr, g_ir), ni, nr, spi_i, spi_r)
    covered = Covered(SHA1, hexed(record["RealMessage1"]), nr, keys.sk_pi, hexed(record["IDi_body"]))
    assert covered.octets.hex() == record["expected"]["getOctets"]
    assert covered.shared_key(hexed(record["psk"])).hex() == record["expected"]["computeAUTH"]


COVERED = Covered(prf(Prf.PRF_HMAC_SHA2_256), b"first message", b"nonce", b"key of SK_p", b"\2\0\0\0alice", b"behind")


@pytest.mark.parametrize("part", ["message", "nonce", "sk_p", "identity", "behind"])
@pytest.mark.requirements("7296-2.15-i02", negative=True)
def test_auth_covers_every_part(part: str) -> None:
    proofs = Proofs(secrets=((b"secret", "it"),))
    made = COVERED.shared_key(b"secret")
    assert verify(SHARED_KEY, made, COVERED, proofs) == "it"
    changed = replace(COVERED, **{part: getattr(COVERED, part)[:-1] + b"?"})
    with pytest.raises(AuthenticationError, match="the known secret does not"):
        verify(SHARED_KEY, made, changed, proofs)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_auth_of_another_length_does_not_verify(size: int) -> None:
    data = (COVERED.shared_key(b"secret") * 2)[:size]
    with pytest.raises(AuthenticationError):
        verify(SHARED_KEY, data, COVERED, Proofs(secrets=((b"secret", "it"),)))


def test_what_cannot_be_verified_is_not_called_wrong() -> None:
    with pytest.raises(ConfigError, match="the authentication method UNKNOWN-200 is not supported"):
        verify(200, b"data", COVERED, Proofs(secrets=((b"secret", "it"),)))
    with pytest.raises(ConfigError, match="expected a PSK or an EAP MSK"):
        verify(SHARED_KEY, b"data", COVERED, Proofs())
    with pytest.raises(ConfigError, match="the capture has no certificate"):
        verify(AuthMethod.Digital_Signature, b"data", COVERED, Proofs(secrets=((b"secret", "it"),)))


def test_sk_p_is_the_secret_of_null_and_of_eap_without_a_key() -> None:
    """RFC 7619 section 2.1, RFC 7296 section 2.16."""
    made = COVERED.shared_key(COVERED.sk_p)
    assert "nobody" in verify(AuthMethod.NULL_Authentication, made, COVERED, Proofs())
    assert "EAP" in verify(SHARED_KEY, made, COVERED, Proofs(keyless_eap=True))
    with pytest.raises(ConfigError):
        verify(SHARED_KEY, made, COVERED, Proofs())
    with pytest.raises(AuthenticationError):
        verify(AuthMethod.NULL_Authentication, COVERED.shared_key(b"secret"), COVERED, Proofs())


def test_every_method_that_is_verified_stands_in_one_table() -> None:
    known = {SHARED_KEY, AuthMethod.NULL_Authentication, AuthMethod.Digital_Signature, *signatures.METHODS}
    ours = {number for number, how in methods._VERIFIERS.items() if how.__module__.startswith("fynx_scapy.")}
    assert ours == known


def test_comparisons_take_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    pair = Pair()
    assert pair.connect().established
    loads = [bytes(event.payloads[at].load) for event in authenticating(pair) for at in [place_of_auth(event)]]
    assert [other for _, other in compared if other in loads] == loads


def authenticating(pair: Pair) -> list[MessageReceived]:
    """The messages that hold AUTH, as they were received: the request, then the answer."""
    events = pair.of("bob", MessageReceived) + pair.of("alice", MessageReceived)
    return [event for event in events if any(type(payload) is IKEv2_AUTH for payload in event.payloads)]


def place_of_auth(event: MessageReceived) -> int:
    return [type(payload) for payload in event.payloads].index(IKEv2_AUTH)


# What fails, at either end


def is_auth(message: Outgoing) -> bool:
    return message.header.exch_type == ExchangeType.IKE_AUTH


def short(message: Outgoing) -> None:
    message.one(IKEv2_AUTH).load = b"short"


def empty(message: Outgoing) -> None:
    message.one(IKEv2_AUTH).load = b""


def signed(message: Outgoing) -> None:
    message.one(IKEv2_AUTH).auth_type = int(AuthMethod.RSA_Digital_Signature)


def unheard_of(message: Outgoing) -> None:
    message.one(IKEv2_AUTH).auth_type = 200


def signed_by_another(message: Outgoing) -> None:
    message.one(IKEv2_AUTH).load = bytes(32)


def flagged(place: int) -> Any:
    """A reserved bit of one datagram is changed on its way: it is signed as it was sent."""
    count = iter(range(100))

    def intercept(now: float, datagram: Datagram) -> list[Datagram] | None:
        octets = datagram.data
        changed = octets[:19] + bytes([octets[19] | 0x40]) + octets[20:]
        return [replace(datagram, data=changed)] if next(count) == place else None

    return intercept


def renamed(message: Outgoing, octets: bytes) -> bytes:
    """The identity is changed behind AUTH's back."""
    return octets.replace(b"alice", b"alina").replace(b"bob", b"bot")


FAULTS = {
    "wrong secret": (None, None, "does not verify"),
    "short AUTH": ("payloads", short, "does not verify"),
    "empty AUTH": ("payloads", empty, "does not verify"),
    "wrong method": ("payloads", signed, f"by pre-shared key, found {name_of(AuthMethod, 1)}"),
    "unknown method": ("payloads", unheard_of, "by pre-shared key, found UNKNOWN-200"),
    "changed ID": ("plaintext", renamed, "does not verify"),
    "changed first message": (None, None, "does not verify"),
}


@BOTH
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.requirements("7296-1.2-02", "7296-2.15-i02", negative=True)
def test_each_fault_fails_with_a_clear_error_and_shows_no_secret(role: str, fault: str) -> None:
    """``role`` is who is not believed. Bob takes anybody, and so does Alice, so that AUTH alone decides."""
    stage, change, reason = FAULTS[fault]
    liar, judge = ("alice", "bob") if role == "initiator" else ("bob", "alice")
    ours = alice(auth=Psk(SECRET), remote_id=None)
    pair = Pair(bob(auth=Psk(SECRET), remote_id=None))
    if stage is not None:
        getattr(pair, liar).taps.add(stage, change, when=is_auth)
    elif fault == "changed first message":
        pair.network.intercept(flagged(0 if role == "initiator" else 1))
    elif role == "initiator":
        ours = ours.replace(auth=Psk(SECRET + "!"))
    else:
        # Bob verifies Alice by the right key, and signs by another one.
        pair.bob.taps.add("payloads", signed_by_another, when=is_auth)
    sa = pair.connect(ours)

    assert not sa.established
    (failed,) = pair.of(judge, IkeSaFailed)
    assert reason in failed.reason
    if "does not verify" in reason:
        name = {"alice": "alina", "bob": "bot"}[liar] if fault == "changed ID" else liar
        assert failed.reason == f"the AUTH payload of {name} does not verify"
    assert not pair.of(judge, IkeSaEstablished)
    # The other end is told, in an answer or in a request of its own (sections 2.21.2 and 2.21.3).
    told = pair.of(liar, MessageReceived)[-1]
    assert [payload.type for payload in told.payloads[:1]] == [NotifyType.AUTHENTICATION_FAILED]
    shown = " ".join(map(repr, pair.network.events)) + repr(sa) + repr(sa.config)
    for form in (SECRET, SECRET.encode().hex(), repr(SECRET.encode())):
        assert form not in shown


def test_the_error_and_its_cause_show_no_secret() -> None:
    pair = Pair(bob(auth=Psk(SECRET)))
    sa = pair.connect(alice(auth=Psk(SECRET)))
    verifier = authenticator(sa)
    assert type(verifier) is PskAuthenticator
    (_, answer) = authenticating(pair)
    received = Message(None, None, list(answer.payloads), b"", b"", None, None)  # type: ignore[arg-type]
    sent = pair.of("alice", MessageSent)[1]
    verifier.remember(Outgoing(list(sent.payloads)), ours=True)
    verifier.verify(received)
    received.one(IKEv2_AUTH).load = bytes(32)
    with pytest.raises(AuthenticationError) as caught:
        verifier.verify(received)
    shown = [
        "".join(traceback.format_exception(caught.value)), repr(verifier), repr(verifier.proofs()),
        repr(verifier.covered(ours=True)), repr(verifier.covered(ours=False)), repr(verifier.credential),
    ]  # fmt: skip
    for secret in (SECRET.encode(), sa.keys.sk_pi, sa.keys.sk_pr):
        for form in (secret.hex(), repr(secret), secret.decode("latin-1")):
            assert form not in " ".join(shown)


def test_a_credential_that_no_authenticator_takes_is_named() -> None:
    class Unheard(Credential):
        pass

    pair = Pair()
    sa = pair.connect(alice(auth=Unheard()))
    assert not sa.established
    (failed,) = pair.of("alice", IkeSaFailed)
    assert failed.reason == "expected a credential with a registered authenticator, found Unheard"


# The engine and the follower of a capture


IDENTITIES = st.one_of(
    st.builds(Identity, st.just(IdType.ID_KEY_ID), st.binary(min_size=1, max_size=40)),
    st.from_regex(r"[a-z]{1,10}(\.[a-z]{1,10})?", fullmatch=True).map(Identity.of),
)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    psk=st.binary(min_size=1, max_size=100),
    other=st.binary(min_size=1, max_size=100),
    ids=st.tuples(IDENTITIES, IDENTITIES),
    suite=st.sampled_from(["aes128-sha1-modp1024", "aes128gcm16-prfsha384-x25519", "aes128-sha512-prfaesxcbc-x25519"]),
)
def test_what_the_engine_makes_verifies_in_its_capture(
    tmp_path: Path, psk: bytes, other: bytes, ids: tuple[Identity, Identity], suite: str
) -> None:
    session = Session(psk=psk, local_id=ids[0], remote_id=ids[1], proposals=suite, seed=1)
    recorder = Recorder()
    recorder.watch(session.network, "own")
    session.sa_init()
    session.auth()
    path = tmp_path / "own.pcapng"
    recorder.save_capture(path)
    secrets = recorder.keys().secrets
    assert follow(path, KeyLog(secrets=secrets, psk=[psk])).auth == [("initiator", True), ("responder", True)]
    padded = {key.ljust(256, b"\0") for key in (psk, other)}  # HMAC takes no notice of zeros behind a key
    if len(padded) == 2:
        assert follow(path, KeyLog(secrets=secrets, psk=[other])).auth == [("initiator", False), ("responder", False)]


@BOTH
@settings(max_examples=examples(8), deadline=None)
@given(psk=st.binary(min_size=1, max_size=100))
def test_what_is_made_from_the_octets_of_a_capture_verifies_in_the_engine(role: str, psk: bytes) -> None:
    """The end in ``role`` has another key; its AUTH is made from the datagrams and the keys of both, and the PSK."""
    liar = "alice" if role == "initiator" else "bob"
    pair = Pair(bob(auth=Psk(psk)))

    sent: list[bytes] = []
    pair.network.observe(lambda now, datagram, fate: sent.append(datagram.data))

    def make(message: Outgoing) -> None:
        (sa,) = getattr(pair, liar).sas.values()
        first, second, function = *sent[:2], prf(sa.suite.prf.id)
        ni, nr = (payloads(octets[16], octets[28:])[40] for octets in (first, second))
        own = message.one(IKEv2_IDi if role == "initiator" else IKEv2_IDr).octets()[4:]
        message.one(IKEv2_AUTH).load = (
            Covered(function, first, nr, sa.keys.sk_pi, own)
            if role == "initiator"
            else Covered(function, second, ni, sa.keys.sk_pr, own)
        ).shared_key(psk)

    getattr(pair, liar).taps.add("payloads", make, when=is_auth)
    key = Psk(psk + b"!") if role == "initiator" else Psk(psk)
    assert pair.connect(alice(auth=key)).established == (role == "responder")
    assert bool(pair.of("bob", IkeSaEstablished))


# One implementation


def test_auth_in_octets_needs_no_scapy() -> None:
    """Nor does the follower of a capture, which verifies by it."""
    done = python("import sys; sys.modules['scapy'] = None; import fynx_scapy.ike.auth.methods")
    assert (done.returncode, done.stderr) == (0, "")
