# SPDX-License-Identifier: GPL-2.0-or-later
"""A scan of our own endpoint finds exactly what its configuration offers, and says how it got there."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Unreached
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.scan import ScanResult
from fynx_scapy.scan.answer import Kind
from fynx_scapy.scan.result import offer_as_dict, proposal_text
from fynx_scapy.scan.scanner import box_of
from fynx_scapy.scan.search import Point
from tests.examples import examples
from tests.scan.hosts import Odd, responder, scan_of

WORDS = {
    "aead": ("aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes192ccm8"),
    "encr": ("aes128", "aes256", "3des", "aes192ctr", "des", "camellia256", "cast128"),
    "prf": ("prfsha256", "prfsha1", "prfaescmac", "prfmd5"),
    "integ": ("sha256", "sha1", "aesxcbc", "md5", "sha256_96"),
    "ke": ("x25519", "ecp384", "modp2048", "modp1024s160", "mlkem768", "x448"),
}


def proposals(most: int, sizes: int) -> st.SearchStrategy[str]:
    some = {
        kind: st.lists(
            st.sampled_from(words), min_size=1, max_size=min(sizes, 2) if kind == "prf" else sizes, unique=True
        )
        for kind, words in WORDS.items()
    }
    combined = st.tuples(some["aead"], some["prf"], some["ke"])
    normal = st.tuples(some["encr"], some["prf"], some["integ"], some["ke"])
    one = st.one_of(combined, normal).map(lambda parts: "-".join(word for words in parts for word in words))
    return st.lists(one, min_size=1, max_size=most).map(",".join)


def offered(text: str) -> set[Point]:
    """Every combination that a configuration offers."""
    boxes = [box_of("-".join(str(Proposal.parse(each, ProtocolId.IKE)).split("-"))) for each in text.split(",")]
    return {point for box in boxes for point in itertools.product(*box)}


def found(result: ScanResult) -> set[Point]:
    return {
        tuple(sorted(point, key=lambda transform: transform.type))
        for each in result.ike.proposals
        for point in itertools.product(*each.box)
    }


def check(text: str) -> None:
    """What a scan of our endpoint finds is what its configuration offers."""
    with scan_of(responder(text), checks=4096, wrong_requests=False) as scan:
        result = scan.run()
    assert found(result) == offered(text)
    assert (result.complete, result.ike.complete, all(each.certain for each in result.ike.proposals)) == (True,) * 3
    # Whatever the host offers, what is left there is one half-open IKE SA for its portrait.
    assert (scan.asker.decoy, result.counts["half_open_left"]) == (65000, 1)


@given(proposals(2, 2))
@settings(max_examples=2)
def test_exactly_what_the_configuration_offers(text: str) -> None:
    check(text)


@pytest.mark.slow
@given(proposals(3, 3))
@settings(max_examples=examples(60))
def test_exactly_what_many_configurations_offer(text: str) -> None:
    check(text)


def test_the_result_of_the_default_proposals() -> None:
    with scan_of(responder("default")) as scan:
        result = scan.run()
    assert [proposal_text(each) for each in result.ike.proposals] == [
        "aes128gcm16-prfsha256-x25519",
        "aes256gcm16-prfsha384-ecp384",
        "aes128-prfsha256-sha256-x25519-modp2048",
    ]
    told = json.loads(json.dumps(result.as_dict()))
    assert told["ike"]["transforms"]["ENCR"][1] == {
        "id": 20, "name": "ENCR_AES_GCM_16-256", "keyword": "aes256gcm16", "key_length": 256,
    }  # fmt: skip
    assert told["responder"]["extensions"] == [
        "NAT traversal (RFC 7296 section 2.23)", "fragmentation (RFC 7383)", "digital signatures (RFC 7427)",
    ]  # fmt: skip
    assert told["responder"]["nat"] == {"before_us": False, "before_responder": False}
    assert told["responder"]["fingerprint"]["form"].startswith("1 R 20 20 33(1.1:1.20/128,2.5,4.31) 34(31) 40(32)")
    assert (told["natt_port"], told["retransmission"]) == (True, "answered with the same octets")
    assert told["ikev1"]["text"] == "no answer to Main Mode"
    wrong = {each["name"]: (each["answer"], each["fits"]) for each in told["observations"]}
    assert wrong["critical_payload"] == ("UNSUPPORTED_CRITICAL_PAYLOAD", True)
    assert wrong["major_version_3"] == ("INVALID_MAJOR_VERSION", True)
    assert wrong["unknown_payload"] == ("as if it were right", True)
    assert False not in {fits for _, fits in wrong.values()}
    assert told["counts"]["datagrams"] < 110


@pytest.mark.parametrize(
    ("profile", "weak"),
    [
        ("rfc", {"ENCR_3DES", "PRF_HMAC_MD5", "AUTH_HMAC_MD5_96", "MODP_1024"}),
        ("cnsa2", {"ENCR_3DES", "PRF_HMAC_MD5", "AUTH_HMAC_MD5_96", "MODP_1024", "CURVE25519"}),
    ],
)
def test_weak_choices_are_flagged(profile: str, weak: set[str]) -> None:
    with scan_of(responder("3des-md5-prfmd5-modp1024-x25519"), wrong_requests=False, profile=profile) as scan:
        result = scan.run()
    assert {each.transform for each in result.weaknesses} == weak
    assert next(each for each in result.weaknesses if each.transform == "PRF_HMAC_MD5").status == "FORBIDDEN"


def test_cookies_are_followed() -> None:
    with scan_of(responder("aes256-sha1-prfsha1-modp1024", cookie_threshold=0), wrong_requests=False) as scan:
        result = scan.run()
    assert found(result) == offered("aes256-sha1-prfsha1-modp1024")
    assert result.counts["cookies"] == result.counts["questions"] + 6
    assert f"{int(result.counts['cookies'])} cookies followed" in result.notes


def test_puzzles_are_solved() -> None:
    host = responder("aes256-sha1-prfsha1-modp1024", cookie_threshold=0, puzzle_levels=((0, 8),), puzzle_legacy=0.0)
    with scan_of(host, wrong_requests=False) as scan:
        result = scan.run()
    assert found(result) == offered("aes256-sha1-prfsha1-modp1024")
    assert result.counts["puzzles"] == result.counts["puzzles_solved"] > 10


def test_a_puzzle_that_is_too_hard_ends_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puzzles, "solve", lambda *_: pytest.fail("it is not tried"))
    host = responder("aes256-sha1-prfsha1-modp1024", cookie_threshold=0, puzzle_levels=((0, 60),), puzzle_legacy=0.0)
    with scan_of(host, wrong_requests=False) as scan:
        result = scan.run()
    assert "more than 4 cookies" in result.stopped
    assert result.notes == ["5 cookies followed", "0 of 5 puzzles solved, the hardest of 60 bits"]


def test_one_question() -> None:
    host = responder("aes256-sha1-prfsha1-modp1024")
    with scan_of(host) as scan:
        # SAi1 with both groups and the KE of one  -->  <--  N(INVALID_KE_PAYLOAD);  the KE of the other  -->  <--  SAr1
        answer = scan.offer("aes256-sha1-prfsha1-x25519-modp1024")
        assert (answer.kind, [transform.id for transform in answer.chosen]) == (Kind.ACCEPTED, [12, 2, 2, 2])
        assert scan.offer("aes128gcm16-prfsha256-x25519").text == "NO_PROPOSAL_CHOSEN"
        with pytest.raises(ConfigError, match="'aes257' is not a known algorithm; did you mean"):
            scan.offer("aes257-sha1-modp1024")


def test_nobody_there() -> None:
    with scan_of(Odd(lambda data: ())) as scan, pytest.raises(Unreached):
        scan.run()
    with scan_of(Odd(lambda data: ())) as scan, pytest.raises(Unreached):
        scan.offer("aes256-sha1-modp1024")


def test_a_host_that_echoes_is_none() -> None:
    """What comes back is our own request: no answer, not even to Main Mode, whose answers have no mark of their own."""
    with scan_of(Odd(lambda data: [data])) as scan, pytest.raises(Unreached, match="it echoes our own messages"):
        scan.run()


def test_an_interrupted_scan_goes_on(tmp_path: Path) -> None:
    kept, text = tmp_path / "answers.jsonl", "aes256-aes128-sha1-sha256-prfsha1-modp2048-ecp256"

    def told(what: str) -> None:
        if "encryption and integrity" in what:
            raise KeyboardInterrupt

    with (
        scan_of(responder(text), wrong_requests=False, resume=kept, told=told) as scan,
        pytest.raises(KeyboardInterrupt),
    ):
        scan.run()
    sent = scan.line.sent
    assert sent > 3
    # A kill while a line was written: the half of it is not an answer.
    kept.write_text(kept.read_text() + '{"key": "ask re')
    with scan_of(responder(text), wrong_requests=False, resume=kept) as scan:
        assert found(scan.run()) == offered(text)
    assert scan.result.counts["answered_before"] == sent
    whole = scan.line.sent
    with scan_of(responder("des-md5-modp1024"), wrong_requests=False, resume=kept) as scan:
        assert found(scan.run()) == offered(text), "everything was answered before"
    assert scan.line.sent < 10 < whole


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hello\n", "expected the answers of an earlier scan"),
        (
            '{"fynx scan": 1, "target": "192.0.2.9:500"}\n',
            "expected answers of 192.0.2.2:500, found those of 192.0.2.9",
        ),
        ('{"fynx scan": 1, "target": "192.0.2.2:500"}\n{}\n{"key": "x", "answer": ""}\n', "line 2: expected a key"),
        ('{"fynx scan": 1, "target": "192.0.2.2:500"}\n{"key": "x", "answer": "xy"}\n', "line 2: expected hexadecimal"),
        ('{"fynx scan": 1, "target": "192.0.2.2:500"}\n' + "[" * 100_000 + "\n", "line 2: expected a key"),
    ],
)
def test_a_file_that_has_no_answers_of_this_host(tmp_path: Path, text: str, fault: str) -> None:
    kept = tmp_path / "answers.jsonl"
    kept.write_text(text)
    with pytest.raises(ConfigError, match=fault):
        scan_of(responder("default"), resume=kept)
    assert kept.read_text() == text


def test_a_file_has_one_scan_at_a_time(tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    with (
        scan_of(responder("default"), resume=kept),
        pytest.raises(ConfigError, match="another scan is writing to this file"),
    ):
        scan_of(responder("default"), resume=kept)
    scan_of(responder("default"), resume=kept).close()
    with pytest.raises(ConfigError, match="expected a file for the answers of a scan"):
        scan_of(responder("default"), resume=tmp_path)


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_every_key_of_the_json_is_described() -> None:
    """docs/scan.md names each, but for the transform types, which are data."""
    with scan_of(responder("3des-sha1-modp1024")) as scan:
        told = scan.run().as_dict() | {"format": 1}
        one = offer_as_dict(scan.result, "3des-sha1-modp1024", scan.offer("3des-sha1-modp1024"))
    page = (Path(__file__).parents[2] / "docs" / "scan.md").read_text()
    described = set(re.findall(r"`(?:\w+\.)*(\w+)`", page[page.index("## The JSON") :]))
    assert _keys(told) | _keys(one) <= described | {"ENCR", "PRF", "INTEG", "KE"}
    assert {"ike", "weaknesses", "combinations", "chosen", "half_open_left"} <= _keys(told) | _keys(one)
