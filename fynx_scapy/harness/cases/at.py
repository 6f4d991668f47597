# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of our messages a case changes: ``request``, ``response``, ``packet``, ``IKE_SA_INIT request round 2``.

``request with AUTH`` is one that has this payload, ``response with MSCHAPv2 Challenge`` one with this EAP packet, whose
name is that of ladders.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from scapy.packet import Packet

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.verbs.paths import Place, payload_types
from fynx_scapy.iana import ExchangeType, lookup, name_of
from fynx_scapy.ike.message import DatagramKind, Outgoing
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.layers.ikev2.eap.names import eap_codes, eap_names
from fynx_scapy.text import printable

_WORDS = re.compile(r"(?:(\S+) )?(request|response|packet)(?: with (.+?))?(?: round (\d+))?(?: id (\d+))?")


@dataclass(frozen=True, slots=True)
class At:
    """A message of ours. ``exchange`` is None for the exchange of the base conversation."""

    exchange: int | None
    response: bool
    round: int | None = None
    """Which of the messages that fit, from 1; None for all of them."""
    message_id: int | None = None
    esp: bool = False
    holds: str = ""
    """The payload, or the EAP packet, that it has."""

    @classmethod
    def of(cls, text: str) -> At:
        """Read it. ConfigError, with the nearest word, when it cannot be read."""
        match = _WORDS.fullmatch(text)
        if match is None:
            near = difflib.get_close_matches(text.split(" ")[-1], ("request", "response", "packet"), n=1)
            raise ConfigError(
                f"expected where a case acts as in 'request', 'response' or 'IKE_AUTH request round 2', found {text!r}"
                f"{f'; did you mean {near[0]}?' if near else ''}"
            )
        exchange = None if match[1] is None else lookup(ExchangeType, match[1])
        number, message_id = (None if found is None else int(found) for found in (match[4], match[5]))
        if match[3] is not None:
            _check_holds(match[3], match[2], text)
        return cls(exchange, match[2] == "response", number, message_id, match[2] == "packet", match[3] or "")

    def check(self, exchange: int) -> None:
        """ConfigError for EAP in another exchange than IKE_AUTH. ``exchange`` is that of the base conversation."""
        wanted = exchange if self.exchange is None else self.exchange
        if self.holds and self.holds not in payload_types() and wanted != ExchangeType.IKE_AUTH:
            found = f"{self.holds} in {name_of(ExchangeType, wanted)}"
            raise ConfigError(f"expected an EAP packet in IKE_AUTH, where EAP is, found {found}")

    def fits(self, message: Outgoing, exchange: int) -> bool:
        """Whether it is such a message, whichever its round. ``exchange`` is that of the base conversation."""
        if self.esp:
            return message.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP)
        if message.kind is not DatagramKind.IKE:
            return False
        header = message.header
        wanted = exchange if self.exchange is None else self.exchange
        return (
            int(header.exch_type) == wanted
            and bool(int(header.flags) & FLAG_RESPONSE) == self.response
            and self.message_id in (None, int(header.id))
            and (not self.holds or any(self._is(payload) for payload in message.payloads))
        )

    def _is(self, payload: Packet) -> bool:
        """Whether a payload is what the message has to have."""
        if self.holds in payload_types():
            return Place.of(self.holds).fits(payload)
        if not isinstance(payload, IKEv2_EAP):
            return False
        code, _, name = payload.text.partition(" ")
        return (name or code) == self.holds

    def __str__(self) -> str:
        """As it is written."""
        if self.esp:
            return "packet"
        name = "" if self.exchange is None else f"{name_of(ExchangeType, self.exchange)} "
        holds = f" with {self.holds}" if self.holds else ""
        number = f" round {self.round}" if self.round is not None else ""
        which = f" id {self.message_id}" if self.message_id is not None else ""
        return f"{name}{'response' if self.response else 'request'}{holds}{number}{which}"


def _check_holds(holds: str, kind: str, text: str) -> None:
    """ConfigError for what no message of ours has: a payload or an EAP packet of another name, or of the other end.

    The initiator is the peer of EAP: its requests hold responses of EAP (RFC 7296 section 2.16).
    """
    if kind == "packet":
        raise ConfigError(f"expected a packet of ESP without payloads, found {text!r}")
    if holds in payload_types():
        return
    codes = check_eap_name(holds, f"in {text!r}", payload_types())
    fitting = [word for word, of in _EAP_CODES.items() if codes & of]
    if kind not in fitting:
        raise ConfigError(
            f"expected an EAP packet of our {kind}s in {text!r}, found {holds}; did you mean "
            f"'{fitting[0]} with {holds}'?"
        )


_EAP_CODES = {"request": frozenset({2}), "response": frozenset({1, 3, 4, 5, 6})}
"""The codes of EAP in a request and in a response of IKE_AUTH."""


def check_eap_name(name: str, where: str, others: Iterable[str] = ()) -> frozenset[int]:
    """The codes of an EAP packet of this name. ConfigError, with the nearest one, for a name that no packet has.

    ``others`` are names that may stand there, too.
    """
    codes = eap_codes(name)
    if codes:
        return codes
    wanted = "an EAP packet, named as in ladders," if not others else "a payload or an EAP packet, named as in ladders,"
    bare = re.sub("^(?:request|response) ", "", name)
    known = {each.lower(): each for each in [*others, *eap_names()]}
    near = difflib.get_close_matches(bare.lower(), known, n=1)
    hint = f"; did you mean {known[near[0]]!r}?" if near else ""
    raise ConfigError(f"expected {wanted} such as 'MSCHAPv2 Challenge' {where}, found {printable(name, 60)!r}{hint}")
