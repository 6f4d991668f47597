# SPDX-License-Identifier: GPL-2.0-or-later
"""swanctl.conf with EAP, of clients and of gateways: what becomes a connection, and what is left out, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.ike.config import Psk
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from tests.ike.pair import Pair
from tests.settings.test_swanctl_certificates import MOON, SUN, folders, put, read, refused, root, written

SECRETS = """secrets {
  eap-1 {
    id = carol
    secret = hush-hush
  }
  xauth-2 { id-a = dave@example.org
    id-b = erin
    secret = 0x687573682d32
  }
}"""
CAROL = "auth = eap-mschapv2\n id = carol@example.org\n eap_id = carol"
GATEWAY, USERS = f"certs = own.pem\n id = {SUN}", "auth = eap-mschapv2\n eap_id = %any"
SERVER = f"id = {SUN}"


def both(tmp_path: Path, mine: tuple[str, str], theirs: tuple[str, str], *notes: str) -> Pair:
    """Alice, a client, and Bob, a gateway whose name is sun, each from a swanctl.conf of its own."""
    alice = read(written(folders(tmp_path / "a"), *mine, more=SECRETS))
    pair = Pair(read(written(folders(tmp_path / "b", SUN), *theirs, more=SECRETS, who="bob"), *notes))
    pair.connect(alice)
    return pair


@pytest.mark.parametrize(
    ("client", "gateway", "proof"),
    [
        ((CAROL, SERVER), (GATEWAY, USERS), "EAP-MSCHAPv2 as carol"),
        (("auth = eap\n id = dave@example.org", SERVER), (GATEWAY, "auth = eap-md5"), "EAP-MD5 as dave@example.org"),
        (("auth = eap\n id = erin", SERVER), (GATEWAY, USERS.replace("%any", "erin")), "EAP-MSCHAPv2 as erin"),
        (("auth = eap\n id = erin", SERVER), (GATEWAY, "auth = eap-ttls\n eap_id = %any"), "EAP-TTLS as erin"),
        (("auth = eap\n id = erin\n certs = own.pem", SERVER), (GATEWAY, "auth = eap-tls\n eap_id = %any"),
         f"EAP-TLS as {MOON}"),
        ((f"auth = eap-tls\n certs = own.pem\n id = {MOON}", SERVER), (GATEWAY, f"auth = eap-tls\n eap_id = {MOON}"),
         f"EAP-TLS as {MOON}"),
        (("auth = eap-ttls\n id = erin", f"auth = eap-ttls\n {SERVER}"),
         (f"auth = eap-ttls\n {GATEWAY}", "auth = eap-ttls\n eap_id = %any"), "EAP-TTLS as erin"),
        ((f"auth = eap\n id = erin\n aaa_id = {SUN}", f"auth = eap\n {SERVER}"),
         (f"auth = eap-ttls\n {GATEWAY}", "auth = eap-ttls\n eap_id = %any"), "EAP-TTLS as erin"),
    ],
)  # fmt: skip
def test_both_ends_are_connections(
    tmp_path: Path, client: tuple[str, str], gateway: tuple[str, str], proof: str
) -> None:
    pair = both(tmp_path, client, gateway)
    assert pair.bobs.established, pair.network.events
    assert pair.bobs.peer_proof is not None
    assert pair.bobs.peer_proof.by == proof


def test_a_gateway_tells_its_clients_when_to_authenticate_again(tmp_path: Path) -> None:
    here = folders(tmp_path, SUN)
    assert read(written(here, GATEWAY, USERS, more=SECRETS, who="bob")).auth_lifetime is None
    limited = read(written(here, GATEWAY, USERS, rest="reauth_time = 1h", more=SECRETS, who="bob"))
    assert (limited.auth_lifetime, limited.reauthenticate_after) == (3600, 3600)


def test_a_gateway_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    keys = f"{SECRETS}\nsecrets {{ ike-1 {{ id = {SUN}\n secret = hush-hush\n }} }}"
    ours = read(written(folders(tmp_path), CAROL, f"auth = psk\n id = {SUN}", more=keys))
    assert isinstance(ours.auth, Eap)
    assert isinstance(ours.remote_auth, Psk)
    theirs = read(written(folders(tmp_path / "b"), f"auth = psk\n id = {SUN}", USERS, more=keys))
    assert isinstance(theirs.auth, Psk)
    assert theirs.remote_auth == EapUsers.passwords({"carol": "hush-hush", "dave@example.org": "hush-2",
                                                     "erin": "hush-2"})  # fmt: skip


def test_a_server_of_tls_has_another_name(tmp_path: Path) -> None:
    """aaa_id is whom its certificate has to name."""
    pair = both(tmp_path, ("auth = eap-ttls\n id = erin\n aaa_id = aaa.example.org", SERVER),
                (GATEWAY, "auth = eap-ttls\n eap_id = %any"))  # fmt: skip
    assert not pair.bobs.established


@pytest.mark.parametrize(
    ("local", "remote", "notes"),
    [
        (CAROL.replace("id = carol@example.org", ""), SERVER, ["line 2: connections.gw.local.id: it is not set: IDi"]),
        (f"{CAROL}\n certs = own.pem", SERVER, []),
        (CAROL + "\n revocation = strict", SERVER, ["line 6: connections.gw.local.revocation: it says nothing about "]),
        (GATEWAY, f"{USERS}\n id = frank", ["line 8: connections.gw.remote.id: IDi may say anything beside eap_id"]),
        (GATEWAY, f"{USERS}\n aaa_id = aaa", ["line 8: connections.gw.remote.aaa_id: it says nothing about EAP"]),
        (f"{GATEWAY}\n eap_id = carol", SERVER, ["connections.gw.local.eap_id: it says nothing about the end local"]),
    ],
)
def test_what_is_not_taken_as_it_stands_is_named(tmp_path: Path, local: str, remote: str, notes: list[str]) -> None:
    read(written(folders(tmp_path, SUN), local, remote, more=SECRETS), *notes)


def test_lists_of_revoked_certificates_are_not_for_tls(tmp_path: Path) -> None:
    put(folders(tmp_path), "x509crl", "root.crl", root().crl())
    read(written(tmp_path, "auth = eap-ttls\n id = carol", SERVER, more=SECRETS), "auth: the lists in x509crl are for")


@pytest.mark.parametrize(
    ("local", "remote", "words"),
    [
        ("auth = eap-mschap\n id = carol", SERVER, "line 3: connections.gw.local.auth: expected one of eap-mschapv2"),
        ("auth = eap-sim\n id = carol", SERVER, "line 3: connections.gw.local.auth: expected one of eap-mschapv2, eap"),
        ("auth = eap-tls:rsa-2048\n id = carol", SERVER, "line 3: connections.gw.local.auth: limits on the certificat"),
        ("auth = eap-md5", SERVER, "line 2: connections.gw.local.eap_id: expected eap_id or id, which say who the use"),
        ("auth = eap-md5\n id = frank", SERVER, "line 3: connections.gw.local.auth: no secret eap is for frank"),
        ('auth = eap-md5\n id = carol\n eap_id = "keyid:#ff"', SERVER, "line 3: connections.gw.local.auth: expected a"),
        ("auth = eap-md5\n id = carol\n aaa_id = aaa*", SERVER, "line 5: connections.gw.local.aaa_id: identities with"),
        ("auth = eap-md5\n id = carol", f"auth = psk\n {SERVER}", "line 6: connections.gw.remote.auth: no secret ike "),
        ("auth = eap-md5\n id = carol", f"auth = eap-md5\n {SERVER}", "line 6: connections.gw.remote.auth: expected p"),
        ("auth = eap-tls\n id = carol", SERVER, "line 4: connections.gw.local.id: no certificate in x509 or pkcs12 wi"),
        ("auth = eap-tls\n certs = none.pem", SERVER, "line 4: connections.gw.local.certs: "),
        ('auth = eap-ttls\n id = carol\n aaa_id = "keyid:#ff"', SERVER, "line 3: connections.gw.local.auth: expected "),
        (GATEWAY, "auth = eap\n eap_id = %any", "line 6: connections.gw.remote.auth: expected the method that users a"),
        (GATEWAY, "auth = eap-md5\n eap_id = frank", "line 6: connections.gw.remote.auth: no secret eap is for frank"),
        (f"auth = eap-tls\n {GATEWAY}", USERS, "line 3: connections.gw.local.auth: expected pubkey or psk: eap-msc"),
        (GATEWAY, f"auth = eap-tls\n eap_id = carol\n id = {MOON}", "line 8: connections.gw.remote.id: expected the s"),
        ("auth = psk\n id = gw", "auth = eap-ttls\n eap_id = %any", "line 3: connections.gw.local.auth: no secret ike"),
    ],
)  # fmt: skip
def test_a_connection_that_cannot_be_had_is_left_out(tmp_path: Path, local: str, remote: str, words: str) -> None:
    assert refused(written(folders(tmp_path, SUN), local, remote, more=SECRETS)).startswith(words)


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ("", "line 6: connections.gw.remote.auth: no secret eap is for a user"),
        ("eap { secret = hush }", "line 6: connections.gw.remote.auth: no secret eap is for a user"),
        ("eap { id = carol\n secret = 0xff }", "line 6: connections.gw.remote.auth: expected the password of carol as"),
        ("eap { id = carol }", "line 6: connections.gw.remote.auth: no secret eap is for a user"),
    ],
)
def test_a_gateway_without_users_is_left_out(tmp_path: Path, secrets: str, words: str) -> None:
    path = written(folders(tmp_path, SUN), GATEWAY, USERS, more=f"secrets {{ {secrets}\n }}")
    assert refused(path).startswith(words)


def test_a_client_without_authorities_has_no_tls(tmp_path: Path) -> None:
    path = written(tmp_path, "auth = eap-ttls\n id = carol", "auth = eap-ttls", more=SECRETS)
    assert refused(path).startswith("line 3: connections.gw.local.auth: expected an authority in x509ca or authorities")
