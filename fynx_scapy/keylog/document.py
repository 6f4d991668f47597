# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys as JSON: our own ``keys.json``, which holds everything, and the lab's, which lab.py reads.

Ours has the keys of SAs under ``ike`` and ``esp``, and lists of secrets in hexadecimal: ``ke_secrets`` (shared secrets
of key exchanges in any order), ``private``, ``sk_d``, ``psk``, ``ppk``, ``msk``, ``passwords``. ``tls`` has
the lines of a TLS key log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from fynx_scapy.checks import shown
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import TransformType, lookup, name_of
from fynx_scapy.keylog import lab
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import (
    REGISTRIES,
    SECRET_KINDS,
    TLS_LABELS,
    Entry,
    EspKeys,
    IkeKeys,
    Rows,
    Secret,
    TlsSecret,
)
from fynx_scapy.keylog.text import address, octets, spi

FORMAT = "fynx-scapy keys 1"
SECRET_MEMBERS = {"ke_secrets" if kind == "secrets" else kind: kind for kind in SECRET_KINDS}


# its first member; a document of several lines has it on the second
LINE = re.compile(r'^\{\s{0,20}"(?:format|pcap|ike_spis|ike_sas|child_sas|auth_trace|ike|esp)"', re.MULTILINE)

END = re.compile(r"(?:\{.*)?\}\s*$")


def read_json(lines: Sequence[Line]) -> Rows:
    """The entries of either document, or of several. Raises ConfigError if one is neither of the two."""
    text = "\n".join(line.text for line in lines).strip()
    at = 0
    while True:
        try:
            document, end = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"not JSON: {error}") from None
        yield from _rows(document)
        at = next(n for n in range(end, len(text) + 1) if not text[n : n + 1].isspace())
        if at == len(text):
            return


def _rows(document: Any) -> Rows:
    if not isinstance(document, dict):
        raise ConfigError("expected a JSON object")
    sources: dict[str, Callable[[Any], Iterable[Entry]]]
    if "ike_sas" in document or "child_sas" in document:
        sources = {"ike_sas": lab.ike_sa, "child_sas": lab.child_sa, "auth_trace": lab.traced}
    elif document.get("format") == FORMAT:
        sources = {"ike": _ike, "esp": _esp, "tls": _tls}
        sources |= {member: partial(_secret, kind) for member, kind in SECRET_MEMBERS.items()}
    else:
        raise ConfigError(f'expected "format": "{FORMAT}", or the lab\'s "ike_sas" and "child_sas"')
    yield "document", tuple  # an empty document is one that was read
    for name, make in sources.items():
        entries = document.get(name, [])
        if not isinstance(entries, list):
            yield "member", partial(_no_list, name)
            continue
        for index, entry in enumerate(entries):

            def row(entry: Any = entry, make: Callable[[Any], Iterable[Entry]] = make) -> Iterable[Entry]:
                try:
                    return list(make(entry))
                except KeyError as missing:
                    raise ConfigError(f"the member {missing} is missing") from None
                except (TypeError, AttributeError):
                    raise ConfigError("a member has the wrong type") from None

            yield f"{name}[{index}]", row


def write_json(entries: Iterable[Entry]) -> str:
    """Write every entry so that `read_json` reads the same entries back."""
    document: dict[str, Any] = {"format": FORMAT, "ike": [], "esp": []}
    members = {kind: member for member, kind in SECRET_MEMBERS.items()}
    for entry in entries:
        if isinstance(entry, Secret):
            document.setdefault(members[entry.kind], []).append(entry.value.hex())
        elif isinstance(entry, TlsSecret):
            line = {"label": entry.label, "random": entry.random.hex(), "secret": entry.secret.hex()}
            document.setdefault("tls", []).append(line)
        else:
            document["ike" if isinstance(entry, IkeKeys) else "esp"].append(_to_json(entry))
    return json.dumps(document, indent=1) + "\n"


def _to_json(keys: IkeKeys | EspKeys) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, Transform):
            return {"name": name_of(REGISTRIES[value.type], value.id), "id": value.id, "key_length": value.key_length}
        return value

    document = {name: plain(getattr(keys, name)) for name in keys.__slots__}
    if isinstance(keys, EspKeys) and keys.spi is not None:
        document["spi"] = f"{keys.spi:08x}"
    return document


def _transform(kind: TransformType, value: dict[str, Any] | None) -> Transform | None:
    if value is None:
        return None
    try:
        number = lookup(REGISTRIES[kind], value["id"])
    except ConfigError:  # its text has the name, which may be anything
        raise ConfigError(f"id is not the name or number of a transform of type {kind.name}") from None
    return Transform(kind, number, _typed(value["key_length"], int, "key_length"))


def _typed(value: Any, kind: type, name: str) -> Any:
    if value is not None and type(value) is not kind:
        raise ConfigError(f"{name} is {shown(value, hidden=True)}, expected {kind.__name__} or null")
    return value


def _needed(transform: Transform | None) -> Transform:
    if transform is None:
        raise ConfigError("encr is null, expected a transform")
    return transform


def _no_list(name: str) -> Iterable[Entry]:
    raise ConfigError(f"{name} is not a list")


def _secret(kind: str, entry: Any) -> Iterator[Secret]:
    yield Secret(kind, octets(entry, SECRET_KINDS[kind]))


def _tls(entry: dict[str, Any]) -> Iterator[TlsSecret]:
    label = entry["label"]
    if label not in TLS_LABELS:
        raise ConfigError(f"the label is none of {', '.join(TLS_LABELS)}")
    yield TlsSecret(label, octets(entry["random"], "random"), octets(entry["secret"], "secret"))


def _ike(entry: dict[str, Any]) -> Iterator[IkeKeys]:
    secrets = ("sk_ei", "sk_er", "sk_ai", "sk_ar", "sk_d", "sk_pi", "sk_pr")
    yield IkeKeys(
        spi_i=octets(entry["spi_i"], "spi_i", 8 if entry["spi_i"] else None),
        spi_r=octets(entry["spi_r"], "spi_r", 8 if entry["spi_r"] else None),
        encr=_needed(_transform(TransformType.ENCR, entry["encr"])),
        integ=_transform(TransformType.INTEG, entry["integ"]),
        prf=_transform(TransformType.PRF, entry["prf"]),
        unchecked_icv=_typed(entry.get("unchecked_icv", 0), int, "unchecked_icv") or 0,
        **{name: octets(entry[name], name) for name in secrets},
    )


def _esp(entry: dict[str, Any]) -> Iterator[EspKeys]:
    yield EspKeys(
        spi=None if entry["spi"] is None else spi(entry["spi"]),
        src=address(entry["src"]),
        dst=address(entry["dst"]),
        encr=_needed(_transform(TransformType.ENCR, entry["encr"])),
        key=octets(entry["key"], "key"),
        integ=_transform(TransformType.INTEG, entry["integ"]),
        auth_key=octets(entry["auth_key"], "auth_key"),
        esn=_typed(entry["esn"], bool, "esn"),
        unchecked_icv=_typed(entry["unchecked_icv"], int, "unchecked_icv") or 0,
        spis=_typed(entry.get("spis", ""), str, "spis") or "",
        esn_high=_typed(entry.get("esn_high", 0), int, "esn_high") or 0,
    )
