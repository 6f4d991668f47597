# SPDX-License-Identifier: GPL-2.0-or-later
"""Inputs from public bug reports that showed a fault, each with what is right. The tests of its kind are elsewhere.

A case is a folder of the shared data; its README says what a person wanted. Here each is run as that person ran it.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy import keynames
from fynx_scapy.cli import main
from tests.shared import shared

OTHERS = {"hostile", "structure"}
"""Folders of scripts. Each script is a test beside the code that it is about."""


@dataclass(frozen=True, slots=True)
class Case:
    """A command in the folder ``name``: a word that is a file there is its path. ``OUT`` is a file to write.

    ``status`` is the exit status, ``shows`` and ``hides`` are patterns of lines in what it prints.
    """

    name: str
    command: str
    status: int
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()


ICMP = r"10\.1\.0\.1 > 10\.2\.0\.1 ICMP, 84 octets"
OPENED = (rf"ESP 0x383fadf3 seq 1  {ICMP}  \[icv ok\]", r"ESP 0x517cff80 seq 3 .* ICMP, 84 octets  \[icv ok\]")
UNCHECKED = (rf"ESP 0x383fadf3 seq 1  {ICMP}  \[icv unchecked\]",)
IKE_OPENED = (r"IKE_AUTH request 1  SK \{IDi\(alice\), IDr\(bob\), AUTH, SA, TSi, TSr\}  \[icv ok\]",)

CASES = (
    Case("C03-ah-inner", "dissect PcapPlusPlus-ipsec.pcapng", 0, (
        r"AH 0x646adc80 seq 8  192\.168\.12\.1 > 192\.168\.12\.2 ICMP, 100 octets", r"ESP 0x48dac2e4 .*\(in AH\)",
    )),
    Case("C03-ah-inner", "decrypt PcapPlusPlus-ipsec.pcapng -o OUT", 1, ("^1 packet written", "AH: 2 in the clear")),
    Case("C05-captured-twice", "audit --all suricata-bypass.pcap", 0, ("33 packets captured twice",), ("sent again",)),
    Case("C05-captured-twice", "audit --all bothnat.pcap", 0, ("captured twice",), ("sent again", "replay")),
    Case("C05-captured-twice", "capture --ladder suricata-bypass.pcap", 0, (), (r"\[retransmission",)),
    Case("C06-unreadable-rows", "audit candump.pcap.gz", 1, (
        "^error: 9434 packets of link type 227 are not read", "MEDIUM +UNKNOWN .*9434 packets", "^1 UNKNOWN$",
    )),
    Case("C07-vendor-ids", "audit --all msvid.pcap", 0, (
        "MS-Negotiation Discovery Capable", "Vid-Initial-Contact", "IKE CGA version 1", "ISAKMPOAKLEY, version 9",
        "FRAGMENTATION",
    )),
    Case("C07-vendor-ids", "dissect msvid.pcap", 0, (r"V\(Vid-Initial-Contact\)", r"V\(FRAGMENTATION\)")),
    Case("C08-3gpp-names", "dissect 3gpp.pcap", 1, ("NO_APN_SUBSCRIPTION", "BACKOFF_TIMER 1 hour"), ("UNKNOWN",)),
    Case("C13-invalid-ke-cause", "audit ke_same.pcap", 0, ("^MEDIUM +FAILED +INVALID_KE", "responder is broken")),
    Case("C13-invalid-ke-cause", "audit ke_other.pcap", 0, ("^MEDIUM +FAILED +INVALID_KE", "was never offered")),
    Case("C14-pfs-mismatch", "audit a_pfs.pcapng", 0, (r"key exchange.*\(PFS\)", "at one peer only")),
    Case("C14-pfs-mismatch", "audit a_pfs2.pcapng", 0, (r"key exchange.*\(PFS\)", "at the responder only")),
    Case("C15-lost-fragments", "audit lostfrag.pcap", 1, (
        "IKE_SA_INIT is not followed by IKE_AUTH; 4 UDP 500 packets came as first fragments only", "use RFC 7383",
    )),
    Case("C22-tcp-split-answer", "dissect tcp4500.pcap", 0, (
        "IKE_SA_INIT response 0  SA, KE", r"IKE_AUTH response 1  SK \{IDr", "ESP 0x16185fe9 seq 3 .*icv ok",
    )),
    Case("C22-tcp-split-answer", "capture tcp4500.pcap", 0, ("6 ike, 6 esp; 0 others",)),
    Case("C23-snaplen", "dissect snap96.pcap", 1, ("the capture holds 46 of 208 octets",), ("octets left",)),
    Case("C23-snaplen", "audit snap96.pcap", 1, ("the capture holds only 96 octets of 12",), ("FAILED",)),
    Case("C24-raw-replay-crossing", "replay --raw --speed 0 --conversation 1 --side initiator arkime-IKEv2.pcap", 0, (
        "^12 datagrams",
    )),
    Case("C24-raw-replay-crossing", "replay --raw --speed 0 --conversation 2 --side initiator arkime-IKEv2.pcap", 0, (
        "^6 datagrams",
    )),
    Case("E01-invalid-syntax-fatal", "run.py", 0, ("^ours: CLOSED children 0 ", "^ours: CLOSED ")),
    Case("E05-proposals-from-3", "run.py", 0, (r"^responder answered: \[\[1\], \[1\], \[3\]\]",), ("Malformed",)),
    Case("E15-no-auth-payload", "run.py", 0, (r"N\(AUTHENTICATION_FAILED\)\} ",)),
    Case("E25-mlkem-alone", "run.py", 0, ("IKE_AUTH response .*IDr, AUTH, SA, TSi, TSr",)),
    Case("E26-weak-suites", "run.py", 0, ("^OK 3des-md5", "^OK des-sha1", "^OK aes128-sha256_96", "^OK blowfish128")),
    Case("K01-pluto-830", "dissect cbc.pcapng --keys pluto830.log", 1, IKE_OPENED),
    Case("K01-pluto-830", "dissect cbc.pcapng --keys tcpdump-ike-secrets.txt", 1, IKE_OPENED),
    Case("K02-tcpdump-E", "dissect cbc.pcapng --keys tcpdump-esp-secrets.txt", 1, UNCHECKED),
    Case("K03-vpp", "dissect cbc.pcapng --keys vpp-show-ikev2.txt", 0, (*IKE_OPENED, *OPENED)),
    Case("K04-fortigate", "dissect cbc.pcapng --keys fortigate-tunnel-list.txt", 1, OPENED),
    Case("K05-setkey", "dissect cbc.pcapng --keys setkey-D.txt", 1, OPENED),
    Case("K08-decimal-spi", "dissect cbc.pcapng --keys decspi.esp_sa", 1, OPENED),
    Case("K08-decimal-spi", "dissect nest.pcap --keys dec2.esp_sa", 0, (r"ESP 0x00001000 .*icv ok",), ("warning",)),
    Case("K09-cidr", "dissect cbc.pcapng --keys bar.esp_sa", 1, (OPENED[0],), ("not an address",)),
    Case("K12-null-any128", "dissect null.pcapng --keys row.esp_sa", 1, (rf"ESP 0xff453f2d seq 1  {ICMP} +.icv unch",)),
    Case("K14-syslog", "dissect lab.pcap --keys syslog", 0, ("IKE_AUTH response 1 .*icv ok",), ("not decrypted",)),
    Case("K17-unreadable-keys-exit-0", "dissect cbc.pcapng --keys swu.txt", 2, ("swu.txt",), ("449c2d17",)),
)  # fmt: skip


def run(case: Case, out: Path) -> tuple[int, str]:
    """The exit status of a case and what it prints."""
    folder = shared(f"cases/{case.name}")
    words = [str(folder / word) if (folder / word).is_file() else word for word in case.command.split()]
    words = [str(out) if word == "OUT" else word for word in words]
    if words[0].endswith(".py"):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(words[0], run_name="__main__")
        return 0, printed.getvalue()
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


@pytest.mark.sample(2)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}: {case.command}")
def test_a_case_shows_what_is_right(case: Case, tmp_path: Path) -> None:
    status, printed = run(case, tmp_path / "out.pcapng")
    missing = [text for text in case.shows if not re.search(text, printed, re.MULTILINE | re.DOTALL)]
    wrong = [text for text in case.hides if re.search(text, printed, re.MULTILINE)]
    assert (status, missing, wrong) == (case.status, [], []), printed


@pytest.mark.parametrize("name", ["DES-CBC", "BLOWFISH-CBC", "TWOFISH-CBC", "CAST5-CBC"])
def test_k11_an_encryption_of_wireshark_is_known(name: str) -> None:
    assert name in shared("cases/K11-wireshark-esp-names/wsnames.txt").read_text()
    assert keynames.read_esp(name, "NULL")[0]


@pytest.mark.parametrize("name", ["HMAC-MD5-96", "HMAC-SHA-256-96", "MAC-RIPEMD-160-96"])
def test_k11_an_integrity_of_wireshark_is_known(name: str) -> None:
    assert name in shared("cases/K11-wireshark-esp-names/wsnames.txt").read_text()
    assert keynames.read_esp("NULL", name)[1] is not None


def test_no_case_is_left_out() -> None:
    folders = {path.name for path in shared("cases").iterdir() if path.is_dir()}
    assert folders - OTHERS == {case.name for case in CASES} | {"K11-wireshark-esp-names"}
