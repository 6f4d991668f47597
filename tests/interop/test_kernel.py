# SPDX-License-Identifier: GPL-2.0-or-later
"""Trials with peers in a guest, whose ESP is a Linux kernel's: strongSwan's kernel trials, libreswan and OpenIKED.

They are deselected unless asked for (``-m kernel``, scripts/test-kernel), because a guest has to be had first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import LabError
from fynx_scapy.harness import Role, Scenario, Verdict
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.lab.guest import Guest
from fynx_scapy.lab.kernel import KernelStrongSwan
from fynx_scapy.lab.lab import RETRANSMISSION, Lab, guest_for
from fynx_scapy.lab.libreswan import Libreswan
from fynx_scapy.lab.openiked import OpenIked, OpenIkedSid
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.lab.roots import used
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.trial_runner import PEERS, run_trial
from fynx_scapy.scan.esp import FIRST
from fynx_scapy.scan.result import proposal_text
from fynx_scapy.session import Session
from tests.interop.test_scan import scan
from tests.interop.test_strongswan import opens
from tests.scan.test_scanner import found, offered

pytestmark = pytest.mark.kernel


CHOSEN = frozenset(
    {
        "psk_handshake",
        "wrong_psk",
        "ipv6",
        "rekey_child",
        "rekey_child_by_peer",
        "rekey_ike",
        "rekey_ike_by_peer",
        "delete_ike",
        "delete_ike_by_peer",
        "delete_child_by_peer",
        "esn_gcm",
        "transport_mode",
        "signature_ecdsa_sha256",
        "signature_rsa_pkcs1_sha256",
        "signature_rsa_pss_sha256",
    }
)
"""What is held with others than strongSwan; `fynx lab matrix --peer NAME` holds everything that they can."""


def _wanted(peer: str, trial: Scenario) -> bool:
    """What the kernel is needed for; strongSwan's other trials are held in a namespace, in a tenth of the time."""
    if not trial.setting.needs <= PEERS[peer].capabilities:
        return False
    if peer == KernelStrongSwan.name:
        return not trial.setting.needs <= StrongSwan.capabilities
    return trial.name in CHOSEN


def _group(peer: str) -> pytest.MarkDecorator:
    """Two guests at most, with about as many cases each."""
    return pytest.mark.xdist_group("guest of libreswan" if peer.startswith(Libreswan.name) else "guest of others")


CASES = [
    pytest.param(peer, trial, role, id=f"{peer}-{trial.name}-{role.value}", marks=_group(peer))
    for peer, made in PEERS.items()
    if made.guest
    for trial in scenarios.everything().values()
    for role in trial.roles
    if not role.asynchronous  # a guest is slow, and what is below is the same
    if _wanted(peer, trial)
]


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """One guest for all; tests are skipped where it cannot come up."""
    try:
        with guest_for(PEERS.values()) as found:
            assert found is not None
            yield found
    except LabError as error:
        pytest.skip(f"no live peer: {error}")


def needs_root(peer: str) -> None:
    """Skip a test of a peer whose root is not there."""
    root = PEERS[peer].root
    try:
        with used(*root) if root else contextlib.nullcontext():
            pass
    except LabError as error:
        pytest.skip(f"no live peer: {error}")


@pytest.mark.parametrize(("peer", "trial", "role"), CASES)
def test_trial(guest: Guest, peer: str, trial: Scenario, role: Role, tmp_path: Path) -> None:
    needs_root(peer)
    outcome = run_trial(trial, role, peer, guest=guest)
    assert (outcome.result.verdict, outcome.result.reason) == (Verdict.PASS, ""), outcome.log[-20000:]
    outcome.save_capture(tmp_path / "capture.pcapng")
    opens(tmp_path / "capture.pcapng")


SCANNED = (
    "aes256-aes192-3des-sha256-sha1-prfsha256-prfsha1-modp2048-ecp384",
    "aes256gcm12-aes128gcm16-prfsha384-x25519-ecp521",
)
"""What every peer is configured with for a scan."""
OWN = dict.fromkeys((OpenIked.name, OpenIkedSid.name), ("aes256gcm16-prfsha512-ecp512bp-sntrup761x25519",))
"""What only one of them has."""


@pytest.mark.parametrize("peer", [pytest.param(name, marks=_group(name)) for name, made in PEERS.items() if made.guest])
def test_a_scan_finds_exactly_what_its_configuration_offers(guest: Guest, peer: str) -> None:
    needs_root(peer)
    ike = ",".join((*SCANNED, *OWN.get(peer, ())))
    config = PeerConfig(ike=ike).changed(esp="aes128-aes256-sha512")
    with Lab(config, peer=PEERS[peer], guest=guest) as lab:

        def authenticate(proposals: tuple[Proposal, ...]) -> Session:
            matching = lab.config.changed(esp=",".join(FIRST))
            return lab.session(matching.mirrored(proposals=proposals, retransmission=RETRANSMISSION))

        result = scan(lab, authenticate=authenticate)
    assert found(result) == offered(ike)
    assert result.esp is not None
    assert list(map(proposal_text, result.esp.proposals)) == ["aes128-aes256-sha512-noesn"]
    assert (result.complete, result.counts["half_open_left"], result.notes) == (True, 1, [])


def test_there_are_enough_of_them() -> None:
    kernel = [case for case in CASES if case.values[0] == KernelStrongSwan.name]
    assert len(kernel) >= 10
    assert {(case.values[0], case.values[2]) for case in CASES} == {
        (peer, role) for peer, made in PEERS.items() if made.guest for role in (Role.INITIATOR, Role.RESPONDER)
    }
