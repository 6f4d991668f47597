# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations in TOML: every setting by its own checks; errors name the file, the line and the key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import (
    Address,
    ChildConfig,
    ConfigReply,
    ConfigRequest,
    DeadPeerDetection,
    EndpointConfig,
    IkeConfig,
    Lifetime,
    Limits,
    Psk,
    Retransmission,
    Selector,
)
from fynx_scapy.checks import Checked, settings_of
from fynx_scapy.errors import ConfigError
from fynx_scapy.settings import Settings
from fynx_scapy.settings.positions import positions
from fynx_scapy.settings.source import MOST_OCTETS

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guide.md"
WHOLE = """\
local = ["192.0.2.1", "2001:DB8::1"]

[endpoint]
port = 1500                    # a comment
cookie_threshold = false
crash_secrets = ["0x00112233445566778899aabbccddeeff", "sixteen letters!"]

[connections.home]
local_id = "alice@example.org"
remote = "198.51.100.1:4500"
psk = "0x0011"
retry_wait = [1, 2]
proposals = ["default", "aes256-sha256-modp2048"]

[connections.home.dpd]
interval = false
retransmission.tries = 2

[[connections.home.children]]
name = "a"
local_ts = "10.0.0.0/8"
lifetime = { soft = { seconds = 60 }, jitter = 0 }

[[connections.home.children]]
name = "b"

[connections."road warriors"]
psk = "a secret of many words"
cp_reply = { pool = "10.9.0.0/24", more = [["INTERNAL_IP4_NBNS", "10.0.0.1"]] }
children = []
"""


def written(folder: Path, text: str | bytes, name: str = "ipsec.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def error(folder: Path, text: str | bytes) -> str:
    """The one line of the error about a file, without the name of the folder."""
    with pytest.raises(ConfigError) as refused:
        Settings.from_file(written(folder, text))
    words = str(refused.value)
    assert "\n" not in words
    assert words.startswith(f"{folder}/")
    return words.removeprefix(f"{folder}/")


def test_a_file_is_the_same_as_its_constructors(tmp_path):
    settings = Settings.from_file(written(tmp_path, WHOLE))
    assert settings.local == ("192.0.2.1", "2001:db8::1")
    secrets = (bytes.fromhex("00112233445566778899aabbccddeeff"), b"sixteen letters!")
    assert settings.endpoint == EndpointConfig(port=1500, cookie_threshold=None, crash_secrets=secrets)
    home = settings.connections["home"]
    assert home.remote == Address("198.51.100.1", 4500)
    assert home.auth == IkeConfig(auth=b"\0\x11").auth
    assert (home.dpd.interval, home.dpd.retransmission.tries, home.retry_wait) == (None, 2, (1, 2))
    assert home.proposals == IkeConfig(auth="x", proposals="default,aes256-sha256-modp2048").proposals
    lifetime = Lifetime(soft=Limits(seconds=60), jitter=0)
    assert home.children == (ChildConfig(name="a", local_ts="10.0.0.0/8", lifetime=lifetime), ChildConfig(name="b"))
    assert list(settings.connections) == ["home", "road warriors"]
    assert settings.connections["road warriors"].children == ()
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("port = 1500", "prot = 1500", "4: unknown key 'endpoint.prot'; did you mean 'port'?"),
        ("port = 1500", "port = 70000", "4: expected endpoint.port to be a whole number from 0 to 65535, found 70000"),
        ("port = 1500", "port = 2020-01-01", "found a date"),
        ("cookie_threshold = false", "cookie_threshold = -1", "or false, found -1"),
        ("interval = false", "interval = 'no'", "16: expected connections.home.dpd.interval to be a number of seconds"),
        ("tries = 2", "tries = true", "17: expected connections.home.dpd.retransmission.tries to be a whole number"),
        ("tries = 2", "trys = 2", "17: unknown key 'connections.home.dpd.retransmission.trys'; did you mean 'tries'?"),
        ('"10.0.0.0/8"', '"10.0.0.0/33"', "21: connections.home.children[0].local_ts: expected a traffic selector"),
        ('name = "b"', 'name = ""', "25: expected connections.home.children[1].name to be text that is not empty"),
        ("seconds = 60", "second = 60", "22: unknown key 'connections.home.children[0].lifetime.soft.second'"),
        ("jitter = 0", "hard.seconds = 1", "22: expected a hard limit of at least 60 seconds"),
        ("[1, 2]", "[2, 1]", "8: expected IkeConfig.retry_wait to be the shortest and then the longest wait"),
        ("[1, 2]", "[2]", "12: expected connections.home.retry_wait to be a pair"),
        ('psk = "0x0011"', "", "8: expected psk, psk_file or auth in connections.home, found none"),
        ('psk = "0x0011"', "lifetime = 5", "11: expected connections.home.lifetime to be a table, found a number"),
        ("children = []", "children = [5]", "30: expected connections.road warriors.children[0] to be a table"),
        ("children = []", "children = {name = 5}", "30: expected connections.road warriors.children.name to be text"),
        ('["192.0.2.1"', '["moon"', "1: local: expected IP addresses such as 192.0.2.1"),
        ("[endpoint]", "[endpiont]", "3: unknown key 'endpiont'; did you mean 'endpoint'?"),
        ("[endpoint]", "[[endpoint]]", "3: expected endpoint to be a table, found an array"),
        ("local =", "local = =", "line 1, column 9: Invalid value"),
        ("children = []", "children = [", "end of document"),
        ("port = 1500", "port = " + "9" * 5000, "digits"),
    ],
)
def test_an_error_names_the_line_and_the_key(tmp_path, old, new, words):
    assert old in WHOLE
    assert words in error(tmp_path, WHOLE.replace(old, new, 1))


def test_connections_are_tables_with_names(tmp_path):
    assert (
        error(tmp_path, "connections = 5")
        == "ipsec.toml: line 1: expected connections to be a table of tables, found a number"
    )
    assert "expected connections.a to be a table" in error(tmp_path, "[connections]\n\na = 5")


def test_an_unknown_key_without_a_neighbour_lists_those_that_there_are(tmp_path):
    words = error(tmp_path, "[connections.a.lifetime]\nfoo = 1")
    assert words == (
        "ipsec.toml: line 2: unknown key 'connections.a.lifetime.foo'; the keys here are hard, jitter, rekey_idle, soft"
    )


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"local = '\xff'", "line 1: expected text in UTF-8"),
        (bytes.fromhex("0a0d0d0a1c000000"), "expected text, found a binary file"),
        (b"#" * (MOST_OCTETS + 1), "expected a configuration of at most 1024 KB, found a larger file"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"local = '\x1b[2J'", "invalid character"),
    ],
)
def test_what_is_no_toml_is_one_error(tmp_path, octets, words):
    assert words in error(tmp_path, octets)


def test_a_file_that_cannot_be_read_is_one_error(tmp_path):
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file or directory")):
        with pytest.raises(ConfigError, match=f"{path}: cannot be read: {words}"):
            Settings.from_file(path)


def test_the_example_of_the_guide_is_read(tmp_path):
    blocks = re.findall(r"^```toml\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    (text,) = (block for block in blocks if "[connections.office]" in block)
    for name in ("alice.psk", "everybody.psk"):
        written(tmp_path, "secret", name)
    settings = Settings.from_file(written(tmp_path, text))
    assert list(settings.connections) == ["office", "roadwarriors"]
    assert settings.warnings == ()


# -- secrets


def test_a_secret_may_lie_in_a_file_of_its_own(tmp_path):
    written(tmp_path, b"a secret\xff\n", "psk")
    path = written(tmp_path, "[connections.a]\npsk_file = 'psk'\n[endpoint]\ncrash_secrets_file = ['long', 'long']")
    written(tmp_path, bytes(16), "long")
    settings = Settings.from_file(path)
    assert settings.connection().auth == IkeConfig(auth=b"a secret\xff").auth
    assert settings.endpoint.crash_secrets == (bytes(16), bytes(16))
    for octets, secret in ((b"0x00fF\n", b"\x00\xff"), (b"0x\xff", b"0x\xff")):  # the second is no text
        written(tmp_path, octets, "psk")
        assert Settings.from_file(path).connection().auth == IkeConfig(auth=secret).auth
    assert settings.warnings == ()


def test_a_file_with_a_secret_that_everybody_may_read_is_warned_of_once(tmp_path):
    text = "[connections.a]\npsk = 'x'\n[connections.b]\npsk = 'y'\n[connections.c]\npsk_file = 'psk'"
    path, psk = written(tmp_path, text), written(tmp_path, "key", "psk")
    for each in (path, psk):
        each.chmod(0o644)
    warnings = Settings.from_file(path).warnings
    assert [line.partition(": ")[0] for line in warnings] == [str(path), str(psk)]
    assert all("every user of this machine may read it" in line for line in warnings)


HUSH = "hush-hush-1234"


@pytest.mark.parametrize(
    "line",
    [
        f"psk = ['{HUSH}']",
        f"psk = {{ key = '{HUSH}' }}",
        f"psk = '0x{HUSH}'",
        f"psk = '{HUSH}'\npsk_file = '{HUSH}'",
        f"psk = '{HUSH}'\nwindow = 0",
        f"psk = '{HUSH}'\nretry_wait = [2, 1]",
        f"auth = '{HUSH}'",
        f"psk = '{HUSH}' '{HUSH}'",
        f"psk = {HUSH}",
    ],
)
def test_no_error_shows_a_secret(tmp_path, line):
    assert "hush" not in error(tmp_path, f"[connections.a]\n{line}")


def test_a_secret_file_that_is_wrong_names_itself_and_the_line(tmp_path):
    words = error(tmp_path, "[connections.a]\npsk_file = 'none'")
    assert words == f"ipsec.toml: line 2: {tmp_path}/none: cannot be read: No such file or directory"
    written(tmp_path, "\n", "psk")
    assert "the file is empty" in error(tmp_path, "[connections.a]\npsk_file = 'psk'")
    written(tmp_path, "0xfifteen", "psk")
    words = error(tmp_path, "[connections.a]\npsk_file = 'psk'")
    assert words == f"ipsec.toml: line 2: expected hex digits after 0x in {tmp_path}/psk"
    written(tmp_path, "x" * 70_000, "psk")
    assert "expected a secret of at most 64 KB" in error(tmp_path, "[connections.a]\npsk_file = 'psk'")


# -- one connection


def test_one_connection_of_a_file(tmp_path):
    path = written(tmp_path, "[connections.a]\npsk = 'x'\nlocal_id = 'alice'")
    assert IkeConfig.from_file(path) == IkeConfig.from_file(str(path), "a") == IkeConfig(auth="x", local_id="alice")
    with pytest.raises(ConfigError, match="no connection is called 'b'; the connections are: a"):
        IkeConfig.from_file(path, "b")
    for text in ("", "[connections.a]\npsk = 'x'\n[connections.b]\npsk = 'x'"):
        with pytest.raises(ConfigError, match=r"expected one connection, or a name .*: (none|a, b)"):
            IkeConfig.from_file(written(tmp_path, text))


def test_a_warning_reaches_who_asks_for_one_connection(tmp_path):
    path = written(tmp_path, "[connections.a]\npsk = 'x'")
    path.chmod(0o644)
    with pytest.warns(UserWarning, match="every user of this machine may read it") as warned:
        IkeConfig.from_file(path)
    assert warned[0].filename == __file__


# -- every setting can be written


def in_toml(value: Any) -> str:
    """A value of a configuration as TOML."""
    if isinstance(value, Psk):
        return f"{{ psk = '{value.secret.decode()}' }}"
    if isinstance(value, Checked):
        pairs = ((s.key, getattr(value, s.name)) for s in settings_of(type(value)))  # type: ignore[arg-type]
        return "{ " + ", ".join(f"{key} = {in_toml(item)}" for key, item in pairs) + " }"
    if value is None or isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    if isinstance(value, Address):
        return f"'{value.host}:{value.port}'"
    if isinstance(value, Selector):
        return f"'{value.addresses[0]}-{value.addresses[1]}'"
    return repr(value) if isinstance(value, int | float) else f"'{value}'"


def test_every_setting_can_be_written_and_read_again(tmp_path):
    dpd = DeadPeerDetection(interval=None, retransmission=Retransmission(tries=1))
    ike = IkeConfig(auth="x", remote="192.0.2.1", dpd=dpd, cp_request=ConfigRequest(), cp_reply=ConfigReply(dns="::1"))
    settings = Settings(local="192.0.2.9", endpoint=EndpointConfig(puzzle_levels=((5, 8),)), connections={"a": ike})
    lines = f"local = '192.0.2.9'\nendpoint = {in_toml(settings.endpoint)}\nconnections.a = {in_toml(ike)}"
    assert Settings.from_file(written(tmp_path, lines)) == settings


# -- where keys stand


def paths(table: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every key and every item of a document."""
    found = set()
    pairs = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in pairs:
        found |= {(*at, key)} | paths(value, (*at, key))
    return found


def test_every_key_has_its_line():
    text = """\
a = 1 # [no.table]
"b c".d = '''x
[no.table]
y'''
e = [ 1, # ]
  [2, "]"], { f = "}", g.h = 1979-05-27 07:32:00Z },
]
[t."u.v"]
w = "# no comment \\" ]"
[[t.x]]
y = ""
[[t.x]]
[t.x.z]
k = ""\"a ""\\""\""
[[t.x.m]]
"""
    found = positions(text)
    assert found.keys() == paths(tomllib.loads(text))
    lines = {
        ("a",): 1, ("b c", "d"): 2, ("e", 0): 5, ("e", 1): 6, ("e", 1, 1): 6, ("e", 2, "g", "h"): 6, ("t", "u.v"): 8,
        ("t", "u.v", "w"): 9, ("t", "x", 0, "y"): 11, ("t", "x", 1): 12, ("t", "x", 1, "z", "k"): 14,
        ("t", "x", 1, "m", 0): 15,
    }  # fmt: skip
    assert {path: found[path] for path in lines} == lines


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"\\u00e9\\""', "a.b", 'a . "]"'])
VALUES = st.recursive(
    st.sampled_from(["1", "-2.5e3", "true", "inf", '"x # y"', "'[z]'", '"""a\n"b""""', "'''\n]'''", "07:32:00",
                     "1979-05-27 07:32:00.5-07:00", '"\\\\"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # [\n" + ",\n".join(items) + " ]"),
        st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
        ),
    ),
    max_leaves=6,
)  # fmt: skip
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join), KEYS.map("[{}]".format), KEYS.map("[[ {} ]] # x".format), st.just("# = [")
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_what_tomllib_reads_has_a_line_for_every_key(text):
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert positions(text).keys() == paths(table)
