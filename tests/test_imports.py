# SPDX-License-Identifier: GPL-2.0-or-later
"""Which way imports run (docs/architecture.md, section 2): no part knows one above it, and there is no circle."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import fynx_scapy

ROOT = Path(__file__).resolve().parent.parent

EVERYWHERE = ("errors", "reasons", "text", "checks", "files", "processes")
"""What every part may import."""

# Part of the package -> the parts that it may import, apart from those.
BASE = {"private_use", "iana"}
SECURITY = BASE | {"crypto", "esp"}
ENGINE = SECURITY | {"pki", "layers", "eap", "ike"}
RECORDS = ENGINE | {"events", "failures", "exchanges", "extensions", "taps", "keynames", "keylog", "ladder"}
STATE = RECORDS | {"net", "session_setup", "session_history", "session_sas"}
CARRIERS = STATE | {"session_state", "session"}
PROGRAMS = RECORDS | {"net", "ipsec_life", "ipsec_session", "ipsec_host"}
TOOLS = CARRIERS | PROGRAMS | {"observe", "client", "server", "tun_pump", "harness", "capture", "lab"}
FRONTS = TOOLS | {"settings", "report", "scenarios", "shell"}
MAY_IMPORT = {
    "errors": set(),
    "reasons": set(),
    "text": set(),
    "checks": set(),
    "files": set(),
    "processes": set(),
    "private_use": set(),
    "iana": {"private_use"},
    "crypto": BASE,
    "esp": BASE | {"crypto"},
    "pki": BASE | {"crypto"},
    "layers": BASE,
    "eap": BASE | {"crypto", "layers"},
    "ike": ENGINE,
    "events": ENGINE,
    "failures": ENGINE | {"events"},
    "exchanges": ENGINE,
    "extensions": ENGINE,
    "taps": ENGINE,
    "keynames": SECURITY,
    "keylog": ENGINE | {"keynames"},
    "ladder": ENGINE,
    "settings": ENGINE,
    "net": RECORDS,
    "observe": RECORDS | {"net"},
    "session_setup": RECORDS | {"net"},
    "session_history": RECORDS | {"net"},
    "session_sas": RECORDS,
    "session_state": STATE,
    "session": CARRIERS,
    "ipsec_life": RECORDS | {"net"},
    "ipsec_session": RECORDS | {"net", "ipsec_life"},
    "ipsec_host": RECORDS | {"net", "ipsec_life", "ipsec_session"},
    "ipsec_reconnect": RECORDS | {"net", "ipsec_life", "ipsec_session"},
    "client": PROGRAMS | {"ipsec_reconnect"},
    "server": PROGRAMS,
    "tun_pump": PROGRAMS,
    "harness": CARRIERS | {"settings"},
    "lab": CARRIERS | PROGRAMS | {"client", "server", "harness"},
    "capture": TOOLS,
    "bench": TOOLS,
    "fuzz": TOOLS,
    "load": TOOLS | {"bench"},
    "report": TOOLS,
    "scan": TOOLS,
    "scenarios": TOOLS,
    "shell": TOOLS,
    "pytest_state": FRONTS,
    "pytest_cases": FRONTS | {"pytest_state"},
    "pytest_arguments": FRONTS | {"pytest_cases"},
    "pytest_plugin": FRONTS | {"pytest_state", "pytest_cases", "pytest_arguments"},
    "commands": FRONTS | {"bench", "fuzz", "load", "scan"},
    "cli": {"commands"},
    "shims": {"layers"},
}
# The one file of esp that knows Scapy may know our layers too.
EXCEPTIONS = {"fynx_scapy.esp.scapy": {"layers"}}


def files() -> dict[str, Path]:
    """Every module of the package and the file that it is."""
    found = {}
    for top, prefix in (
        ("fynx_scapy", "fynx_scapy"),
        ("layers", "fynx_scapy.layers"),
        ("scenarios", "fynx_scapy.scenarios"),
    ):
        for path in sorted((ROOT / top).rglob("*.py")):
            inside = path.relative_to(ROOT / top)
            if top == "fynx_scapy" and inside.parts[0] in ("layers", "scenarios"):
                continue  # the symbolic links, which some versions of rglob follow
            found[".".join([prefix, *inside.with_suffix("").parts]).removesuffix(".__init__")] = path
    return found


FILES = files()


def for_types(node: ast.AST) -> bool:
    """Whether it is a block for the type checker alone."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def statements(tree: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below, and whether only the type checker reads it. Without recursion, which takes half the time."""
    left = [(each, False) for each in ast.iter_child_nodes(tree)]
    while left:
        node, types = left.pop()
        yield node, types
        if isinstance(node, ast.If) and for_types(node):
            left += [(each, True) for each in node.body] + [(each, types) for each in node.orelse]
        else:
            left += [(each, types) for each in ast.iter_child_nodes(node)]


@functools.cache
def told(module: str) -> list[tuple[ast.AST, bool]]:
    """What a module imports, catches and calls by a plain name, as `statements` gives it. Each file is read once."""
    nodes = statements(ast.parse(FILES[module].read_text()))
    kinds = (ast.Import, ast.ImportFrom, ast.ExceptHandler)
    return [
        (node, types)
        for node, types in nodes
        if isinstance(node, kinds) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    ]


@functools.cache
def imports(module: str, *, types: bool = True) -> frozenset[str]:
    """The modules that ``module`` imports: ours by the file that they really are, others by their full name."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node, for_types_alone in told(module):
        if for_types_alone and not types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                if base == "fynx_scapy" and alias.name in fynx_scapy._HOME:
                    full = fynx_scapy._HOME[alias.name]  # a public name is its home's
                found.add(full if full in FILES or not base.startswith("fynx_scapy") else base)
    return frozenset(found)


def part(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def test_every_part_has_its_place() -> None:
    assert {part(module) for module in FILES} - {""} <= MAY_IMPORT.keys()


def offenders(find: Callable[[str], object], modules: Iterable[str]) -> dict[str, object]:
    """What ``find`` finds wrong in each of these modules, by the module; those in order are left out.

    One test looks at all modules: a test for each costs far more than what it does.
    """
    found = {module: find(module) for module in modules}
    assert found  # a condition that chooses no module is no success
    return {module: wrong for module, wrong in found.items() if wrong}


def test_imports_run_downwards() -> None:
    def upwards(module: str) -> set[str]:
        here = part(module)
        allowed = {"", *EVERYWHERE, here} | MAY_IMPORT.get(here, set()) | EXCEPTIONS.get(module, set())
        return {name for name in imports(module) if name.split(".")[0] == "fynx_scapy" and part(name) not in allowed}

    assert offenders(upwards, FILES.keys() - {"fynx_scapy"}) == {}  # which has all public names


# The ground floor of the engine, for types alone: an endpoint has IKE SAs, which start exchanges, which have an IKE SA.
GROUND = {f"fynx_scapy.ike.core.{name}" for name in ("endpoint", "exchange", "record")}


@pytest.mark.parametrize("types", [False, True], ids=["at run time", "with imports for types alone"])
def test_no_circle_of_modules(types: bool) -> None:
    graph = {
        module: {name for name in imports(module, types=types) if name in FILES and name != module} for module in FILES
    }
    for module in GROUND if types else ():
        graph[module] -= GROUND
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


# The rooms of ike/ from the ground floor up: each may import those before it, and itself.
ROOMS = (
    "basics", "message", "terms", "credentials", "config", "auth_events", "datagram_events", "events", "wire", "core",
    "auth", "path", "child", "life", "extensions", "strangers", "exchanges", "reassembly", "requests", "answers",
    "sa_messages", "sa", "traffic", "router", "endpoint", "taps", "envelope",
)  # fmt: skip


def room(module: str) -> str:
    """The room of ike/ that a module belongs to: a folder, or a file of its own."""
    return module.split(".")[2] if module.startswith("fynx_scapy.ike.") else ""


def test_imports_in_the_engine_run_down_its_floors() -> None:
    def upwards(module: str) -> set[str]:
        below = set(ROOMS[: ROOMS.index(room(module)) + 1])
        return {name for name in imports(module) if room(name) and room(name) not in below}

    assert offenders(upwards, filter(room, FILES)) == {}


def test_no_circle_of_parts() -> None:
    graph: dict[str, set[str]] = {}
    for module in FILES:
        known = {part(name) for name in imports(module) if name in FILES} - {"", part(module)}
        if part(module):
            graph.setdefault(part(module), set()).update(known)
    assert list(graphlib.TopologicalSorter(graph).static_order())


WITHOUT_SCAPY = ("crypto", "esp", "pki", "iana", "errors", "reasons", "text")


def test_no_scapy_below_the_layers() -> None:
    def scapy(module: str) -> set[str]:
        return {name for name in imports(module) if name.split(".")[0] == "scapy"}

    assert offenders(scapy, [name for name in FILES if part(name) in WITHOUT_SCAPY and name not in EXCEPTIONS]) == {}


# What the engine is handed and never fetches: time, randomness, sockets, files, threads.
OUTSIDE_WORLD = {
    "asyncio", "datetime", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors",
    "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip


def test_engine_touches_nothing_outside() -> None:
    def touched(module: str) -> set[str]:
        outside = {name.split(".")[0] for name in imports(module)} & OUTSIDE_WORLD
        if module == "fynx_scapy.ike.basics.randomness":
            outside -= {
                "os",
                "secrets",
                "random",
            }  # the one place where randomness comes from: the system's, or a seed's
        if part(module) == "layers":
            outside -= {"datetime", "time"}  # every Scapy packet bears the time at which it was made
        called = {
            node.func.id for node, _ in told(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        return outside | called & {"open", "print", "input", "exec", "eval", "__import__"}

    engine = ("ike", "esp", "crypto", "layers")
    assert offenders(touched, [name for name in FILES if part(name) in engine]) == {}


def test_the_engine_knows_one_module_above_it_by_name_alone() -> None:
    """`IkeConfig.from_file` asks for the reader of files, which knows every configuration."""
    asking = [name for name in FILES if part(name) == "ike" and "importlib" in imports(name)]
    assert asking == ["fynx_scapy.ike.config"]
    assert FILES[asking[0]].read_text().count('importlib.import_module("fynx_scapy.settings")') == 1


def test_one_place_alone_catches_everything() -> None:
    """docs/architecture.md, Errors: elsewhere an exception that nobody expected is a fault to be seen."""

    def caught(module: str) -> list[tuple[int, str]]:
        handlers = [node for node, _ in told(module) if isinstance(node, ast.ExceptHandler)]
        kinds = [(node.lineno, ast.unparse(node.type) if node.type else "a bare except") for node in handlers]
        everything = {"Exception", "BaseException", "a bare except"}
        return [(line, kind) for line, kind in kinds if everything & set(kind.strip("()").split(", "))]

    found = offenders(caught, FILES)
    assert [(module, kind) for module, rows in found.items() for _, kind in rows] == [  # type: ignore[attr-defined]
        ("fynx_scapy.net.guard", "Exception")  # in `attempt`
    ], found


def test_one_module_makes_auth_and_nobody_else_asks_for_the_secret() -> None:
    """RFC 7296, section 2.15: what is signed is put together in one place."""

    def wrong(module: str) -> set[str]:
        found = set()
        if module != "fynx_scapy.ike.auth.methods":
            names = {alias.name for node, _ in told(module) if isinstance(node, ast.ImportFrom) for alias in node.names}
            found |= names & {"psk_auth", "signed_octets"}
        if not module.startswith("fynx_scapy.ike.auth."):
            found |= set(re.findall(r"auth\.secret\b", FILES[module].read_text()))
        return found

    assert offenders(wrong, FILES) == {}


def test_only_commands_know_the_command_line() -> None:
    knowing = {part(module) for module in FILES if any(name.split(".")[0] == "click" for name in imports(module))}
    assert knowing == {"cli", "commands"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_import_of_the_package_is_cheap() -> None:
    heavy = "{'scapy', 'cryptography', 'rich', 'jinja2', 'click'}"
    done = python(f"import fynx_scapy, sys; print(sorted({heavy} & sys.modules.keys()))")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_crypto_and_esp_work_without_scapy() -> None:
    names = [name for name in FILES if part(name) in WITHOUT_SCAPY and name not in EXCEPTIONS]
    done = python("import sys; sys.modules['scapy'] = None; import " + ", ".join(names))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_command_line_answers_without_scapy(arguments: list[str]) -> None:
    done = python(f"import sys; sys.modules['scapy'] = None; from fynx_scapy.cli import main; main({arguments!r})")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fynx" in done.stdout


def test_the_audit_imports_no_page_no_scenario_and_no_certificate(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
    lines = (
        "import sys",
        "from fynx_scapy.cli import main",
        f"try: main(['audit', {str(empty)!r}])",
        "except SystemExit: pass",
        "slow = ('jinja2', 'fynx_scapy.harness', 'fynx_scapy.session', 'cryptography.x509')",
        "from scapy.config import conf",
        "print([name for name in slow if name in sys.modules], conf.route_autoload)",
    )
    done = python("\n".join(lines))
    assert done.stdout.splitlines()[-1:] == ["[] False"], done.stderr


def test_a_capture_without_decryption_needs_no_scapy(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
    words = ["capture", str(empty), "--no-decrypt"]
    done = python(f"import sys; sys.modules['scapy.packet'] = None; from fynx_scapy.cli import main; main({words!r})")
    assert (done.returncode, done.stderr) == (0, "")


def test_public_names_are_what_they_say() -> None:
    assert set(fynx_scapy.__all__) == set(fynx_scapy._HOME)
    assert set(fynx_scapy.__all__) <= set(dir(fynx_scapy))
    for name, home in fynx_scapy._HOME.items():
        value = getattr(fynx_scapy, name)
        assert getattr(value, "__module__", home) == home, name
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        fynx_scapy.Nonsense  # noqa: B018 -- asking is the test


def test_layers_have_one_name() -> None:
    done = python("import sys; sys.path.insert(0, '.'); import layers")
    assert done.returncode == 1
    assert "fynx_scapy.layers" in done.stderr.splitlines()[-1]
