# SPDX-License-Identifier: GPL-2.0-or-later
"""How a responder takes wrong and unusual requests: one row a request, each sent once outside any IKE SA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, HEADER_SIZE, LENGTH
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Payload, IKEv2_SA
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.asker import Asker
from fynx_scapy.scan.catalogue import KE, Box
from fynx_scapy.scan.request import Request

_UNKNOWN = 200
"""A payload type that is not assigned."""
N = NotifyType
NORMAL = "as if it were right"
"""The answer is that to the same request without the change."""
SILENT = "no answer"


@dataclass(frozen=True, slots=True)
class Observation:
    """How the responder took one request. ``expected`` are answers that the RFC allows; ``source`` is its section.

    ``fits`` is None where the RFC leaves the answer open.
    """

    name: str
    title: str
    answer: str
    expected: tuple[str, ...]
    source: str

    @property
    def fits(self) -> bool | None:
        """Whether the answer is one of those that are expected."""
        return self.answer in self.expected if self.expected else None

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "answer": self.answer,
            "expected": list(self.expected),
            "fits": self.fits,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A wrong or unusual request: what is done to a right one, and the answers that the RFC allows."""

    name: str
    title: str
    source: str
    expected: tuple[str, ...]
    change: Callable[[Request], object]


def _fields(**fields: int | bytes) -> Callable[[Request], object]:
    return lambda request: request.fields.update(fields)


def _octets(change: Callable[[bytes], bytes]) -> Callable[[Request], object]:
    def changed(request: Request) -> None:
        request.change = change

    return changed


def _without(layer: type[Packet]) -> Callable[[Request], object]:
    def changed(request: Request) -> None:
        request.payloads[:] = [payload for payload in request.payloads if type(payload) is not layer]

    return changed


def _with(*payloads: Packet) -> Callable[[Request], object]:
    return lambda request: request.payloads.extend(payloads)


def _nonce(size: int) -> Callable[[Request], object]:
    def changed(request: Request) -> None:
        for payload in request.payloads:
            if type(payload) is IKEv2_Nonce:
                payload.nonce = payload.nonce.ljust(size, b"\1")[:size]

    return changed


def _empty_sa(request: Request) -> None:
    request.payloads[:] = [IKEv2_SA(prop=[]) if type(each) is IKEv2_SA else each for each in request.payloads]


def _stray(exchange: int, flags: int) -> Callable[[Request], object]:
    def changed(request: Request) -> None:
        request.fields |= {"resp_SPI": request.spi[::-1], "exch_type": exchange, "flags": flags}
        request.payloads[:] = []

    return changed


def _payload(critical: bool) -> IKEv2_Payload:
    return IKEv2_Payload(payload_type=_UNKNOWN, flags=0x80 if critical else 0, load=b"\1\2\3\4")


def _long_payload(octets: bytes) -> bytes:
    return octets[: HEADER_SIZE + 2] + b"\xff\xff" + octets[HEADER_SIZE + 4 :]


def _longer_than_it_is(octets: bytes) -> bytes:
    return octets[:LENGTH] + (len(octets) + 100).to_bytes(4) + octets[HEADER_SIZE:]


_MALFORMED = (N.INVALID_SYNTAX.name, SILENT)
ROWS: tuple[Row, ...] = (
    Row("unknown_payload", "a payload of an unknown type, not critical", "RFC 7296 section 2.5", (NORMAL,),
        _with(_payload(False))),
    Row("critical_payload", "a critical payload of an unknown type", "RFC 7296 section 2.5",
        (N.UNSUPPORTED_CRITICAL_PAYLOAD.name,), _with(_payload(True))),
    Row("major_version_3", "major version 3", "RFC 7296 section 2.5", (N.INVALID_MAJOR_VERSION.name, SILENT),
        _fields(version=0x30)),
    Row("minor_version_5", "minor version 5", "RFC 7296 section 2.5", (NORMAL,), _fields(version=0x25)),
    Row("reserved_flags", "reserved bits of the header's flags set", "RFC 7296 section 3.1", (NORMAL,),
        _fields(flags=FLAG_INITIATOR | 0xC7)),
    Row("message_id_1", "IKE_SA_INIT with message ID 1", "RFC 7296 section 2.2", (), _fields(id=1)),
    Row("responder_spi", "IKE_SA_INIT with a responder SPI", "RFC 7296 section 3.1", (),
        _fields(resp_SPI=b"\1" * 8)),
    Row("initiator_flag", "IKE_SA_INIT without the Initiator flag", "RFC 7296 section 3.1", (), _fields(flags=0)),
    Row("no_ke", "no KE payload", "RFC 7296 section 1.2", (), _without(IKEv2_KE)),
    Row("no_nonce", "no nonce", "RFC 7296 section 1.2", _MALFORMED, _without(IKEv2_Nonce)),
    Row("no_sa", "no SA payload", "RFC 7296 section 1.2", (*_MALFORMED, N.NO_PROPOSAL_CHOSEN.name),
        _without(IKEv2_SA)),
    Row("empty_sa", "an SA payload without proposals", "RFC 7296 section 3.3",
        (*_MALFORMED, N.NO_PROPOSAL_CHOSEN.name), _empty_sa),
    Row("short_nonce", "a nonce of 8 octets", "RFC 7296 section 3.9", (), _nonce(8)),
    Row("long_nonce", "a nonce of 300 octets", "RFC 7296 section 3.9", (), _nonce(300)),
    Row("payload_length", "a payload that is longer than the message", "RFC 7296 section 2.21.1", _MALFORMED,
        _octets(_long_payload)),
    Row("message_length", "a message that is shorter than its length field", "RFC 7296 section 2.21.1", _MALFORMED,
        _octets(_longer_than_it_is)),
    Row("cut", "a message of which only 40 octets came", "RFC 7296 section 2.21.1", _MALFORMED,
        _octets(lambda octets: octets[:40])),
    Row("unknown_exchange", "an exchange of an unknown type", "RFC 7296 section 2.21.1", (), _fields(exch_type=240)),
    Row("unknown_spi", "an INFORMATIONAL request with unknown SPIs", "RFC 7296 section 2.21.4",
        (N.INVALID_IKE_SPI.name, SILENT), _stray(ExchangeType.INFORMATIONAL, FLAG_INITIATOR)),
    Row("stray_response", "an INFORMATIONAL response that nobody asked for", "RFC 7296 section 2.21.4", (SILENT,),
        _stray(ExchangeType.INFORMATIONAL, FLAG_INITIATOR | FLAG_RESPONSE)),
    Row("early_create_child", "CREATE_CHILD_SA with unknown SPIs", "RFC 7296 section 2.21.4",
        (N.INVALID_IKE_SPI.name, SILENT), _stray(ExchangeType.CREATE_CHILD_SA, FLAG_INITIATOR)),
)  # fmt: skip
"""Every row. Some answers are left open by the RFC."""


def observe(asker: Asker, box: Box, rows: Sequence[Row] = ROWS) -> list[Observation]:
    """Send each row's request once or, if it is met with silence, twice. ``box`` is a proposal that is accepted."""
    normal = asker.exchange("behaviour right", asker.request([box]))
    observed = []
    for row in rows:
        request = asker.request([box])
        row.change(request)
        # A host may keep something of a wrong request that it does not answer. Too much of that, and it ignores us.
        request.suspect = request.fields.get("exch_type") is None
        answer = asker.exchange(f"behaviour {row.name}", request, tries=2)
        observed.append(Observation(row.name, row.title, _told(answer, normal), row.expected, row.source))
    return observed


def _told(answer: Answer, normal: Answer) -> str:
    if answer.kind is Kind.SILENCE:
        return SILENT
    if answer.kind is Kind.COOKIE:
        return "asks for a cookie"
    return NORMAL if answer.kind in (Kind.ACCEPTED, Kind.OTHER_GROUP) else answer.text


def answers_again(asker: Asker, box: Box) -> str:
    """How a retransmitted request is answered: RFC 7296 section 2.1 wants the same octets again.

    Only a request that is accepted shows it: others leave no state that could be repeated. Leaves a half-open IKE SA.
    """
    group = next(values[0].id for values in box if values[0].type == KE)
    request = asker.request([box], group)
    wire = request.octets()
    first = asker.exchange("retransmission 1", _as_it_is(request, wire))
    second = asker.exchange("retransmission 2", _as_it_is(request, wire))
    if Kind.SILENCE in (first.kind, second.kind):
        return "not answered"
    if first.kind is not Kind.ACCEPTED:
        return f"not seen: the request was answered with {first.text}"
    return "answered with the same octets" if first.wire == second.wire else "answered with other octets"


def _as_it_is(request: Request, wire: bytes) -> Request:
    return Request(request.payloads, request.spi, change=lambda octets: wire if len(octets) == len(wire) else octets,
                   may_open=True)  # fmt: skip
