# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments without announced support."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.errors import Timeout
from fynx_scapy.events import MessageDropped, MessageReceived, MessageSent
from fynx_scapy.extensions import Fragmentation
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_VendorID


@scenario("RFC 7383 section 2.4", requirements=("7383-2.4-01",), live="in part")
def fragments_unannounced(run: Run) -> None:
    """Without support announced by both, no message is fragmented, and fragments that arrive are discarded."""
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=200)
    s = run.session("the initiator does not", config=config.replace(fragmentation=False))
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    s.connect()
    # HDR, SK {V}  -->   <--  HDR, SK {}
    expect(s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=bytes(700)))).empty()
    kinds = (MessageSent, MessageReceived)
    expect({len(e.wire) for _, e in s.events if isinstance(e, kinds)}, "fragments").equals({1})
    if not run.embedded("a responder that does not"):
        return

    s = run.session("the responder does not", config=config, peer={"fragmentation": False})
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    expect(s.auth()).has(IKEv2_AUTH)
    expect({len(e.wire) for _, e in s.events if isinstance(e, MessageSent)}, "fragments").equals({1})

    s = run.session("the initiator sends some nevertheless", config=config, peer={"fragmentation": False})
    s.sa_init()
    s.sa.of(Fragmentation).peer = True
    # HDR, SKF(1/m) {...}, ...  -->
    expect(s.auth).raises(Timeout)
    dropped = [e.reason for at, e in s.events if at == "responder" and isinstance(e, MessageDropped)]
    expect(dropped, "reasons").contains("expected no SKF payload: we did not announce fragmentation")


if __name__ == "__main__":
    main(__file__)
