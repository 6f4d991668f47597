# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of following a conversation: its IKE SAs and Child SAs, and the verdict on each AUTH payload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.capture.follow.decrypt import OpenResult
from fynx_scapy.capture.follow.layers import Layers
from fynx_scapy.capture.follow.pool import KePair, KeySet, Origin
from fynx_scapy.capture.follow.suites import suite_of
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.keymat import ChildKeys, SkKeys
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.iana import PayloadType, TransformType
from fynx_scapy.keylog import EspKeys, IkeKeys
from fynx_scapy.keynames import CipherSuite
from fynx_scapy.layers.ikeheader import IKE_HEADER, LENGTH, NEXT_PAYLOAD

if TYPE_CHECKING:
    from scapy.packet import Packet

INITIATOR, RESPONDER = "initiator", "responder"
ROLES = {True: INITIATOR, False: RESPONDER}

TABLE = "key table"
"""How keys from a row of a key table were derived."""


@dataclass(frozen=True, slots=True)
class AuthVerdict:
    """The verdict on one AUTH payload. ``verified`` is None if it could not be checked; ``reason`` says why.

    ``certificates`` describes those that its sender sent, the one with the key first. They are not judged here.
    """

    number: int
    role: str
    method: str
    verified: bool | None
    reason: str
    identity: str = ""
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The proposal that a responder chose: its suite, its key exchange (0: none), and additional key exchanges."""

    suite: CipherSuite
    ke: int
    additional: tuple[int, ...]

    @classmethod
    def of(cls, proposal: Packet) -> Chosen | None:
        """Read it from an SA payload. None if it names no encryption algorithm."""
        suite = suite_of(proposal)
        if suite is None:
            return None
        found = {int(layer.transform_type): int(layer.transform_id) for layer in reversed(proposal.trans)}
        kinds = range(TransformType.ADDKE1, TransformType.ADDKE7 + 1)
        return cls(suite, found.get(TransformType.KE, 0), tuple(found[kind] for kind in kinds if found.get(kind)))


@dataclass(slots=True, eq=False)
class CapturedIkeSa:
    """One IKE SA in a capture. ``sets`` are its key sets that an ICV confirmed: several after IKE_INTERMEDIATE."""

    spi_i: bytes
    spi_r: bytes
    chosen: Chosen | None = None
    sets: list[KeySet] = field(default_factory=list)
    parent: CapturedIkeSa | None = field(default=None, repr=False)
    rekeyed_by: CapturedIkeSa | None = field(default=None, repr=False)
    numbers: list[int] = field(default_factory=list, repr=False)
    auth: list[AuthVerdict] = field(default_factory=list)
    children: list[CapturedChildSa] = field(default_factory=list, repr=False)
    nonces: tuple[bytes, bytes] = (b"", b"")
    init: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)  # the IKE_SA_INIT request and response
    ppk_used: bool = False
    sk_d: bytes = field(default=b"", repr=False)  # confirmed by AUTH or an ICV, with a PPK mixed in
    origins: list[Origin] = field(default_factory=list, repr=False)

    @property
    def suite(self) -> CipherSuite | None:
        """The algorithms, None if neither an SA payload nor a key table has them."""
        return self.sets[-1].suite if self.sets else self.chosen.suite if self.chosen else None

    @property
    def keys(self) -> SkKeys | None:
        """The keys of the last stage, None until they are confirmed."""
        return self.sets[-1].keys if self.sets else None

    @property
    def derived(self) -> str:
        """How the keys were derived, in words."""
        return self.sets[-1].derived if self.sets else ""

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Both SPIs."""
        return self.spi_i, self.spi_r


@dataclass(slots=True, eq=False)
class CapturedChildSa:
    """One Child SA in a capture, both directions. Its initiator is the initiator of the exchange that made it.

    ``spi_i`` was chosen by the initiator, so packets to the initiator carry it. ``keys`` is None until an ICV confirms
    them, unless they are certain without one. ``pairs`` are the key exchanges that contribute to the keys, ``expected``
    is their number.
    """

    ike_sa: CapturedIkeSa = field(repr=False)
    spi_i: int
    spi_r: int
    suite: CipherSuite
    nonces: tuple[bytes, bytes]
    number: int
    initiator: str
    responder: str
    mode: str = "tunnel"
    pairs: list[KePair] = field(default_factory=list)
    expected: int = 0
    keys: ChildKeys | None = None
    derived: str = ""
    rekeys: CapturedChildSa | None = field(default=None, repr=False)
    rekeyed_by: CapturedChildSa | None = field(default=None, repr=False)
    inbound: dict[bool, InboundSa] = field(default_factory=dict, repr=False)  # key: whether the initiator sends

    @property
    def esn(self) -> bool:
        """Whether sequence numbers have 64 bits."""
        return bool(self.suite.esn)

    def opener(self, keys: ChildKeys, by_initiator: bool) -> InboundSa:
        """The SA that decrypts one direction with these keys. Raises ConfigError for an unsupported algorithm."""
        cipher = encryption(self.suite.encr.id, self.suite.encr.key_length, esp=True)
        signer = None if cipher.aead or self.suite.integ is None else integrity(self.suite.integ.id)
        return InboundSa(
            spi=self.spi_r if by_initiator else self.spi_i,
            encr=cipher,
            key=keys.encr_i if by_initiator else keys.encr_r,
            integ=signer,
            auth_key=keys.integ_i if by_initiator else keys.integ_r,
            esn=self.esn,
            replay_window=0,
            check_padding=not cipher.aead and signer is None,
        )


@dataclass(frozen=True, slots=True)
class IkeOpened:
    """The result of following one IKE message.

    ``header`` and ``payloads`` are layers of the message itself, ``inner`` those inside its SK. ``opened`` is None for
    an unprotected message. ``plaintext`` are the octets of ``inner``, ``packets`` the numbers of the packets that they
    came from. ``missing`` octets at its end were sent but not captured (snap length); ``errors`` does not have that.
    """

    number: int
    time: float | None
    src: str
    sport: int | None
    dst: str
    dport: int | None
    message: bytes = field(repr=False)
    opened: OpenResult | None = None
    fragment: tuple[int, int] | None = None
    packets: tuple[int, ...] = ()
    first: int = 0
    plaintext: bytes | None = field(default=None, repr=False)
    ike_sa: CapturedIkeSa | None = field(default=None, repr=False)
    auth: tuple[AuthVerdict, ...] = ()
    errors: tuple[str, ...] = ()
    missing: int = 0
    parser: Layers = field(default_factory=Layers, repr=False, compare=False)

    @property
    def header(self) -> Packet | None:
        """The IKE header, None if it is not one of IKEv2."""
        return self.parser.outer(self.message, self.missing).header

    @property
    def payloads(self) -> list[Packet]:
        """The payloads as they were sent: SK is one of them."""
        return self.parser.outer(self.message, self.missing).payloads

    @property
    def cut(self) -> bool:
        """Whether the capture does not hold all of the last payload."""
        return self.parser.outer(self.message, self.missing).cut

    @property
    def inner(self) -> list[Packet] | None:
        """The payloads inside SK, or of the whole message for the SKF that completes it. None: not known."""
        return None if self.plaintext is None else self.parser.inner(self.first, self.plaintext)

    @property
    def closed(self) -> bool:
        """Whether it is protected and was not decrypted."""
        return self.opened is not None and self.opened.plaintext is None

    @property
    def plain(self) -> bytes | None:
        """The decrypted message without SK, for any dissector. None if it was unprotected or not decrypted."""
        if self.opened is None or self.inner is None or self.plaintext is None:
            return None
        data = self.message
        # The chain of payloads before SK, and the place where SK's own type is written.
        kind, at, named_at = data[NEXT_PAYLOAD], IKE_HEADER.size, NEXT_PAYLOAD
        while kind not in (PayloadType.SK, PayloadType.SKF) and kind and at + 4 <= len(data):
            kind, named_at, at = data[at], at, at + int.from_bytes(data[at + 2 : at + 4])
        outer = bytearray(data[:at])
        outer[named_at] = self.first
        whole = bytes(outer) + self.plaintext
        return whole[:LENGTH] + len(whole).to_bytes(4) + whole[IKE_HEADER.size :]


def walk(first: int, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each payload, up to the first that does not fit."""
    kind, at = first, 0
    while kind and at + 4 <= len(content):
        following, length = content[at], int.from_bytes(content[at + 2 : at + 4])
        if length < 4 or at + length > len(content):
            return
        yield kind, content[at + 4 : at + length]
        kind, at = following, at + length


# -- rows of key tables


def of_row(row: IkeKeys, sa: CapturedIkeSa | None, suites: Sequence[CipherSuite], own: bool) -> Iterator[KeySet]:
    """The keys of a table's row, with the negotiated suite and with the row's own suite."""
    keys = SkKeys(row.sk_d, row.sk_ai, row.sk_ar, row.sk_ei, row.sk_er, row.sk_pi, row.sk_pr)
    suites = [] if row.unchecked_icv else suites  # the row has no key for an integrity algorithm
    prf = row.prf or (suites[0].prf if suites else None)
    for suite in [*suites, CipherSuite(row.encr, row.integ, prf)]:
        if sa is not None and any(known.keys == keys and known.suite == suite for known in sa.sets):
            continue
        yield KeySet(suite, keys, TABLE if own else "key table without SPIs", unchecked_icv=row.unchecked_icv)


def ike_rows(sa: CapturedIkeSa) -> Iterator[IkeKeys]:
    """One row per key set of an IKE SA."""
    for number, held in enumerate(sa.sets, 1):
        keys, suite = held.keys, held.suite
        sk_d = sa.sk_d if sa.sk_d and number == len(sa.sets) else keys.sk_d
        yield IkeKeys(
            sa.spi_i, sa.spi_r, suite.encr, suite.integ, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar, suite.prf,
            sk_d, keys.sk_pi, keys.sk_pr, held.unchecked_icv,
        )  # fmt: skip


def esp_rows(child: CapturedChildSa) -> Iterator[EspKeys]:
    """One row per direction of a Child SA with known keys."""
    if child.keys is None:
        return
    keys, ends = child.keys, (child.initiator, child.responder)
    for spi, (src, dst), key, auth_key in (
        (child.spi_r, ends, keys.encr_i, keys.integ_i),
        (child.spi_i, ends[::-1], keys.encr_r, keys.integ_r),
    ):
        yield EspKeys(spi, src, dst, child.suite.encr, key, child.suite.integ, auth_key, child.esn)
