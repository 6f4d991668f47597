# SPDX-License-Identifier: GPL-2.0-or-later
"""Public names live in a few modules (docs/architecture.md, section 6), and what we show to people uses no others."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fynx_scapy.capture
import fynx_scapy.events
import fynx_scapy.ike.events
import fynx_scapy.lab

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = {
    "fynx_scapy",
    "fynx_scapy.capture",
    "fynx_scapy.capture.audit",
    "fynx_scapy.capture.replay",
    "fynx_scapy.errors",
    "fynx_scapy.esp",
    "fynx_scapy.esp.scapy",
    "fynx_scapy.events",
    "fynx_scapy.exchanges",
    "fynx_scapy.extensions",
    "fynx_scapy.failures",
    "fynx_scapy.fuzz",
    "fynx_scapy.harness",
    "fynx_scapy.harness.cases",
    "fynx_scapy.harness.sent",
    "fynx_scapy.harness.verbs",
    "fynx_scapy.iana",
    "fynx_scapy.lab",
    "fynx_scapy.layers.esp",
    "fynx_scapy.layers.ikev2",
    "fynx_scapy.load",
    "fynx_scapy.net",
    "fynx_scapy.observe",
    "fynx_scapy.pytest_plugin",
    "fynx_scapy.scan",
    "fynx_scapy.settings",
    "fynx_scapy.taps",
}
PAGES = (
    "README.md",
    "docs/guide.md",
    "docs/scan.md",
    "docs/fingerprint.md",
    "docs/migration.md",
    "notebooks/README.md",
)
OLD_PATHS = {
    "fynx_scapy.harness.forge": ("forge",),
    "fynx_scapy.ike": ("events",),
    "fynx_scapy.ike.config": (
        "Address", "ChildConfig", "DeadPeerDetection", "EndpointConfig", "Identity", "IkeConfig", "Lifetime",
        "Proposal", "Psk", "Retransmission", "Selector", "address",
    ),
    "fynx_scapy.ike.envelope": ("Envelope",),
    "fynx_scapy.ike.events": tuple(fynx_scapy.events.__all__),
    "fynx_scapy.ike.exchanges": ("Exchange", "exchange"),
    "fynx_scapy.ike.exchanges.custom": ("Custom",),
    "fynx_scapy.ike.exchanges.ike_auth": ("IkeAuth",),
    "fynx_scapy.ike.message": ("Address", "Datagram", "DatagramKind", "Header", "Outgoing", "notify"),
    "fynx_scapy.ike.sa": ("IkeSa",),
    "fynx_scapy.ike.taps": ("Taps",),
    "fynx_scapy.net.nat": ("Nat",),
    "fynx_scapy.net.recorder": ("Recorder",),
    "fynx_scapy.net.udp": ("UdpNetwork", "free_ports"),
}  # fmt: skip
"""What scripts have imported so far."""


def sources() -> Iterator[tuple[str, str]]:
    """What people read and copy: scenarios, cells of notebooks, Python in documents."""
    for path in sorted((ROOT / "scenarios").rglob("*.py")):
        if path.name != "__init__.py":
            yield str(path.relative_to(ROOT)), path.read_text()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(cells):
            code = "".join(cell["source"])
            yield f"{path.name} cell {number}", re.sub(r"^[%!].*$", "", code, flags=re.MULTILINE)
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```\w*\n(.*?)^```$", (ROOT / page).read_text(), re.S | re.M)):
            lines = (line.removeprefix(">>> ") for line in block.split("\n"))
            yield (
                f"{page} block {number}",
                "\n".join(line for line in lines if re.match(r"(from|import) fynx_scapy", line)),
            )


SOURCES = dict(sources())


def imported(code: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def public(module: str, name: str) -> bool:
    """Whether ``from module import name`` is for everybody; a scenario may import another."""
    if module.split(".")[0] != "fynx_scapy" or module.startswith("fynx_scapy.scenarios"):
        return True
    if module not in PUBLIC:
        return False
    known = getattr(importlib.import_module(module), "__all__", None)
    return name in ("", "*") or known is None or name in known


def test_what_people_read_imports_public_names() -> None:
    found = {source: list(imported(code)) for source, code in SOURCES.items()}
    assert [(source, *each) for source, names in found.items() for each in names if not public(*each)] == []
    # There is something to read: a pattern that finds nothing is no success.
    read = {source.split()[0] for source, names in found.items() if any("fynx_scapy" in module for module, _ in names)}
    assert {"README.md", "docs/guide.md", "scenarios/handshake/psk_handshake.py", "2_decrypt.ipynb"} <= read
    assert len(found) > 150


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_names_are_there(module: str) -> None:
    found = importlib.import_module(module)
    for name in getattr(found, "__all__", ()):
        assert getattr(found, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        found.nonsense  # noqa: B018 -- asking is the test


@pytest.mark.parametrize("module", [fynx_scapy, fynx_scapy.capture, fynx_scapy.lab])
def test_the_type_checker_sees_the_same_names(module: object) -> None:
    """Names that are imported when they are asked for stand three times: for people, for us, for the type checker."""
    home = module._HOME  # type: ignore[attr-defined]
    assert set(module.__all__) == set(home) <= set(dir(module))  # type: ignore[attr-defined]
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {
        alias.asname or alias.name
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(home)


def test_every_event_is_public() -> None:
    def kinds(base: type) -> set[type]:
        return {base}.union(*map(kinds, base.__subclasses__()))

    files = ("basics.event", "auth_events", "datagram_events", "events")
    homes = tuple(f"fynx_scapy.ike.{name}" for name in files)
    ours = {kind for kind in kinds(fynx_scapy.events.Event) if kind.__module__ in homes}
    # Slots make every class anew; the first ones, which nobody can name, are subclasses still.
    named = {kind.__name__ for kind in ours}
    assert named == set(fynx_scapy.events.__all__)
    for name in named:
        assert getattr(fynx_scapy.events, name) is getattr(fynx_scapy.ike.events, name)


@pytest.mark.parametrize("module", OLD_PATHS)
def test_paths_of_before_stay(module: str) -> None:
    code = f"from {module} import {', '.join(OLD_PATHS[module])}; from {module} import *"
    names: dict[str, object] = {}
    exec(code, names)
    assert set(OLD_PATHS[module]) <= names.keys()
