# SPDX-License-Identifier: GPL-2.0-or-later
"""A strongSwan log (charon, levels ike and chd at 4): SK_*, keys of Child SAs, and the secrets they come from.

Lines of several IKE SAs are interleaved. Lines of one thread between two datagrams belong together; what they do not
say was logged earlier between the same two addresses. The SPIs of an IKE SA are logged only in the NAT detection of its
IKE_SA_INIT. Those of a rekeyed IKE SA are not in the log, so its keys fit any IKE SA whose ICV they verify.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from fynx_scapy import keynames
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, IkeKeys, Rows, Secret, TlsSecret
from fynx_scapy.keylog.text import address, spi

LINE = re.compile(r"(?:^|[ \t:])(\d\d+)\[([A-Z]{3})\d?\] (?:<[^>\n]*> ?)?(.*)$", re.MULTILINE)
_DUMP = re.compile(r"(.+) => (\d+) bytes @ (?:0x[0-9a-f]+|\(nil\))\s*$")
_DUMPED = re.compile(r" *\d+: ((?:[0-9A-Fa-f]{2} ){1,16})")
_PACKET = re.compile(r"(?:received|sending) packet: from (\S+)\[\d+\] to (\S+)\[\d+\]")
_MESSAGE = re.compile(r"(parsed|generating) (\w+) (request|response) \d+ ")
_SELECTED = re.compile(r"selected proposal: (IKE|ESP):(\S+)")
_DIRECTION = re.compile(r"(?:adding|registering) (inbound|outbound) ESP SA")
_SPI = re.compile(r" *SPI 0x([0-9a-f]+), src (\S+) dst (\S+)")

SECRETS = {
    "shared Diffie Hellman secret": "secrets",
    "DH secret": "secrets",
    "key exchange secret": "secrets",
    "additional key exchange secret": "secrets",
    "PPK": "ppk",
    "derive keys using PPK": "ppk",
    "secret": "psk",  # with EAP it is the MSK: the log does not say, and AUTH uses both in the same way
}
SK = {f"Sk_{name} secret": f"sk_{name}" for name in ("d", "ai", "ar", "ei", "er", "pi", "pr")}
CHILD = {f"{use} {end} key": (use, end) for use in ("encryption", "integrity") for end in ("initiator", "responder")}


@dataclass(slots=True)
class _Ike:
    """The keys of one IKE SA, collected line by line."""

    line: int
    proposal: str
    exchange: str
    spis: tuple[bytes, bytes] = (b"", b"")
    values: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Peers:
    """The latest state between two addresses."""

    proposals: dict[str, str] = field(default_factory=dict)
    spis: tuple[bytes, bytes] = (b"", b"")
    ike: _Ike | None = None


@dataclass(slots=True)
class _Thread:
    """What one thread has logged since its last datagram."""

    peers: _Peers
    proposals: dict[str, str] = field(default_factory=dict)
    exchange: str = ""
    initiator: bool | None = None
    ike: _Ike | None = None
    spis: tuple[bytes, bytes] = (b"", b"")
    child: dict[tuple[str, str], bytes] = field(default_factory=dict)
    inbound: bool | None = None
    label: str = ""
    left: int = 0
    octets: bytearray = field(default_factory=bytearray)
    line: int = 0

    def proposal(self, protocol: str) -> str:
        return self.proposals.get(protocol) or self.peers.proposals.get(protocol, "")


class _Reader:
    def __init__(self) -> None:
        self.found: list[tuple[int, _Ike | Iterable[Entry] | ConfigError]] = []
        self._threads: dict[str, _Thread] = {}
        self._peers: dict[frozenset[str], _Peers] = {}
        self._no_peers = _Peers()

    def feed(self, number: int, name: str, text: str) -> None:
        """Process one line of a thread."""
        thread = self._threads.setdefault(name, _Thread(self._no_peers))
        if thread.left:
            if dumped := _DUMPED.match(text):
                thread.octets += bytes.fromhex(dumped[1])[: thread.left]
                thread.left = max(0, thread.left - len(dumped[1]) // 3)
                if not thread.left:
                    self._take_dump(thread, thread.label, bytes(thread.octets))
                return
            self._cut(thread)
        if begun := _DUMP.match(text):
            thread.label, thread.left, thread.line = begun[1], int(begun[2]), number
            thread.octets.clear()
        elif text.startswith(("received packet", "sending packet")):
            self._note_packet(name, thread, text)
        elif message := _MESSAGE.match(text):
            thread.exchange = message[2]
            # keys derived while a request is handled are logged before its response is generated
            thread.initiator = (message[1] == "parsed") == (message[3] == "response")
        elif selected := _SELECTED.match(text):
            thread.proposals[selected[1]] = thread.peers.proposals[selected[1]] = f"{selected[1]}:{selected[2]}"
        elif direction := _DIRECTION.match(text):
            thread.inbound = direction[1] == "inbound"
        elif place := _SPI.match(text):
            self._take_esp(number, thread, *place.groups())

    def close(self) -> None:
        """The log has ended: report a truncated dump."""
        for thread in self._threads.values():
            if thread.left:
                self._cut(thread)

    def _cut(self, thread: _Thread) -> None:
        text = f"{thread.label!r} ends {thread.left} octets short"
        if thread.label in SECRETS or thread.label in SK or thread.label in CHILD:
            self.found.append((thread.line, ConfigError(text)))
        thread.left = 0

    def _note_packet(self, name: str, thread: _Thread, text: str) -> None:
        if ends := _PACKET.match(text):
            peers = self._peers.setdefault(frozenset(ends.groups()), _Peers())
            if text.startswith("received"):
                self._threads[name] = _Thread(peers)
            else:
                thread.peers = peers

    def _take_dump(self, thread: _Thread, label: str, value: bytes) -> None:
        if label in SECRETS:
            self.found.append((thread.line, [Secret(SECRETS[label], value)]))
        elif label == "SKEYSEED":
            thread.ike = None
        elif label in SK:
            self._take_sk(thread, SK[label], value)
        elif label in CHILD:
            thread.child[CHILD[label]] = value
        elif label == "natd_chunk" and any(value[8:16]) and thread.exchange in ("", "IKE_SA_INIT"):
            thread.spis = thread.peers.spis = (value[:8], value[8:16])
            if thread.ike and not thread.ike.spis[0]:
                thread.ike.spis = thread.spis  # a responder derives its keys before it logs the SPIs

    def _take_sk(self, thread: _Thread, name: str, value: bytes) -> None:
        if thread.ike is None:
            before = thread.peers.ike
            if name == "sk_d" and thread.exchange == "IKE_AUTH" and before is not None:
                thread.ike = before  # a PPK goes into SK_d, SK_pi and SK_pr (RFC 8784 section 3)
            else:
                known = {"IKE_SA_INIT": thread.spis, "IKE_INTERMEDIATE": thread.peers.spis, "": thread.spis}
                spis = known.get(thread.exchange, (b"", b""))
                thread.ike = _Ike(thread.line, thread.proposal("IKE"), thread.exchange, spis)
                self.found.append((thread.line, thread.ike))
                thread.peers.ike = thread.ike
        thread.ike.values[name] = value

    def _take_esp(self, number: int, thread: _Thread, text: str, src: str, dst: str) -> None:
        if thread.inbound is None or not thread.proposal("ESP"):
            return
        try:
            suite = keynames.read_proposal(thread.proposal("ESP"))
            if not thread.child and suite.encr.id != Encr.ENCR_NULL:
                return  # logged again by a thread that did not derive it
            ends = ["initiator", "responder"]
            if thread.initiator is not None:
                ends = [ends[thread.initiator == thread.inbound]]
            for end in ends:
                key, auth_key = (thread.child.get((use, end), b"") for use in ("encryption", "integrity"))
                keys = EspKeys(spi(text), address(src), address(dst), suite.encr, key, suite.integ, auth_key, suite.esn)
                self.found.append((number, [keys]))
        except ConfigError as error:
            self.found.append((number, error))


def _ike_keys(ike: _Ike) -> Iterator[IkeKeys]:
    if not ike.proposal:
        raise ConfigError("keys of an IKE SA, but no earlier line says which proposal was selected")
    suite = keynames.read_proposal(ike.proposal)
    missing = [name for name in ("sk_ei", "sk_er") if name not in ike.values]
    if missing:
        raise ConfigError(f"keys of an IKE SA without {' and '.join(missing)}")
    keys = IkeKeys(*ike.spis, suite.encr, suite.integ, b"", b"", prf=suite.prf)
    yield replace(keys, **ike.values)  # type: ignore[arg-type]


def read_charon_log(lines: Sequence[Line]) -> Rows:
    """The keys and secrets in a log."""
    reader = _Reader()
    for number, line in lines:
        if found := LINE.search(line):
            reader.feed(number, found[1], found[3])
    reader.close()
    for number, what in reader.found:

        def row(what: _Ike | Iterable[Entry] | ConfigError = what) -> Iterable[Entry]:
            if isinstance(what, ConfigError):
                raise what
            return list(_ike_keys(what)) if isinstance(what, _Ike) else what

        yield f"line {number}", row


def write_charon_log(entries: Iterable[Entry]) -> str:
    """Write the lines that :func:`read_charon_log` reads.

    Such a log has no lines for private values, for SK_d alone, or for keys for any SPI. An EAP MSK is written as a PSK.
    """
    labels = {"secrets": "shared Diffie Hellman secret", "ppk": "PPK", "psk": "secret", "msk": "secret"}
    lines: list[str] = []
    for entry in entries:
        if isinstance(entry, TlsSecret):
            continue
        if not isinstance(entry, Secret) and (entry.unchecked_icv or not keynames.has_proposal(entry.encr)):
            continue
        lines.append("[NET] received packet: from 0.0.0.0[500] to 0.0.0.0[500] (0 bytes)")
        if isinstance(entry, Secret):
            lines += _dump(labels[entry.kind], entry.value) if entry.kind in labels else []
        elif isinstance(entry, IkeKeys):
            lines += _written_ike(entry)
        elif entry.spi is not None:
            lines += _written_esp(entry)
    return "".join(f"00:00:00 01{line}\n" for line in lines)


def _written_ike(keys: IkeKeys) -> Iterator[str]:
    exchange = "IKE_SA_INIT" if keys.spi_i else "CREATE_CHILD_SA"
    yield f"[ENC] parsed {exchange} response 0 [ ]"
    suite = keynames.CipherSuite(keys.encr, keys.integ, keys.prf)
    yield f"[CFG] selected proposal: IKE:{keynames.write_proposal(suite)}"
    if keys.spi_i:
        yield from _dump("natd_chunk", keys.spi_i + keys.spi_r)
    for label, member in SK.items():
        if value := getattr(keys, member):
            yield from _dump(label, value)


def _written_esp(keys: EspKeys) -> Iterator[str]:
    suite = keynames.CipherSuite(keys.encr, keys.integ, None, keys.esn)
    yield "[ENC] parsed IKE_AUTH response 1 [ ]"
    yield f"[CFG] selected proposal: ESP:{keynames.write_proposal(suite)}"
    for use, value in (("encryption", keys.key), ("integrity", keys.auth_key)):
        if value:
            yield from _dump(f"{use} responder key", value)
    yield "[CHD] adding inbound ESP SA"
    yield f"[CHD]   SPI 0x{keys.spi:08x}, src {keys.src} dst {keys.dst}"


def _dump(label: str, value: bytes) -> Iterator[str]:
    yield f"[IKE] {label} => {len(value)} bytes @ (nil)"
    for at in range(0, len(value), 16):
        yield f"[IKE] {at:4}: {value[at : at + 16].hex(' ').upper()} "
