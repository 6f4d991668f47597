# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-quantum pre-shared keys, mixed into the keys of the first IKE SA during IKE_AUTH (RFC 8784)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys, mix_ppk
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.credentials.ppk import Ppk
from fynx_scapy.ike.events import PpkNotUsed, PpkUsed
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_AUTH

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord


@extension
class PostQuantumKey(Extension):
    """The PPK of one IKE SA. Its successors inherit nothing: "It MUST NOT be used" in a rekey (section 3).

    Authenticators ask it for the keys that AUTH covers (`keys`) and for the octets to verify (`proof`). A gateway of
    EAP has sent its first AUTH before it hears of a PPK; that is made without. There is none with several
    authentications (RFC 4739).
    """

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.key: Ppk | None = None
        """The PPK that we have named as initiator, or found as responder."""
        self.plain: Callable[[Outgoing], bytes] | None = None
        """Computes the data of our AUTH without a PPK, for NO_PPK_AUTH. The authenticator sets it."""
        self._mixed: SkKeys | None = None
        self._sent = self._received = self._optional = False
        self._why = ""

    @property
    def keys(self) -> SkKeys:
        """The keys that AUTH covers: with the PPK, once there is one."""
        return self._mixed or self.sa.keys

    @property
    def announced(self) -> bool:
        """Whether both ends have sent USE_PPK."""
        return self._sent and self._received

    # Messages

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """USE_PPK in IKE_SA_INIT, and PPK_IDENTITY beside AUTH."""
        sa = self.sa
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            # "If the responder does not support this specification or does not have any PPK configured, then it ignores
            # the received notification"
            have = self._received and any(config.ppk for config in sa.candidates) if request else sa.config.ppk
            return [notify(NotifyType.USE_PPK)] if have else ()
        if exchange.exchange_type != ExchangeType.IKE_AUTH or message.get(IKEv2_AUTH) is None:
            return ()
        if request is not None:
            # Section 3: the responder's "PPK_IDENTITY notification with no data".
            return [notify(NotifyType.PPK_IDENTITY)] if self.key is not None else ()
        if not self.announced or not sa.config.ppk:
            if sa.config.ppk_required:
                raise AuthenticationError("expected USE_PPK of both ends, because we require a PPK, but we sent none")
            return ()
        self._mix(sa.config.ppk[0])
        payloads = [notify(NotifyType.PPK_IDENTITY, sa.config.ppk[0].wire_id)]
        if not sa.config.ppk_required and self.plain is not None:
            payloads.append(plain := notify(NotifyType.NO_PPK_AUTH))
            message.compute(plain, "notify", self.plain)
        return payloads

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """Remember what the peer sees: a tap may have changed it."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            self._sent = message.sent.has_notify(NotifyType.USE_PPK)
        elif exchange.exchange_type == ExchangeType.IKE_AUTH:
            self._optional |= message.sent.has_notify(NotifyType.NO_PPK_AUTH)

    def doubts(self, answer: Message) -> bool:
        """An answer to IKE_SA_INIT without USE_PPK may be forged to keep us from connecting (section 6)."""
        return self.sa.config.ppk_required and not answer.has_notify(NotifyType.USE_PPK)

    def note(self, message: Message, exchange: Exchange) -> None:
        """USE_PPK of the peer. AuthenticationError where we require a PPK, and the responder has none."""
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT:
            return
        self._received = message.has_notify(NotifyType.USE_PPK)
        if self.sa.initiator and not self._received and self.sa.config.ppk_required:
            raise AuthenticationError("expected USE_PPK, because we require a PPK, but the peer has none")

    # Authentication

    def proof(self, message: Message, data: bytes) -> bytes:
        """What to verify the peer with: ``data`` of its AUTH payload, or that of NO_PPK_AUTH.

        Decides whether the PPK is used; `keys` are then those that it covers. AuthenticationError where section 3 says
        that the negotiation fails.
        """
        named = message.notify(NotifyType.PPK_IDENTITY)
        if self.sa.initiator:
            self._accept_answer(confirmed=named is not None)
            return data
        if not self.announced:
            self._do_without("the peer did not send USE_PPK" if not self._received else "we did not send USE_PPK")
            return data
        if named is None:
            raise AuthenticationError("expected PPK_IDENTITY after USE_PPK, found none")
        wanted = bytes(named.notify or b"")
        found = next((ppk for ppk in self.sa.config.ppk if ppk.wire_id == wanted), None)
        if found is not None:
            self._mix(found)
            return data
        plain = message.notify(NotifyType.NO_PPK_AUTH)
        if plain is None:
            raise AuthenticationError("expected the PPK_ID of a PPK that we have for this peer, and found another one")
        self._do_without("the peer named a PPK that we do not have")
        return bytes(plain.notify or b"")

    def _accept_answer(self, *, confirmed: bool) -> None:
        """Keep the PPK if the responder uses it. One that never heard of it is no fault (`note` knows better)."""
        if self.key is None:
            self._why = "the peer did not send USE_PPK"
        elif not confirmed:
            self._do_without("the peer does not have it")
            if not self._optional:
                raise AuthenticationError("expected PPK_IDENTITY, because we sent no NO_PPK_AUTH, found none")

    def _do_without(self, why: str) -> None:
        if self.sa.config.ppk_required:
            raise AuthenticationError(f"expected a PPK, because we require one, but {why}")
        self.key = self._mixed = None
        self._why = why

    def _mix(self, ppk: Ppk) -> None:
        self.key = ppk
        self._mixed = mix_ppk(self.sa.suite.prf_function(), ppk.secret, self.sa.keys)

    def established(self) -> None:
        """From now on the IKE SA has the keys with the PPK. "Implementations SHOULD audit" that it has not."""
        sa = self.sa
        if self.key is not None and self._mixed is not None:
            sa.adopt(self._mixed)
            sa.emit(PpkUsed(*sa.stamp, ppk_id=str(self.key)))
        elif sa.config.ppk:
            sa.emit(PpkNotUsed(*sa.stamp, reason=self._why))
