# SPDX-License-Identifier: GPL-2.0-or-later
"""Worlds: one body in either role, the peer made to act, and what a peer cannot be asked to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import OutOfReach
from fynx_scapy.events import (
    ChildSaInstalled,
    ChildSaRekeyed,
    Event,
    IkeSaEstablished,
    IkeSaRekeyed,
    MessageReceived,
    SaDeleted,
)
from fynx_scapy.harness import Driver, EmbeddedWorld, ExpectationFailed, Role, Run, TargetWorld, Verdict, run
from fynx_scapy.harness.setting import Setting
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.net.echo import echo_request
from fynx_scapy.session import Session
from tests.harness.peers import bob, made, target

BOTH = (Role.INITIATOR, Role.RESPONDER)
PATIENCE = 5.0


def met(role: Role) -> tuple[Run, Session, Driver]:
    """A session in that role that is established with its embedded peer."""
    stage = Run("worlds", role=role)
    s = stage.session()
    stage.establish(s)
    return stage, s, stage.driver(s)


@pytest.mark.parametrize("role", BOTH)
def test_either_end_begins_and_events_have_the_name_of_the_role(role: Role) -> None:
    _, s, driver = met(role)
    assert (s.sa.initiator, s.name) == (role.begins, role.value)
    assert driver.has(s.sa)
    initiators = {who for who, event in s.events if isinstance(event, IkeSaEstablished) and event.initiator}
    assert initiators == {"initiator"}
    assert s.ping("10.2.0.1" if role.begins else None)
    assert "HDR, SA, KE, Ni, N(NAT_DETECTION_SOURCE_IP)" in str(s.ladder())
    assert str(s.sas()).count("ESTABLISHED") == 2


@pytest.mark.parametrize("role", BOTH)
def test_the_peer_rekeys_deletes_and_asks(role: Role) -> None:
    _, s, driver = met(role)
    first, child = s.sa, s.child
    driver.rekey_child()
    # <--  HDR, SK {N(REKEY_SA), …}   HDR, SK {SA, …}  -->
    assert s.wait(ChildSaRekeyed, timeout=PATIENCE).by_peer
    s.wait(lambda: child.gone or s.child is not child)
    driver.rekey_ike()
    s.wait(IkeSaRekeyed, timeout=PATIENCE)
    s.wait(lambda: s.sa is not first and driver.has(s.sa))
    heard = len([event for who, event in s.events if who == s.name and isinstance(event, MessageReceived)])
    driver.liveness()
    s.network.run()
    assert len([e for who, e in s.events if who == s.name and isinstance(e, MessageReceived)]) > heard
    driver.create_child()
    s.wait(ChildSaInstalled, timeout=PATIENCE)
    s.network.run()
    newest = s.child.inbound.spi
    driver.delete_child()
    assert s.wait(SaDeleted, timeout=PATIENCE).child_spis == (newest,)
    driver.send(echo_request("10.2.0.1", "10.1.0.1", b"from the peer", identifier=7, sequence=1))
    s.network.run()
    assert any(b"from the peer" in packet for packet in s.network.hosts[s.name].inbox)
    answers = s.network.hosts["responder" if role.begins else "initiator"].inbox
    before = len(answers)
    driver.send()
    s.network.run()
    assert len(answers) == before + 1
    driver.delete_ike()
    s.network.run()
    assert [event.by_peer for who, event in s.events if who == s.name and isinstance(event, SaDeleted)][-1]
    assert not driver.has(s.sa)


def test_a_peer_without_the_sa_has_failed_the_scenario() -> None:
    _, s, driver = met(Role.INITIATOR)
    s.peer.lose_state()
    with pytest.raises(ExpectationFailed, match=f"the peer to have the IKE SA {s.sa.spi_i.hex()}_i"):
        driver.rekey_ike()


def test_each_embedded_peer_is_prepared_before_anything_is_sent() -> None:
    prepared: list[Endpoint] = []

    def body(stage: Run) -> None:
        """Two sessions."""
        for label in ("one", "two"):
            s = stage.session(label)
            assert prepared[-1] is s.peer
            assert not s.events
            stage.establish(s)

    result = run(made(body), world=EmbeddedWorld(prepared.append), role=Role.RESPONDER)
    assert (result.verdict, result.reason, result.role) == (Verdict.PASS, "", Role.RESPONDER)
    assert len(prepared) == 2


def test_a_peer_that_never_has_the_sa_fails_the_scenario() -> None:
    def body(stage: Run) -> None:
        """The peer loses its state as soon as it has answered."""
        s = stage.session()

        def forget(_who: str, event: Event) -> None:
            if isinstance(event, IkeSaEstablished):
                s.peer.lose_state()

        s.network.subscribe(forget)
        stage.establish(s)

    result = run(made(body))
    assert result.verdict is Verdict.FAIL
    assert result.reason.startswith("expected both ends to call the IKE SA established")


@pytest.mark.parametrize("act", [
    Driver.create_child, Driver.rekey_child, Driver.rekey_ike, Driver.delete_child, Driver.delete_ike, Driver.liveness,
    lambda driver: driver.send(b""),
])  # fmt: skip
def test_a_target_cannot_be_asked(act: Callable[[Driver], None]) -> None:
    world = TargetWorld(target(500), wait=1)
    with pytest.raises(OutOfReach, match=r"the peer would have to .*, which a target cannot be asked to do"):
        act(world.driver_of_any())


def test_a_target_is_not_configured_and_a_lab_is_named_for_it() -> None:
    world = TargetWorld(target(500))
    with pytest.raises(OutOfReach, match=r"configures the peer \(auth\): only that of a lab \(--lab\)"):
        world.our_config(Setting(config={"auth": "certificate"}))
    with pytest.raises(OutOfReach, match=r"configures the peer: only that of a lab \(--lab\)"):
        world.peer_config(Setting())


def test_a_target_is_waited_for_if_that_was_asked_for() -> None:
    def body(stage: Run) -> None:
        """The target initiates."""
        stage.establish(stage.session())

    with bob() as peer:
        skipped = run(made(body), target=target(peer.port), role=Role.RESPONDER)
        assert skipped.verdict is Verdict.SKIP
        assert (
            "initiate an IKE SA (--wait SECONDS waits for it), which a target cannot be asked to do" in skipped.reason
        )

        def connect(stage: Run) -> None:
            """Bob connects."""
            s = stage.session()
            ours = f"127.0.0.1:{s.client.config.port}"
            config = peer.endpoint.configs[0].replace(remote=ours, remote_natt_port=s.client.config.natt_port)
            with peer.network.acting() as now:
                peer.endpoint.connect(config.replace(remote_id=None), now)
            stage.establish(s)
            assert not s.sa.initiator

        world = TargetWorld(target(peer.port), wait=5)
        result = run(made(connect), world=world, role=Role.RESPONDER)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        nobody = run(made(body), world=TargetWorld(target(peer.port), wait=0.05), role=Role.RESPONDER)
        assert nobody.verdict is Verdict.ERROR
        assert "no peer has set up an IKE SA with us within 0.05 s" in nobody.reason


def test_an_asynchronous_role_needs_a_lab() -> None:
    with pytest.raises(OutOfReach, match="IpsecServer runs only with the peers of a lab"):
        Run("worlds", role=Role.SERVER).session()


def test_a_case_whose_proposals_a_live_peer_refuses_has_shown_nothing() -> None:
    judged = {}
    with bob() as peer:  # he has no PRF with SHA-512
        for name in ("nonce_of_16_octets_with_sha512", "nonce_of_15_octets_in_init"):
            judged[name] = run(scenarios.load(name), world=TargetWorld(target(peer.port)))
    assert [result.verdict for result in judged.values()] == [Verdict.SKIP, Verdict.PASS], judged
    assert "does not have the algorithms" in judged["nonce_of_16_octets_with_sha512"].reason
