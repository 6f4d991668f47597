# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP_TFC_PADDING_NOT_SUPPORTED and NON_FIRST_FRAGMENTS_ALSO."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP

from fynx_scapy import ChildConfig, IkeConfig, Psk
from fynx_scapy.harness import Run, expect, main, scenario


@scenario(
    "RFC 7296 section 1.3.1",
    requirements=(
        "7296-1.3.1-i01",
        "7296-1.3.1-i02",
    ),
)
def tfc_not_supported(run: Run) -> None:
    """No TFC padding is sent to a peer that refuses it; non-first fragments need support at both peers."""
    ours = ChildConfig(tfc_length=700, fragments=True, remote_ts="10.2.0.0/24[udp]")
    theirs = ChildConfig(
        local_ts="10.2.0.0/24[udp]", remote_ts="10.1.0.0/24", tfc_length=700, accept_tfc=False, fragments=True
    )
    config = IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), children=(ours,))
    s = run.session("both want later fragments", config=config, peer={"children": (theirs,)})
    s.sa_init()
    # HDR, SK {…, TSi, TSr, N(NON_FIRST_FRAGMENTS_ALSO)}  -->
    # <--  HDR, SK {…, TSi, TSr, N(ESP_TFC_PADDING_NOT_SUPPORTED), N(NON_FIRST_FRAGMENTS_ALSO)}
    expect(s.auth()).notifies("ESP_TFC_PADDING_NOT_SUPPORTED").notifies("NON_FIRST_FRAGMENTS_ALSO")
    s.send(IP(src="10.1.0.1", dst="10.2.0.1") / UDP(sport=4000, dport=7))
    expect((s.child.options.tfc, s.child.options.fragments), "agreed on").equals((False, True))

    s = run.session(
        "only one end wants later fragments", config=config, peer={"children": (theirs.replace(fragments=False),)}
    )
    s.connect()
    expect(s.child.options.fragments, "later fragments").equals(False)


if __name__ == "__main__":
    main(__file__)
