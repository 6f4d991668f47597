# SPDX-License-Identifier: GPL-2.0-or-later
"""`Capture`: the conversations, exchanges, messages, SAs and flows of a capture file.

>>> capture = Capture("run.pcapng", "run.keys")
>>> capture.conversations[0].exchanges[1].requests[0].layers
>>> capture.ladder()
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fynx_scapy.capture.conversation import Conversation
from fynx_scapy.capture.follow.inner import Inner, InnerFlow, esp_packets, marked, rewind
from fynx_scapy.capture.follow.tally import Tally
from fynx_scapy.capture.index import Index, Problem
from fynx_scapy.capture.reading.nested import Nested
from fynx_scapy.capture.streams import again, twice
from fynx_scapy.capture.transcript.transcript import Transcript
from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.text import counted, printable

if TYPE_CHECKING:
    import pandas

    from fynx_scapy.capture.follow.follower import Follower
    from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa, IkeOpened
    from fynx_scapy.capture.reading.flows import EspFlow
    from fynx_scapy.capture.reading.losses import Loss
    from fynx_scapy.capture.reading.packets import IpsecPacket
    from fynx_scapy.capture.reading.store import Stored
    from fynx_scapy.capture.showing.pictures import Ladders
    from fynx_scapy.capture.transcript.exchanges import CapturedExchange
    from fynx_scapy.capture.transcript.messages import CapturedMessage
    from fynx_scapy.keylog import KeyLog

Source = str | os.PathLike[str] | BinaryIO


class Capture:
    """A capture, decrypted with ``keys``: a KeyLog, a key file or folder, or None for the keys beside the capture.

    ``source`` is a path (pcap or pcapng, optionally gzipped) or a binary stream. A stream that cannot be read twice is
    copied to a temporary file. ``ports`` are UDP and TCP ports to treat like 4500. ``progress`` is called with the
    offset that a pass has reached, and with None at its end.

    Nothing is read until it is needed. The first pass builds the `index`, which holds the IKE messages and counts the
    ESP packets; later passes read the file again. Raises CaptureError if the source cannot be opened or is not a
    capture, ConfigError for anything else. `problems` lists what could not be read in it.
    """

    def __init__(
        self,
        source: Source,
        keys: KeyLog | str | os.PathLike[str] | None = None,
        *,
        ports: Iterable[int] = (),
        progress: Callable[[int | None], None] | None = None,
    ) -> None:
        self.ports = frozenset(ports)
        self.progress = progress
        self._path: Path | None = None
        self._stream: BinaryIO | None = None
        if isinstance(source, str | os.PathLike):
            self._path = Path(source)
            self.name = str(source)
        elif not callable(getattr(source, "read", None)):
            raise ConfigError(f"expected the path of a capture or a binary stream, found {shown(source)}")
        else:
            self.name = str(getattr(source, "name", "stream")).strip("<>")
            self._keep(source)
        self._given = keys
        self._keys: KeyLog | None = None
        self._index: Index | None = None
        self._transcript: Transcript[Conversation] | None = None
        self._follower: Follower | None = None
        self._opened: list[IkeOpened] = []
        self._learnt = 0
        self._tally: Tally | None = None
        self._nested = Nested(self.ports)

    # -- reading

    @property
    def keys(self) -> KeyLog:
        """The keys to decrypt with."""
        if self._keys is None:
            from fynx_scapy.keylog import KeyLog

            if isinstance(self._given, KeyLog):
                self._keys = self._given
            elif self._given is not None:
                self._keys = KeyLog.load(self._given)
            else:
                self._keys = KeyLog.beside(self._path) if self._path else KeyLog()
        return self._keys

    @property
    def index(self) -> Index:
        """What one pass over the file finds, built on first use. It needs no keys and no Scapy."""
        if self._index is None:
            self._index = Index(self.ports).scan(self._source(), self.name, self.progress)
        return self._index

    def _keep(self, stream: BinaryIO) -> None:
        """Take a stream as the source; if it can be read only once, a temporary copy of it."""
        self._stream = twice(stream)
        if self._stream is not stream:
            weakref.finalize(self, self._stream.close)

    def _source(self) -> Path | BinaryIO:
        if self._path is not None and self._stream is None:
            if not self._path.is_fifo():
                return self._path
            with self._path.open("rb") as pipe:
                self._keep(pipe)
        assert self._stream is not None
        return again(self._stream)

    @property
    def problems(self) -> list[Problem]:
        """What could not be read: packet number, offset in the file, and reason. For `losses`, both numbers are 0."""
        return self.index.problems

    @property
    def losses(self) -> list[Loss]:
        """What was left out, with a count and a text. Losses inside ESP are added once `icvs` or `inner_flows` ran."""
        return self.index.losses

    @property
    def failed(self) -> bool:
        """Whether anything read so far was unreadable or left out, or had a bad ICV."""
        bad = any(message.opened is not None and message.opened.icv == "bad" for message in self._opened)
        return bool(self.index.failed or (self._tally and self._tally.faults) or bad)

    # -- IKE

    @property
    def transcript(self) -> Transcript[Conversation]:
        """Its conversations, exchanges and the history of their SAs, built on first use."""
        if self._transcript is None:
            self._transcript = Transcript(self, Conversation)
        return self._transcript

    @property
    def conversations(self) -> list[Conversation]:
        """Its conversations, numbered from 1 in the order of their first message."""
        return self.transcript.conversations

    @property
    def exchanges(self) -> list[CapturedExchange]:
        """The exchanges of all conversations."""
        return self.transcript.exchanges

    @property
    def messages(self) -> list[CapturedMessage]:
        """The IKE messages of all conversations, in the order of the capture."""
        return self.transcript.messages

    @property
    def opener(self) -> Follower:
        """The follower that decrypts messages and packets with `keys` and tracks the exchanges."""
        if self._follower is None:
            from fynx_scapy.capture.follow.follower import Follower

            self._follower = Follower(self.keys)
            self._opened = [self._open(self._follower, stored) for stored in self.index.messages]
            self._again()
            self.index.left_out(self._follower.losses)
        return self._follower

    def follow(self) -> list[IkeOpened]:
        """Decrypt every IKE message on first use. Returns an IkeOpened for each, in the order of the capture."""
        assert self.opener is not None
        return self._opened

    @staticmethod
    def _open(follower: Follower, stored: Stored) -> IkeOpened:
        ends = (stored.src, stored.sport, stored.dst, stored.dport)
        if stored.kind != "ikev1":
            return follower.ike(stored.data, stored.number, stored.time, *ends, missing=stored.missing)
        from fynx_scapy.capture.follow.sas import IkeOpened

        return IkeOpened(stored.number, stored.time, *ends, stored.data)

    def _again(self) -> None:
        """Retry the undecrypted messages with what was learnt since."""
        fresh = {(message.number, message.message): message for message in self.opener.retry()}
        if fresh:
            self._opened = [fresh.get((old.number, old.message), old) for old in self._opened]
            self._learnt += 1

    @property
    def learnt(self) -> int:
        """A counter of decryption runs. When it changes, anything computed from payloads is stale."""
        return self._learnt

    def opened(self, index: int) -> IkeOpened:
        """The result for the IKE message with that index."""
        return self.follow()[index]

    @property
    def ike_sas(self) -> list[CapturedIkeSa]:
        """The IKE SAs that were followed, in order of appearance."""
        return list(self.opener.ike_sas)

    @property
    def child_sas(self) -> list[CapturedChildSa]:
        """The Child SAs that were followed, in order of appearance."""
        return list(self.opener.child_sas)

    @property
    def sas(self) -> list[CapturedIkeSa | CapturedChildSa]:
        """Every SA that was followed: IKE SAs, each before its Child SAs."""
        found: list[CapturedIkeSa | CapturedChildSa] = []
        for sa in self.opener.ike_sas:
            found += [sa, *sa.children]
        return found

    def confirmed_keys(self) -> KeyLog:
        """All keys that were derived or found to fit, for `KeyLog.save` and other tools."""
        return self.opener.keys()

    # -- ESP

    @property
    def flows(self) -> list[EspFlow]:
        """The ESP and AH flows, one per SPI and address pair, in order of appearance."""
        return self.index.flows

    def flows_of(self, conversation: int) -> list[EspFlow]:
        """The ESP and AH flows of the conversation with this number. A flow belongs to one conversation at most."""
        return self.transcript.owners.flows(conversation)

    def esp(self) -> Iterator[Inner]:
        """Every ESP packet, decrypted if a key fits, also those inside AH, WESP and ESP.

        Makes one pass over the file, in bounded memory.
        """
        return (packet for packet in self._ipsec() if packet.protocol == "esp")

    def _ipsec(self) -> Iterator[Inner]:
        """Every ESP and AH packet."""
        rewind([*self.flows, *self._nested.flows.values()], self.opener)
        self._nested = Nested(self.ports)
        packets = esp_packets(
            self._source(), self.opener, self._nested, name=self.name, ports=self.ports, progress=self.progress
        )
        return marked(packets, self.flows)

    def inner(self) -> Iterator[Inner]:
        """What the ESP packets carry that could be decrypted, and what AH carries, without dummy packets.

        Of ESP inside ESP it has the innermost packets that could be opened.
        """
        for packet in self._ipsec():
            if packet.payload is not None and packet.next_header != 59 and not packet.outer:
                yield packet

    @property
    def inner_flows(self) -> list[InnerFlow]:
        """The flows inside ESP and AH (addresses, protocol, ports), counted in one pass on first use."""
        return self.tally.flows.flows

    @property
    def icvs(self) -> dict[str, int]:
        """How many ESP packets are ``opened`` (decrypted), ``bad`` (a key, but a wrong ICV) or ``closed`` (no key)."""
        return self.tally.icvs

    @property
    def tally(self) -> Tally:
        """What one pass over ESP finds, made on first use."""
        if self._tally is None:
            tally, nested = Tally(), Nested(self.ports)
            if self._any_inside():
                tally.read(self._ipsec())
                nested = self._nested
                nested.finish()
            else:  # so that the index has every count already
                tally.unread(self.flows)
            # The first ESP packet of a Child SA with PFS confirms its keys, which may help to decrypt messages too.
            self._again()
            for packet in filter(self._counts, nested.problems):
                self.index.problem(packet.frame.number, packet.frame.offset, packet.fault)
            for flow in nested.flows.values():
                for number, text in flow.impossible():
                    self.index.problem(number, 0, text)
            self.index.left_out([*nested.losses(), *tally.flows.losses()])
            self._tally = tally
        return self._tally

    def _counts(self, packet: IpsecPacket) -> bool:
        """Whether an unreadable packet inside ESP counts here."""
        return True

    def _any_inside(self) -> bool:
        """Whether a pass could look into any packet: there are keys, or headers that protect but do not encrypt."""
        return self.keys.decrypts or not {"ah", "wesp"}.isdisjoint(self.index.kinds)

    # -- pictures, tables, files

    def ladder(self, esp: str = "flows") -> Ladders:
        """Every conversation as a ladder. ``esp`` is "flows" (one row per flow), "packets" or "none"."""
        from fynx_scapy.capture.showing.pictures import Ladders

        return Ladders(self.conversations, esp)

    def to_pandas(self, what: str = "messages") -> pandas.DataFrame:
        """A table: "messages", "exchanges", "flows", "packets" (every ESP packet), or "inner_flows".

        Needs the extra ``capture``. Raises ConfigError for any other name.
        """
        from fynx_scapy.capture.showing.tables import frame

        return frame(self, what)

    def save_decrypted(self, path: str | os.PathLike[str]) -> int:
        """Write a pcapng file with the inner packets instead of ESP, and IKE messages with decrypted payloads.

        Each packet has a comment with its number in this capture and what it was. Returns the number of packets.
        """
        from fynx_scapy.capture.showing.export import save_decrypted

        return save_decrypted(self, Path(path))

    def as_dict(self) -> dict[str, Any]:
        """What the index found, in plain values."""
        index = self.index
        return {
            "capture": self.name,
            "packets": index.packets,
            "octets": index.octets,
            "first": index.first,
            "last": index.last,
            "kinds": dict(index.kinds),
            "foreign": index.foreign,
            "conversations": [conversation.as_dict() for conversation in self.conversations],
            "flows": [flow.as_dict() for flow in index.flows],
            "problems": [problem._asdict() for problem in index.problems],
            "losses": [loss.as_dict() for loss in index.losses],
        }

    def __repr__(self) -> str:
        if self._index is None:
            return f"<Capture {printable(self.name)}, not read yet>"
        index = self._index
        own = (index.packets, len(index.messages), len(self.conversations), len(index.flows), index.failed)
        told = ", ".join(map(counted, own, ("packet", "IKE message", "conversation", "flow", "problem")))
        return f"<Capture {printable(self.name)}: {told}>"

    def _repr_html_(self) -> str:
        from fynx_scapy.capture.showing.pictures import capture_html

        return capture_html(self)

    def close(self) -> None:
        """Close temporary files."""
        if self._stream is not None:
            self._stream.close()
        if self._index is not None:
            self._index.messages.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
