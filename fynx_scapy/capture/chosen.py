# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of a capture that a filter takes, as a `Capture`.

The whole capture is read, numbered and decrypted; so a conversation keeps its number, and keys that follow from packets
outside the part still open those in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from fynx_scapy.capture.capture import Capture
from fynx_scapy.capture.choice import Chooser, Filter, WholeChooser
from fynx_scapy.capture.conversation import Conversation
from fynx_scapy.capture.follow.follower import Follower
from fynx_scapy.capture.follow.inner import Inner
from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa, IkeOpened
from fynx_scapy.capture.index import Index
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.transcript.exchanges import CapturedExchange
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.capture.transcript.transcript import Transcript
from fynx_scapy.keylog import KeyLog


class ChosenCapture(Capture):
    """What a filter takes of ``whole``: packets, or with ``entire`` all of each conversation of which it takes one.

    ``left_out`` is the number of IPsec packets that it does not take. Raises ConfigError if it names a
    conversation that is not there.
    """

    def __init__(self, whole: Capture, choice: Filter, *, entire: bool = False) -> None:
        vars(self).update(vars(whole))
        self.whole, self.choice = whole, choice
        self._index, self._tally = None, None
        transcript, stored = whole.transcript, whole.index.messages
        if entire:
            self.chooser: Chooser = WholeChooser(choice, transcript, stored, whole.flows)
        else:
            self.chooser = Chooser(choice, transcript)
        self._at = [at for at, message in enumerate(stored) if self.chooser.stored(message)]

    @property
    def index(self) -> Index:
        """What a pass over the file finds in the packets that were taken. Its messages are those of the whole."""
        if self._index is None:
            self._index = Index(self.ports, takes=self.chooser.packet).scan(self._source(), self.name, self.progress)
            self._index.messages = self.whole.index.messages
            self._index.left_out(self.opener.losses)
        return self._index

    @property
    def taken(self) -> int:
        """How many IPsec packets were taken."""
        return self.index.kinds.total()

    @property
    def left_out(self) -> int:
        """How many IPsec packets were not taken."""
        return self.total - self.taken

    @property
    def total(self) -> int:
        """How many IPsec packets the whole capture has."""
        return self.whole.index.kinds.total()

    # -- what the whole knows

    @property
    def keys(self) -> KeyLog:
        """The keys to decrypt with."""
        return self.whole.keys

    @property
    def opener(self) -> Follower:
        """The follower of the whole capture."""
        return self.whole.opener

    @property
    def learnt(self) -> int:
        """A counter of the whole capture's decryption runs."""
        return self.whole.learnt

    @property
    def transcript(self) -> Transcript[Conversation]:
        """The transcript of the whole capture."""
        return self.whole.transcript

    def opened(self, index: int) -> IkeOpened:
        """The result for the IKE message with that index in the whole capture."""
        return self.whole.opened(index)

    def _again(self) -> None:
        self.whole._again()

    # -- what was taken

    def follow(self) -> list[IkeOpened]:
        """The results for the messages that were taken."""
        found = self.whole.follow()
        return [found[at] for at in self._at]

    @property
    def failed(self) -> bool:
        """Whether anything that was taken was unreadable or left out, or had a bad ICV."""
        bad = any(message.opened is not None and message.opened.icv == "bad" for message in self.follow())
        return bool(self.index.failed or (self._tally and self._tally.faults) or bad)

    @cached_property
    def _conversations(self) -> list[Conversation]:
        taken = set(self._at)
        found = (each.only(self, taken) for each in self.transcript.conversations)
        return [each for each in found if each is not None]

    @property
    def conversations(self) -> list[Conversation]:
        """The conversations of which messages were taken, each with these messages. They keep their numbers."""
        return self._conversations

    @property
    def exchanges(self) -> list[CapturedExchange]:
        """The exchanges of the messages that were taken."""
        return [exchange for conversation in self.conversations for exchange in conversation.exchanges]

    @property
    def messages(self) -> list[CapturedMessage]:
        """The IKE messages that were taken."""
        found = [message for conversation in self.conversations for message in conversation.messages]
        return sorted(found, key=lambda message: message.index)

    @property
    def ike_sas(self) -> list[CapturedIkeSa]:
        """The IKE SAs of the messages that were taken, and those of their successors that have no messages."""
        taken = {spi_i for conversation in self.conversations for spi_i, _ in conversation.spis}
        every = {spi_i for conversation in self.transcript.conversations for spi_i, _ in conversation.spis}
        found = []
        for sa in self.whole.ike_sas:
            known = sa
            while known.spi_i not in every and known.parent is not None:
                known = known.parent
            if known.spi_i in taken:
                found.append(sa)
        return found

    @property
    def child_sas(self) -> list[CapturedChildSa]:
        """The Child SAs of these IKE SAs."""
        return [child for sa in self.ike_sas for child in sa.children]

    @property
    def sas(self) -> list[CapturedIkeSa | CapturedChildSa]:
        """These SAs, each IKE SA before its Child SAs."""
        found: list[CapturedIkeSa | CapturedChildSa] = []
        for sa in self.ike_sas:
            found += [sa, *sa.children]
        return found

    def confirmed_keys(self) -> KeyLog:
        """The keys of these SAs."""
        log = self.whole.confirmed_keys()
        log.ike = [entry for entry in log.ike if entry.spi_i in {sa.spi_i for sa in self.ike_sas}]
        spis = {spi for child in self.child_sas for spi in (child.spi_i, child.spi_r)} | {
            flow.spi for flow in self.flows
        }
        log.esp = [entry for entry in log.esp if entry.spi in spis]
        return log

    def flows_of(self, conversation: int) -> list[EspFlow]:
        """The flows of a conversation, with the packets that were taken."""
        owner = self.transcript.owners.of_flow
        owned = ((owner(flow.protocol, flow.spi, flow.src, flow.dst), flow) for flow in self.flows)
        return [flow for found, flow in owned if found is not None and found.number == conversation]

    def _ipsec(self) -> Iterator[Inner]:
        """The ESP and AH packets that were taken. What is inside ESP belongs to it."""
        found, taken = self.whole._ipsec(), False
        self._nested = self.whole._nested
        for packet in found:
            taken = taken if "ESP" in packet.within else self.chooser.inner(packet)
            if taken:
                yield packet

    def _counts(self, packet: IpsecPacket) -> bool:
        return self.chooser.packet(packet)

    def as_dict(self) -> dict[str, Any]:
        """What was taken, and how many packets were not."""
        return super().as_dict() | {"filter": {"taken": self.taken, "left_out": self.left_out}}
