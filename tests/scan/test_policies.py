# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies that our own endpoint cannot have, and hosts that do not take a decoy as most do."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fynx_scapy.iana import KeMethod, NotifyType
from fynx_scapy.ike.message import notify
from fynx_scapy.layers.ikev2 import parse_message
from fynx_scapy.scan import ScanResult
from fynx_scapy.scan.catalogue import Box, additional
from fynx_scapy.scan.result import proposal_text
from fynx_scapy.scan.scanner import box_of
from tests.scan.hosts import answer, scan_of
from tests.scan.policy import host, refused

COMBINED = box_of("aes128gcm16-aes256gcm16-prfsha384-x25519-ecp384")
NORMAL = box_of("aes256-3des-prfsha256-sha256-sha1-modp2048")
TEXTS = ["aes128gcm16-aes256gcm16-prfsha384-x25519-ecp384", "aes256-3des-prfsha256-sha256-sha1-modp2048"]


def more(box: Box, *rounds: tuple[int, ...]) -> Box:
    """A proposal with additional key exchanges."""
    kinds = (tuple(v for v in additional(n) if v.id in ids) for n, ids in enumerate(rounds, 1))
    return (*box, *kinds)


def texts(result: ScanResult) -> list[str]:
    return [proposal_text(each) for each in result.ike.proposals]


def test_additional_key_exchanges() -> None:
    """ML-KEM behind a classical group (RFC 9370) may be had with one proposal; another needs two."""
    policy = [
        COMBINED,
        more(COMBINED, (KeMethod.ML_KEM_768, KeMethod.ML_KEM_1024)),
        more(NORMAL, (KeMethod.ML_KEM_768,), (KeMethod.CURVE448,)),
    ]
    with scan_of(host(*policy), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == [
        TEXTS[0], f"{TEXTS[0]}-ke1_mlkem768-ke1_mlkem1024", f"{TEXTS[1]}-ke1_mlkem768-ke2_x448",
    ]  # fmt: skip
    assert list(result.as_dict()["ike"]["transforms"])[-2:] == ["ADDKE1", "ADDKE2"]


def test_a_host_that_wants_an_additional_key_exchange() -> None:
    """The first request, which has none, is refused; the portrait is drawn with what is found later."""
    with scan_of(host(more(COMBINED, (KeMethod.ML_KEM_768,))), wrong_requests=False) as scan:
        result = scan.run()
    assert (result.first_answer, texts(result)) == ("NO_PROPOSAL_CHOSEN", [f"{TEXTS[0]}-ke1_mlkem768"])
    assert result.portrait is not None
    assert result.counts["half_open_left"] == 1


def test_a_host_with_a_method_that_we_cannot_do() -> None:
    with scan_of(host(box_of("aes256gcm16-prfsha384-gost3410_2012_256")), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == ["aes256gcm16-prfsha384-GOST3410_2012_256"]


def test_a_host_that_redirects() -> None:
    """A gateway that sends initiators elsewhere (RFC 5685) is asked without REDIRECT_SUPPORTED, and not left."""

    def instead(data: bytes, group: int) -> Iterable[bytes] | None:
        _, payloads = parse_message(data)
        asked = any(getattr(each, "type", None) == NotifyType.REDIRECT_SUPPORTED for each in payloads)
        return [answer(data, notify(NotifyType.REDIRECT, b"\1\4\xc0\0\2\x63"))] if asked else None

    with scan_of(host(COMBINED, decoy=instead), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == TEXTS[:1]
    assert result.portrait is not None
    assert result.notes == ["redirects to another gateway (RFC 5685); asked without REDIRECT_SUPPORTED"]


def test_a_host_that_accepts_nothing() -> None:
    with scan_of(host(), wrong_requests=False) as scan:
        result = scan.run()
    assert (result.first_answer, texts(result), result.complete) == ("NO_PROPOSAL_CHOSEN", [], True)
    assert (result.portrait, result.counts["half_open_left"]) == (None, 0)


@pytest.mark.parametrize(
    ("private", "modp", "decoy", "left"),
    [
        ("refused", "taken", 1, 1),
        ("silence", "taken", 1, 1),
        ("refused", "refused", None, 8),
        ("silence", "silence", None, 8),
    ],
)
def test_hosts_that_do_not_take_the_decoy(private: str, modp: str, decoy: int | None, left: int) -> None:
    """Group 65000 is malformed to some, or dropped: group 1 may do. If neither does, requests are real ones."""
    answers = {65000: private, 1: modp}

    def instead(data: bytes, group: int) -> Iterable[bytes] | None:
        kind = answers.get(group, "taken")
        return None if kind == "taken" else refused(data, NotifyType.INVALID_SYNTAX) if kind == "refused" else []

    with scan_of(host(COMBINED, NORMAL, decoy=instead), wrong_requests=False) as scan:
        result = scan.run()
    assert texts(result) == TEXTS
    assert (scan.asker.decoy, result.counts["half_open_left"]) == (decoy, left)
    # Real requests wait for the host to forget: at most four in 30 seconds.
    assert result.counts["seconds"] >= (left / 4 - 1) * 30


@pytest.mark.parametrize("prefers", [False, True])
def test_a_host_that_accepts_the_decoy_as_a_method(prefers: bool) -> None:
    """One that really has group 65000 or 1: then the decoy would hide what it accepts, and is not used."""
    policy = (*COMBINED[:-1], (*COMBINED[-1], *box_of("modp768", (65000,))[0]))
    with scan_of(host(policy, prefers=prefers), wrong_requests=False, checks=0) as scan:
        result = scan.run()
    assert scan.asker.decoy is None
    assert texts(result) == [f"{TEXTS[0]}-modp768"]
