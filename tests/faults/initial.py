# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the IKE header, in versions and payloads that are not known, and in the generic parts of payloads."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.message import PROCESSED, Header, unprocessed
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.strangers import replies
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire import rules
from tests.faults.fault import Faulty, fault, header_of

_RESERVED_FLAGS, _VERSION_FLAG = 0xC7, 0x10
_ORDER = {"IDi": 0, "IDr": 1, "AUTH": 2, "SA": 3, "KE": 4, "Nonce": 4, "TSi": 5, "TSr": 6}

# The header


@fault("header", "7296-3.1-11")
def answers_stray_responses(bad: Faulty) -> None:
    """Answers a response for which no request waits."""

    def receive(original, requests, datagram, header):
        if header.message_id not in requests.pending:
            bad.endpoint.reject(datagram, header, NotifyType.INVALID_MESSAGE_ID)
        original(requests, datagram, header)

    bad.swap(Requests, "receive", receive)


@fault("header", "7296-3.1-13")
def ignores_the_initiator_flag(bad: Faulty) -> None:
    """Takes a message whose Initiator flag is wrong."""

    def receive(original, router, datagram):
        header = header_of(datagram)
        if header is not None and header.next_payload in (PayloadType.SK, PayloadType.SKF):
            for spi in (header.spi_r, header.spi_i):
                sa = router.sas.get(spi)
                if sa is not None and {sa.spi_i, sa.spi_r} == {header.spi_i, header.spi_r}:
                    return sa.receive(datagram, header)
        return original(router, datagram)

    bad.swap(Router, "receive", receive)


@fault("header", "7296-3.1-13")
def keeps_the_initiator_flag_at_rekey(bad: Faulty) -> None:
    """Sets the Initiator flag as in the first IKE SA, whoever initiated the rekey."""
    first: list[int] = []

    def tap(message):
        flag = int(message.header.flags) & 0x08
        first.append(flag)
        message.header.flags = int(message.header.flags) & ~0x08 | first[0]

    bad.tap(tap)


@fault("header", "7296-3.1-09", "7296-2.5-06")
def sends_reserved_flags(bad: Faulty) -> None:
    """Sets a reserved flag in the header of its messages."""

    def tap(message):
        message.header.flags = int(message.header.flags) | 0x01

    bad.tap(tap)


@fault("header", "7296-3.1-09", "7296-2.5-06")
def drops_reserved_flags(bad: Faulty) -> None:
    """Drops a message with a reserved flag in its header."""
    bad.drop(lambda datagram, header: bool(header.flags & _RESERVED_FLAGS))


@fault("header", "7296-3.1-12")
def drops_the_version_flag(bad: Faulty) -> None:
    """Drops a message with the Version flag."""
    bad.drop(lambda datagram, header: bool(header.flags & _VERSION_FLAG))


@fault("header", "7296-3.1-03")
def takes_a_responder_spi_at_first(bad: Faulty) -> None:
    """Takes an IKE_SA_INIT request with a responder SPI other than zero as a new one."""

    def receive(original, router, datagram):
        header = header_of(datagram)
        initial = header is not None and header.exchange == ExchangeType.IKE_SA_INIT and header.by_initiator
        if header is not None and initial and not header.response and header.spi_r not in (bytes(8), *router.sas):
            return router._receive_initial(datagram, header)
        return original(router, datagram)

    bad.swap(Router, "receive", receive)


class _NotZero(bytes):
    """Octets that do not look like zeros."""

    def __eq__(self, other: object) -> bool:
        return other != bytes(8) and bytes(self) == other

    __hash__ = bytes.__hash__


@fault("header", "7296-3.1-02")
def takes_an_initiator_spi_of_zero(bad: Faulty) -> None:
    """Takes an IKE_SA_INIT request whose initiator SPI is zero."""

    def receive(original, router, datagram, header):
        original(router, datagram, header._replace(spi_i=_NotZero(header.spi_i)))

    bad.swap(Router, "_receive_initial", receive)


@fault("header", "7296-3.1-i03")
def ignores_octets_behind_the_message(bad: Faulty) -> None:
    """Takes a datagram that is longer than the header says, without what is too much."""

    def receive(original, router, datagram):
        length = int.from_bytes(datagram.data[24:28])
        if 28 <= length < len(datagram.data):
            datagram = replace(datagram, data=datagram.data[:length])
        original(router, datagram)

    bad.swap(Router, "receive", receive)


# Versions, and what is not known


@fault("versioning/forward-compat", "7296-2.5-02")
def takes_major_version_3(bad: Faulty) -> None:
    """Processes a message of major version 3 as if it were version 2."""

    def parse(original, cls, data):
        header = original(cls, data)
        return header._replace(version=0x20) if header.version >> 4 == 3 else header

    bad.swap(Header, "parse", parse)


@fault("versioning/forward-compat", "7296-2.5-02")
def is_silent_about_major_version_3(bad: Faulty) -> None:
    """Drops a message of major version 3 without INVALID_MAJOR_VERSION."""
    bad.swap_function(
        replies.wrong_version,
        lambda original, endpoint, datagram, header: endpoint.drop(datagram, DropReason.VERSION, "silent", offset=17),
    )


@fault("versioning/forward-compat", "7296-2.5-04", "7296-3.1-04")
def answers_version_3_with_version_3(bad: Faulty) -> None:
    """Sends INVALID_MAJOR_VERSION in a message of major version 3."""

    def tap(message):
        if message.has_notify(NotifyType.INVALID_MAJOR_VERSION):
            message.header.version = 0x30

    bad.tap(tap)


@fault("versioning/forward-compat", "7296-2.5-01")
def drops_minor_versions(bad: Faulty) -> None:
    """Drops a message of a minor version other than 0."""
    bad.drop(lambda datagram, header: header.version & 0x0F != 0)


@fault("versioning/forward-compat", "7296-3.1-07")
def sends_minor_version_1(bad: Faulty) -> None:
    """Sends messages of version 2.1."""

    def tap(message):
        message.header.version = 0x21

    bad.tap(tap)


@fault("versioning/forward-compat", "7296-2.5-08", "7296-3.2-01", "7296-2.21.2-03")
def ignores_the_critical_flag(bad: Faulty) -> None:
    """Skips an unknown payload although it is critical."""

    def check(original, message, rule):
        message.payloads = [payload for payload in message.payloads if not unprocessed(payload)]
        original(message, rule)

    bad.swap_function(rules.check, check)


@fault("versioning/forward-compat", "7296-2.5-07", "7296-2.5-09", "7296-3.2-02")
def refuses_unknown_payloads(bad: Faulty) -> None:
    """Refuses an unknown payload although it is not critical."""
    bad.refuse(
        lambda message: next((p.payload_type for p in message.payloads if unprocessed(p)), 0),
        NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
    )


@fault("versioning/forward-compat", "7296-3.2-03", "7296-3.2-05")
def refuses_critical_known_payloads(bad: Faulty) -> None:
    """Refuses a payload that it knows because it is marked as critical."""
    bad.refuse(
        lambda message: next((p.payload_type for p in message.payloads if p.critical), 0),
        NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
    )


@fault("versioning/forward-compat", "7296-3.2-04", "7296-2.5-10")
def sends_critical_payloads(bad: Faulty) -> None:
    """Marks payloads of RFC 7296 as critical."""

    def change(payload):
        payload.flags = int(payload.flags) | 0x80

    bad.each_payload(change)


@fault("versioning/forward-compat", "7296-2.5-i01")
def does_not_name_the_critical_payload(bad: Faulty) -> None:
    """Sends UNSUPPORTED_CRITICAL_PAYLOAD without the type of the payload."""

    def change(payload):
        payload.notify = b""

    bad.each_notify(change, NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD)


@fault("versioning/forward-compat", "7296-2.5-11")
def wants_payloads_in_order(bad: Faulty) -> None:
    """Refuses a message whose payloads are in an unusual order."""

    def disordered(message):
        names = [PayloadType.notation(payload.payload_type) for payload in message.payloads]
        ranks = [_ORDER[name] for name in names if name in _ORDER]
        return ranks != sorted(ranks)

    bad.refuse(disordered)


@fault("versioning/forward-compat", "7296-3.10.1-03")
def refuses_unknown_status_notifies(bad: Faulty) -> None:
    """Refuses a message with a status Notify of an unknown type."""
    known = {int(kind) for kind in NotifyType}
    bad.refuse(lambda message: any(n.type >= 16384 and n.type not in known for n in message.notifies()))


@fault("versioning/forward-compat", "7296-3.12-04")
def refuses_vendor_ids(bad: Faulty) -> None:
    """Refuses a message with a Vendor ID payload."""
    bad.refuse(lambda message: any(p.payload_type == PayloadType.V for p in message.payloads))


# The generic parts of payloads


@fault("payload-format", "7296-3.2-06", "7296-2.5-06")
def refuses_reserved_bits(bad: Faulty) -> None:
    """Refuses a payload with a reserved bit in its generic header."""
    bad.refuse(lambda message: any(p.octets()[1] & 0x7F for p in message.payloads if len(p.octets()) > 1))


@fault("payload-format", "7296-3.2-06", "7296-2.5-06")
def sends_reserved_bits(bad: Faulty) -> None:
    """Sets a reserved bit in the generic header of its payloads."""

    def change(payload):
        payload.flags = int(payload.flags) | 0x01

    bad.each_payload(change)


@fault("payload-format", "7296-3.5-01", "7296-3.8-02", "7296-3.13-01", "7296-3.15-01", "7296-2.5-06")
def refuses_reserved_octets(bad: Faulty) -> None:
    """Refuses an ID, AUTH, KE, TS or CP payload whose reserved octets are not zero."""

    def reserved(payload):
        value = payload.fields.get("res2", 0)
        return any(value) if isinstance(value, bytes) else bool(value)

    bad.refuse(lambda message: any(map(reserved, message.payloads)))


@fault("payload-format", "7296-3.5-01", "7296-2.15-i01")
def authenticates_zeros_for_reserved_octets(bad: Faulty) -> None:
    """Computes AUTH over zeros in the place of the reserved octets of the peer's ID payload."""

    def remember(original, auth, message, *, ours):
        original(auth, message, ours=ours)
        if not ours and False in auth.identities:
            body = auth.identities[False]
            auth.identities[False] = body[:1] + bytes(3) + body[4:]

    bad.swap(Authenticator, "remember", remember)


@fault("payload-format", "7296-3.2-i02")
def skips_malformed_unknown_payloads(bad: Faulty) -> None:
    """Takes a message with an unknown payload whose length is impossible."""
    bad.swap_function(unprocessed, lambda original, payload: original(payload) or payload.payload_type not in PROCESSED)


@fault("payload-format", "7296-3.10-02")
def sends_a_protocol_without_spi(bad: Faulty) -> None:
    """Sends Notify payloads with a Protocol ID although they have no SPI."""

    def change(payload):
        if not payload.SPI:
            payload.proto = 1

    bad.each_notify(change)


@fault("payload-format", "7296-3.10-02")
def refuses_a_protocol_without_spi(bad: Faulty) -> None:
    """Refuses a Notify payload with a Protocol ID and without an SPI."""
    bad.refuse(lambda message: any(n.proto and not n.SPI for n in message.notifies()))


@fault("payload-format", "7296-3.5-02", "7296-3.5-03")
def ignores_a_terminator_of_an_identity(bad: Faulty) -> None:
    """Takes an identity with a NUL at its end for the one without."""
    bad.swap(Identity, "parse", lambda original, cls, body: original(cls, body.rstrip(b"\0")))
