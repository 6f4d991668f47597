# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer that answers a Delete and deletes nothing is found out by what it still answers."""

from __future__ import annotations

import pytest

from fynx_scapy.harness.forge import answers_on, takes_on
from fynx_scapy.session import Session


def nothing(*_: object, **__: object) -> None:
    """In the place of what deletes."""


@pytest.mark.parametrize("keeps", [False, True])
def test_an_ike_sa_that_the_peer_keeps(keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    sa, theirs = s.sa, s.peer_sa
    if keeps:
        monkeypatch.setattr(theirs, "closed", nothing)
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}      HDR, SK {}  -->
    s.delete()
    assert answers_on(s, sa) is keeps


@pytest.mark.parametrize("keeps", [False, True])
def test_a_child_sa_that_the_peer_keeps(keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    packet, child = s.echo(), s.child
    if keeps:
        monkeypatch.setattr(s.peer_sa, "remove_children", nothing)
    # HDR, SK {D(ESP)}  -->   <--  HDR, SK {D(ESP)}      ESP  -->
    s.delete(child)
    assert takes_on(s, s.sa, child, packet) is keeps


def test_a_late_answer_to_the_delete_is_none_to_the_probe() -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    sa, answers = s.sa, []
    with s.network.observe(lambda _time, seen, _fate: answers.append(seen) if seen.local == sa.remote else None):
        s.delete()
    # HDR, SK {}  -->    and behind it, once more:   <--  HDR, SK {}   with the message ID of the Delete
    s.network.intercept(lambda _now, seen: [seen, answers[-1]] if seen.local == sa.local else None)
    assert not answers_on(s, sa)
