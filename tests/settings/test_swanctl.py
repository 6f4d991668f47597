# SPDX-License-Identifier: GPL-2.0-or-later
"""swanctl.conf: what can be expressed becomes configurations, and everything else is named with its line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy import Address, ChildConfig, ConfigReply, IkeConfig, Limits, Psk
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings import Settings
from fynx_scapy.settings.swanctl import sections
from fynx_scapy.settings.swanctl.sections import MOST_DEPTH, MOST_FILES, Section, read_sections
from fynx_scapy.settings.swanctl.values import identity, octets, seconds, secret

SECRETS = "secrets { ike { secret = hush-hush\n } }\n"


def written(folder: Path, text: str, name: str = "swanctl.conf") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    path.chmod(0o600)
    return path


def connection(rest: str, children: str = "", *, name: str = "gw") -> str:
    """A connection with nothing but a pre-shared key, and what is added. ``rest`` is its line 2."""
    return f"""connections {{ {name} {{
{rest}
    local {{ auth = psk
      id = @moon
    }}
    remote {{ auth = psk
      id = carol@example.org
    }}
    children {{ {children} }}
  }}
}}
{SECRETS}"""


def one(folder: Path, rest: str, children: str = "") -> IkeConfig:
    settings = Settings.from_file(written(folder, connection(rest, children)))
    assert settings.warnings == ()
    return settings.connection("gw")


def warnings(folder: Path, text: str) -> list[str]:
    found = Settings.from_file(written(folder, text)).warnings
    assert "hush" not in " ".join(found)
    return [line.removeprefix(f"{folder}/") for line in found]


# -- syntax


def tree(section: Section) -> dict[str, object]:
    values: dict[str, object] = {name: value.text for name, value in section.values.items()}
    return values | {name: tree(inner) for name, inner in section.sections.items()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = b # c", {"a": "b"}),
        ("a = b#c", {"a": "b"}),
        ('a = "x\\ny\\q\\\n z#" tail  more', {"a": "x\nyq z# tail more"}),
        ('a = ""\nb =\nc = d', {"a": "", "c": "d"}),
        ("s { a = b }", {"s": {"a": "b"}}),
        ("s { a = b c = d }", {"s": {"a": "b c = d"}}),
        ("s\n{ a = b:c=d,e.f\r\n}\r\n", {"s": {"a": "b:c=d,e.f"}}),
        ("s { a = 1\n b = 2\n}\ns { b = 3\n c = 4\n}", {"s": {"a": "1", "b": "3", "c": "4"}}),
        ("d { x = 1\n y = 2\n}\ns : d { x = 3\n}", {"d": {"x": "1", "y": "2"}, "s": {"x": "3", "y": "2"}}),
        ("s : d.t , e { t { q = 1\n}\n}\nd { t { x = 1\n}\n}\ne { t { q = 2\n r = 2\n}\n}",
         {"s": {"x": "1", "t": {"q": "1", "r": "2"}}, "d": {"t": {"x": "1"}}, "e": {"t": {"q": "2", "r": "2"}}}),
        ("s : d { x =\n}\nd { x = 1\n y = 2\n}", {"s": {"y": "2"}, "d": {"x": "1", "y": "2"}}),
        ("a : b { x = 1\n}\nb : a { y = 2\n}", {"a": {"x": "1", "y": "2"}, "b": {"y": "2", "x": "1"}}),
        ("include = x", {"include": "x"}),
    ],
)  # fmt: skip
def test_syntax(tmp_path, text, found):
    assert tree(read_sections(written(tmp_path, text)).root) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b = c", "line 1: expected = or { after a"),
        ("s {\n a = b\n", "line 3: expected } at the end of section s"),
        ("s { }\n}", "line 2: expected a section or a value, found } without a section"),
        ('a = "b\n', 'line 1: expected " at the end of a string'),
        ('"a" = b', "line 1: expected the name of a section or a value"),
        ("s : { }", "line 1: expected the name of a section to inherit from"),
        ("a { s : a {\n}\n}", "line 1: section a.s.s.s.s.s.s.s.s.s.s.s.s.s.s.s.s inherits without end"),
        ("a {" * 20 + "}" * 20, "expected sections at most 16 deep"),
        ("a = b\0", "expected text, found a binary file"),
    ],
)
def test_a_mistake_names_its_line(tmp_path, text, words):
    with pytest.raises(ConfigError) as refused:
        Settings.from_file(written(tmp_path, text))
    assert words in str(refused.value)


def test_what_grows_with_each_reference_has_a_ceiling(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "MOST_SECTIONS", 200)
    text = "".join(f"s{n} {{ a : s{n + 1} {{ }}\n b : s{n + 1} {{ }} }}\n" for n in range(15)) + "s15 { x = 1\n }"
    with pytest.raises(ConfigError, match="inherits without end"):
        read_sections(written(tmp_path, text))


def test_files_are_included_where_the_include_stands(tmp_path):
    (tmp_path / "conf.d").mkdir()
    written(tmp_path / "conf.d", "s { x = 1\n }\ny = 2\ninclude ../other\\ file.conf", "a.conf")
    written(tmp_path / "conf.d", "y = 3\n", "b.conf")
    written(tmp_path, "z = 4", "other file.conf")
    document = read_sections(written(tmp_path, 't { include "conf.d/*.conf" # all\n include none.conf\n}'))
    assert tree(document.root) == {"t": {"y": "3", "z": "4", "s": {"x": "1"}}}
    assert document.root.sections["t"].values["z"].place.path.name == "other file.conf"
    assert document.warnings == [f"{tmp_path}/swanctl.conf: line 2: no file is called none.conf: nothing is included"]


def test_includes_have_ceilings(tmp_path):
    with pytest.raises(ConfigError, match=f"included at most {MOST_DEPTH} deep"):
        read_sections(written(tmp_path, "include swanctl.conf"))
    for number in range(MOST_FILES + 1):
        written(tmp_path, "", f"{number}.inc")
    with pytest.raises(ConfigError, match=f"at most {MOST_FILES} files"):
        read_sections(written(tmp_path, "include *.inc"))


# -- values


@pytest.mark.parametrize(
    ("text", "found"), [("0", 0), ("300", 300), ("5m", 300), ("4 h", 14400), ("1D", 86400), ("0x10s", 16), ("010", 8)]
)
def test_times(text, found):
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "x", "5 minutes", "1w", "-1", "08", "1.5h", "9" * 30])
def test_what_is_no_time(text):
    with pytest.raises(ConfigError, match="expected a time such as"):
        seconds(text)


def test_volumes():
    assert (octets("500"), octets("2k"), octets("1G")) == (500, 2048, 1 << 30)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("moon.example.org", Identity(IdType.ID_FQDN, b"moon.example.org")),
        ("@192.0.2.1", Identity(IdType.ID_FQDN, b"192.0.2.1")),
        ("192.0.2.1", Identity(IdType.ID_IPV4_ADDR, bytes([192, 0, 2, 1]))),
        ("a@b", Identity(IdType.ID_RFC822_ADDR, b"a@b")),
        ("@@a", Identity(IdType.ID_RFC822_ADDR, b"a")),
        ("@#0a0b", Identity(IdType.ID_KEY_ID, b"\x0a\x0b")),
        ("keyid:abc", Identity(IdType.ID_KEY_ID, b"abc")),
        ("ipv4:#0a000001", Identity(IdType.ID_IPV4_ADDR, bytes([10, 0, 0, 1]))),
        ("{11}:#ff", Identity(11, b"\xff")),
        ("%any", None),
        ("C=CH, O=strongSwan, cn=moon", Identity.of("C=CH, O=strongSwan, CN=moon")),
        ("/C=CH/CN=moon", Identity.of("C=CH, CN=moon")),
        ("asn1dn:#3000", Identity(IdType.ID_DER_ASN1_DN, b"0\0")),
    ],
)
def test_identities(text, found):
    assert identity(text) == found


@pytest.mark.parametrize("text", ["C=CH, CN=*", "*.example.org", "@#xy", "moon=1", "fqdn:^vpn[0-9]+$"])
def test_identities_that_are_not_supported(text):
    with pytest.raises(ConfigError):
        identity(text)


def test_secrets():
    assert (secret("text"), secret("0x0011"), secret("0sAAEC")) == (b"text", b"\0\x11", b"\0\1\2")
    for wrong in ("0xhush", "0shush!"):
        with pytest.raises(ConfigError) as refused:
            secret(wrong)
        assert "hush" not in str(refused.value)


# -- connections


def test_a_connection_without_settings_has_those_of_strongswan(tmp_path):
    config = one(tmp_path, "local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2", "net { }")
    assert (config.auth, str(config.local_id), str(config.remote_id)) == (Psk("hush-hush"), "moon", "carol@example.org")
    assert config.remote == Address("192.0.2.2", 500)
    assert config.proposals == IkeConfig(auth="x").proposals
    assert (config.lifetime.soft, config.lifetime.hard) == (Limits(seconds=14400), Limits(seconds=15840))
    assert (config.lifetime.jitter, config.reauthenticate_after, config.dpd.interval) == (0.1, None, None)
    assert config.initial_contact
    (child,) = config.children
    assert child == ChildConfig(
        name="net", local_ts="192.0.2.1", remote_ts="192.0.2.2", lifetime=child.lifetime, proposals="default"
    )
    assert (child.lifetime.soft, child.lifetime.hard) == (Limits(seconds=3600), Limits(seconds=3960))


def test_every_setting_that_can_be_expressed(tmp_path):
    config = one(
        tmp_path,
        "version = 2\n remote_addrs = 2001:db8::1\n remote_port = 4500\n encap = yes\n fragmentation = no\n"
        "mobike = no\n childless = never\n unique = never\n dpd_delay = 1m\n send_cert = never\n aggressive = no\n"
        "keyingtries = 1\n rekey_time = 0\n reauth_time = 1d\n over_time = 1h\n rand_time = 0\n"
        "vips = 0.0.0.0, ::\n proposals = aes256-sha256-modp2048, default",
        "a { local_ts = dynamic[tcp/80]\n remote_ts = 10.0.0.0/8, 10.9.0.1-10.9.0.3[any/any]\n mode = transport\n"
        "esp_proposals = aes256gcm16-x25519-esn\n rekey_time = 10m\n life_time = 15m\n rand_time = 1m\n"
        "rekey_bytes = 1g\n rekey_packets = 1000\n dpd_action = trap\n replay_window = 128\n"
        "tfc_padding = 1000\n start_action = none }",
    )
    assert (config.remote, config.remote_natt_port) == (Address("2001:db8::1", 4500), 4500)
    assert (config.force_encapsulation, config.fragmentation, config.childless) == (True, False, False)
    assert (config.initial_contact, config.dpd.interval, config.dpd.action) == (False, 60, "hold")
    assert (config.lifetime.soft, config.lifetime.hard, config.lifetime.jitter) == (
        Limits(), Limits(seconds=90000), 0.0,
    )  # fmt: skip
    assert config.reauthenticate_after == 86400
    assert config.cp_request.addresses == ("0.0.0.0", "::")
    (child,) = config.children
    assert child == ChildConfig(
        name="a", mode="transport", proposals="aes256gcm16-x25519-esn", replay_window=128, tfc_length=1000,
        local_ts=["0.0.0.0/0[tcp/80]", "::/0[tcp/80]"], remote_ts=["10.0.0.0/8", "10.9.0.1-10.9.0.3"],
        lifetime=child.lifetime,
    )  # fmt: skip
    assert child.lifetime.soft == Limits(seconds=600, bytes=1 << 30, packets=1000)
    assert child.lifetime.hard == Limits(seconds=900, bytes=(1 << 30) * 11 // 10, packets=1100)
    assert child.lifetime.jitter == 0.1


def test_pools_are_what_a_responder_assigns(tmp_path):
    text = connection("pools = a, b", "net { local_ts = 10.1.0.0/16 }") + (
        "pools { a { addrs = 10.3.0.0/24\n dns = 10.1.0.53, 10.1.0.54\n subnet = 10.1.0.0/16\n"
        "netmask = 255.255.255.0\n nbns = 10.1.0.7\n 25 = example.org\n }\n"
        "b { addrs = 2001:db8:3::1-2001:db8:3::9\n } }"
    )
    (config,) = Settings.from_file(written(tmp_path, text)).connections.values()
    assert config.cp_reply == ConfigReply(
        pool=["10.3.0.0/24", "2001:db8:3::1-2001:db8:3::9"], dns=["10.1.0.53", "10.1.0.54"], subnets="10.1.0.0/16",
        netmask="255.255.255.0", more=[("INTERNAL_IP4_NBNS", "10.1.0.7"), (25, "example.org")],
    )  # fmt: skip
    assert config.children[0].remote_ts == ChildConfig(remote_ts=["0.0.0.0/0", "::/0"]).remote_ts


def test_addresses_and_the_port_are_the_endpoints(tmp_path):
    two = connection("local_addrs = 192.0.2.1, 2001:db8::1\n local_port = 1500")
    settings = Settings.from_file(written(tmp_path, two + connection("local_addrs = 192.0.2.1\n local_port = 1600",
                                                                     name="b")))  # fmt: skip
    assert (settings.local, settings.endpoint.port) == (("192.0.2.1", "2001:db8::1"), 1500)
    assert settings.warnings == (f"{tmp_path}/swanctl.conf: local_port is one for all connections: 1500 is taken",)
    assert Settings.from_file(written(tmp_path, two + connection("local_addrs = %any", name="b"))).local == ()


def test_an_identity_may_be_our_address(tmp_path):
    text = connection("local_addrs = 192.0.2.1").replace("id = @moon", "")
    assert str(Settings.from_file(written(tmp_path, text)).connection().local_id) == "192.0.2.1"
    assert "expected an id, or one address in local_addrs; connection gw is left out" in warnings(
        tmp_path, connection("").replace("id = @moon", "")
    )[0]  # fmt: skip


# -- secrets


RW = "connections { rw { local { auth = psk\n id = @moon }\n remote { auth = psk } } }\n"


def test_each_peer_with_a_key_of_its_own_gets_a_configuration(tmp_path):
    text = RW + (
        "secrets { ike-1 { id = alice\n secret = a\n }\n ike-2 { id-1 = @moon\n id-2 = bob\n secret = 0x62\n }\n"
        "ike-3 { secret = all\n } }"
    )
    found = Settings.from_file(written(tmp_path, text)).connections
    assert {name: (str(config.remote_id), config.auth) for name, config in found.items()} == {
        "rw/alice": ("alice", Psk("a")), "rw/bob": ("bob", Psk("b")), "rw": ("None", Psk("all")),
    }  # fmt: skip
    assert list(found)[-1] == "rw"  # a server tries them in this order


@pytest.mark.parametrize(
    ("secrets", "key"),
    [
        ("ike-1 { secret = all\n }\n ike-2 { id = carol@example.org\n secret = carols\n }", "carols"),
        ("ike-1 { id = @moon\n secret = moons\n }\n ike-2 { secret = all\n }", "all"),
        ("ike-1 { id-1 = @moon\n secret = moons\n }\n ike-2 { id = @sun\n secret = suns\n }", "moons"),
        ("ike-1 { ida = carol@example.org\n secret = 1\n }\n"
         "ike-2 { ida = carol@example.org\n idb = @moon\n secret = 2\n }", "2"),
        ("ike-1 { id = %any\n secret = all\n }", "all"),
    ],
)  # fmt: skip
def test_the_key_is_the_best_match_with_the_peer_and_then_with_us(tmp_path, secrets, key):
    text = connection("").replace(SECRETS, f"secrets {{ {secrets} }}")
    assert Settings.from_file(written(tmp_path, text)).connection().auth == Psk(key)


def test_a_secret_in_a_file_that_everybody_may_read(tmp_path):
    path = written(tmp_path, SECRETS, "secrets.conf")
    path.chmod(0o644)
    text = connection("").replace(SECRETS, "include secrets.conf")
    assert warnings(tmp_path, text) == [
        "secrets.conf: it has a secret, and every user of this machine may read it: chmod 600 it"
    ]


# -- what cannot be expressed


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("mobike = yes", "line 2: connections.gw.mobike is left out: MOBIKE (RFC 4555) is not supported"),
        ("unique = replace", "line 2: connections.gw.unique: replace is not supported: IKE SAs are replaced after"),
        ("keyingtries = 0", "line 2: connections.gw.keyingtries is left out"),
        ("fragmentation = accept", "connections.gw.fragmentation: accept is not supported"),
    ],
)
def test_a_setting_that_we_do_not_have_is_named(tmp_path, rest, words):
    (line,) = warnings(tmp_path, connection(rest))
    assert words in line
    assert len(Settings.from_file(tmp_path / "swanctl.conf").connections) == 1


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("lcoal_addrs = 1.2.3.4", "connections.gw.lcoal_addrs: unknown key; did you mean 'local_addrs'?"),
        ("version = 1", "connections.gw.version: expected 0, 2, found '1'"),
        ("remote_addrs = vpn.example.org", "connections.gw.remote_addrs: expected one IP address or %any"),
        ("remote_addrs = 10.0.0.0/8", "connections.gw.remote_addrs: expected one IP address"),
        ("local_addrs = 10.0.0.0/8", "connections.gw.local_addrs: expected IP addresses or %any"),
        ("proposals = aes999-sha256", "connections.gw: "),
        ("vips = moon", "connections.gw.vips: ConfigRequest.addresses: expected addresses"),
        ("pools = none", "connections.gw.pools: no pool is called none"),
        ("rekey_time = soon", "connections.gw.rekey_time: expected a time such as"),
        ("rand_time = 5h", "connections.gw.rekey_time: expected a random part of less than the rekey time"),
        ("ppk_required = yes", "connections.gw.ppk_required: expected a section secrets.ppk with an id"),
        ("remote-2 { round = first }", "connections.gw.remote-2.round: expected a whole number"),
        ("foo { }", "connections.gw.foo: unknown section"),
    ],
)
def test_a_connection_that_would_be_wrong_is_left_out_and_the_others_stay(tmp_path, rest, words):
    (line,) = warnings(tmp_path, connection(rest) + connection("", name="other"))
    assert words in line
    assert line.endswith("; connection gw is left out")
    assert list(Settings.from_file(tmp_path / "swanctl.conf").connections) == ["other"]


@pytest.mark.parametrize(
    ("child", "words"),
    [
        ("mode = beet", "mode: expected tunnel or transport"),
        ("ah_proposals = sha256", "ah_proposals: AH is not supported"),
        ("esp_proposals = aes999", "connections.gw.children.a: "),
        ("local_ts = 10.0.0.0/33", "a traffic selector such as"),
        ("local_ts = dynamic", "local_ts is dynamic, and there is no address in local_addrs"),
        ("rekey_time = 1h\n life_time = 1m\n rand_time = 0", "a hard limit of at least 3600 seconds"),
        ("foo = 1", "connections.gw.children.a.foo: unknown key"),
    ],
)
def test_a_child_sa_that_would_be_wrong_is_left_out(tmp_path, child, words):
    both = "local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n"
    first, second = warnings(tmp_path, connection("", f"a {{ {both} {child}\n }}"))
    assert words in first
    assert first.endswith("the Child SA is left out")
    assert "no Child SA of it is left; connection gw is left out" in second
    assert len(warnings(tmp_path, connection("", f"a {{ {both} {child}\n }}\n b {{ {both} }}"))) == 1
    assert [config.name for config in Settings.from_file(tmp_path / "swanctl.conf").connection().children] == ["b"]


def test_authentication_that_we_do_not_have_is_left_out(tmp_path):
    (line,) = warnings(tmp_path, connection("").replace("local { auth = psk", "local { auth = xauth"))
    assert line.startswith("swanctl.conf: line 3: connections.gw.local.auth: expected psk, pubkey or eap (XAuth is of")
    assert "expected a section remote" in warnings(tmp_path, "connections { gw { local { auth = psk } } }")[0]
    assert "no secret is for moon and carol@example.org" in warnings(tmp_path, connection("").replace(SECRETS, ""))[0]


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ("ntlm-1 { secret = hush }", "secrets.ntlm-1 is left out: EAP wants the password, and not its hash"),
        (
            "tokn { secret = hush }",
            "secrets.tokn is left out: expected a section that begins with ike, ppk, eap, xauth, private",
        ),
        ("ike-1 { secret = 0xhush }", "secrets.ike-1.secret: expected hex digits"),
        ('ike-1 { id = "@#hu"\n }', "expected hex digits after #"),
        ("ike-1 { id = a }", "expected a secret, found none"),
        ("ike-1 { secret = hush\n sceret = hush }", "secrets.ike-1.sceret: unknown key"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named(tmp_path, secrets, words):
    lines = warnings(tmp_path, connection("") + f"secrets {{ {secrets} }}")
    assert [line for line in lines if words in line]


def test_what_stands_outside_of_the_known_sections(tmp_path):
    lines = warnings(tmp_path, connection("") + "conections { }\na = b\nauthorities { }\ndefaults { }")
    assert [line.partition(": ")[2].partition(": ")[2] for line in lines] == [
        "section conections is not used; did you mean connections?",
        "section defaults is not used",
        "a: the value is outside of every section, and not used",
    ]
