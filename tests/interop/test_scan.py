# SPDX-License-Identifier: GPL-2.0-or-later
"""A scan of strongSwan finds exactly what its configuration offers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.scan import Line, Scan, ScanLimits, ScanResult
from tests.scan.test_scanner import found, offered

pytestmark = pytest.mark.usefixtures("strongswan")

IKE = {
    "combined": "aes128gcm16-prfsha256-x25519",
    "normal": "aes256-aes128-sha256-sha1-prfsha256-modp2048-ecp256",
    "several": (
        "aes256-aes128ctr-3des-sha512-sha1-prfsha512-prfsha1-ecp256-modp1024-x448,"
        "chacha20poly1305-aes192ccm12-prfsha384-prfaescmac-ecp512bp,aes256gcm8-prfaesxcbc-modp4096"
    ),
    "overlapping": "aes128-sha256-prfsha256-modp2048-modp3072,aes128-aes256-sha256-sha384-prfsha256-modp3072-ecp384",
    "camellia": "camellia256-camellia128-aesxcbc-aescmac-prfsha1-modp1024s160-ecp256bp",
}


def scan(lab: Lab, **given: object) -> ScanResult:
    """A scan of the lab's peer, quick and without wrong requests unless these are wanted."""
    line = Line(lab.network, lab.target, lab.ours.address(ipv6=lab.ipv6))
    with Scan(line, limits=ScanLimits(rate=300.0), **({"wrong_requests": False} | given)) as scanning:  # type: ignore[arg-type]
        return scanning.run()


@pytest.mark.parametrize("name", IKE)
def test_exactly_what_its_configuration_offers(name: str) -> None:
    with Lab(PeerConfig(ike=IKE[name])) as lab:
        result = scan(lab)
    assert found(result) == offered(IKE[name])
    assert (result.complete, result.counts["half_open_left"], result.notes) == (True, 1, [])


def test_with_cookies_and_over_ipv6() -> None:
    with Lab(PeerConfig(ike=IKE["normal"], cookie_threshold=1), ipv6=True) as lab:
        result = scan(lab)
    assert found(result) == offered(IKE["normal"])
    assert result.counts["cookies"] >= result.counts["questions"] > 10


def test_several_connections_are_one_policy() -> None:
    """It looks for a connection whose proposals fit: what it accepts is what any of them offers."""
    other = PeerConfig(ike=IKE["normal"], remote_id="carol")
    with Lab(PeerConfig(ike=IKE["combined"], also=(other,))) as lab:
        result = scan(lab)
    assert found(result) == offered(f"{IKE['combined']},{IKE['normal']}")


def test_what_it_says_of_itself() -> None:
    with Lab() as lab:
        result = scan(lab)
    told = result.as_dict()
    assert told["responder"]["extensions"] == [
        "NAT traversal (RFC 7296 section 2.23)",
        "fragmentation (RFC 7383)",
        "digital signatures (RFC 7427)",
        "childless IKE SAs (RFC 6023)",
        "multiple authentication (RFC 4739)",
    ]
    # It hashes a wrong source address, so that ESP always goes in UDP.
    assert told["responder"]["nat"] == {"before_us": False, "before_responder": True}
    assert told["responder"]["signature_hashes"] == ["SHA2_256", "SHA2_384", "SHA2_512", "Identity"]
    assert (told["natt_port"], told["ikev1"]["text"]) == (True, "refuses Main Mode: NO-PROPOSAL-CHOSEN")


def test_the_command(tmp_path: Path) -> None:
    """What it prints and writes, with wrong requests; a question; a host that is not there."""
    report, kept, pcap = (tmp_path / name for name in ("scan.json", "answers.jsonl", "scan.pcapng"))
    with Lab(PeerConfig(ike="3des-md5-prfmd5-modp1024")) as lab:
        begin = [
            tool("nsenter"),
            f"--net={lab.ours.namespace.path}",
            "--",
            sys.executable,
            "-m",
            "fynx_scapy.cli",
            "scan",
        ]

        def fynx(*words: object) -> subprocess.CompletedProcess[str]:
            command = [*begin, *map(str, words)]
            return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

        done = fynx("10.9.0.2", "--json", report, "--resume", kept, "--pcap", pcap, "--fail-on", "high", "--rate", 100)
        again = fynx("10.9.0.2", "--resume", kept, "--rate", 100, "--no-wrong-requests")
        one = fynx("10.9.0.2", "--offer", "3des-md5-prfmd5-modp1024")
        other = fynx("10.9.0.2", "--offer", "aes128gcm16-prfsha256-x25519", "--json")
        absent = fynx("10.9.0.77", "--local", "10.9.0.1")
    assert (done.returncode, again.returncode) == (1, 0), done.stderr + again.stderr
    assert "ENCR          3des" in done.stdout
    assert "FORBIDDEN IKE PRF_HMAC_MD5" in done.stdout
    told = json.loads(report.read_text())
    wrong = {each["name"]: (each["answer"], each["fits"]) for each in told["observations"]}
    assert wrong["critical_payload"] == ("UNSUPPORTED_CRITICAL_PAYLOAD", True)
    assert wrong["major_version_3"] == ("INVALID_MAJOR_VERSION", True)
    assert wrong["unknown_payload"] == ("as if it were right", True)
    assert told["retransmission"] == "answered with the same octets"
    assert told["counts"]["datagrams"] > 50
    assert "\n0 datagrams sent" in again.stdout, "what was answered before is not asked again"
    assert pcap.stat().st_size > 10_000
    assert (one.returncode, other.returncode) == (0, 1)
    assert one.stdout.startswith("3des-md5-prfmd5-modp1024: accepted\n")
    assert json.loads(other.stdout)["answer"] == "NO_PROPOSAL_CHOSEN"
    assert absent.returncode == 2
    assert "no answer to IKE_SA_INIT from 10.9.0.77:500. Likely causes:" in absent.stderr


def test_esp_and_back_off(tmp_path: Path) -> None:
    """With the key: its ESP proposals, and when it repeats its question whether we live."""
    esp = "aes128gcm16-aes256gcm8,aes256-aes128ctr-sha256-sha1-x25519-modp2048"
    report = tmp_path / "scan.json"
    with Lab(PeerConfig(dpd_delay=2).changed(esp=esp)) as lab:
        key = lab.folder / "psk"
        key.write_bytes(Psk(lab.config.psk).secret)
        words = [
            tool("nsenter"), f"--net={lab.ours.namespace.path}", "--", sys.executable, "-m", "fynx_scapy.cli", "scan",
            "10.9.0.2", "--psk-file", str(key), "--listen", "8", "--no-wrong-requests", "--rate", "200",
            "--json", str(report),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        established = [sa for sa in lab.peer.sas() if sa.established]
    told = json.loads(report.read_text())
    assert [each["text"] for each in told["esp"]["proposals"]] == [
        "aes128gcm16-aes256gcm8-noesn",
        "aes256-aes128ctr-sha256-sha1-noesn-x25519-modp2048",
    ]
    # The lab's configuration: it repeats a request after half a second, then after ever longer waits.
    assert told["back_off"][0] == pytest.approx(0.5, abs=0.2)
    assert established == []
    assert "lab psk" not in report.read_text() + done.stdout + done.stderr
