# SPDX-License-Identifier: GPL-2.0-or-later
"""Methods that a caller speaks: EAP-5G (3GPP TS 24.502 section 9.3.2), and a TLS tester behind the server."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.layers.eap import EAP, EAP_TLS

from fynx_scapy.eap.method import Run
from fynx_scapy.eap.passthrough import Passed, PassthroughPeer, PassthroughServer
from fynx_scapy.eap.tls import TlsPeer, TlsServer
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.layers.ikev2.eap import EAP_Expanded
from tests.eap.talking import Talk, tls

KEY = bytes(range(32))


def message(number: int, data: bytes = b"") -> EAP_Expanded:
    """A message of EAP-5G."""
    return EAP_Expanded(vendor=10415, vendor_type=3, data=bytes([number, 0]) + data)


def client(identity: bytes) -> Any:
    """What a UE answers: what it heard, and its NAS message; the key is the one of N3IWF."""

    def answer(request: EAP) -> EAP | Passed:
        heard = bytes(request.data)
        if heard == b"\1\0":
            return message(2, b"registration request of " + identity)
        return Passed(message(2, b"security mode complete"), msk=KEY)

    return answer


def network(heard: list[bytes]) -> Any:
    """What an N3IWF says."""

    def begin(identity: bytes) -> Any:
        def answer(response: EAP | None) -> EAP | Passed:
            if response is None:
                return message(1)
            heard.append(bytes(response.data)[2:])
            return message(2, b"security mode command") if len(heard) == 1 else Passed(msk=KEY, identity=b"imsi")

        return answer

    return begin


def test_eap_5g() -> None:
    heard: list[bytes] = []
    made = Talk([PassthroughPeer(client)], [PassthroughServer(network(heard))], identity="carol").run()
    assert made.said[2:] == [
        "request EAP-5G 5G-Start",
        "response EAP-5G 5G-NAS",
        "request EAP-5G 5G-NAS",
        "response EAP-5G 5G-NAS",
        "success",
    ]
    assert heard == [b"registration request of carol", b"security mode complete"]
    assert made.peer.outcome is not None
    assert made.server.outcome is not None
    assert made.peer.outcome.msk == made.server.outcome.msk == KEY
    assert made.server.outcome.identity == b"imsi"
    assert "\\x" not in repr(Passed(msk=KEY))


def test_success_before_the_caller_says_so() -> None:
    def begin(identity: bytes) -> Any:
        return lambda request: message(2)

    made = Talk([PassthroughPeer(begin)], [PassthroughServer(network([]))])
    with pytest.raises(AuthenticationError, match="a success too early"):
        made.run()


def test_callers_that_refuse_and_callers_that_never_end() -> None:
    def refusing(identity: bytes) -> Any:
        def answer(response: EAP | None) -> EAP | Passed:
            if response is None:
                return message(1)
            raise AuthenticationError("expected another NAS message, found this one")

        return answer

    made = Talk([PassthroughPeer(client)], [PassthroughServer(refusing)])
    with pytest.raises(AuthenticationError, match="found a failure"):
        made.run()
    assert "another NAS message" in str(made.server.error)

    endless = Talk([PassthroughPeer(lambda who: lambda request: message(2))], [
        PassthroughServer(lambda who: lambda response: message(2))
    ])  # fmt: skip
    with pytest.raises(AuthenticationError):
        endless.run()
    assert "at most 1000 packets" in str(endless.server.error)


@pytest.mark.parametrize("answer", [None, b"\1\1\0\4", EAP(code=3)])
def test_what_a_caller_may_not_answer(answer: Any) -> None:
    made = Talk([PassthroughPeer(client)], [PassthroughServer(lambda who: lambda response: answer)])
    with pytest.raises(ConfigError, match="caller"):
        made.run()


def test_functions_that_cannot_be_called() -> None:
    """Said with their names: one that takes no packet would fail in the middle of a conversation."""
    with pytest.raises(ConfigError, match=r"a function that takes the identity of the peer, found .*<lambda>, which"):
        PassthroughPeer(lambda: client)  # type: ignore[arg-type, misc]
    deaf = PassthroughServer(lambda who: lambda response, more: message(1))
    with pytest.raises(ConfigError, match=r"begin to return a function that takes a packet, found .*<lambda>, which"):
        Talk([PassthroughPeer(client)], [deaf]).run()


class TlsTester:
    """A TLS server behind the EAP server, which may change what it sends: the place of a TLS tester."""

    def __init__(self, change: Any = bytes) -> None:
        self.flights: list[bytes] = []
        self._change = change
        config = tls("server")
        self._steps = TlsServer(config).challenge(Run(b"carol", random.Random(1).randbytes))

    def __call__(self, response: EAP | None) -> EAP | Passed:
        try:
            request = next(self._steps) if response is None else self._steps.send(response)
        except StopIteration as end:
            return Passed(msk=end.value.msk)
        assert isinstance(request, EAP_TLS)
        request.tls_data = self._change(bytes(request.tls_data))
        self.flights.append(bytes(request.tls_data))
        return request


def test_a_tls_tester_behind_the_server() -> None:
    testers: list[TlsTester] = []

    def begin(identity: bytes) -> TlsTester:
        testers.append(TlsTester())
        return testers[-1]

    made = Talk([TlsPeer(tls("carol"))], [PassthroughServer(begin, type=13)]).run()
    assert made.peer.outcome is not None
    assert made.server.outcome is not None
    assert made.peer.outcome.msk == made.server.outcome.msk
    assert made.server.outcome.method == "TLS"
    assert testers[0].flights[1][:1] == b"\x16"  # a handshake record


def test_a_tls_tester_that_changes_a_flight() -> None:
    """A handshake message of another kind in place of ServerHello: our client refuses it by an alert."""

    def change(flight: bytes) -> bytes:
        return flight[:5] + b"\x7f" + flight[6:] if flight[:1] == b"\x16" else flight

    made = Talk([TlsPeer(tls("carol"))], [PassthroughServer(lambda who: TlsTester(change), type=13)])
    with pytest.raises(AuthenticationError, match="TLS handshake to succeed"):
        made.run()
    assert made.server.outcome is None


def test_bad_configurations() -> None:
    for wrong in (1, 3, 256, "tls"):
        with pytest.raises(ConfigError, match="type of an EAP method"):
            PassthroughServer(network([]), type=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a function that begins"):
        PassthroughPeer(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="begin to return a function that takes the packets, found NoneType"):
        Talk([PassthroughPeer(lambda who: None)], [PassthroughServer(network([]))]).run()
    with pytest.raises(ConfigError, match="at least 32 octets, found 5"):
        Passed(msk=b"short")
