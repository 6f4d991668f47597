# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/report-json.md: the JSON of a run, from its JSON Schema, an object a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fynx_scapy.report.document import schema
from tools.settings_page import NOTE


def report_json() -> str:
    """The whole page."""
    parts = [
        "# The JSON of a run\n",
        f"{NOTE}\n",
        "`fynx run --json FILE` writes one object. Its JSON Schema (draft 2020-12) comes with the package:\n"
        "`fynx_scapy/report/schema.json`. Every field is always there. The number `schema` is raised when a field\n"
        "goes away or changes its meaning, so a program that reads it should ignore fields that it does not know.\n",
        *_tables("The document", schema()),
    ]
    return "\n".join(parts)


def _tables(title: str, described: Mapping[str, Any]) -> Iterator[str]:
    """The table of an object, then those of the objects in it."""
    properties: Mapping[str, Mapping[str, Any]] = described["properties"]
    yield f"## {title}\n"
    yield f"{described['description']}\n"
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for name, each in properties.items():
        yield f"| `{name}` | {_type(each)} | {each['description']}{_choice(each)} |"
    yield ""
    for name, each in properties.items():
        inner = each.get("items", each)
        if "properties" in inner:
            yield from _tables(f"`{name}`", inner)


def _type(each: Mapping[str, Any]) -> str:
    if "const" in each:
        return f"`{each['const']}`"
    kinds = each["type"] if isinstance(each["type"], list) else [each["type"]]
    return " or ".join(f"list of {each['items']['type']}s" if kind == "array" else kind for kind in kinds)


def _choice(each: Mapping[str, Any]) -> str:
    values = [f"`{value}`" for value in each.get("enum", ()) if value is not None]
    return f" One of {', '.join(values)}." if values else ""
