# SPDX-License-Identifier: GPL-2.0-or-later
"""Several Child SAs and peers at once, whoever begins."""

from __future__ import annotations

from fynx_scapy import ChildConfig
from fynx_scapy.harness import (
    EVERY,
    INITIATORS,
    RESPONDERS,
    PeerChild,
    PeerConfig,
    Run,
    expect,
    main,
    scenario,
)

HALVES = (
    PeerChild(name="low", local_ts=("10.2.0.0/25",), remote_ts=("10.1.0.0/25",)),
    PeerChild(name="high", local_ts=("10.2.0.0/25",), remote_ts=("10.1.0.128/25",)),
    PeerChild(name="six", local_ts=("fd02::/64",), remote_ts=("fd01::/64",)),
)


@scenario(
    "RFC 7296 section 1.3.1", roles=EVERY, needs={"several"}, requirements=("7296-1-02",), config={"children": HALVES}
)
def several_children(run: Run) -> None:
    """Three Child SAs under one IKE SA, and each packet uses the one whose selectors match."""
    run.establish()
    for number, child in enumerate(run.config().children[1:], 2):
        # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
        if run.we_begin:
            run.s.create_child(child)
        else:
            run.peer.initiate(child=child.name)
        run.wait_until(lambda number=number: len(run.s.sa.children) == number, f"{number} Child SAs")  # type: ignore[misc]
    run.wait_until(lambda: len(run.theirs().children) == len(HALVES), "the same number of Child SAs at the peer")
    four, six = run.there.inner, run.there.inner6
    for source, target in (("10.1.0.1", four), ("10.1.0.200", four), ("fd01::9", six)):
        run.s.ping(target, source=source)
        run.send_from_there(source, count=1)
    run.agree()
    used = {child.name for child in run.theirs().children if child.packets_in and child.packets_out}
    expect(used, "the Child SAs that the peer has used").equals({child.name for child in HALVES})


CLIENTS = 4


@scenario("RFC 7296 section 2.4", needs={"several", "clients"}, roles=INITIATORS,
       config={"remote": "%any", "remote_id": "%any"},
       ours={"local_id": "alice", "child": {"local_ts": "10.1.0.0/28"}})  # fmt: skip
def several_clients(run: Run) -> None:
    """Several of our clients, with different identities and networks, are connected at once."""
    sessions = [run.s]
    for number in range(1, CLIENTS):
        address = f"10.9.0.{100 + number}"
        run.world.add_address(address)
        config = run.config(local_id=f"client{number}", child={"local_ts": f"10.1.0.{16 * number}/28"})
        sessions.append(run.join(f"client{number}", config, local=address))
    for s in sessions:
        s.connect()
    run.wait_until(
        lambda: len([sa for sa in run.peer.sas() if sa.established]) == CLIENTS, f"{CLIENTS} IKE SAs at the peer"
    )
    for number, s in enumerate(sessions):
        source = f"10.1.0.{16 * number + 1}"
        s.ping(run.there.inner, source=source)
        run.send_from_there(source, count=1)
        s.rekey_child()
        s.ping(run.there.inner, source=source)
    who = {sa.remote_id for sa in run.peer.sas()}
    expect(who, "the peer's clients").equals({"alice", *(f"client{number}" for number in range(1, CLIENTS))})


ALSO = tuple(
    PeerConfig(
        local_id=f"gateway{number}",
        children=(PeerChild(name=f"net{number}", remote_ts=(f"10.1.{number}.0/24",)),),
    )
    for number in range(1, CLIENTS)
)


@scenario("RFC 7296 section 2.4", needs={"several"}, roles=RESPONDERS, config={"also": ALSO})
def several_from_peer(run: Run) -> None:
    """The peer connects several times at once, with different identities; all use the same two ports of ours."""
    for number, other in enumerate(ALSO, 1):
        child = ChildConfig(name=f"net{number}", local_ts=f"10.1.{number}.0/24", remote_ts="10.2.0.0/24")
        run.s.client.configs.append(run.config(remote_id=other.local_id, children=(child,), remote=run.s.config.remote))
    for name, _ in run.peer_config.connections():
        run.peer.initiate(name)
    accepted = [run.s.accept(timeout=10) for _ in range(CLIENTS)]
    expect(len({sa.spi_i for sa in accepted}), "IKE SAs").equals(CLIENTS)
    run.wait_until(
        lambda: len([sa for sa in run.peer.sas() if sa.established]) == CLIENTS, f"{CLIENTS} IKE SAs at the peer"
    )
    for number in range(CLIENTS):
        run.send_from_there(f"10.1.{number}.1", count=1)


if __name__ == "__main__":
    main(__file__)
