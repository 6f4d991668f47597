# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of our messages a case changes: ``request``, ``response``, ``packet``, ``IKE_SA_INIT request round 2``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import ExchangeType, lookup, name_of
from fynx_scapy.ike.message import DatagramKind, Outgoing
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE

_WORDS = re.compile(r"(?:(\S+) )?(request|response|packet)(?: round (\d+))?(?: id (\d+))?")


@dataclass(frozen=True, slots=True)
class At:
    """A message of ours. ``exchange`` is None for the exchange of the base conversation."""

    exchange: int | None
    response: bool
    round: int | None = None
    """Which of the messages that fit, from 1; None for all of them."""
    message_id: int | None = None
    esp: bool = False

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
        number = None if match[3] is None else int(match[3])
        return cls(
            exchange, match[2] == "response", number, None if match[4] is None else int(match[4]), match[2] == "packet"
        )

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
        )

    def __str__(self) -> str:
        """As it is written."""
        if self.esp:
            return "packet"
        name = "" if self.exchange is None else f"{name_of(ExchangeType, self.exchange)} "
        number = f" round {self.round}" if self.round is not None else ""
        which = f" id {self.message_id}" if self.message_id is not None else ""
        return f"{name}{'response' if self.response else 'request'}{number}{which}"
