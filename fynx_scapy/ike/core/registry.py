# SPDX-License-Identifier: GPL-2.0-or-later
"""The registered exchanges and extensions: those of all endpoints, and those of a single endpoint."""

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
    """Exchanges and extensions of one endpoint, in addition to those of all endpoints.

    >>> endpoint.registry.add(MyExtension)
    >>> endpoint.registry.add(MyInformational)      # a subclass of Informational: it has its exchange type

    Registries do not affect each other. Several endpoints may share one. The decorators `exchange` and `extension` add
    a class for all endpoints. Import them from ``fynx_scapy.ike.exchanges`` and ``fynx_scapy.ike.extensions``, so that
    the built-in classes are registered first.
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
        """Add an extension, or the exchange that answers requests of ``exchange_type`` for which ``when`` is true.

        A later exchange replaces an earlier one with the same type and the same ``when``. ``exchange_type`` defaults to
        that of the class. ConfigError when the class has none, or another one, and for what is
        neither an exchange nor an extension.
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
            raise ConfigError(
                f"expected the exchange type {own} of {kind.__name__}, found {exchange_type}: subclass it for that type"
            )
        if exchange_type is not None:
            kind.exchange_type = exchange_type
        self._exchanges[int(kind.exchange_type), when] = kind

    def exchange(self, exchange_type: int, when: When | None = None) -> Callable[[E], E]:
        """A class decorator that adds an exchange, like `add`."""

        def register(kind: E) -> E:
            self.add(kind, exchange_type, when)
            return kind

        return register

    def extension(self, kind: X) -> X:
        """A class decorator that adds an extension."""
        self.add(kind)
        return kind

    @property
    def extensions(self) -> tuple[type[Extension], ...]:
        """The extensions of all endpoints, then those of this registry, in the order in which they were added."""
        count = len(DEFAULT._extensions), len(self._extensions)
        if self._counted != count:
            self._counted, self._all = count, tuple(DEFAULT._extensions | self._extensions)
        return self._all

    def responder_for(self, request: Message) -> type[Exchange] | None:
        """The exchange class that answers a request, or None.

        Exchanges with a condition come first. Among equals, this registry comes before that of all endpoints.
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
        """The exchanges of this registry, without those of all endpoints."""
        return list(self._exchanges.values())


DEFAULT = Registry()
"""The exchanges and extensions of all endpoints."""

exchange = DEFAULT.exchange
extension = DEFAULT.extension
responder_for = DEFAULT.responder_for


def responders() -> list[type[Exchange]]:
    """The exchanges that answer requests at all endpoints."""
    return DEFAULT.responders
