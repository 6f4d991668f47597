# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the IKE SA of a datagram by its SPIs, and handle datagrams without an IKE SA (RFC 7296 sections 2.1, 2.6)."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.core.directory import Directory
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.message import Datagram, Header
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.strangers import replies
from fynx_scapy.ike.strangers.admission import Admission


class Router:
    """The IKE SAs of an endpoint, by our SPI and by the IKE_SA_INIT request that began them."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self.directory: Directory[IkeSa] = Directory()
        self.sas = self.directory.by_spi
        self.initial: dict[bytes, IkeSa] = {}
        self._lingering: OrderedDict[bytes, tuple[SaRecord, Timer]] = OrderedDict()

    def receive(self, datagram: Datagram) -> None:
        """Pass an IKE message to its IKE SA, or handle it as one without an IKE SA."""
        endpoint = self._endpoint
        try:
            header = Header.parse(datagram.data)
        except MalformedError as error:
            return endpoint.drop(datagram, DropReason.MALFORMED, str(error), offset=0)
        if header.version >> 4 != 2:
            return replies.wrong_version(endpoint, datagram, header)
        sa = self.sas.get(header.spi_r if header.by_initiator else header.spi_i)
        if sa is not None and sa.initiator != header.by_initiator and _same_peer(sa, header):
            return sa.receive(datagram, header)
        initial = header.exchange == ExchangeType.IKE_SA_INIT and header.by_initiator
        if initial and not header.response and header.spi_r == bytes(8):
            return self._receive_initial(datagram, header)
        return replies.unknown_spi(endpoint, datagram, header)

    def _receive_initial(self, datagram: Datagram, header: Header) -> None:
        """Handle an IKE_SA_INIT request. A retransmission is recognized by the whole message (section 2.1)."""
        endpoint, admission = self._endpoint, self._endpoint.of(Admission)
        known = self.initial.get(datagram.data)
        if known is not None:
            return known.receive(datagram, header)
        if header.message_id != 0 or header.spi_i == bytes(8):
            reason = "expected IKE_SA_INIT with message ID 0 and an initiator SPI other than zero"
            return endpoint.drop(datagram, DropReason.INVALID_INITIAL, reason)
        if self.owns(header.spi_i):
            reason = "expected the peer's initiator SPI, found one of ours: the message was reflected"
            return endpoint.drop(datagram, DropReason.REFLECTED, reason)
        admitted = admission.admit(datagram, header, endpoint.now)
        if admitted is None:
            return None
        configs = [config for config in endpoint.configs if config.accepts_address(datagram.remote)]
        if not configs:
            admission.refused(datagram, endpoint.now, admitted)
            return endpoint.reject(datagram, header, NotifyType.NO_PROPOSAL_CHOSEN)
        sa = IkeSa(
            endpoint,
            configs,
            initiator=False,
            spi_i=header.spi_i,
            spi_r=self.new_spi(),
            local=datagram.local,
            remote=datagram.remote,
        )
        self.directory.add(sa)
        self.initial[datagram.data] = sa
        sa.init_received = datagram.data
        admission.enter(sa, admitted)
        sa.deadline = endpoint.timers.set(endpoint.now + sa.config.half_open_lifetime, sa.expire_half_open)
        sa.receive(datagram, header)
        if not sa.answers.expected:
            # The request could not be read: keep no state.
            sa.forget()
        if sa.own_spi not in self.sas:
            admission.refused(datagram, endpoint.now, admitted)
        return None

    def linger(self, sa: SaRecord) -> None:
        """Keep an ended IKE SA until the peer has no retransmissions left, then discard it.

        If too many are kept, the oldest is discarded at once.
        """
        endpoint = self._endpoint
        timer = endpoint.timers.set(endpoint.now + endpoint.config.linger, lambda now: sa.discard())
        self._lingering[sa.own_spi] = (sa, timer)
        if len(self._lingering) > endpoint.config.linger_limit:
            next(iter(self._lingering.values()))[0].discard()

    def release(self, sa: SaRecord) -> None:
        """Unregister an IKE SA."""
        lingering = self._lingering.pop(sa.own_spi, None)
        if lingering is not None:
            lingering[1].cancel()
        self.directory.remove(cast(IkeSa, sa))
        self._endpoint.of(Admission).leave(sa)
        if self.initial.get(sa.init_received) is sa:
            del self.initial[sa.init_received]

    def new_spi(self) -> bytes:
        """Choose an unused IKE SPI of eight octets, of our share."""
        while True:
            spi = self._endpoint.config.spi_share.near(self._endpoint.randomness.octets(8))
            if spi != bytes(8) and spi not in self.sas:
                return spi

    def free_spi(self, spi: bytes) -> bytes:
        """Check an SPI that a tap sent instead of ours; LocalError when it cannot name a new IKE SA here."""
        if len(spi) != 8 or spi == bytes(8) or spi in self.sas:
            raise LocalError(f"expected an unused SPI of 8 octets for the new IKE SA, sent was {spi.hex() or 'none'}")
        return spi

    def owns(self, spi: bytes) -> bool:
        """Whether an IKE SPI is one of ours. A peer with that SPI would be ourselves."""
        return spi in self.sas


def _same_peer(sa: IkeSa, header: Header) -> bool:
    theirs, known = (header.spi_r, sa.spi_r) if sa.initiator else (header.spi_i, sa.spi_i)
    return theirs == known or (sa.initiator and known == bytes(8))
