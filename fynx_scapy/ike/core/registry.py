# SPDX-License-Identifier: GPL-2.0-or-later
"""Which exchange answers which request, and which extensions there are: by default, and at one endpoint alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fynx_scapy.checks import check_values, optional, shown, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.message import Message

When = Callable[[Message], bool]
_CHECKS = {"exchange_type": optional(whole(0, 255))}

E = TypeVar("E", bound=type[Exchange])
X = TypeVar("X", bound=type[Extension])


class Registry:
    """Exchanges and extensions of one endpoint, above those of every endpoint.

    >>> endpoint.registry.add(MyExtension)
    >>> endpoint.registry.add(MyInformational)      # a subclass of Informational: it has its exchange type

    What is added to a registry is not seen by another one. One registry may serve several endpoints. The decorators
    `exchange` and `extension` add to every endpoint's; import them from ``fynx_scapy.ike.exchanges`` and
    ``fynx_scapy.ike.extensions``, so that what comes with us is there before.
    """

    def __init__(self, *kinds: type[Exchange] | type[Extension]) -> None:
        self._exchanges: dict[tuple[int, When | None], type[Exchange]] = {}
        self._extensions: dict[type[Extension], None] = {}
        self._counted = (-1, -1)
        self._all: tuple[type[Extension], ...] = ()
        for kind in kinds:
            self.add(kind)

    def add(
        self, kind: type[Exchange] | type[Extension], exchange_type: int | None = None, when: When | None = None
    ) -> None:
        """Add an extension, or the exchange that answers requests of ``exchange_type``, or those that ``when`` picks.

        The later one of two with the same condition counts. Without ``exchange_type`` it is the class's own.
        ConfigError when that has none, or another one, and for what is neither.
        """
        if not (isinstance(kind, type) and issubclass(kind, Exchange | Extension)):
            raise ConfigError(f"expected a class of an exchange or of an extension, found {shown(kind)}")
        check_values("Registry", _CHECKS, exchange_type=exchange_type)
        if issubclass(kind, Extension):
            self._extensions[kind] = None
            return
        own = vars(kind).get("exchange_type")
        if exchange_type is None and not hasattr(kind, "exchange_type"):
            raise ConfigError(f"expected the exchange type that {kind.__name__} answers, found none")
        if own is not None and exchange_type not in (None, own):
            raise ConfigError(f"{kind.__name__} has the exchange type {own}: subclass it for {exchange_type}")
        if exchange_type is not None:
            kind.exchange_type = exchange_type
        self._exchanges[int(kind.exchange_type), when] = kind

    def exchange(self, exchange_type: int, when: When | None = None) -> Callable[[E], E]:
        """The same as a decorator of an exchange."""

        def register(kind: E) -> E:
            self.add(kind, exchange_type, when)
            return kind

        return register

    def extension(self, kind: X) -> X:
        """The same as a decorator of an extension."""
        self.add(kind)
        return kind

    @property
    def extensions(self) -> tuple[type[Extension], ...]:
        """Every endpoint's, and then its own, in the order in which they were added."""
        count = len(DEFAULT._extensions), len(self._extensions)
        if self._counted != count:
            self._counted, self._all = count, tuple(DEFAULT._extensions | self._extensions)
        return self._all

    def responder_for(self, request: Message) -> type[Exchange] | None:
        """The class that answers a request, or None.

        Those with a condition go first, and within both kinds its own before every endpoint's.
        """
        for conditional in (True, False):
            for registry in (self, DEFAULT):
                for (number, when), kind in registry._exchanges.items():
                    if number != request.header_fields.exchange or (when is not None) != conditional:
                        continue
                    if when is None or when(request):
                        return kind
        return None

    @property
    def responders(self) -> list[type[Exchange]]:
        """The exchanges that were added to this registry itself."""
        return list(self._exchanges.values())


DEFAULT = Registry()
"""What every endpoint has."""

exchange = DEFAULT.exchange
extension = DEFAULT.extension
responder_for = DEFAULT.responder_for


def responders() -> list[type[Exchange]]:
    """Every class that answers requests at every endpoint."""
    return DEFAULT.responders
