# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/settings.md: every key of a configuration file, from the classes that check it and the docs of their fields."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from fynx_scapy.checks import Check, Checked, Setting, settings_of
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.ppk import Ppk
from fynx_scapy.ike.terms.child_config import ChildConfig
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.endpoint_config import EndpointConfig
from fynx_scapy.ike.terms.lifetime import Lifetime, Limits
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection, Reconnect, Retransmission
from fynx_scapy.pki.trust import Trust
from fynx_scapy.settings.credentials import CredentialTable
from fynx_scapy.settings.places import PLACES
from fynx_scapy.settings.settings import Settings
from fynx_scapy.settings.swanctl.keys import AUTH, AUTHORITY, CERTIFICATE, CHILD, CONNECTION, IGNORED, POOL, Key
from fynx_scapy.settings.swanctl.secrets import LEFT_OUT
from fynx_scapy.settings.tables import file_alone, in_toml, keys_of

WIDTH = 120
NOTE = "<!-- Written by scripts/docs from the code: change that, not this page. -->"


# Each class and the table in which its settings stand.
TABLES: tuple[tuple[type[Checked], str], ...] = (
    (Settings, "The file itself"),
    (EndpointConfig, "`[endpoint]`"),
    (Reconnect, "`[reconnect]`"),
    (IkeConfig, "`[connections.NAME]`"),
    *((cls, f"`[connections.NAME.{name}]`: {cls.about}") for name in PLACES for cls in PLACES[name].tables),
    (Trust, "`[connections.NAME.trust]`"),
    (Ppk, "`[[connections.NAME.ppk]]`"),
    (ChildConfig, "`[[connections.NAME.children]]`"),
    (Lifetime, "`lifetime`, of a connection and of each of its children"),
    (Limits, "`soft` and `hard` of a lifetime"),
    (DeadPeerDetection, "`[connections.NAME.dpd]`"),
    (Retransmission, "`[connections.NAME.retransmission]`, and `retransmission` in `dpd`"),
    (ConfigRequest, "`[connections.NAME.cp_request]`"),
    (ConfigReply, "`[connections.NAME.cp_reply]`"),
)

INTRODUCTION = """\
A configuration file is TOML; the [guide](guide.md#configurations-from-files) has an example. Each key below is a
setting of a class in Python, with the same checks and the same default. `false` stands for Python's None: it switches
off what is optional. An array of one item may be written as that item. Names of files are relative to the folder of the
configuration file. The words for certificates are those of `fynx connect`.
"""

SWANCTL = """\
A file with the suffix `.conf` is read as strongSwan's swanctl.conf. These are the keys that are not taken. Each that is
left out is named, with its line. Where the last column says so, its section would be wrong without it, and is left out
too.
"""


def settings() -> str:
    """docs/settings.md."""
    parts = [
        "# Settings\n",
        "<!-- Written by scripts/docs from the code: change that, not this page. -->\n",
        INTRODUCTION,
    ]
    for cls, title in TABLES:
        meanings = field_docs(cls)
        parts.append(f"## {title}\n\n{_paragraph(_about(cls))}\n")
        kind: Any = cls
        parts += [_entry(setting, meanings[setting.name]) for setting in settings_of(kind)]
        parts.append("")
    parts += ["## swanctl.conf\n", SWANCTL, *_swanctl(), ""]
    return "\n".join(parts)


def _about(cls: type[Checked]) -> str:
    return (inspect.getdoc(cls) or "") if issubclass(cls, CredentialTable) else f"`{cls.__name__}`."


def field_docs(cls: type) -> dict[str, str]:
    """The string below each field of a dataclass and of those that it is made of, as one line."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if dataclasses.is_dataclass(each):
            found |= _own_docs(each)
    return found


def _own_docs(cls: type) -> dict[str, str]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    return {
        one.target.id: " ".join(next_.value.value.split())
        for one, next_ in zip(node.body, node.body[1:], strict=False)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        and isinstance(next_, ast.Expr) and isinstance(next_.value, ast.Constant) and isinstance(next_.value.value, str)
    }  # fmt: skip


def _entry(setting: Setting, meaning: str) -> str:
    *first, last = (f"`{key}`" for key in keys_of(setting))
    key = f"{', '.join(first)} or {last}" if first else last
    default = f" Default: {_default(setting.default)}." if setting.has_default else " Needed."
    return textwrap.fill(f"- {key}: {_wanted(setting.check)}. {meaning}{default}", WIDTH, subsequent_indent="  ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _wanted(check: Check) -> str:
    """What a value must be. A table is named by its section on this page."""
    of = check.of or (check.item.of if check.item else None)
    if of is Credential:
        return "a table, as below, or an array of them for several rounds, each with an `id` if need be" + (
            ", or false" if check.accepts(None) else ""
        )
    if check.file:
        return "the name of a file" + (", or an array of them" if check.item else "")
    if of is not None and (alone := file_alone(of)):
        return f"a table ({of.__name__}), or the names of files, which are its `{alone}`, or false"
    if of is not None and issubclass(of, Checked) and check.item is None:
        return f"a table ({of.__name__})" + (", or false" if check.accepts(None) else "")
    return in_toml(check.wanted)


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Checked):
        cls: Any = type(value)
        changed = [s.key for s in settings_of(cls) if s.has_default and getattr(value, s.name) != s.ready]
        return "that of each of its keys" if not changed else f"`{_toml(value)}`"
    if isinstance(value, tuple) and any(isinstance(item, Checked) for item in value):
        return "one, with the default of each of its keys"
    return "empty" if value in ((), "") else f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Checked):
        cls: Any = type(value)
        changed = [(s.key, getattr(value, s.name)) for s in settings_of(cls) if getattr(value, s.name) != s.ready]
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in changed)} }}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _swanctl() -> Iterator[str]:
    yield "| key | why | with these values it is taken | needed |\n| --- | --- | --- | --- |"
    tables = {
        "connections.NAME": CONNECTION,
        "….local and .remote": AUTH,
        "….local.certNAME, .remote.certNAME and .cacertNAME": CERTIFICATE,
        "….children.NAME": CHILD,
        "pools.NAME": POOL,
        "authorities.NAME": AUTHORITY,
    }
    for where, keys in tables.items():
        for name, key in keys.items():
            if key is IGNORED:
                yield f"| {where}.{name} | has no effect with IKEv2 | all | |"
            elif key.read is None:
                yield f"| {where}.{name} | {key.why} | {_harmless(key)} | {'yes' if key.needed else ''} |"
    yield from (f"| secrets.{kind}NAME | {why} |  |  |" for kind, why in LEFT_OUT.items())


def _harmless(key: Key) -> str:
    return ", ".join(f"`{value}`" for value in key.harmless)
