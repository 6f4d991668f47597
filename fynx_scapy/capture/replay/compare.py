# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare two messages field by field, ignoring fields that are always fresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scapy.packet import Packet

from fynx_scapy.capture.replay.recording import Recorded, name
from fynx_scapy.iana import ExchangeType, TransformType, name_of
from fynx_scapy.layers.ikev2 import IKEv2_Proposal

FRESH: Mapping[str, frozenset[str]] = {
    "KE": frozenset({"ke"}),
    "Nonce": frozenset({"nonce"}),
    "AUTH": frozenset({"load"}),
    "CERT": frozenset({"cert_data"}),
    "CERTREQ": frozenset({"cert_authority"}),
    "SA": frozenset({"SPI"}),
    "D": frozenset({"SPI"}),
    "N(REKEY_SA)": frozenset({"SPI"}),
    "N(CHILD_SA_NOT_FOUND)": frozenset({"SPI"}),
    "N(NAT_DETECTION_SOURCE_IP)": frozenset({"notify"}),
    "N(NAT_DETECTION_DESTINATION_IP)": frozenset({"notify"}),
    "N(COOKIE)": frozenset({"notify"}),
    "N(COOKIE2)": frozenset({"notify"}),
    "N(PUZZLE)": frozenset({"notify"}),
    "N(QCD_TOKEN)": frozenset({"notify"}),
}
"""The fields of each payload that differ in every run and are not compared."""

COMPUTED = frozenset({"next_payload", "length", "SPIsize", "SPInum", "trans_nb", "number_of_TSs", "payload_kind"})
"""Fields that follow from other fields or from a payload's position."""

ABSENT, PRESENT = "absent", "present"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that differs from the recording. ``message`` is the recorded packet's number. ``field`` is empty if the
    whole payload is missing or new.
    """

    message: int
    payload: str
    field: str
    recorded: str
    found: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.payload} {self.field}".rstrip()
        return f"packet {self.message}: {where}: recorded {self.recorded}, found {self.found}"


def compare(recorded: Recorded, header: Packet, payloads: Sequence[Packet]) -> list[FieldDifference]:
    """The differences between a message and the recorded one, ignoring the order of payloads."""
    number = recorded.numbers[0]
    before, after = _keyed(recorded.payloads), _keyed(payloads)
    kinds = [name_of(ExchangeType, int(each.exch_type)) for each in (recorded.header, header)]
    found = [FieldDifference(number, "HDR", "exch_type", *kinds)] if kinds[0] != kinds[1] else []
    for key in dict.fromkeys((*before, *after)):
        old, new, what = before.get(key), after.get(key), key[0]
        if old is None or new is None:
            words = (PRESENT, ABSENT) if new is None else (ABSENT, PRESENT)
            found.append(FieldDifference(number, what, "", *words))
            continue
        skipped = COMPUTED | FRESH.get(what, frozenset())
        a, b = dict(_fields(old, skipped)), dict(_fields(new, skipped))
        for field in dict.fromkeys((*a, *b)):
            if a.get(field) != b.get(field):
                found.append(FieldDifference(number, what, field, a.get(field, ABSENT), b.get(field, ABSENT)))
    return found


def _keyed(payloads: Sequence[Packet]) -> dict[tuple[str, int], Packet]:
    """The payloads by name and by their position among those with the same name."""
    counts: Counter[str] = Counter()
    found = {}
    for payload in payloads:
        what = name(payload)
        if what.startswith("N(NAT_DETECTION") and counts[what]:
            continue  # a peer with several addresses sends one for each
        found[what, counts[what]] = payload
        counts[what] += 1
    return found


def _fields(layer: Packet, skipped: frozenset[str], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every field with its value as text, including fields inside lists."""
    for field in layer.fields_desc:
        if field.name in skipped:
            continue
        value = layer.getfieldval(field.name)
        if isinstance(layer, IKEv2_Proposal) and field.name == "trans":
            yield from _transforms(value, prefix)
        elif isinstance(value, list) and value and isinstance(value[0], Packet):
            for place, part in enumerate(value, 1):
                yield from _fields(part, skipped, f"{prefix}{field.name}[{place}].")
        else:
            yield f"{prefix}{field.name}", _text(layer, field, value)


def _transforms(transforms: Sequence[Packet], prefix: str) -> Iterator[tuple[str, str]]:
    """The transforms by type, each type in order of preference."""
    by_type: dict[int, list[str]] = {}
    for each in transforms:
        by_type.setdefault(int(each.transform_type), []).append(each.mysummary())
    for number, words in sorted(by_type.items()):
        yield f"{prefix}{name_of(TransformType, number)}", ", ".join(words)


def _text(layer: Packet, field: Any, value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() or "empty"
    return str(field.i2repr(layer, value))
