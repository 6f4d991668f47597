# SPDX-License-Identifier: GPL-2.0-or-later
"""Expectations that read as sentences. One that is not met reports what was expected and what was found.

expect(answer).exchange("IKE_SA_INIT").response().has(IKEv2_SA, IKEv2_KE)
expect(answer).notifies("NO_PROPOSAL_CHOSEN")
expect(s.events).at("responder").has(ChildSaInstalled, esn=False)
expect(len(reply)).equals(84)
expect(lambda: s.ping()).raises(LocalError, "no Child SA")
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, overload

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.iana import ExchangeType, NotifyType, lookup, name_of
from fynx_scapy.ike.events import Event, EventsDropped, MessageSent
from fynx_scapy.ladder import payload_name
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Notify, build_payloads, chain, first_type, parse_payloads
from fynx_scapy.session_setup import INITIATOR, RESPONDER
from fynx_scapy.text import counted

_LONGEST = 600


class ExpectationFailed(FynxError, AssertionError):  # noqa: N818 -- the name says what happened
    """Something is not as the RFC, or the scenario, expects."""

    code = "expectation"
    advice = "Read the ladder of the run: one end, or the scenario, is wrong."


def fail(expected: object, found: object) -> None:
    """Raise ExpectationFailed with what was expected and what was found."""
    raise ExpectationFailed(f"expected {_cut(expected)}, found {_cut(found)}")


def _cut(value: object) -> str:
    """The text of a value, not longer than a person reads."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


class Expectations:
    """The base class. An unknown expectation raises AttributeError, which lists those that exist."""

    if not TYPE_CHECKING:  # hidden, so that the type checker reports unknown names

        def __getattr__(self, name: str) -> Any:
            known = sorted(attribute for attribute in dir(type(self)) if not attribute.startswith("_"))
            raise AttributeError(
                f"{type(self).__name__} has no expectation {name!r}{_near(name, known)}; it has {', '.join(known)}"
            )


class ValueExpectations(Expectations):
    """Expectations about any value. ``what`` names it in the error text."""

    def __init__(self, value: Any, what: str = "") -> None:
        self.value = value
        self.what = f"{what} " if what else ""

    def equals(self, wanted: object) -> Self:
        """It equals ``wanted``."""
        if self.value != wanted:
            fail(f"{self.what}{wanted!r}", repr(self.value))
        return self

    def contains(self, wanted: object) -> Self:
        """It contains ``wanted``."""
        if wanted not in self.value:
            fail(f"{self.what}with {wanted!r} in it", repr(self.value))
        return self

    def excludes(self, unwanted: object) -> Self:
        """It does not contain ``unwanted``."""
        if unwanted in self.value:
            fail(f"{self.what}without {unwanted!r}", repr(self.value))
        return self

    def between(self, low: Any, high: Any) -> Self:
        """It is between ``low`` and ``high``, both included."""
        if not low <= self.value <= high:
            fail(f"{self.what}between {low!r} and {high!r}", repr(self.value))
        return self

    def holds(self) -> Self:
        """It is true, or not empty."""
        if not self.value:
            fail(f"{self.what}to hold".strip(), repr(self.value))
        return self

    def fails(self) -> Self:
        """It is false, None or empty."""
        if self.value:
            fail(f"nothing of {self.what}".strip() if self.what else "nothing", repr(self.value))
        return self


class CallExpectations(Expectations):
    """Expectations about a function call."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def raises(self, kind: type[BaseException], words: str = "") -> BaseException:
        """It raises an error of that class, with ``words`` in its text. Returns the error."""
        try:
            result = self.call()
        except kind as error:
            if words not in str(error):
                fail(f"{kind.__name__} with {words!r}", repr(str(error)))
            return error
        raise ExpectationFailed(f"expected {kind.__name__}, but nothing was raised; the call returned {result!r}")


class MessageExpectations(Expectations):
    """Expectations about an IKE message or any other packet, as Scapy layers."""

    def __init__(self, packet: Packet) -> None:
        self.packet = packet

    def _payloads(self) -> str:
        request = not int(getattr(self.packet, "flags", 0) or 0) & FLAG_RESPONSE
        names = [payload_name(layer, request=request) for layer in self.packet.iterpayloads()][1:]
        return ", ".join(name for name in names if name != "octets") or "no payloads"

    def exchange(self, name: str | int) -> Self:
        """It belongs to that exchange."""
        if self.packet[IKEv2].exch_type != lookup(ExchangeType, name):
            fail(f"a message of {name}", name_of(ExchangeType, self.packet[IKEv2].exch_type))
        return self

    def response(self) -> Self:
        """Its Response flag is set."""
        if not int(self.packet[IKEv2].flags) & FLAG_RESPONSE:
            fail("a response", "a request")
        return self

    def message_id(self, wanted: int) -> Self:
        """It has that message ID."""
        if self.packet[IKEv2].id != wanted:
            fail(f"message ID {wanted}", self.packet[IKEv2].id)
        return self

    def has(self, *layers: type[Packet], **fields: Any) -> Self:
        """It has all these layers, and the fields of the last one have these values.

        LocalError for a field that the layer does not have, and for an argument that is not a layer class.
        """
        _check_layers(layers, fields)
        for layer in layers:
            if layer not in self.packet:
                fail(f"{layer.__name__} in the packet", self._payloads())
        for name, wanted in fields.items():
            value = getattr(self.packet[layers[-1]], name)
            if value != wanted:
                fail(f"{layers[-1].__name__}.{name} = {wanted!r}", repr(value))
        return self

    def lacks(self, *layers: type[Packet]) -> Self:
        """It has none of these layers. LocalError for an argument that is not a layer class."""
        _check_layers(layers, {})
        for layer in layers:
            if layer in self.packet:
                fail(f"no {layer.__name__} in the packet", self._payloads())
        return self

    def empty(self) -> Self:
        """It has no payloads, or only an empty SK."""
        names = self._payloads()
        if names not in ("no payloads", "SK"):
            fail("no payloads", names)
        return self

    def notifies(self, name: str | int) -> Self:
        """It has a Notify payload of that type."""
        if self._notify(name) is None:
            fail(f"N({name})", self._payloads())
        return self

    def has_notify(self, name: str | int) -> bool:
        """Whether it has a Notify payload of that type. Not an expectation: it never fails."""
        return self._notify(name) is not None

    def notify_data(self, name: str | int) -> ValueExpectations:
        """Expectations about the data of the Notify payload of that type."""
        note = self.notifies(name)._notify(name)
        return ValueExpectations(bytes(note.notify or b"") if note is not None else b"", f"the data of N({name})")

    def _notify(self, name: str | int) -> Packet | None:
        wanted = lookup(NotifyType, name)
        layers = [layer for layer in self.packet.iterpayloads() if isinstance(layer, IKEv2_Notify)]
        return next((layer for layer in layers if layer.type == wanted), None)


class EventExpectations(ValueExpectations):
    """Expectations about events. ``at`` selects those of one endpoint."""

    def __init__(self, events: Sequence[tuple[str, Event]]) -> None:
        super().__init__(events, "events")
        self.events = events

    def at(self, name: str) -> EventExpectations:
        """Only the events of the endpoint ``name``. LocalError when there is no such endpoint."""
        known = {*(host for host, _ in self.events), INITIATOR, RESPONDER}
        if name not in known:
            raise LocalError(f"expected the name of an endpoint ({', '.join(sorted(known))}), found {name!r}")
        mine = [entry for entry in self.events if entry[0] == name or isinstance(entry[1], EventsDropped)]
        return EventExpectations(mine)

    def sent(self, number: int, exchange: str | int | None = None) -> MessageExpectations:
        """The sent message with that number, counted from 0 without retransmissions; from the end when negative.

        ``exchange`` counts only messages of that exchange, because a peer may ask for a cookie first.
        """
        wanted = None if exchange is None else lookup(ExchangeType, exchange)
        sent = [event for _, event in self.events if isinstance(event, MessageSent)]
        sent = [event for event in sent if wanted in (None, event.header.exch_type)]
        if not -len(sent) <= number < len(sent):
            of = "" if wanted is None else f" in {name_of(ExchangeType, wanted)}"
            fail(f"a sent message with number {number}{of}", f"{counted(len(sent), 'message')} sent{of}")
        payloads = sent[number].payloads
        # Parse the built payloads, so that computed lengths and counts can be checked too.
        parsed = parse_payloads(first_type(payloads), build_payloads(payloads))
        return MessageExpectations(chain(sent[number].header, parsed))

    def _matching(self, kind: type[Event], fields: dict[str, Any]) -> list[Event]:
        return [
            event
            for _, event in self.events
            if isinstance(event, kind) and all(getattr(event, name) == wanted for name, wanted in fields.items())
        ]

    def has(self, kind: type[Event], *, times: int | None = None, **fields: Any) -> Self:
        """An event of that class with these field values happened, exactly ``times`` times if given.

        LocalError for a field that the event does not have, and for a class that is not an event.
        """
        check_event(kind, fields)
        count = len(self._matching(kind, fields))
        if not count if times is None else count != times:
            of_kind = [event for _, event in self.events if isinstance(event, kind)]
            wanted = f"{kind.__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
            fail(wanted if times is None else f"{wanted} {times} times", f"{count} such among {of_kind}")
        if times is not None:
            self._all_kept(kind)
        return self

    def _all_kept(self, kind: type[Event]) -> None:
        """Fail if the network has dropped such events: then their number is unknown."""
        gone = sum(
            dict(event.kinds).get(kind.__name__, 0) for _, event in self.events if isinstance(event, EventsDropped)
        )
        if gone:
            fail(f"every {kind.__name__} to be kept, so that they can be counted", f"{gone} that were dropped")

    def lacks(self, kind: type[Event], **fields: Any) -> Self:
        """No such event happened. LocalError as in `has`."""
        return self.has(kind, times=0, **fields)


class _Layers(Protocol):
    """Any Scapy packet. (To a type checker without Scapy, ``Packet`` would be Any.)"""

    def haslayer(self, cls: Any) -> Any: ...
    def iterpayloads(self) -> Iterator[Any]: ...


@overload
def expect(subject: _Layers, what: str = "") -> MessageExpectations: ...  # type: ignore[overload-overlap]
@overload
def expect(subject: list[tuple[str, Event]], what: str = "") -> EventExpectations: ...
@overload
def expect(subject: Callable[..., object], what: str = "") -> CallExpectations: ...  # type: ignore[overload-overlap]
@overload
def expect(subject: object, what: str = "") -> ValueExpectations: ...
def expect(
    subject: Any, what: str = ""
) -> MessageExpectations | EventExpectations | CallExpectations | ValueExpectations:
    """The expectations for ``subject``: a packet, a list of events, a function to call, or any other value.

    ``what`` names a value in the error text.
    """
    if isinstance(subject, Packet):
        return MessageExpectations(subject)
    if callable(subject):
        return CallExpectations(subject)
    if isinstance(subject, list) and all(_is_entry(entry) for entry in subject):
        return EventExpectations(subject)
    return ValueExpectations(subject, what)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Event)


def _check_layers(layers: Sequence[object], fields: dict[str, Any]) -> None:
    for layer in layers:
        if not (isinstance(layer, type) and issubclass(layer, Packet)):
            raise LocalError(f"expected a layer class such as IKEv2_SA, found {layer!r}")
    if not fields:
        return
    if not layers:
        raise LocalError(f"expected a layer class that has the fields {', '.join(fields)}, found none")
    last: Any = layers[-1]
    # Checked here, because Scapy searches the following layers for a field that a layer does not have.
    _check_names(last, fields, {field.name for field in last.fields_desc}, also=_properties(last, below=Packet))


def check_event(kind: object, fields: Mapping[str, object]) -> None:
    """Check that ``kind`` is an event class with these fields; LocalError, which lists the fields it has."""
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise LocalError(f"expected an event class such as IkeSaEstablished, found {kind!r}")
    _check_names(kind, fields, {field.name for field in dataclasses.fields(kind)}, also=_properties(kind, below=object))


def _check_names(kind: type, fields: Mapping[str, object], known: set[str], *, also: set[str]) -> None:
    for name in fields:
        if name not in known | also:
            near = _near(name, sorted(known | also))
            raise LocalError(f"{kind.__name__} has no field {name!r}{near}; it has {', '.join(sorted(known))}")


def _properties(cls: type, *, below: type) -> set[str]:
    """The properties of the class and of its bases that are not bases of ``below``."""
    bases = [base for base in cls.__mro__ if base not in below.__mro__]
    return {name for base in bases for name, value in vars(base).items() if isinstance(value, property)}


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
