# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder without a configuration reply."""

from __future__ import annotations

from fynx_scapy import ConfigRequest, IkeConfig, Psk
from fynx_scapy.events import ChildSaFailed, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Delete,
)


@scenario(
    "RFC 7296 section 3.15.4",
    requirements=(
        "7296-3.15.4-01",
        "7296-2.21-01",
    ),
)
def error_no_cfg_reply(run: Run) -> None:
    """An initiator that needs an address and gets none deletes the IKE SA."""
    s = run.session(config=IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), cp_request=ConfigRequest()))
    # HDR, SK {…, CP(CFG_REQUEST), SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    s.connect()
    # HDR, SK {D}  -->
    expect(s.events).at("initiator").has(ChildSaFailed).sent(-1).exchange("INFORMATIONAL").has(IKEv2_Delete, proto=1)
    expect(s.events).at("responder").has(SaDeleted, child_spis=(), by_peer=True)


if __name__ == "__main__":
    main(__file__)
