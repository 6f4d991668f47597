# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-TLS and EAP-TTLS (RFC 5216, 9190, 5281 and 9427), and what TLS exports against OpenSSL's own exporter."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import resource
import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.tls import Hello, Secrets, export, exporter_13, prf_12, read_hello, read_key_log
from fynx_scapy.eap import alerts
from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.avps import Avp, first, pack, unpack
from fynx_scapy.eap.md5 import Md5Peer, Md5Server
from fynx_scapy.eap.method import PeerMethod
from fynx_scapy.eap.mschapv2 import Mschapv2Peer, Mschapv2Server
from fynx_scapy.eap.tls import TlsPeer, TlsServer, msk
from fynx_scapy.eap.ttls import TtlsPeer, TtlsServer
from fynx_scapy.eap.tunnel import TlsConfig, Tunnel, TunnelError
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.pki.making import Authority
from tests.eap.talking import ACCOUNTS, Talk, root, tls

VERSIONS = ("1.2", "1.3")
PASSWORD = "Ar3etTnp"


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ends_by_certificates(version: str) -> None:
    talk = Talk([TlsPeer(tls("carol"))], [TlsServer(tls("gw", maximum=version))]).run()
    assert talk.said[2:4] == ["request TLS start", "response TLS"]
    assert talk.said[-2:] == ["response TLS acknowledgement", "success"]
    ours, theirs = talk.peer.outcome, talk.server.outcome
    assert ours is not None
    assert theirs is not None
    assert (ours.msk, ours.emsk) == (theirs.msk, theirs.emsk)
    assert len(ours.msk) == len(ours.emsk) == 64
    assert ours.certificate != theirs.certificate


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [7, 100, 65000])
def test_fragments_of_any_size(version: str, size: int) -> None:
    talk = Talk([TlsPeer(tls("carol"), size)], [TlsServer(tls("gw", maximum=version), size)]).run()
    assert talk.peer.outcome is not None
    assert len(talk.said) < 20 or size < 1000


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_whom_nobody_trusts(version: str) -> None:
    stranger = tls("carol", Authority.root(seed="another"))
    talk = Talk([TlsPeer(stranger)], [TlsServer(tls("gw", maximum=version))])
    with pytest.raises(AuthenticationError, match="alert"):
        talk.run()
    assert "certificate verify failed" in str(talk.server.error)
    assert talk.said[-1] == "failure"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_whom_nobody_trusts(version: str) -> None:
    stranger = tls("gw", Authority.root(seed="another"), maximum=version)
    talk = Talk([TlsPeer(tls("carol"))], [TlsServer(stranger)])
    with pytest.raises(AuthenticationError, match="certificate verify failed"):
        talk.run()
    assert "alert" in str(talk.server.error)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("inner", ["pap", "mschapv2", Md5Peer("carol", PASSWORD), Mschapv2Peer("carol", PASSWORD)])
def test_inside_ttls(version: str, inner: PeerMethod | str) -> None:
    config = TlsConfig(anchors=root().pem)
    gateway = TlsConfig(tls("gw").certificates, tls("gw").key, maximum=version)
    server = TtlsServer(gateway, (Mschapv2Server(ACCOUNTS), Md5Server(ACCOUNTS)), ACCOUNTS)
    talk = Talk([TtlsPeer(config, "carol", PASSWORD, inner)], [server], identity="anonymous").run()
    assert talk.peer.outcome is not None
    assert talk.server.outcome is not None
    assert talk.peer.outcome.msk == talk.server.outcome.msk
    assert talk.server.outcome.identity == b"carol"

    wrong = inner if isinstance(inner, str) else type(inner)("carol", "wrong")  # type: ignore[call-arg]
    talk = Talk([TtlsPeer(config, "carol", "wrong", wrong)], [server], identity="anonymous")
    with pytest.raises(AuthenticationError):
        talk.run()
    assert "password" in str(talk.server.error)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (b"", "well-formed"),
        (b"\x80\0", "well-formed"),
        (b"\x80\xff\xff\xff\xff", "at most"),
        (b"\0" + b"z" * 9, "TLS handshake"),
    ],
)
def test_what_is_no_flight(flags: bytes, wanted: str) -> None:
    talk = Talk([TlsPeer(tls("carol"))], [TlsServer(tls("gw"))])
    count = 0

    def spoil(packet: bytes) -> bytes:
        nonlocal count
        count += 1
        return packet if count < 2 else packet[:2] + (5 + len(flags)).to_bytes(2) + packet[4:5] + flags

    talk.up = spoil
    with pytest.raises(AuthenticationError):
        talk.run()
    assert wanted in str(talk.server.error)


MEANINGS = {
    "TLSV1_ALERT_UNKNOWN_CA": "TLS alert unknown_ca of the other end: it does not trust the CA of our certificate, or",
    "SSLV3_ALERT_BAD_CERTIFICATE": "TLS alert bad_certificate of the other end: it cannot read our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "has expired or is not valid yet, by its clock",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "is revoked",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no algorithm in common with us, or wants a certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "other versions of TLS than ours, which are 1.2",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate, and we have sent none",
    "TLSV1_UNRECOGNIZED_NAME": "TLS alert unrecognized_name of the other end",
    "UNSUPPORTED_PROTOCOL": "none of our versions of TLS, which are 1.2",
    "NO_SHARED_CIPHER": "no shared cipher",
}


@pytest.mark.parametrize("reason", MEANINGS)
def test_an_alert_says_what_may_be_wrong_here(reason: str) -> None:
    error = ssl.SSLError(1, "[SSL] (_ssl.c:1006)")
    error.reason = reason
    assert MEANINGS[reason] in alerts.failure(error, "1.2")
    assert "{" not in alerts.failure(error, "1.2")


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ends_say_what_is_wrong_with_a_certificate(version: str) -> None:
    """The end that refuses says why OpenSSL does, the other one what it is told, and what that may mean."""
    made = root().issue("CN=old", ["old"], "ecdsa-p256", seed="old", expired=True)
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    old = TlsConfig(made.pem, key, root().pem)
    strange = tls("carol", Authority.root(seed="another"))
    for ours, refused, told in (
        (old, "verify failed: certificate has expired", "certificate_expired of the other end: our certificate"),
        (strange, "issuer certificate (we do not trust the CA of", "unknown_ca of the other end: it does not trust"),
        (TlsConfig(anchors=root().pem), "peer did not return a certificate", "we have not sent"),
    ):
        talk = Talk([TlsPeer(ours)], [TlsServer(tls("gw", maximum=version))])
        with pytest.raises(AuthenticationError) as raised:
            talk.run()
        assert refused in str(talk.server.error)
        assert told in str(raised.value).replace("and we have sent none", "and we have not sent one")


# The success indication of TLS 1.3 (RFC 9190 section 2.5)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (lambda _: b"\1", "found other data"),
        (lambda _: b"\0\0", "found other data"),
        (None, "found an empty packet"),
        ("alert", "close_notify"),
        ("success", "a success too early in EAP-TLS"),
    ],
    ids=["one", "two octets", "nothing", "close_notify", "EAP-Success"],
)
def test_a_peer_believes_no_other_indication(
    said: Callable[[bytes], bytes] | str | None, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data 0x00 under TLS is what the peer waits for."""
    ours, theirs = TlsPeer(tls("carol")), TlsServer(tls("gw", maximum="1.3"))
    if callable(said):
        theirs = replace(theirs, config=replace(theirs.config, tap=said))
    elif said == "alert":
        monkeypatch.setattr(Tunnel, "write", lambda tunnel, _: _closed(tunnel))
    else:
        monkeypatch.setattr(Tunnel, "write", lambda *_: b"")
    talk = Talk([ours], [theirs])
    if said == "success":
        talk.down = lambda octets: (
            b"\3" + octets[1:2] + b"\0\4" if octets[4:] == b"\x0d\0" and talk.peer._steps else octets
        )
    with pytest.raises(AuthenticationError, match=wanted):
        talk.run()
    assert talk.peer.outcome is None


def _closed(tunnel: Tunnel) -> bytes:
    """What ends a TLS connection, protected."""
    with contextlib.suppress(ssl.SSLError):
        tunnel._tls.unwrap()
    return tunnel._flush()


@pytest.mark.parametrize(
    "answer", [b"\0" + b"\x15\x03\x03\0\x02\x02\x28", b"\0\x17\x03\x03\0\x01\0"], ids=["alert", "data"]
)
def test_a_server_wants_an_empty_answer_to_it(answer: bytes) -> None:
    """Section 2.1.1: "an EAP-Response packet of EAP-Type=EAP-TLS and no data"."""
    talk = Talk([TlsPeer(tls("carol"))], [TlsServer(tls("gw", maximum="1.3"))])
    packets: list[bytes] = []

    def last(octets: bytes) -> bytes:
        packets.append(octets)
        indication = talk.peer._run.outcome is not None
        return octets[:2] + (5 + len(answer)).to_bytes(2) + octets[4:5] + answer if indication else octets

    talk.up = last
    with pytest.raises(AuthenticationError):
        talk.run()
    assert talk.server.outcome is None


def test_what_tls_does_not_take() -> None:
    one, other = tls("carol"), tls("gw")
    with pytest.raises(ConfigError, match="a certificate and a key that TLS takes"):
        TlsConfig(one.certificates, other.key)
    with pytest.raises(ConfigError, match="a TLS version"):
        TlsConfig(maximum="1.1")
    assert "PRIVATE" not in repr(one)


def test_a_key_log_grows_and_is_written_only_for_those_who_ask(tmp_path: Path) -> None:
    log = tmp_path / "tls.log"
    ours = replace(tls("carol"), key_log=log)
    for _ in range(2):
        Talk([TlsPeer(ours)], [TlsServer(tls("gw", maximum="1.2"))]).run()
    assert len(read_key_log(log.read_text())) == 2
    lines = [line for line in log.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    assert log.stat().st_mode & 0o777 == 0o600
    log.unlink()
    Talk([TlsPeer(tls("carol"))], [TlsServer(tls("gw", maximum="1.2"))]).run()
    assert list(tmp_path.iterdir()) == []


def test_a_key_log_that_cannot_be_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # nobody reads it, so that to open it is to wait
    with pytest.raises(ConfigError, match=r"found .*pipe: No such device"):
        tls("gw", key_log=tmp_path / "pipe")
    with pytest.raises(ConfigError, match=r"expected a TLS key log that can be written, found .*nowhere/log: No such"):
        replace(tls("carol"), key_log=tmp_path / "nowhere" / "log")
    (tmp_path / "folder").mkdir()
    ours = replace(tls("carol"), key_log=tmp_path / "folder" / "log")
    (tmp_path / "folder" / "log").unlink()
    (tmp_path / "folder").rmdir()
    with pytest.raises(AuthenticationError):
        Talk([TlsPeer(ours)], [TlsServer(tls("gw"))]).run()


# AVPs


@given(
    st.lists(
        st.builds(Avp, st.integers(0, 2**32 - 1), st.binary(max_size=40), st.integers(0, 2**32 - 1), st.booleans())
    )
)
def test_avps_are_read_as_they_were_written(avps: list[Avp]) -> None:
    assert unpack(pack(*avps)) == avps


def test_an_avp_that_does_not_fit() -> None:
    for data, told in (
        (b"\0", "at least 8 octets at offset 0 of the tunnel, found 1 that are left"),
        (b"\0\0\0\1\x80\0\0\x0c..", "at least 12 octets at offset 0 of the tunnel, found 10 that are left"),
        (b"\0\0\0\1\x40\0\0\x0a.", "of 8 to 9 octets at offset 0 of the tunnel, found the length 10"),
        (b"\0\0\0\1\x40\0\0\x08\0\0\0\1\x40\0\0\x07", "of 8 to 8 octets at offset 8"),
    ):
        with pytest.raises(AuthenticationError, match=re.escape(told)):
            unpack(data)


@given(st.binary(max_size=60))
def test_any_octets_as_avps(data: bytes) -> None:
    try:
        found = unpack(data)
    except AuthenticationError:
        return
    assert sum(8 + len(avp.data) for avp in found) <= len(data) + 4 * len(found)
    assert first(found, 1 << 33) is None


# What is exported


def test_the_prf_of_tls_1_2() -> None:
    """A vector of the IETF's TLS list for P_SHA256."""
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    wanted = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
    assert prf_12(secret, b"test label", seed, 32, "sha256").hex() == wanted


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-GCM-SHA384"])
def test_the_same_as_openssl_exports(version: str, suite: str, tmp_path: Path) -> None:
    label = "EXPORTER_EAP_TLS_Key_Material" if version == "1.3" else "client EAP encryption"
    (tmp_path / "gw.pem").write_bytes(tls("gw").certificates + tls("gw").key)
    suites = ["-ciphersuites", f"TLS_{suite.replace('-', '_').replace('AES', 'AES_')}"]
    if version == "1.2":
        suites = ["-cipher", f"ECDHE-ECDSA-{suite}"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "openssl",
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        str(tmp_path / "gw.pem"),
        "-naccept",
        "1",
    ]
    more = ["-keymatexport", label, "-keymatexportlen", "128", *suites, f"-tls1_{version[-1]}"]
    server = subprocess.Popen([*command, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        while b"ACCEPT" not in server.stdout.readline():
            pass
        tunnel = Tunnel(TlsConfig(anchors=root().pem), server=False)
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.sendall(tunnel.take(b""))
            while not tunnel.done:
                wire.sendall(tunnel.take(wire.recv(1 << 16)))
            ours = tunnel.export(label.encode(), b"", 128)
            wire.sendall(tunnel.write(b"Q\n"))
        said = server.communicate(timeout=20)[0].decode()
    finally:
        server.kill()
    wanted = re.search(r"Keying material: ([0-9A-F]{256})", said)
    assert wanted is not None, said
    assert ours.hex().upper() == wanted[1]


def test_a_key_log_that_is_none() -> None:
    random = "00" * 32
    assert read_key_log("# a comment\nCLIENT_HANDSHAKE_TRAFFIC_SECRET 1 2\n\n") == {}
    with pytest.raises(ConfigError, match="line 2"):
        read_key_log(f"CLIENT_RANDOM {random} 11\nCLIENT_RANDOM {random} zz")
    with pytest.raises(ConfigError, match="32 octets in line 1"):
        read_key_log("CLIENT_RANDOM 00 11")


def test_what_the_msk_of_each_method_is_exported_with() -> None:
    secrets, client = Secrets(b"\x01" * 48, b"\x02" * 32), Hello(b"\x03" * 32)
    old, new = Hello(b"\x04" * 32, 0x0303, 0xC02B), Hello(b"\x04" * 32, 0x0304, 0x1301)
    for kind, label in ((13, b"client EAP encryption"), (21, b"ttls keying material")):
        assert msk(kind, secrets, client, old) == prf_12(b"\x01" * 48, label, b"\x03" * 32 + b"\x04" * 32, 64, "sha256")
        both = exporter_13(b"\x02" * 32, b"EXPORTER_EAP_TLS_Key_Material", bytes([kind]), 128, "sha256")
        assert msk(kind, secrets, client, new) == both[:64]


def test_a_hello_counts_once_it_is_whole() -> None:
    tunnel = Tunnel(TlsConfig(anchors=root().pem), server=False)
    flight = tunnel.take(b"")
    tunnel.close()
    assert [size for size in range(len(flight) + 1) if read_hello(flight[:size]) is not None] == [len(flight)]


@given(st.binary(max_size=120))
def test_any_octets_as_a_hello(data: bytes) -> None:
    hello = read_hello(data)
    assert hello is None or len(hello.random) == 32


def test_secrets_that_are_missing() -> None:
    made = tls("gw")
    server = Tunnel(made, server=True)
    client = Tunnel(TlsConfig(anchors=root().pem), server=False)
    with pytest.raises(AuthenticationError, match="both hellos"):
        client.export(b"label", b"", 16)
    server.close()
    client.close()
    assert ssl.HAS_TLSv1_3
    assert export.__doc__


def test_a_password_that_is_too_long_for_mschapv2() -> None:
    """It is said when the configuration is made, with the user; where PAP takes it, that user alone is refused."""
    accounts = Accounts({"carol": PASSWORD, "dave": "p" * 257})
    with pytest.raises(ConfigError, match="at most 256 characters with MSCHAPv2, found 257, that of dave"):
        Mschapv2Server(accounts)
    with pytest.raises(ConfigError, match="found 257"):
        Mschapv2Peer("dave", "p" * 257)
    ours, server = TlsConfig(anchors=root().pem), TtlsServer(replace(tls("gw"), anchors=b""), (), accounts)
    with pytest.raises(ConfigError, match="found 257"):
        TtlsPeer(ours, "dave", "p" * 257, "mschapv2")
    assert Talk([TtlsPeer(ours, "dave", "p" * 257)], [server]).run().server.outcome
    talk = Talk([TtlsPeer(ours, "dave", PASSWORD, "mschapv2")], [server])
    with pytest.raises(AuthenticationError, match="found a failure"):
        talk.run()
    assert "found 257" in str(talk.server.error)


# Who is trusted, and how many connections there may be


def test_nobody_is_trusted() -> None:
    """A server without anchors would ask no peer for a certificate; a peer without them would verify no server."""
    stranger = TlsConfig(certificates=tls("gw").certificates, key=tls("gw").key)
    with pytest.raises(ConfigError, match="expected trusted certificates"):
        TlsServer(stranger)
    assert not TlsPeer(stranger).safe
    assert not TtlsPeer(stranger, "carol", PASSWORD).safe
    assert TlsPeer(tls("carol")).safe


def test_connections_that_are_never_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has two file descriptors: together they take half of those that there may be."""
    monkeypatch.setattr(Tunnel, "_open", set())
    monkeypatch.setattr(resource, "getrlimit", lambda which: (12, 12))
    begun = [Tunnel(tls("gw"), server=True) for _ in range(3)]
    with pytest.raises(TunnelError, match="found 3 that have not ended"):
        Tunnel(tls("gw"), server=True)
    begun.pop().close()
    Tunnel(tls("gw"), server=True).close()


@pytest.mark.parametrize("server_refuses", [True, False])
def test_a_conversation_that_has_failed_holds_no_file_descriptor(server_refuses: bool) -> None:
    """Not even until the garbage collector comes: the error of a conversation refers to it, and may stay."""
    stranger = Authority.root(seed="another root")
    ours, theirs = (stranger, None) if server_refuses else (None, stranger)
    talk = Talk([TlsPeer(tls("carol", ours))], [TlsServer(tls("gw", theirs))])
    before = os.listdir("/proc/self/fd")
    gc.disable()
    try:
        with pytest.raises(AuthenticationError):
            talk.run()
        assert len(os.listdir("/proc/self/fd")) == len(before)
    finally:
        gc.enable()


def test_no_file_descriptors_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer is refused, as by any other failure; no other exception leaves the conversation."""

    def none(name: str) -> int:
        raise OSError(24, "Too many open files")

    server = TlsServer(tls("gw"))
    talk = Talk([TlsPeer(tls("carol"))], [server])
    monkeypatch.setattr(os, "memfd_create", none)
    with pytest.raises(AuthenticationError, match="found a failure"):
        talk.run()
    assert str(talk.server.error) == "expected room for a TLS connection, found too many open files"
