# SPDX-License-Identifier: GPL-2.0-or-later
"""Every configuration checks every setting when it is made, says what it expected, and has ``replace``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import math
import re
import textwrap
from typing import Any

import pytest

from fynx_scapy import checks, session_setup
from fynx_scapy.checks import Checked
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.target import Target
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike import config
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Psk, Retransmission, address
from fynx_scapy.ike.terms import child_config, cp_config, endpoint_config
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.lifetime import Lifetime, Limits
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.lab.peer import PeerChild, PeerConfig
from fynx_scapy.load import LoadPlan, Traffic
from fynx_scapy.net.wire import Wire
from fynx_scapy.session import Session

SECRET = "the lab's secret"
NEEDS: dict[type[Checked], dict[str, Any]] = {
    IkeConfig: {"auth": SECRET},
    Psk: {"secret": SECRET},
    Target: {"address": "127.0.0.1"},
}
CONFIGS = (
    ChildConfig, ConfigReply, ConfigRequest, DeadPeerDetection, EndpointConfig, IkeConfig, Lifetime, Limits, PeerChild,
    LoadPlan, PeerConfig, Psk, Retransmission, Target, Traffic, Wire,
)  # fmt: skip
HUGE = 1 << 20_000
"""More than Python writes as decimal digits."""
# No setting takes any of these; what a setting takes of None, text and numbers is in the rows below.
NONSENSE = (object(), math.nan, math.inf, -math.inf, -1, HUGE, -HUGE, 1j, [None], {"a": 1})


def made(cls: type[Checked], **changes: Any) -> Any:
    return cls(**{**NEEDS.get(cls, {}), **changes})


def settings(cls: type[Checked], *kinds: str) -> list[str]:
    """Every setting of a configuration, or those alone whose type begins with one of these words."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return [field.name for field in fields if not kinds or str(field.type).partition(" ")[0] in kinds]


def refusal(cls: type[Checked], name: str, value: object) -> str:
    """The error that a value of a setting is refused with."""
    try:
        made(cls, **{name: value})
    except ConfigError as error:
        return str(error)
    pytest.fail(f"{cls.__name__}.{name} takes {checks.shown(value)}")


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_setting_has_a_check(cls: type[Checked]) -> None:
    made(cls)
    unchecked = {f.name for f in dataclasses.fields(cls) if "check" not in f.metadata}  # type: ignore[arg-type]
    assert unchecked == ({"secret"} if cls is Psk else set())


@pytest.mark.parametrize("cls", CONFIGS)
def test_nonsense_is_refused_with_the_name_of_the_setting(cls: type[Checked]) -> None:
    for name in settings(cls):
        for value in (*NONSENSE, *([] if name in ("auth", "remote_auth", "secret", "psk") else [b"octets"])):
            refused = refusal(cls, name, value)
            assert name in refused or cls is Psk, (name, refused)
            assert len(refused) < 400


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_flag_is_true_or_false(cls: type[Checked]) -> None:
    for name in settings(cls, "bool"):
        for value in ("no", "yes", "", 0, 1, "False"):
            assert f"{cls.__name__}.{name} to be True or False" in refusal(cls, name, value)


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_number_is_neither_flag_nor_text(cls: type[Checked]) -> None:
    for name in settings(cls, "int", "float"):
        for value in (True, "5 s", "", b"5"):
            assert re.search(f"{cls.__name__}.{name}|KeMethod", refusal(cls, name, value)), (name, value)


@pytest.mark.parametrize(
    ("cls", "name", "value", "words"),
    [
        (IkeConfig, "fragmentation", "no", "True or False, found 'no'"),
        (IkeConfig, "window", 0, "from 1 to 1024, found 0"),
        (IkeConfig, "nonce_size", 15, r"\(RFC 7296 section 3.9\) from 16 to 256, found 15"),
        (IkeConfig, "remote", 5, "an address as text"),
        (IkeConfig, "remote", "moon", "an IP address such as"),
        (IkeConfig, "remote", ("192.0.2.1", 70000), "between 0 and 65535, found 70000"),
        (IkeConfig, "remote", ("192.0.2.1", "500"), "between 0 and 65535, found '500'"),
        (IkeConfig, "remote", "192.0.2.1:" + "9" * 5000, "a port number after the colon"),
        (IkeConfig, "local_id", 7, "an identity as text, found 7"),
        (IkeConfig, "proposals", (), "1 to 255 proposals"),
        (IkeConfig, "proposals", Proposal.parse("aes128gcm16", ProtocolId.ESP), "proposals for IKE"),
        (IkeConfig, "children", (ChildConfig(), "net"), r"IkeConfig.children\[1\] to be a ChildConfig, found 'net'"),
        (IkeConfig, "retry_wait", (3.0, 2.0), "to be the shortest and then the longest wait"),
        (IkeConfig, "dpd", 30, "a DeadPeerDetection, found 30"),
        (IkeConfig, "cp_request", True, "a ConfigRequest, or None, found True"),
        (ChildConfig, "proposals", [5], "a proposal as text, found 5"),
        (ChildConfig, "local_ts", (), "1 to 255 items"),
        (ChildConfig, "local_ts", [5], "a traffic selector as text"),
        (ChildConfig, "name", "", "not empty"),
        (Retransmission, "timeout", -1, "more than 0"),
        (Retransmission, "tries", 2.5, "a whole number"),
        (Retransmission, "base", 0.5, "from 1 to 100"),
        (Retransmission, "timeout", 1e9, "within a century"),
        (DeadPeerDetection, "action", "explode", "'clear', 'restart' or 'hold'"),
        (Lifetime, "jitter", 1.0, "less than 1"),
        (Lifetime, "soft", 3600, "a Limits"),
        (Lifetime, "hard", Limits(seconds=1.0), "the soft limit"),
        (EndpointConfig, "puzzle_levels", [(3, 5)], "puzzle difficulty"),
        (EndpointConfig, "puzzle_levels", [3], r"puzzle_levels\[0\] to be a pair"),
        (EndpointConfig, "source_prefix", 60, "in steps of 8"),
        (ConfigRequest, "addresses", ["moon"], "expected addresses such as 0.0.0.0"),
        (ConfigRequest, "attributes", [2.5], "names or numbers of attributes"),
        (ConfigReply, "netmask", "10.0.0.1.5", "an IPv4 netmask"),
        (ConfigReply, "dns", "moon", "an address or a network"),
        (PeerConfig, "fragmentation", "maybe", "'yes'"),
        (Wire, "loss", 2, "loss"),
    ],
)
def test_errors_say_what_was_expected_and_what_was_found(
    cls: type[Checked], name: str, value: object, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        made(cls, **{name: value})


@pytest.mark.parametrize("cls", CONFIGS)
def test_replace_checks_again_and_knows_the_fields(cls: type[Checked]) -> None:
    first = made(cls)
    assert first.replace() == first
    with pytest.raises(ConfigError, match=f"{cls.__name__} has no field 'nonsense'; it has "):
        first.replace(nonsense=1)
    name = dataclasses.fields(cls)[0].name  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        first.replace(**{name: object()})


def test_a_credential_derived_from_the_pre_shared_key_is_read_like_it() -> None:
    @dataclasses.dataclass(frozen=True)
    class Token(Psk):
        name: str = "token"

    written: list[Any] = ["secret", "0x736563726574", b"secret"]
    assert [Token(text).secret for text in written] == [b"secret"] * 3
    assert "secret" not in repr(Token(written[0])).replace("secret=", "")
    wrong: list[Any] = ["", b"", 7, "0xyz"]
    for text in wrong:
        with pytest.raises(ConfigError, match="pre-shared key"):
            Token(text)


def test_what_people_write_is_read() -> None:
    ours = IkeConfig(auth="secret", children=ChildConfig(), remote=("192.0.2.1", 500), ke="CURVE25519", window=2)
    assert (ours.auth, ours.children, ours.remote) == (Psk(b"secret"), (ChildConfig(),), address("192.0.2.1"))
    assert (ours.local_id, ours.ke) == (Identity.of("fynx"), 31)
    assert IkeConfig(auth=b"x", children=[], retry_wait=[1, 2]).children == ()  # type: ignore[arg-type]
    assert ours.replace(remote="192.0.2.9:4500").remote == address("192.0.2.9:4500")
    assert EndpointConfig(crash_secrets=bytes(16), puzzle_levels=[(5, 8)]).puzzle_levels == ((5, 8),)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [(EndpointConfig, "crash_secrets", "hush hush hush hush"), (EndpointConfig, "crash_secrets", [b"hush"]),
     (IkeConfig, "auth", 123456), (IkeConfig, "auth", ["hush"]), (Psk, "secret", 123456), (Target, "psk", 123456)],
)  # fmt: skip
def test_no_error_shows_a_secret(cls: type[Checked], name: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        made(cls, **{name: value})
    assert "hush" not in str(refused.value)
    assert "123456" not in str(refused.value)


@pytest.mark.parametrize("value", ["\x1b[31m", "\u202e", "x" * 5000, b"octets", pytest.param(HUGE, id="huge")])
def test_what_errors_show_is_short_and_printable(value: object) -> None:
    assert checks.shown(value).isprintable()
    assert len(checks.shown(value)) < 100


@pytest.mark.parametrize(
    ("cls", "fields", "more"),
    [
        (ChildConfig, child_config.ChildFields, set()),
        (IkeConfig, config.IkeFields, {"auth"}),
        (IkeConfig, config.IkeChanges, set()),
        (EndpointConfig, endpoint_config.EndpointFields, set()),
        (ConfigRequest, cp_config.RequestFields, set()),
        (ConfigReply, cp_config.ReplyFields, set()),
    ],
)
def test_what_the_type_checker_is_told_is_what_there_is(cls: type[Checked], fields: Any, more: set[str]) -> None:
    assert fields.__annotations__.keys() | more == {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def test_what_the_type_checker_is_told_of_sessions_is_what_they_take() -> None:
    arguments = inspect.signature(Session).parameters.keys()
    assert session_setup.SessionFields.__annotations__.keys() == arguments - {"target"}
    assert session_setup.ARGUMENTS.keys() <= arguments
    fields = session_setup.PeerFields.__annotations__.keys()
    everything = {field.name for cls in (IkeConfig, EndpointConfig) for field in dataclasses.fields(cls)}
    assert everything <= fields
    for name, value in {"esp_proposals": "aes256gcm16", "replay_window": 5, "tfc_length": 9, "psk": "x"}.items():
        assert name in fields
        Session(peer={name: value})  # type: ignore[arg-type]  # a name that varies


def test_fields_are_documented_one_by_one() -> None:
    for cls in CONFIGS:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, after in itertools.pairwise(body.body):
            if isinstance(field, ast.AnnAssign):
                what = f"{cls.__name__}.{ast.unparse(field.target)}"
                assert isinstance(after, ast.Expr), what
                assert isinstance(after.value, ast.Constant), what
                assert str(after.value.value).endswith((".", ".``", ")")), what


@pytest.mark.parametrize(
    ("octets", "secret"),
    [
        (b"\xef\xbb\xbfsecret\r\n", b"secret"),
        (b"\xef\xbb\xbf0xab\n", b"\xab"),
        (b"\xef\xbb\xbf\xff\n", b"\xef\xbb\xbf\xff"),
        (b"\xef\xbb\xbf\n", "file: expected a key, but the file is empty"),
        (b"0x\n", "expected hex digits after 0x in file, found none"),
        (b"\xef\xbb\xbf0x\n", "expected hex digits after 0x in file, found none"),
    ],
)
def test_a_file_with_a_secret(octets: bytes, secret: bytes | str) -> None:
    """The mark of an editor is no part of it, unless the rest is no text either."""

    def read() -> bytes:
        return checks.secret_in_file(checks.only_line(octets, "a key", "file"), "file")

    if isinstance(secret, bytes):
        assert read() == secret
    else:
        with pytest.raises(ConfigError, match=f"^{secret}$"):
            read()
