# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of a message that is never completed."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.errors import FynxError
from fynx_scapy.events import IkeSaEstablished, IkeSaFailed, SaDeleted
from fynx_scapy.exchanges import Informational
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_VendorID


@scenario(
    "RFC 7383 section 5",
    requirements=("7383-5-01", "7383-5-02", "7383-5-03", "7383-2.6-05", "7383-2.6-06", "7383-2.6-i01"),
)
def fragments_without_end(run: Run) -> None:
    """Stored fragments are limited, in octets and in time.

    A peer that sends more than the receiver stores loses its IKE SA, established or not. A request that stays
    incomplete is dropped.
    """
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=300)
    s = run.session("too much on an established IKE SA", config=config, peer={"reassembly_limit": 2000})
    s.connect()
    s.client.taps.add("datagrams", lambda _message, datagrams, _attempt: datagrams[:-1] or datagrams)
    # HDR, SKF(1/m) {...}, HDR, SKF(2/m) {...}, ...  -->
    s.sa.start(Informational(s.sa, IKEv2_VendorID(vendorID=bytes(5000))))
    s.network.run(lambda: not s.peer.children)
    theirs = expect(s.events).at("responder").has(SaDeleted, child_spis=())
    reason = next(e.reason for _, e in theirs.events if isinstance(e, SaDeleted) and not e.child_spis)
    expect(reason).contains("at most 2000 octets of fragments")

    expect(config.reassembly_limit, "the default limit of stored octets").between(1, 64 * 1024)

    s = run.session("too much before the initiator is known", config=config, peer={"reassembly_limit": 300})
    s.sa_init()
    # HDR, SKF(1/2) {...}, HDR, SKF(2/2) {...}  -->
    expect(s.auth).raises(FynxError)
    expect(s.events).at("responder").has(IkeSaFailed).lacks(IkeSaEstablished)

    s = run.session("never the last one", config=config)
    s.connect()
    sa = s.peer_sa
    s.client.taps.add("datagrams", lambda _message, datagrams, attempt: [] if attempt else datagrams[:-1])
    # HDR, SKF(1/m) {...}, ..., HDR, SKF(m-1/m) {...}  -->
    s.sa.start(Informational(s.sa, IKEv2_VendorID(vendorID=bytes(1000))))
    # For as long as an initiator retransmits before it gives up.
    s.network.run(s.network.now + s.config.retransmission.total - 1)
    expect(sa is not None and len(sa.fragments), "incomplete messages").equals(1)
    s.network.run(s.network.now + 2)
    expect(sa is not None and len(sa.fragments), "incomplete messages").equals(0)
    expect(s.events).at("responder").lacks(SaDeleted)


if __name__ == "__main__":
    main(__file__)
