# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan's own parser reads every configuration file as we do, and refuses those that we refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.settings.swanctl.sections import Section, read_sections

LIBRARY = Path("/usr/lib/ipsec/libstrongswan.so.0")
FILES = 400

pytestmark = [
    pytest.mark.slow,
    pytest.mark.interop,
    pytest.mark.skipif(not LIBRARY.exists(), reason="libstrongswan is not installed"),
]

# The methods of settings_t, by their place in it. In a process of its own: a wrong place would end it.
THEIRS = """
import ctypes as c, json, sys
lib = c.CDLL(sys.argv[1])
lib.library_init.restype = c.c_bool
lib.library_init(None, b"fynx")
lib.settings_create.restype = c.POINTER(c.c_void_p)
GET_SECTIONS, GET_VALUES, LOAD = 11, 12, 14

def call(settings, place, result, *arguments):
    kinds = [c.c_bool if isinstance(each, bool) else c.c_char_p for each in arguments]
    return c.CFUNCTYPE(result, c.c_void_p, *kinds)(settings[place])(c.cast(settings, c.c_void_p), *arguments)

def listed(settings, place, prefix):
    enumerator = call(settings, place, c.c_void_p, prefix.encode())
    methods = c.cast(enumerator, c.POINTER(c.c_void_p))
    first, second = c.c_char_p(), c.c_char_p()
    following = c.CFUNCTYPE(c.c_bool, c.c_void_p, c.c_void_p, c.c_void_p)(methods[0])
    while following(enumerator, c.byref(first), c.byref(second)):
        yield first.value.decode(), (second.value or b"").decode()
    c.CFUNCTYPE(None, c.c_void_p)(methods[2])(enumerator)

def tree(settings, prefix=""):
    found = dict(listed(settings, GET_VALUES, prefix))
    for name, _ in list(listed(settings, GET_SECTIONS, prefix)):
        found[name] = tree(settings, f"{prefix}.{name}".lstrip("."))
    return found

for line in sys.stdin:
    settings = lib.settings_create(None)
    loaded = call(settings, LOAD, c.c_bool, line.strip().encode(), True)
    print(json.dumps(tree(settings) if loaded else None), flush=True)
"""


def ours(section: Section) -> dict[str, Any]:
    values: dict[str, Any] = {name: value.text for name, value in section.values.items()}
    return values | {name: ours(inner) for name, inner in section.sections.items()}


def written(random: Random) -> str:
    """A file of sections, values, comments, includes and references that lead nowhere or to sections without any."""
    strings = '"q\\n z"  t', '"a\\\n  b"', '"\\"#}"', '"" '
    values = ("1", "x y", "", "1 # c", "a{b", "x:y.z,w", "=", "k\\ l", "é", *strings)
    includes = "include other.conf\n", 'include "*r.conf" # x\n', "include no*\n", "#{\n"

    def block(depth: int, names: str = "abcs") -> str:
        lines = []
        for _ in range(random.randint(0, 4)):
            space, name = random.choice(("", " ", "\n", "\t ")), random.choice(names)
            if random.random() < 0.5 or depth > 3:
                lines.append(f"{name}{space}={random.choice(('', ' '))}{random.choice(values)}\n")
            elif random.random() < 0.1:
                lines.append(random.choice(includes))
            else:
                to = random.choice((":d ", " : d,\n e ", " : d.a, nowhere", "")) if names == "abcs" else ""
                lines.append(
                    f"{name}{to}{space}{{{random.choice(('', ' ', chr(10)))}{block(depth + 1, names)}}}{space}"
                )
        return "".join(lines)

    text = f"{block(0)}d {{\n{block(1, 'abz')}}}\ne : d {{ {block(1, 'abz')}}}\n"
    if random.random() < 0.2:  # a mistake
        place = random.randrange(len(text))
        text = text[:place] + random.choice(("}", "{", '"', "=", ":", "")) + text[place + 1 :]
    return text


def test_strongswan_reads_files_as_we_do(tmp_path):
    random = Random(1)
    (tmp_path / "other.conf").write_text("z = 2\ns { inc = 1\n}\n")
    texts = [written(random) for _ in range(FILES)]
    paths = [tmp_path / f"{number}.txt" for number in range(FILES)]
    found: list[Any] = []
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
        try:
            found.append(ours(read_sections(path).root))
        except ConfigError:
            found.append(None)
    done = subprocess.run(
        [sys.executable, "-c", THEIRS, LIBRARY], input="\n".join(map(str, paths)), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(text, mine, other) for text, mine, other in zip(texts, found, theirs, strict=True) if mine != other] == []
    assert found.count(None) > FILES / 20  # mistakes are among them
    assert sum(bool(each) for each in found) > FILES / 2
