# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of guests that need no guest: their disk, their modules, and what their peers and kernels say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.harness.worlds.credentials import Credentials
from fynx_scapy.harness.worlds.world import QUIRKS
from fynx_scapy.lab.credential_files import iked_files
from fynx_scapy.lab.guest import closure, disk
from fynx_scapy.lab.lab import guest_for
from fynx_scapy.lab.libreswan import _ike, ike_spis
from fynx_scapy.lab.packages import KERNEL, fetch, package
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.lab.proposal_names import LIBRESWAN, OPENIKED, PeerProposal
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import BehindNat, Topology
from fynx_scapy.lab.trial_runner import PEERS
from fynx_scapy.lab.xfrm import Kernel

STATES = """\
src 10.9.0.1 dst 10.9.0.2
\tproto esp spi 0x2b8a3f72(730480498) reqid 16393(0x00004009) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec esn (0x00100080)
\taead rfc4106(gcm(aes)) 0xdc20 (160 bits) 128
\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0
\tlifetime config:
\t  limit: soft 4250440430786085413(bytes), hard 9223372036854775808(bytes)
\tlifetime current:
\t  84(bytes), 1(packets)
src 10.9.0.2 dst 10.9.0.1
\tproto esp spi 0x000000ff(255) reqid 16393(0x00004009) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec esnextra_flag dont-encap-dscp (0x10100000)
\taead rfc4106(gcm(aes)) 0x7b07 (160 bits) 128
\tlifetime current:
\t  168(bytes), 2(packets)
"""
POLICIES = """\
src 10.1.0.0/24 dst 10.2.0.0/24
\tdir in priority 1757393 ptype main
\ttmpl src 10.9.0.1 dst 10.9.0.2
\t\tproto esp reqid 16393 mode tunnel
src 10.2.0.0/24 dst 10.1.0.0/24
\tdir out priority 1757393 ptype main
\ttmpl src 10.9.0.2 dst 10.9.0.1
\t\tproto esp reqid 16393 mode tunnel
src 0.0.0.0/0 dst 0.0.0.0/0
\tsocket in priority 0 ptype main
"""


class Machine:
    """One that answers ip(8) with what is above."""

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        return POLICIES if argv[-1] == "policy" else STATES


def test_what_a_kernel_has():
    kernel = Kernel.of(Machine())  # type: ignore[arg-type]
    child = kernel.child("net", "INSTALLED", 0x2B8A3F72, 0xFF)
    assert child is not None
    assert (child.bytes_in, child.packets_in, child.bytes_out, child.packets_out) == (84, 1, 168, 2)
    assert (child.local_ts, child.remote_ts) == (("10.2.0.0/24",), ("10.1.0.0/24",))
    assert (child.mode, child.esn, child.encap, child.esp) == ("tunnel", True, True, "rfc4106(gcm(aes))")
    assert kernel.child("net", "INSTALLED", 0x2B8A3F72, 0xFE) is None


PLUTO = """\
| sending 216 bytes for Respond to IKE_SA_INIT through eth0 from 10.9.0.2:500 to 10.9.0.1:500 using UDP (for #1)
|   67 40 ec 8b  7b bb 51 09  0a a5 96 35  34 d3 b7 70   g@..{.Q....54..p
|   29 20 22 08  00 00 00 00  00 00 00 b5  29 00 00 99   ) "........)...
| our spi: 3f e3 cb 60
| accepted IKE proposal ikev2_proposal: 1:IKE=AES_GCM_16_128-HMAC_SHA2_256-CURVE25519 SPI=be5dafc6b357f29d
| our spi: 4b c4 af 91  a3 a4 56 fa
"net"[1] 10.9.0.1 #3: responder rekeyed IKE SA #1 {cipher=AES_GCM_16_128 integ=n/a prf=HMAC_SHA2_256 group=DH31}
| sending 181 bytes for process rekey IKE SA request (CREATE_CHILD_SA) through eth0 (for #3)
|   67 40 ec 8b  7b bb 51 09  0a a5 96 35  34 d3 b7 70   g@..{.Q....54..p
| our spi: a3 95 a3 3f  72 39 53 33
| accepted IKE proposal ikev2_proposal: 1:IKE=AES_GCM_16_128-HMAC_SHA2_256-CURVE25519 SPI=8ce75068385b6016
"net"[1] 10.9.0.1 #4: initiator rekeyed IKE SA #3 {cipher=AES_GCM_16_128 integ=n/a prf=HMAC_SHA2_256 group=DH31}
"""


def test_the_spis_that_pluto_5_logs():
    assert {number: spis.hex() for number, spis in ike_spis(PLUTO).items()} == {
        "1": "6740ec8b7bbb51090aa5963534d3b770",
        "3": "be5dafc6b357f29d4bc4af91a3a456fa",
        "4": "a395a33f723953338ce75068385b6016",
    }


def test_the_spis_that_pluto_4_logs():
    line = "| ike_spis@0x1 | #7: 00 01 02 03  04 05 06 07  10 11 12 13  14 15 16 17 added to hash table"
    assert ike_spis(line) == {"7": bytes.fromhex("00010203040506071011121314151617")}


def test_modules_come_behind_what_they_need(tmp_path: Path):
    lines = ("kernel/a.ko: kernel/b.ko kernel/c-d.ko", "kernel/b.ko: kernel/c-d.ko", "kernel/c-d.ko:", "kernel/e.ko:")
    (tmp_path / "modules.dep").write_text("\n".join(lines) + "\n")
    assert [path.name for path in closure(tmp_path, ["a", "c_d"])] == ["c-d.ko", "b.ko", "a.ko"]
    with pytest.raises(LabError, match="a kernel with the module nothing, found none"):
        list(closure(tmp_path, ["nothing"]))


def _entries(archive: bytes) -> Iterator[tuple[str, int, bytes]]:
    """(name, mode, data) of every entry of a cpio archive in the format newc."""
    at = 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        _, mode, _, _, _, _, size, *_, named, _ = (int(archive[i : i + 8], 16) for i in range(at + 6, at + 110, 8))
        name = archive[at + 110 : at + 110 + named - 1].decode()
        data = at + (110 + named + 3) // 4 * 4
        yield name, mode, archive[data : data + size]
        at = data + (size + 3) // 4 * 4


def test_the_disk_is_an_archive_that_the_kernel_reads(tmp_path: Path):
    for name, data in (("boot", b"#!/bin/sh\n"), ("busybox", b"ELF"), ("x.ko", b"module")):
        (tmp_path / name).write_bytes(data)
    made = disk(tmp_path / "boot", tmp_path / "busybox", [tmp_path / "x.ko"])
    files = {name: data for name, mode, data in _entries(made) if mode & 0o170000 == 0o100000}
    assert files == {"bin/busybox": b"ELF", "init": b"#!/bin/sh\n", "modules/x.ko": b"module"}
    assert list(_entries(made))[-1] == ("TRAILER!!!", 0, b"")


@pytest.mark.parametrize(
    ("proposal", "words", "suite"),
    [
        ("aes128gcm16-prfsha256-x25519", LIBRESWAN, PeerProposal(("aes_gcm128",), (), ("sha2_256",), ("dh31",), False)),
        ("aes256-sha512-esn-modp2048", LIBRESWAN, PeerProposal(("aes256",), ("sha2_512",), (), ("dh14",), True)),
        ("aes128-sha512-noesn", OPENIKED, PeerProposal(("aes-128",), ("hmac-sha2-512",), (), (), False)),
    ],
)
def test_proposals_in_others_words(proposal: str, words: dict[str, str], suite: PeerProposal):
    assert PeerProposal.of(proposal, words) == suite


def test_a_transform_that_another_has_no_word_for():
    with pytest.raises(ConfigError, match=r"expected one of aes128gcm16, .* found aes128ccm16"):
        PeerProposal.of("aes128ccm16-x25519", OPENIKED)


def test_libreswan_has_no_word_for_integrity_in_ike():
    assert _ike("aes128-aes256-sha256-sha512-prfsha256-prfsha512-ecp256,aes128gcm8-prfmd5-modp1536") == (
        "aes128+aes256-sha2_256+sha2_512;dh19,aes_gcm_8_128-md5;dh5"
    )
    with pytest.raises(ConfigError, match=r"the same algorithms for integrity and PRF .* found sha1 and sha2_256"):
        _ike("aes128-sha1-prfsha256-ecp256")


def test_a_package_that_is_not_there_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(LabError, match=r"linux-image-amd64 is not in .*; download it: fynx lab fetch"):
        package(KERNEL)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(LabError, match="apt-cache is missing"):
        fetch(KERNEL)
    with pytest.raises(LabError, match="is not in"):
        package(KERNEL)


def test_iked_has_revocation_lists_as_one_pem_file(tmp_path: Path):
    auth = Credentials.alike(checked="required", evidence="crl", intermediate="known")
    folder = iked_files(PeerConfig(auth=auth), tmp_path / "iked")
    assert (folder / "crls/ca.crl").read_text().count("BEGIN X509 CRL") == 2
    without = iked_files(PeerConfig(auth=Credentials()), tmp_path / "without")
    assert not (without / "crls/ca.crl").exists()


def test_what_peers_do_in_their_own_way_is_known():
    assert {quirk for kind in PEERS.values() for quirk in kind.quirks} == set(QUIRKS)


def test_peers_that_need_no_guest_get_none():
    with guest_for([StrongSwan]) as guest:
        assert guest is None


def test_no_nat_before_a_guest():
    with pytest.raises(LabError, match="a guest cannot be behind a NAT"):
        Topology(nat=BehindNat.OURS, guest=True)


def test_a_padded_child_changes_every_child():
    assert [child.tfc for child in PeerConfig().changed(tfc=600).children] == [600]
