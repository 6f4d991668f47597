# SPDX-License-Identifier: GPL-2.0-or-later
"""NO_ADDITIONAL_SAS."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaRekeyed
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario("RFC 7296 section 1.3", requirements=("7296-1.3-i02", "7296-1.3.1-04", "7296-4-07"))
def error_no_additional_sas(run: Run) -> None:
    """One Child SA too many is refused; the others and the IKE SA remain, and a rekey is still allowed."""
    s = run.session(peer={"child_limit": 1})
    s.connect()
    # HDR, SK {SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {N(NO_ADDITIONAL_SAS)}
    expect(s.create_child()).notifies("NO_ADDITIONAL_SAS")
    expect(s.events).at("initiator").has(ChildSaFailed, notify_type=NotifyType.NO_ADDITIONAL_SAS)
    expect(len(s.sa.children), "Child SAs").equals(1)
    s.rekey_child()
    expect(s.events).has(ChildSaRekeyed, times=2)
    s.ping("10.2.0.1")


if __name__ == "__main__":
    main(__file__)
