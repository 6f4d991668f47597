# SPDX-License-Identifier: GPL-2.0-or-later
"""Expectations that read as sentences and say, when they are not met, what was expected and what was found.

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


class ExpectationFailed(FynxError, AssertionError):  # noqa: N818 -- reads as what happened
    """Something is not as the RFC, or the scenario, has it."""

    code = "expectation"


def fail(expected: object, found: object) -> None:
    """Raise ExpectationFailed with both sides."""
    raise ExpectationFailed(f"expected {expected}, found {found}")


class Expectations:
    """What all expectations have in common: a name that there is not is a mistake of who wrote it, and says so."""

    if not TYPE_CHECKING:  # the type checker is to see what there is, and nothing else

        def __getattr__(self, name: str) -> Any:
            known = sorted(each for each in dir(type(self)) if not each.startswith("_"))
            raise AttributeError(
                f"{type(self).__name__} has no expectation {name!r}{_near(name, known)}; it has {', '.join(known)}"
            )


class Value(Expectations):
    """Expectations about any value. ``what`` names it in the message."""

    def __init__(self, value: Any, what: str = "") -> None:
        self.value = value
        self.what = f"{what} " if what else ""

    def equals(self, wanted: object) -> Self:
        """It is equal to ``wanted``."""
        if self.value != wanted:
            fail(f"{self.what}{wanted!r}", repr(self.value))
        return self

    def contains(self, wanted: object) -> Self:
        """``wanted`` is in it."""
        if wanted not in self.value:
            fail(f"{self.what}with {wanted!r} in it", repr(self.value))
        return self

    def excludes(self, unwanted: object) -> Self:
        """``unwanted`` is not in it."""
        if unwanted in self.value:
            fail(f"{self.what}without {unwanted!r}", repr(self.value))
        return self

    def between(self, low: Any, high: Any) -> Self:
        """It lies between two bounds, both included."""
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


class Call(Expectations):
    """Expectations about what happens when something is done."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def raises(self, kind: type[BaseException], words: str = "") -> BaseException:
        """It raises that error, with these words in its text. Returns the error."""
        try:
            result = self.call()
        except kind as error:
            if words not in str(error):
                fail(f"{kind.__name__} with {words!r}", repr(str(error)))
            return error
        raise ExpectationFailed(f"expected {kind.__name__}, found no error but {result!r}")


class Message(Expectations):
    """Expectations about an IKE message, or any other packet, as Scapy layers."""

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
        """All these layers are in it, and the fields of the last one have these values.

        LocalError for a field that the layer does not have, and for what is no layer.
        """
        _check_layers(layers, fields)
        for layer in layers:
            if layer not in self.packet:
                fail(f"{layer.__name__} in the packet", self._payloads())
        for name, wanted in fields.items():
            found = getattr(self.packet[layers[-1]], name)
            if found != wanted:
                fail(f"{layers[-1].__name__}.{name} = {wanted!r}", repr(found))
        return self

    def lacks(self, *layers: type[Packet]) -> Self:
        """None of these layers is in it. LocalError for what is no layer."""
        _check_layers(layers, {})
        for layer in layers:
            if layer in self.packet:
                fail(f"no {layer.__name__} in the packet", self._payloads())
        return self

    def empty(self) -> Self:
        """It has no payloads but an SK that holds none."""
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
        """Whether it has a Notify payload of that type: no expectation, but what others may depend on."""
        return self._notify(name) is not None

    def notify_data(self, name: str | int) -> Value:
        """The octets of the Notify payload of that type, for expectations of their own."""
        note = self.notifies(name)._notify(name)
        return Value(bytes(note.notify or b"") if note is not None else b"", f"the data of N({name})")

    def _notify(self, name: str | int) -> Packet | None:
        wanted = lookup(NotifyType, name)
        layers = [layer for layer in self.packet.iterpayloads() if isinstance(layer, IKEv2_Notify)]
        return next((layer for layer in layers if layer.type == wanted), None)


class Events(Value):
    """Expectations about what happened. ``at`` looks at one end alone."""

    def __init__(self, events: Sequence[tuple[str, Event]]) -> None:
        super().__init__(events, "events")
        self.events = events

    def at(self, who: str) -> Events:
        """Only what happened there. LocalError for a name that no end has."""
        known = {*(name for name, _ in self.events), INITIATOR, RESPONDER}
        if who not in known:
            raise LocalError(f"there is no end {who!r}; there are {', '.join(sorted(known))}")
        return Events([entry for entry in self.events if entry[0] == who or isinstance(entry[1], EventsDropped)])

    def sent(self, number: int, exchange: str | int | None = None) -> Message:
        """The message sent as that one, counted from 0 without retransmissions; from the end when negative.

        With ``exchange`` those of that exchange alone count: a peer may ask for a cookie before.
        """
        wanted = None if exchange is None else lookup(ExchangeType, exchange)
        sent = [event for _, event in self.events if isinstance(event, MessageSent)]
        sent = [event for event in sent if wanted in (None, event.header.exch_type)]
        if not -len(sent) <= number < len(sent):
            of = "" if wanted is None else f" in {name_of(ExchangeType, wanted)}"
            fail(f"a message sent of number {number}{of}", f"{len(sent)} messages sent{of}")
        payloads = sent[number].payloads
        # Read back what was built, so that computed lengths and counts can be looked at too.
        return Message(chain(sent[number].header, parse_payloads(first_type(payloads), build_payloads(payloads))))

    def _matching(self, kind: type[Event], fields: dict[str, Any]) -> list[Event]:
        return [
            event
            for _, event in self.events
            if isinstance(event, kind) and all(getattr(event, name) == wanted for name, wanted in fields.items())
        ]

    def has(self, kind: type[Event], *, times: int | None = None, **fields: Any) -> Self:
        """Such an event happened (so many ``times``), its fields having these values.

        LocalError for a field that the event does not have, and for what is no event.
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
        """A count says nothing where the network has let go of such events."""
        gone = sum(
            dict(event.kinds).get(kind.__name__, 0) for _, event in self.events if isinstance(event, EventsDropped)
        )
        if gone:
            fail(f"every {kind.__name__} to be kept, so that they can be counted", f"{gone} that were let go")

    def lacks(self, kind: type[Event], **fields: Any) -> Self:
        """No such event happened. LocalError as for `has`."""
        return self.has(kind, times=0, **fields)


class _Layers(Protocol):
    """Any packet of Scapy's. (Where Scapy is unknown to the type checker, a Packet would be anything.)"""

    def haslayer(self, cls: Any) -> Any: ...
    def iterpayloads(self) -> Iterator[Any]: ...


@overload
def expect(subject: _Layers, what: str = "") -> Message: ...  # type: ignore[overload-overlap]
@overload
def expect(subject: list[tuple[str, Event]], what: str = "") -> Events: ...
@overload
def expect(subject: Callable[..., object], what: str = "") -> Call: ...  # type: ignore[overload-overlap]
@overload
def expect(subject: object, what: str = "") -> Value: ...
def expect(subject: Any, what: str = "") -> Message | Events | Call | Value:
    """The expectations that fit the kind of ``subject``: a `Message`, `Events`, a `Call`, or any other `Value`.

    ``what`` names a value in the text of a failure.
    """
    if isinstance(subject, Packet):
        return Message(subject)
    if callable(subject):
        return Call(subject)
    if isinstance(subject, list) and all(_is_entry(entry) for entry in subject):
        return Events(subject)
    return Value(subject, what)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Event)


def _check_layers(layers: Sequence[object], fields: dict[str, Any]) -> None:
    for layer in layers:
        if not (isinstance(layer, type) and issubclass(layer, Packet)):
            raise LocalError(f"expected layers to look for, such as IKEv2_SA, found {layer!r}")
    if not fields:
        return
    if not layers:
        raise LocalError(f"expected the layer that has the fields {', '.join(fields)}, found none")
    last: Any = layers[-1]
    # Scapy looks on in the layers behind for a field that a layer does not have.
    _check_names(last, fields, {field.name for field in last.fields_desc}, also=_properties(last, below=Packet))


def check_event(kind: object, fields: Mapping[str, object]) -> None:
    """Whether a kind of event has these fields; LocalError, which names those that there are."""
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise LocalError(f"expected a kind of event, such as IkeSaEstablished, found {kind!r}")
    _check_names(kind, fields, {field.name for field in dataclasses.fields(kind)}, also=_properties(kind, below=object))


def _check_names(kind: type, fields: Mapping[str, object], known: set[str], *, also: set[str]) -> None:
    for name in fields:
        if name not in known | also:
            near = _near(name, sorted(known | also))
            raise LocalError(f"{kind.__name__} has no field {name!r}{near}; it has {', '.join(sorted(known))}")


def _properties(cls: type, *, below: type) -> set[str]:
    """What else may be asked of it: the properties of the class and of its bases, up to ``below``."""
    bases = [base for base in cls.__mro__ if base not in below.__mro__]
    return {name for base in bases for name, value in vars(base).items() if isinstance(value, property)}


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
