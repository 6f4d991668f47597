# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fault is, and how it makes one endpoint faulty and no other one of the same process."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from scapy.packet import Packet

from fynx_scapy.errors import MalformedError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.wire import rules
from fynx_scapy.layers.ikev2 import IKEv2_Notify

_ENTRIES = ("connect", "receive", "receive_burst", "receive_icmp", "send", "send_many", "handle_timer", "output")
"""The methods of an endpoint by which its network, or a test, makes it do something."""
_SA_ENTRIES = ("start", "delete_ike", "reauthenticate")
"""Those of an IKE SA."""


class Faulty:
    """An endpoint while a fault is applied to it. A fault replaces functions with its methods; all of it is undone.

    A replacement gets the function that it replaces as its first argument. It is called only while code of the faulty
    endpoint runs: every other endpoint goes on with the original.
    """

    def __init__(self, endpoint: Endpoint, undo: ExitStack) -> None:
        self.endpoint = endpoint
        self._undo = undo
        self._depth = 0
        for name in _ENTRIES:
            self._set(endpoint, name, self._entered(getattr(endpoint, name)))
        for name in _SA_ENTRIES:
            self._enter_sa(IkeSa, name, lambda sa: sa.endpoint)
        self._enter_sa(Requests, "start", lambda requests: requests._sa.endpoint)

    @property
    def running(self) -> bool:
        """Whether code of the faulty endpoint runs now."""
        return self._depth > 0

    def _acts(self, args: tuple[Any, ...]) -> bool:
        """Whether a method is called for the faulty endpoint: users of the engine call those of an IKE SA directly."""
        if args and isinstance(args[0], IkeSa):
            return args[0].endpoint is self.endpoint
        return self.running

    # What a fault may change

    def swap(self, owner: Any, name: str, new: Callable[..., Any]) -> None:
        """Replace a method or property of a class, or a function of a module, for this endpoint."""
        raw = inspect.getattr_static(owner, name)
        kind = type(raw) if isinstance(raw, staticmethod | classmethod) else None
        original: Callable[..., Any] = raw.__func__ if kind else getattr(raw, "fget", raw)

        @functools.wraps(original)
        def chosen(*args: Any, **named: Any) -> Any:
            return new(original, *args, **named) if self._acts(args) else original(*args, **named)

        self._set(owner, name, property(chosen, raw.fset) if isinstance(raw, property) else (kind or _same)(chosen))

    def swap_function(self, function: Callable[..., Any], new: Callable[..., Any]) -> None:
        """Replace a function in every module that has imported it."""
        places = _places(getattr(function, _FIRST, function))
        original = vars(places[0][0])[places[0][1]]

        @functools.wraps(original)
        def chosen(*args: Any, **named: Any) -> Any:
            return new(original, *args, **named) if self.running else original(*args, **named)

        setattr(chosen, _FIRST, getattr(function, _FIRST, function))
        for module, name in places:
            self._set(module, name, chosen)

    def wrap(self, name: str, new: Callable[..., Any]) -> None:
        """Replace a method of this endpoint. Code of the endpoint runs in the replacement, too."""
        original = getattr(self.endpoint, name)
        self._set(self.endpoint, name, self._entered(functools.partial(new, original)))

    def tap(self, change: Callable[..., object], stage: str = "payloads") -> None:
        """Change the IKE messages that this endpoint sends."""
        self._undo.callback(self.endpoint.taps.add(stage, change))

    def each_payload(self, change: Callable[[Packet], object]) -> None:
        """Change every payload that this endpoint sends."""

        def tap(message: Outgoing) -> None:
            for payload in message.payloads:
                change(payload)

        self.tap(tap)

    def each_notify(self, change: Callable[[IKEv2_Notify], object], kind: int | None = None) -> None:
        """Change every Notify payload that this endpoint sends, or those of one type."""
        self.each_payload(
            lambda payload: change(payload) if isinstance(payload, IKEv2_Notify) and kind in (None, payload.type) else 0
        )

    def refuse(self, wrong: Callable[[Message], object], kind: NotifyType = NotifyType.INVALID_SYNTAX) -> None:
        """Refuse the messages for which ``wrong`` is true. With UNSUPPORTED_CRITICAL_PAYLOAD it is the payload type."""

        def check(original: Callable[..., None], message: Message, rule: object) -> None:
            if found := wrong(message):
                data = bytes([int(found)]) if kind == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD else b""  # type: ignore[call-overload]
                raise PeerError(kind, data, "refused by a faulty endpoint")
            original(message, rule)

        self.swap_function(rules.check, check)

    def drop(self, wrong: Callable[[Datagram, Header], bool]) -> None:
        """Drop the IKE messages for which ``wrong`` is true, before anything looks at them."""

        def receive(original: Callable[..., None], router: Router, datagram: Datagram) -> None:
            header = header_of(datagram)
            if header is None or not wrong(datagram, header):
                original(router, datagram)

        self.swap(Router, "receive", receive)

    # How

    def _set(self, owner: Any, name: str, value: Any) -> None:
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self._undo.callback(delattr, owner, name) if before is _ABSENT else self._undo.callback(
            setattr, owner, name, before
        )

    def _entered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def entered(*args: Any, **named: Any) -> Any:
            self._depth += 1
            try:
                return function(*args, **named)
            finally:
                self._depth -= 1

        return entered

    def _enter_sa(self, owner: type, name: str, endpoint_of: Callable[[Any], object]) -> None:
        original = getattr(owner, name)
        entered = self._entered(original)

        @functools.wraps(original)
        def chosen(one: Any, *args: Any, **named: Any) -> Any:
            return (entered if endpoint_of(one) is self.endpoint else original)(one, *args, **named)

        self._set(owner, name, chosen)


_FIRST = "_first_original"
"""The attribute of a replacement that names the function of the package that it replaces."""
_FUNCTIONS = (FunctionType, type(functools.cache(len)))
_Place = tuple[ModuleType, str]
_known_places: dict[int, dict[Callable[..., Any], list[_Place]]] = {}


def _places(function: Callable[..., Any]) -> list[_Place]:
    """The modules that have a function, each with its name for it. LookupError when there is none."""
    loaded = len(sys.modules)
    if function not in _known_places.get(loaded, {}):
        _known_places[loaded] = _all_places()
    try:
        return _known_places[loaded][function]
    except KeyError:
        raise LookupError(f"expected a module with {function!r}, found none") from None


def _all_places() -> dict[Callable[..., Any], list[_Place]]:
    """The places of every function, which one pass over the modules finds; a replacement counts as its original."""
    found: dict[Callable[..., Any], list[_Place]] = {}
    for module in [module for name, module in list(sys.modules.items()) if _may_have(name)]:
        for name, value in vars(module).items():
            if isinstance(value, _FUNCTIONS):
                found.setdefault(vars(value).get(_FIRST, value), []).append((module, name))
    return found


def _may_have(module: str) -> bool:
    """Whether a function is replaced in this module: in the package, and in tests that call it themselves."""
    return module.startswith(("fynx_scapy", "tests.")) and not module.startswith("tests.faults")


Change = Callable[[Faulty], None]
_ABSENT = object()


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def header_of(datagram: Datagram) -> Header | None:
    """The IKE header of a datagram, or None if it has none."""
    try:
        return Header.parse(datagram.data)
    except MalformedError:
        return None


def is_request(message: Outgoing, exchange_type: ExchangeType) -> bool:
    """Whether a message of ours is a request of that exchange type, as taps see it."""
    return message.header.exch_type == exchange_type and not int(message.header.flags) & 0x20


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong behaviour of an endpoint."""

    name: str
    area: str
    """The area in requirements.json that it belongs to."""
    requirements: tuple[str, ...]
    """The IDs of the sentences that it breaks."""
    what: str
    """What the faulty endpoint does, in one sentence."""
    change: Change = field(repr=False)
    connects: bool = True
    """Whether an ordinary IKE SA and its traffic work all the same."""
    chosen_first: bool = True
    """Whether it was chosen before there were tests that look for it."""

    @contextmanager
    def apply(self, endpoint: Endpoint) -> Iterator[Faulty]:
        """Make this endpoint faulty until the end of the block."""
        with ExitStack() as undo:
            faulty = Faulty(endpoint, undo)
            self.change(faulty)
            yield faulty


FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""


def fault(
    area: str, *requirements: str, connects: bool = True, chosen_first: bool = True
) -> Callable[[Change], Change]:
    """Register a function as a fault: its name, and the first line of its docstring."""

    def register(change: Change) -> Change:
        name, what = change.__name__, inspect.getdoc(change) or ""
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, area, requirements, what, change, connects, chosen_first)
        return change

    return register


def later(area: str, *requirements: str, connects: bool = True) -> Callable[[Change], Change]:
    """Register a fault that was chosen when there were tests already."""
    return fault(area, *requirements, connects=connects, chosen_first=False)
