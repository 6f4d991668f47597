# SPDX-License-Identifier: GPL-2.0-or-later
"""Invalid SET_WINDOW_SIZE notifies."""

from __future__ import annotations

from fynx_scapy.exchanges import notify
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario("RFC 7296 section 2.3", requirements=("7296-2.3-01",))
def window_promise_malformed(run: Run) -> None:
    """SET_WINDOW_SIZE that is not four octets is refused; a smaller value does not shrink the window."""
    s = run.session("smaller ones")
    s.connect()
    for data, size in ((b"", 1), (bytes(4), 1), (b"\0\0\0\5", 5), (b"\0\0\0\2", 5)):
        # HDR, SK {N(SET_WINDOW_SIZE)}  -->
        # <--  HDR, SK {}
        expect(s.request("INFORMATIONAL", notify(NotifyType.SET_WINDOW_SIZE, data))).empty()
        peer = s.peer_sa
        expect(peer is not None and peer.requests.size, f"window after {data.hex() or 'nothing'}").equals(size)
    expect(len(s.ping()), "octets of the reply").between(28, 1500)

    for data in (b"\7", b"\0\0\0\7\7"):
        s = run.session(f"{len(data)} octets")
        s.connect()
        # HDR, SK {N(SET_WINDOW_SIZE)}  -->
        # <--  HDR, SK {N(INVALID_SYNTAX)}
        answer = s.request("INFORMATIONAL", notify(NotifyType.SET_WINDOW_SIZE, data))
        expect(answer).notifies("INVALID_SYNTAX")


if __name__ == "__main__":
    main(__file__)
