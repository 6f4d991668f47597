# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person may do wrong at the prompt: the step says so, and the IKE SA stays usable at both ends."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP
from scapy.packet import Raw

from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.errors import ConfigError, FynxError, LocalError, Timeout, UnexpectedError
from fynx_scapy.exchanges import Exchange, Message, Steps
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import InternalError, MessageReceived, MessageSent
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_Payload, IKEv2_VendorID
from fynx_scapy.net import guard
from fynx_scapy.session import Session

STAGES = ("payloads", "plaintext", "wire", "datagrams")


@pytest.fixture
def s() -> Session:
    session = Session(psk="secret", seed=1)
    session.connect()
    return session


@pytest.fixture
def not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "fatal", False)


def usable(session: Session) -> None:
    """Both ends still begin exchanges, and nothing is in flight."""
    assert not session.sa.requests.pending
    session.liveness()
    session.peer_sa.liveness()
    session.network.run()
    assert not session.peer_sa.requests.pending
    session.ping()


# Payloads


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("text", "found 'text'"),
        (5, "found 5"),
        (None, "found None"),
        ([IKEv2_Notify()], "found a list"),
        (IKEv2_Notify, r"the class IKEv2_Notify: write IKEv2_Notify\(\)"),
        (IP(), "the layer IP"),
    ],
)
def test_what_is_no_payload_is_named_and_nothing_is_sent(s: Session, given: Any, found: str) -> None:
    number = s.sa.requests.next_id
    for name in ("INFORMATIONAL", "IKE_AUTH"):
        with pytest.raises(LocalError, match=f"expected a payload such as .*{found}"):
            s.request(name, given)
    with pytest.raises(LocalError, match=found):
        s.sa.inform(given)
    assert s.sa.requests.next_id == number
    usable(s)


@pytest.mark.parametrize("octets", [b"abc", bytearray(b"abc"), memoryview(b"abc"), Raw(b"abc")])
def test_octets_are_a_payload_that_the_peer_ignores(s: Session, octets: Any) -> None:
    assert not s.request("INFORMATIONAL", octets).payload.payload
    sent = [event for who, event in s.events if who == "initiator" and isinstance(event, MessageSent)][-1]
    (payload,) = sent.payloads
    assert (type(payload), payload.payload_type, payload.load) == (IKEv2_Payload, 128, b"abc")
    usable(s)


def test_a_payload_that_cannot_be_built_takes_no_message_id(s: Session) -> None:
    number = s.sa.requests.next_id
    with pytest.raises(ConfigError, match="cannot be sent"):
        s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=bytes(70_000)))
    assert s.sa.requests.next_id == number
    usable(s)


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda s: s.request("NONSENSE"), "NONSENSE"),
        (lambda s: s.request(None), "exchange to be a whole number from 0 to 255, found None"),
        (lambda s: s.request(500), "exchange to be a whole number from 0 to 255, found 500"),
        (lambda s: s.request("INFORMATIONAL", encrypted=1), "encrypted to be True or False"),
        (lambda s: s.request("INFORMATIONAL", timeout="5"), r"Session.request\(\).timeout to be a number of seconds"),
        (lambda s: s.rekey_child(5), "child to be a ChildSa"),
        (lambda s: s.delete("x"), "child to be a ChildSa"),
        (lambda s: s.create_child({"mode": "tunnel"}), "config to be a ChildConfig"),
        (lambda s: s.create_child(packet=7), "packet to be a packet or octets"),
        (lambda s: s.send("x"), "packet to be a packet or octets"),
        (lambda s: s.ping(5), "destination"),
        (lambda s: s.ping(size=-1), "size to be a whole number of octets"),
        (lambda s: s.ping(timeout=-1), "timeout"),
        (lambda s: s.wait("x"), "expected an event class or a function"),
        (lambda s: s.wait(int), "expected an event class such as"),
        (lambda s: s.accept(timeout="x"), "timeout"),
        (lambda s: s.tap("wire", 5), "expected tap to be a function, found 5"),
        (lambda s: s.tap("air", print), "expected one of the tap stages"),
        (lambda s: s.save(5), "expected the name of a file, found 5"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(s: Session, step: Callable[[Session], object], words: str) -> None:
    with pytest.raises(LocalError, match=words):
        step(s)
    usable(s)


# Taps


def raising(times: int, error: type[Exception] = ValueError) -> Callable[..., None]:
    left = [error("the tap's own fault")] * times

    def tap(*_: object) -> None:
        if left:
            raise left.pop()

    return tap


@pytest.mark.sample(3)
@pytest.mark.parametrize("error", [ValueError, LocalError])
@pytest.mark.parametrize("step", ["liveness", "rekey_child", "rekey_ike"])
@pytest.mark.parametrize("end", ["client", "peer"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_tap_that_raises_leaves_the_sa_usable(
    s: Session, stage: str, end: str, step: str, error: type[Exception]
) -> None:
    number = s.sa.requests.next_id
    getattr(s, end).taps.add(stage, raising(1, error))
    with pytest.raises(error, match="the tap's own fault"):
        getattr(s, step)()
    if end == "client":
        assert s.sa.requests.next_id == number, "nothing was sent"
    usable(s)
    getattr(s, step)()
    usable(s)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("end", ["client", "peer"])
def test_a_handshake_goes_on_after_a_tap_that_raised(stage: str, end: str) -> None:
    s = Session(psk="secret", seed=1)
    s.sa_init()
    getattr(s, end).taps.add(stage, raising(1))
    with pytest.raises(ValueError, match="own fault"):
        s.auth()
    if end == "client":
        s.auth()
    assert s.sa.established
    usable(s)


def test_a_tap_that_always_raises_does_not_keep_a_request_in_flight(s: Session) -> None:
    s.peer.taps.add("datagrams", raising(10**6))
    with pytest.raises(ValueError, match="own fault"):
        s.liveness()
    s.peer.taps.clear()
    usable(s)


def test_a_tap_that_raises_at_a_retransmission_does_not_end_them(s: Session) -> None:
    attempts = []

    def tap(message: object, datagrams: list[Any], attempt: int) -> list[Any]:
        attempts.append(attempt)
        if attempt == 1:
            raise ValueError("at the first retransmission")
        return datagrams if attempt == 2 else []

    s.tap("datagrams", tap)
    with pytest.raises(ValueError, match="first retransmission"):
        s.liveness()
    assert attempts == [0, 1, 2]
    s.client.taps.clear()
    usable(s)


@pytest.mark.parametrize("stage", ["plaintext", "wire", "datagrams"])
@pytest.mark.parametrize("end", ["client", "peer"])
def test_a_tap_that_returns_no_octets_is_told(s: Session, stage: str, end: str) -> None:
    remove = getattr(s, end).taps.add(stage, lambda *_: 5)
    with pytest.raises(ConfigError, match=f"tap of {stage}.*found 5"):
        s.liveness()
    remove()
    usable(s)


@pytest.mark.parametrize("stage", ["parts", "wire", "datagrams"])
def test_a_tap_of_esp_that_raises_leaves_the_child_sa_usable(s: Session, stage: str) -> None:
    for end in (s.client, s.peer):
        end.taps.add(stage, raising(1))
        with pytest.raises(ValueError, match="own fault"):
            s.ping()
        usable(s)


# Faults of an exchange


class Faulty(Exchange):
    """Raises in one of its steps."""

    exchange_type = 241

    def __init__(self, sa: Any, where: str = "") -> None:
        super().__init__(sa)
        self.where = where

    def _at(self, where: str) -> None:
        if self.where == where:
            raise ZeroDivisionError(where)

    def initiate(self) -> Steps:
        self._at("before")
        yield self.request(IKEv2_VendorID(vendorID=self.where.encode()))
        self._at("after")

    def respond(self, request: Message) -> Steps:
        self.where = bytes(request.one(IKEv2_VendorID).vendorID).decode()
        self._at("responder")
        yield self.response()
        self._at("responder after")


@pytest.mark.parametrize("where", ["before", "after", "responder", "responder after"])
def test_a_fault_in_a_step_does_not_wedge_the_sa(not_fatal: None, where: str) -> None:
    registry, theirs = Registry(Faulty), Registry(Faulty)
    s = Session(psk="secret", seed=1, registry=registry, peer={"registry": theirs})
    s.connect()
    faulty = Faulty(s.sa, where)
    if where == "before":
        with pytest.raises(ZeroDivisionError):
            s.sa.start(faulty)
    else:
        s.sa.start(faulty)
        s.network.run()
    assert faulty.done
    assert isinstance(faulty.error, UnexpectedError) == (where in ("before", "after"))
    assert sum(isinstance(event, InternalError) for _, event in s.events) == (where != "before")
    assert s.network.now < 1, "nobody waits for a lost answer"
    usable(s)


# Timeouts


STEPS: dict[str, Callable[..., object]] = {
    "sa_init": lambda s, **how: s.sa_init(**how),
    "connect": lambda s, **how: s.connect(**how),
    "liveness": lambda s, **how: s.liveness(**how),
    "request": lambda s, **how: s.request("INFORMATIONAL", **how),
    "rekey_child": lambda s, **how: s.rekey_child(**how),
    "rekey_ike": lambda s, **how: s.rekey_ike(**how),
    "create_child": lambda s, **how: s.create_child(**how),
    "delete": lambda s, **how: s.delete(**how),
    "ping": lambda s, **how: s.ping(**how),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_timeout_says_how_long_an_answer_is_waited_for(name: str) -> None:
    s = Session(psk="secret", seed=1)
    if name not in ("sa_init", "connect"):
        s.connect()
    began, s.network.wire.loss = s.network.now, 1.0
    if name == "request":
        assert STEPS[name](s, timeout=3) is None
    else:
        with pytest.raises(Timeout, match=r"within 3 s|came back within 3 s"):
            STEPS[name](s, timeout=3)
    assert s.network.now - began <= 3
    s.network.wire.loss = 0.0
    s.network.run()
    if name not in ("sa_init", "connect", "delete"):
        usable(s)


@pytest.mark.parametrize("name", STEPS)
def test_no_timeout_is_no_fault(name: str) -> None:
    s = Session(psk="secret", seed=1)
    if name not in ("sa_init", "connect"):
        s.connect()
    STEPS[name](s, timeout=None)


def test_a_request_without_a_timeout_that_nobody_answers_is_a_failure() -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    s.network.wire.loss = 1.0
    with pytest.raises(Timeout, match="no answer from 192"):
        s.request("INFORMATIONAL")


def test_a_request_is_sent_again_until_its_timeout() -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    s.network.wire.loss = 1.0
    with pytest.raises(Timeout):
        s.liveness(timeout=1000)
    assert 1000 <= s.network.now <= 1001
    assert s.sa.established, "the retransmission schedule alone would have given up after 163 s"


# After its end


def test_a_step_after_close_says_so(s: Session) -> None:
    s.close()
    assert s.closed
    for step in (s.sa_init, s.auth, s.liveness, s.ping, s.rekey_ike, s.delete, s.attend, lambda: s.wait(lambda: True)):
        with pytest.raises(LocalError, match="this session is closed"):
            step()
    assert s.events


def test_a_with_block_closes_it() -> None:
    with Session(seed=1) as s:
        s.connect()
    with pytest.raises(LocalError, match="closed"):
        s.liveness()


# What is shown


def test_a_repr_is_one_line_with_addresses(s: Session) -> None:
    assert repr(s.child).startswith("<ChildSa 'net' 192.0.2.1 > 192.0.2.2, tunnel 10.1.0.0/24 === 10.2.0.0/24, in ")
    assert repr(s.sa).startswith("<IkeSa 192.0.2.1:500 > 192.0.2.2:500, ")
    assert repr(s).startswith("<Session 192.0.2.1 > 192.0.2.2:500 (embedded), <IkeSa ")
    assert repr(Session(seed=1)) == "<Session 192.0.2.1 > 192.0.2.2:500 (embedded), nothing sent yet>"
    assert repr(s.client) == "<Endpoint 192.0.2.1, ports 500 and 4500, 1 IKE SA>"
    s.rekey_child()
    for shown in (s, s.sa, s.child, s.peer, LocalError("two\nlines")):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 250
        assert s.sa.keys.sk_d.hex() not in repr(shown)
    s.network.wire.loss = 1.0
    with pytest.raises(Timeout, match=r"no answer from 192\.0\.2\.2:500 to message"):
        s.liveness()


def test_the_sas_look_as_with_swanctl(s: Session) -> None:
    s.ping()
    ours, theirs = s.sas()
    assert (ours.end, theirs.end, ours.state, ours.remote_id) == ("initiator", "responder", "established", "bob")
    assert ours.children[0].inbound.packets == theirs.children[0].outbound.packets == 1
    text = str(s.sas())
    assert text == repr(s.sas())
    assert f"initiator: ESTABLISHED, IKEv2, {s.sa.spi_i.hex()}_i* {s.sa.spi_r.hex()}_r" in text
    for words in ("local  'alice' @ 192.0.2.1[500]", "INSTALLED, TUNNEL, ESP:aes128gcm16", "1 packet\n"):
        assert words in text
    s.network.run(s.network.now + 5)
    assert "established 5s ago" in str(s.sas())
    s.delete()
    assert str(s.sas()) == "no IKE SAs"


# Saved afterwards


def test_a_session_is_saved_after_the_fact(s: Session, tmp_path: Path) -> None:
    s.ping()
    s.rekey_ike()
    saved = s.save(tmp_path / "run.pcapng", psk=True)
    assert str(saved) == f"{saved.packets} packets in {tmp_path}/run.pcapng, keys in {tmp_path}/run.keys"
    for file in (saved.capture, *saved.keys.iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Capture(saved.capture) as capture:
        assert all(message.payloads and not message.closed for message in capture.follow())
        assert not capture.icvs["closed"] + capture.icvs["bad"]
    assert KeyLog.beside(saved.capture).psk == [b"secret"]
    assert KeyLog.beside(s.save(tmp_path / "other.pcapng").capture).psk == []


def test_what_the_history_lost_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fynx_scapy.net.hosts.CARRIED", 8)
    s = Session(seed=1)
    s.connect()
    for _ in range(10):
        s.liveness()
    saved = s.save(tmp_path / "run.pcapng")
    assert "earlier packets" in str(saved)
    assert saved.packets <= 8


def test_a_file_that_cannot_be_written_is_one_clear_error(s: Session, tmp_path: Path) -> None:
    for name in ("/proc/nowhere/run.pcapng", tmp_path, tmp_path / "run.pcapng.gz", ""):
        with pytest.raises(FynxError, match=r"expected .*name|cannot write"):
            s.save(name)


def test_no_configuration_holds_a_key_in_its_repr(s: Session) -> None:
    assert "secret" not in repr(IkeConfig(auth="secret")) + repr(s.save)


def test_a_step_on_a_closed_ike_sa_says_why_it_is_closed() -> None:
    s = Session(psk="ours", peer={"auth": "theirs"}, seed=1)
    s.connect()
    with pytest.raises(LocalError, match=r"closed>: IKE_AUTH was answered with AUTHENTICATION_FAILED$"):
        s.liveness()


@pytest.mark.parametrize("suite", ["des", "aes128", "aes128ctr"])
def test_esp_without_integrity_is_refused_and_the_ike_sa_stays(suite: str) -> None:
    s = Session(psk="x", esp_proposals=suite, seed=1)
    assert "N(NO_PROPOSAL_CHOSEN)" in s.connect().summary()
    assert s.sa.established


def test_the_header_of_a_received_message_is_the_header_alone() -> None:
    s = Session(psk="x", seed=1)
    s.connect()
    received = [event for _, event in s.events if isinstance(event, MessageReceived)]
    assert received
    assert [event for event in received if "Malformed" in repr(event)] == []


def test_an_endpoint_takes_one_configuration_without_a_list() -> None:
    assert Endpoint("192.0.2.1", IkeConfig(auth="x")).configs == [IkeConfig(auth="x")]


def test_a_capture_does_not_take_the_key_folder_of_another(tmp_path: Path) -> None:
    s = Session(psk="x", seed=1)
    s.connect()
    s.save(tmp_path / "a.pcapng", psk=True)
    (tmp_path / "a.pcapng").rename(tmp_path / "a.pcap")
    with pytest.raises(ConfigError, match=r"a\.keys has the keys of a\.pcap: give a\.pcapng another name"):
        s.save(tmp_path / "a.pcapng")
    with pytest.raises(ConfigError, match=r"expected a name such as a\.pcapng, found a\.txt"):
        s.save(tmp_path / "a.txt")
    assert KeyLog.beside(tmp_path / "a.pcap").psk == [b"x"]
