# SPDX-License-Identifier: GPL-2.0-or-later
"""The anti-replay window, and the high half of an ESN (RFC 4303 section 3.4.3 and appendix A).

Checking (:meth:`ReplayWindow.locate`, :meth:`ReplayWindow.check`) and moving the window (:meth:`ReplayWindow.accept`)
are two steps, because the ICV is verified between them: an unauthenticated packet must not move the window.
"""

from __future__ import annotations

from fynx_scapy.errors import ConfigError, ReplayError

LIMIT_32 = 0xFFFF_FFFF
LIMIT_64 = 0xFFFF_FFFF_FFFF_FFFF

# "a window size of 64 is preferred and SHOULD be employed as the default" (section 3.4.3)
DEFAULT_SIZE = 64
# "the algorithm described below assumes that the window is no greater than 2^31 packets in width" (appendix A2)
MAX_SIZE = 1 << 31


class ReplayWindow:
    """A sliding window of ``size`` sequence numbers up to the highest authenticated one.

    ``size`` is in packets; 0 turns the check off, but still tracks the high half of an ESN. ``highest`` starts the
    window above 0, for an SA that is taken over: every number up to it counts as received, so that no old packet is
    delivered twice. For a new SA this means that 0 is never accepted: the first packet of an SA has the sequence
    number 1 (section 3.3.3). Raises ConfigError for a size or number out of range.

        >>> window = ReplayWindow(64)
        >>> window.accept(window.check(1))
    """

    __slots__ = ("_mask", "esn", "highest", "missing", "reach", "size")

    def __init__(self, size: int = DEFAULT_SIZE, *, esn: bool = False, highest: int = 0):
        if not 0 <= size <= MAX_SIZE:
            raise ConfigError(f"expected a replay window of 0 to {MAX_SIZE} packets, found {size}")
        limit = LIMIT_64 if esn else LIMIT_32
        if not 0 <= highest <= limit:
            raise ConfigError(f"expected a sequence number between 0 and {limit}, found {highest}")
        self.size = size
        self.esn = esn
        self.highest = highest
        # W of appendix A2.2. Without a window nothing is too old, so the nearest candidate on either side is taken.
        self.reach = size or MAX_SIZE
        self._mask = (1 << size) - 1
        # Bit i is for the sequence number highest - i: what is in the window and was not received. 0 is the usual case.
        self.missing = 0

    def __repr__(self) -> str:
        return f"ReplayWindow({self.size}, esn={self.esn}, highest={self.highest})"

    def locate(self, seql: int) -> int:
        """The full sequence number for the 32 bits on the wire (RFC 4303 appendix A2.2).

        Before the first wrap there is no lower subspace, so a number that the appendix would put there (Th - 1 = -1)
        is taken to be in subspace 0. The result may be 2^64 or more if Th + 1 does not exist: :meth:`check` refuses it.
        """
        if not self.esn:
            return seql
        highest = self.highest
        tl = highest & LIMIT_32
        base = highest - tl
        bl = tl - self.reach + 1
        if bl >= 0:  # case A: the window lies within one subspace
            return base + seql if seql >= bl else base + seql + 0x1_0000_0000
        # case B: it spans two
        if seql >= bl + 0x1_0000_0000 and base:
            return base + seql - 0x1_0000_0000
        return base + seql

    def check(self, seql: int) -> int:
        """Check a packet's Sequence Number field and return the full sequence number. The window does not move.

        Raises ReplayError for a number that was received before, that is below the window, or that exceeds 64 bits.
        """
        highest = self.highest
        ahead = seql - (highest & LIMIT_32)
        if (
            0 < ahead <= MAX_SIZE
        ):  # the next packet, or one a little later: in the subspace of the highest, as by locate
            return highest + ahead
        seq = self.locate(seql)
        behind = highest - seq
        if behind < 0:
            if seq > LIMIT_64:
                raise ReplayError(f"the sequence number {seql} would exceed 64 bits")
            return seq
        if self.size:
            if behind >= self.size:
                text = f"the sequence number {seq} is below the window {highest - self.size + 1}..{highest}"
                raise ReplayError(text).about(seq=seq)
            if not self.missing >> behind & 1:
                raise ReplayError(f"the sequence number {seq} was received before").about(seq=seq)
        return seq

    def accept(self, seq: int) -> None:
        """Record a full sequence number whose packet was authenticated (RFC 4303 appendix A2.1)."""
        ahead = seq - self.highest
        if ahead > 0:
            self.highest = seq
            # A jump past the whole window is common after a gap; shifting by it would build an enormous integer.
            ahead = min(ahead, self.size)
            self.missing = ((self.missing << ahead) | ((1 << ahead) - 2)) & self._mask if ahead else 0
        elif -ahead < self.size:
            self.missing &= ~(1 << -ahead)

    def accept_next(self, packets: int) -> None:
        """Record the next ``packets`` numbers after the highest one, all of which were authenticated."""
        self.highest += packets
        if self.missing:
            self.missing = (self.missing << min(packets, self.size)) & self._mask

    def seen(self, seq: int) -> bool:
        """Whether a full sequence number counts as received: it was recorded, or is below the window."""
        behind = self.highest - seq
        if behind < 0:
            return False
        return behind >= self.size or not self.missing >> behind & 1
