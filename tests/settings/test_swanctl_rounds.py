# SPDX-License-Identifier: GPL-2.0-or-later
"""swanctl.conf with several sections local or remote (RFC 4739): both ends, and what is left out, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.ike.credentials.certificates import Certificate, Certificates
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.credentials.rounds import Rounds
from fynx_scapy.ike.terms.identity import Identity
from tests.ike.pair import Pair
from tests.settings.test_swanctl_certificates import MOON, SUN, folders, issued, put, read, refused, root, written

SECRETS = f"""secrets {{
  eap-1 {{ id = carol
    secret = hush-hush }}
  ike-1 {{ id-a = host
    id-b = {SUN}
    secret = hush-2
  }}
}}"""
HOST, CAROL = f"auth = pubkey\n certs = own.pem\n id = {MOON}", "auth = eap-mschapv2\n id = carol"
GATEWAY, USERS = f"certs = own.pem\n id = {SUN}", "auth = eap-mschapv2\n eap_id = %any"
MEMBER, KEY, SHARED = f"id = {MOON}", "auth = psk\n id = host", "auth = psk\n id = host"


def both(tmp_path: Path, client: tuple[str, str, str], gateway: tuple[str, str, str]) -> Pair:
    """Alice and Bob, each from a swanctl.conf of its own: local, remote, and the other sections."""
    (mine, theirs, rest), (local, remote, more) = client, gateway
    put(tmp_path / "b", "x509", "bea.pem", issued("bea").pem)
    put(tmp_path / "b", "private", "bea.key", issued("bea").key_pem())
    alice = read(written(folders(tmp_path / "a"), mine, theirs, rest=rest, more=SECRETS))
    pair = Pair(read(written(folders(tmp_path / "b", SUN), local, remote, rest=more, more=SECRETS, who="bob")))
    pair.connect(alice)
    return pair


@pytest.mark.parametrize(
    ("client", "gateway", "proven", "of_gateway"),
    [
        ((HOST, f"id = {SUN}", f"local-2 {{ {CAROL} }}"), (GATEWAY, MEMBER, f"remote-2 {{ {USERS} }}"),
         [MOON, "carol"], []),
        ((f"{CAROL}\n round = 2", f"id = {SUN}", f"local-host {{ {HOST}\n round = 1 }}"),
         (GATEWAY, f"{USERS}\n round = 0x2", f"remote-host {{ {MEMBER}\n round = 1 }}"), [MOON, "carol"], []),
        ((KEY, f"id = {SUN}", f"local-2 {{ {HOST} }}"), (GATEWAY, SHARED, f"remote-2 {{ {MEMBER} }}"),
         ["host", MOON], []),
        ((KEY, f"id = {SUN}", "remote-2 { id = bea }"), (GATEWAY, SHARED, "local-2 { certs = bea.pem\n id = bea }"),
         [], [SUN, "bea"]),
        ((KEY, f"auth = psk\n id = {SUN}", f"local-2 {{ {CAROL} }}\nremote-2 {{ id = bea }}"),
         (f"auth = psk\n id = {SUN}", SHARED, f"remote-2 {{ {USERS} }}\nlocal-2 {{ certs = bea.pem\n id = bea }}"),
         ["host", "carol"], [SUN, "bea"]),
    ],
)  # fmt: skip
def test_both_ends_are_connections(
    tmp_path: Path,
    client: tuple[str, str, str],
    gateway: tuple[str, str, str],
    proven: list[str],
    of_gateway: list[str],
) -> None:
    pair = both(tmp_path, client, gateway)
    (sa,) = pair.alice.sas.values()
    assert sa.established, pair.network.events
    for proof, wanted in ((pair.bobs.peer_proof, proven), (sa.peer_proof, of_gateway)):
        assert proof is not None
        assert [str(who) for who, _ in proof.rounds] == wanted


def test_sections_become_rounds_with_their_identities(tmp_path: Path) -> None:
    here = folders(tmp_path)
    config = read(written(here, HOST, f"id = {SUN}", rest=f"local-2 {{ {CAROL} }}", more=SECRETS))
    assert isinstance(config.auth, Rounds)
    assert [type(each) for each in config.auth.credentials] == [Certificate, Eap]
    assert config.auth.identities == (Identity.of(MOON), Identity.of("carol"))
    gateway = read(written(here, HOST, "id = a", rest=f"remote-2 {{ {USERS} }}\nreauth_time = 1h", more=SECRETS))
    assert isinstance(gateway.remote_auth, Rounds)
    assert [type(each) for each in gateway.remote_auth.credentials] == [Certificates, EapUsers]
    assert gateway.remote_auth.identities == (Identity.of("a"), None)
    assert gateway.auth_lifetime == 3600


@pytest.mark.parametrize(
    ("local", "remote", "rest", "words"),
    [
        (HOST, USERS, f"local-2 {{ {CAROL} }}", "line 7: connections.gw.remote.auth: expected pubkey or psk: EAP of"),
        (HOST, "", "local-2 { auth = psk }", "line 10: connections.gw.local-2.auth: no secret ike is for 192.0.2.1"),
        (HOST, "auth = psk\n id = x", "remote-2 { }", "line 7: connections.gw.remote.auth: no secret ike is for moon"),
        (HOST, "", "remote-2 { cacerts = other.pem }", "line 10: connections.gw.remote-2.auth: expected the same"),
        (HOST, "", "local-2 { auth = eap-md5\n id = frank }", "line 10: connections.gw.local-2.auth: no secret eap"),
        (HOST, "", "local-2 { certs = none.pem }", "line 10: connections.gw.local-2.certs: "),
        (HOST, "", "".join(f"local-{n} {{ {HOST} }}\n" for n in range(8)), "line 31: connections.gw.local-7.auth: ex"),
    ],
)  # fmt: skip
def test_a_round_that_cannot_be_had_leaves_the_connection_out(
    tmp_path: Path, local: str, remote: str, rest: str, words: str
) -> None:
    put(tmp_path, "x509ca", "other.pem", root("other").pem)
    assert refused(written(folders(tmp_path), local, remote, rest=rest, more=SECRETS)).startswith(words)
