# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of all IKEv2 layers: how a structure is read, created and built.

A :class:`Structure` is a Scapy packet whose fields are a *head* (fixed-size numbers at the front, packed and unpacked
by one precompiled :class:`struct.Struct`) and a *tail* (all fields after them, which pack and unpack themselves). It
reads exactly its own octets and keeps no copy of them, so it builds what its fields say. Scapy's features still work:
lists of alternatives and random values expand, and RawVal is inserted unchanged.

Three decisions make it fast. An instance is filled from a template of its class instead of by Packet.__init__. The head
is packed in one call. A layer is cloned before it is built only if a value is random or a list of alternatives, which
is Scapy's only reason to clone.
"""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from scapy.base_classes import Gen
from scapy.config import conf
from scapy.fields import Field, FlagValue, RawVal
from scapy.packet import NoPayload, Packet, Raw
from scapy.volatile import VolatileValue

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.text import counted, printable

_L = TypeVar("_L")
_NO_PAYLOAD = NoPayload()
_assign = object.__setattr__
_KEPT = (
    "name", "time", "fields", "overloaded_fields", "original", "explicit", "raw_packet_cache",
    "raw_packet_cache_fields", "payload", "underlayer", "parent",
)  # fmt: skip
"""The slots that make a layer what it is, for pickles."""
_UNSET = {slot for slot in Packet.__slots__ if getattr(Raw(), slot, "") is None}
"""The slots that Packet.__init__ sets to None. They stay empty until something is assigned, which saves time."""


class FormError(MalformedError):
    """Octets without the expected format. ``offset`` counts from the start of the structure that was read."""

    def __init__(self, offset: int, text: str):
        super().__init__(text)
        self.offset = offset
        self.text = printable(text)

    def moved(self, offset: int) -> FormError:
        """The same fault, with its offset in a structure that starts ``offset`` octets earlier."""
        return FormError(self.offset + offset, self.text)

    def __str__(self) -> str:
        return f"{self.text} at offset {self.offset}"


def _is_head(field: Any) -> bool:
    return getattr(field, "in_head", None) is True or (
        getattr(field, "in_head", None) is None
        and type(field).getfield is Field.getfield
        and type(field).addfield is Field.addfield
        and not field.islist
        and not field.holds_packets
    )


class Structure(Packet):
    """The base class of our layers. ``malformed`` says what is wrong with the dissected octets, or is None.

    Subclasses list their fields in ``fields_desc``. Class attributes describe the length on the wire: ``size_at`` is
    the offset of the two-octet length field, ``size_plus`` is added to its value.
    """

    __slots__ = []
    _fault: str | None = None
    size_at: ClassVar[int | None] = None
    size_plus: ClassVar[int] = 0
    malformed_class: ClassVar[type[Structure]]

    _head: ClassVar[list[Any]]
    _names: ClassVar[list[str]]
    _islist: ClassVar[set[str]]
    _tail: ClassVar[list[Any]]
    _lists: ClassVar[list[str]]
    _struct: ClassVar[struct.Struct]
    _convert: ClassVar[list[tuple[str, Callable[[Any, Any], Any]]]]
    _template: ClassVar[list[tuple[Callable[[Any, Any], None], Any]] | None]

    if TYPE_CHECKING:  # packet[Layer] is a Layer

        @overload
        def __getitem__(self, layer: type[_L]) -> _L: ...
        @overload
        def __getitem__(self, layer: str) -> Structure: ...
        def __getitem__(self, layer: type[_L] | str) -> _L | Structure: ...

    def __getattr__(self, name: str) -> Any:
        """The value of a field of this layer or of one behind it; None for a slot that has not been set."""
        for values in (self.fields, self.overloaded_fields, self.default_fields):
            if name in values:
                return value if isinstance(value := values[name], RawVal) else self.fieldtype[name].i2h(self, value)
        return None if name in _UNSET else self.payload.__getattr__(name)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields = cls.fields_desc
        split = next((n for n, field in enumerate(fields) if not _is_head(field)), len(fields))
        cls._head, cls._tail = fields[:split], fields[split:]
        cls._names = [field.name for field in cls._head]
        cls._struct = struct.Struct("!" + "".join(field.fmt.lstrip("!") for field in cls._head))
        cls._convert = [(field.name, field.m2i) for field in cls._head if type(field).m2i is not Field.m2i]
        cls._lists = [field.name for field in fields if isinstance(field.default, list)]
        cls._islist = {field.name for field in fields if field.islist}
        cls._template = None

    # -- making -------------------------------------------------------------------------------------------------------

    def __init__(
        self,
        _pkt: bytes = b"",
        post_transform: Any = None,
        _internal: int = 0,
        _underlayer: Packet | None = None,
        _parent: Packet | None = None,
        stop_dissection_after: type[Packet] | None = None,
        **fields: Any,
    ):
        values = self._fresh()
        if not _internal:
            _assign(self, "time", time.time())
        if _underlayer is not None:
            _assign(self, "underlayer", _underlayer)
        if _parent is not None:
            _assign(self, "parent", _parent)
        if post_transform is not None:
            _assign(self, "post_transforms", post_transform if isinstance(post_transform, list) else [post_transform])
        if _pkt:
            octets = bytes(_pkt)
            _assign(self, "original", octets)
            _assign(self, "stop_dissection_after", stop_dissection_after)
            self.dissect(octets)
            if not _internal:
                self.dissection_done(self)
        else:
            values |= {name: [] for name in self._lists}
        if fields:
            # In declared order: the meaning of a value may depend on an earlier field.
            for field in self.fields_desc:
                if field.name in fields:
                    value = fields.pop(field.name)
                    values[field.name] = value if isinstance(value, RawVal) else field.any2i(self, value)
            for name in fields:
                raise AttributeError(name)

    def _fresh(self) -> dict[str, Any]:
        """Set every slot of a new instance but those of `_UNSET`, and return the (empty) dictionary of its fields."""
        for put, value in type(self)._template or self._capture():
            put(self, value)
        values: dict[str, Any] = {}
        _assign(self, "fields", values)
        _assign(self, "overloaded_fields", {})
        _assign(self, "post_transforms", [])
        return values

    def _capture(self) -> list[tuple[Callable[[Any, Any], None], Any]]:
        """Let Packet.__init__ fill one instance of this class, and record the value of each slot."""
        cls = type(self)
        model = cls.__new__(cls)
        Packet.__init__(model, _internal=1)
        slots = {
            name: getattr(owner, "__dict__")[name]  # noqa: B009 -- the metaclass looks names up among the fields
            for owner in reversed(cls.__mro__)
            for name in getattr(owner, "__slots__", ())
            if name in owner.__dict__
        }
        template = []
        for name, slot in slots.items():
            try:
                value = slot.__get__(model, cls)
            except AttributeError:
                continue  # Scapy sets this slot later
            if name not in {"fields", "overloaded_fields", "post_transforms", *_UNSET}:
                template.append((slot.__set__, value))
        cls._template = template
        return template

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """An instance from exactly these octets. Raises :class:`FormError` if they do not fit."""
        layer = cls._blank()
        layer.read(octets)
        return layer

    @property
    def malformed(self) -> str | None:
        """What is wrong with this dissected layer; None if it is well-formed or was not dissected."""
        return self._fault

    def note_fault(self, text: str) -> None:
        """Add a fault to the faults of this layer."""
        fault = printable(text) if self._fault is None else f"{self._fault}; {printable(text)}"
        _assign(self, "_fault", fault)
        _assign(self, "name", f"{self._name} (malformed: {fault})")  # the heading of show()

    def copy(self) -> Self:
        clone: Self = super().copy()
        if self._fault is not None:
            clone.note_fault(self._fault)
        return clone

    def clone_with(self, payload: Any = None, **kargs: Any) -> Any:
        clone = super().clone_with(payload, **kargs)
        if self._fault is not None:
            clone.note_fault(self._fault)
        return clone

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickles: the layer as it is. Scapy builds the octets and dissects them, which may make another layer."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return type(self)._blank, (), {name: value for name, value in kept.items() if value} | self.__dict__

    def __setstate__(self, kept: dict[str, Any]) -> None:
        for name, value in kept.items():
            _assign(self, name, value)

    @classmethod
    def _blank(cls) -> Self:
        layer = cls.__new__(cls)
        layer._fresh()
        return layer

    # -- reading ------------------------------------------------------------------------------------------------------

    @classmethod
    def measure(cls, octets: bytes, offset: int) -> int:
        """The size of the instance that starts at ``offset``, in octets. Raises :class:`FormError`."""
        at = cls.size_at
        left = len(octets) - offset
        if at is None:
            return left
        if left < at + 2:
            raise FormError(0, f"{cls._name}: {counted(left, 'octet')} left, too few for its length field")
        size = int.from_bytes(octets[offset + at : offset + at + 2]) + cls.size_plus
        if size < at + 2:
            raise FormError(at, f"{cls._name}: length {size} is less than its header")
        if size > left:
            raise FormError(at, f"{cls._name}: length {size}, but {counted(left, 'octet')} left")
        return size

    def read(self, octets: bytes) -> None:
        """Fill the fields from exactly these octets. Raises :class:`FormError`."""
        head = self._struct
        if len(octets) < head.size:
            raise FormError(len(octets), f"{self._name}: expected at least {head.size} octets, found {len(octets)}")
        values = self.fields
        values.update(zip(self._names, head.unpack_from(octets), strict=True))
        for name, convert in self._convert:
            values[name] = convert(self, values[name])
        rest = octets[head.size :]
        for field in self._tail:
            try:
                rest, values[field.name] = field.getfield(self, rest)
            except FormError as fault:
                raise fault.moved(len(octets) - len(rest)) from None
        if rest:
            raise FormError(len(octets) - len(rest), f"{self._name}: {counted(len(rest), 'octet')} too many")
        _assign(self, "explicit", 1)

    def dissect(self, s: bytes) -> None:
        """Read one structure; octets after it become Padding. If the octets do not fit, call :meth:`malform`."""
        try:
            size = self.measure(s, 0)
            self.read(s[:size])
        except FormError as fault:
            self.malform(s, str(fault))
            return
        if size < len(s):
            self.add_payload(conf.padding_layer(s[size:]))

    def malform(self, octets: bytes, error: str) -> None:
        """Become an instance of ``malformed_class`` with the octets and the error.

        A constructor cannot return another object, and Scapy chooses the class before it passes the octets.
        """
        kind = getattr(self, "payload_type", None)
        _assign(self, "__class__", self.malformed_class)
        values = self._fresh()
        values.update({field.name: None for field in self.fields_desc}, error=error, data=octets)
        if "payload_type" in values:
            values["payload_type"] = kind
        _assign(self, "explicit", 1)

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        return b"", s

    # -- writing ------------------------------------------------------------------------------------------------------

    def internal(self, name: str) -> Any:
        """The internal value of a field of this layer: set, overloaded by its payload, or default."""
        for source in (self.fields, self.overloaded_fields, self.default_fields):
            if name in source:
                return source[name]
        raise AttributeError(name)

    def plain(self) -> bool:
        """Whether this layer is exactly one packet: no random value, no list of alternatives."""
        lists = self._islist
        for name, value in self.fields.items():
            if type(value) in _PLAIN or name in lists or isinstance(value, Packet):
                continue
            if isinstance(value, (VolatileValue, list, Gen)):
                return False
        if self.default_fields is not Packet.class_default_fields[type(self)]:  # fuzz() sets random values there
            return not any(isinstance(value, VolatileValue) for value in self.default_fields.values())
        return True

    def one(self) -> Self:
        """This layer if it is :meth:`plain`, else the first packet that it expands to."""
        return self if self.plain() else next(iter(self))

    def self_build(self) -> bytes:
        tail = b""
        for field in self._tail:
            value = self.internal(field.name)
            tail = tail + bytes(value) if isinstance(value, RawVal) else field.addfield(self, tail, value)
        fields, overloaded, defaults = self.fields, self.overloaded_fields, self.default_fields
        numbers = []
        for field in self._head:
            name = field.name
            number = fields[name] if name in fields else overloaded.get(name, defaults[name])
            if type(number) is not int:
                number = self.computed(name, tail) if number is None else number
                if isinstance(number, RawVal):
                    return self._build_raw(tail)
                number = field.i2m(self, number)
            numbers.append(number)
        try:
            octets = self._struct.pack(*numbers) + tail
        except struct.error:
            octets = self._build_raw(tail)  # which raises an error with the name of the field
        for transform in self.post_transforms:
            octets = transform(octets)
        return octets

    def _build_raw(self, tail: bytes) -> bytes:
        """Build field by field: slow, but it supports RawVal and names the field whose value does not fit."""
        octets = b""
        for field in self._head:
            value = self.internal(field.name)
            if isinstance(value, RawVal):
                octets += bytes(value)
                continue
            value = self.computed(field.name, tail) if value is None else value
            try:
                octets += field.struct.pack(field.i2m(self, value))
            except struct.error as error:
                raise ConfigError(f"{type(self).__name__}.{field.name}={value!r} cannot be sent: {error}") from None
        return octets + tail

    def computed(self, name: str, tail: bytes) -> Any:
        """The value of the head field ``name`` that is None. ``tail`` is this layer's octets after the head."""
        if name == "length":
            return self._struct.size + len(tail) - self.size_plus
        field = self.fieldtype[name]
        return field.computed(self) if hasattr(field, "computed") else field.i2m(self, None)

    def build_in_list(self, last: bool) -> bytes:
        """This structure as an element of a list; ``last`` says whether it is the last one."""
        return self.do_build()

    def do_build(self) -> bytes:
        layer = self if self.explicit else self.one()
        octets: bytes = layer.self_build()
        return octets + bytes(layer.payload.do_build())


def sequence(
    choose: Callable[[bytes, int], type[Structure]], octets: bytes, until: Callable[[list[Any]], bool] | None = None
) -> tuple[list[Structure], int]:
    """Consecutive structures and their size in octets: all of them, or those read before ``until`` was true.

    ``choose`` returns the class for an offset. Raises :class:`FormError`.
    """
    elements: list[Structure] = []
    offset = 0
    while offset < len(octets) and not (until is not None and until(elements)):
        try:
            cls = choose(octets, offset)
            size = cls.measure(octets, offset)
            elements.append(cls.from_octets(octets[offset : offset + size]))
        except FormError as fault:
            raise fault.moved(offset) from None
        offset += size
    return elements, offset


_PLAIN = frozenset({int, bytes, str, bool, type(None), FlagValue, RawVal})
