# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header (RFC 7296 section 3.1): versions, flags, SPIs, lengths."""

from __future__ import annotations

from fynx_scapy import EndpointConfig
from fynx_scapy.harness import BOTH, Run, deliver, expect, stranger
from fynx_scapy.harness.cases import (
    Case,
    Heard,
    accepted,
    alive,
    answered,
    asks_again,
    case,
    cases,
    chooses_nothing,
    dropped,
    gives_up,
    goes_on,
    no_sa,
    refused,
    retries,
    sends,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    append_for_good,
    cut_to,
    extend,
    flip_flags,
    octets_instead,
    overwrite,
    put_before,
    set_header,
    stuff,
    truncate,
)
from fynx_scapy.taps import Datagram, Outgoing

LENGTH = 24
"""Where the header has the length of the message."""
INITIATOR_BIT, VERSION_BIT, RESPONSE_BIT, RESERVED_BITS = 0x08, 0x10, 0x20, 0xC7


def _version(message: Heard) -> str | None:
    return None if message.header.version == 0x20 else f"version {message.header.version:#04x}"


def _flags(message: Heard) -> str | None:
    wrong = int(message.header.flags) & (RESERVED_BITS | VERSION_BIT)
    return f"flags {int(message.header.flags):#04x}" if wrong else None


def _no_spi(message: Heard) -> str | None:
    spi = bytes(message.header.resp_SPI)
    return f"the responder's SPI {spi.hex()}" if message.error is not None and spi != bytes(8) else None


VERSION_2 = sends("it sends version 2.0", _version)
CLEAN_FLAGS = sends("it clears the flags V and X", _flags)
SPI_ZERO = sends("its refusal has a responder SPI of zero", _no_spi)
REFUSED = refused(protected=False) | silent()

VERSIONS = [
    Case(
        "major_version_3", base="init", do=set_header(version=0x30), severity="high",
        then=(answered("INVALID_MAJOR_VERSION", protected=False) & VERSION_2) | silent(),
        requirements=("7296-2.5-02", "7296-3.1-04"),
    ),
    Case(
        "major_version_15", base="init", do=set_header(version=0xF0),
        then=(answered("INVALID_MAJOR_VERSION", protected=False) & VERSION_2) | silent(),
        requirements=("7296-2.5-02",),
    ),
    Case(
        "major_version_1", base="init", do=set_header(version=0x10), then=REFUSED & chooses_nothing(),
        source="RFC 7296 section 3.1",
    ),
    Case(
        "major_version_3_inside", base="liveness", do=set_header(version=0x30), severity="high",
        then=(answered("INVALID_MAJOR_VERSION", protected=False) | silent()) & alive(), requirements=("7296-2.5-02",),
    ),
    Case(
        "major_version_3_in_auth", base="auth", do=set_header(version=0x30), severity="high",
        then=(answered("INVALID_MAJOR_VERSION", protected=False) | silent()) & no_sa(), requirements=("7296-2.5-02",),
    ),
    Case(
        "major_version_3_in_response", base="connect", at="IKE_SA_INIT response", do=set_header(version=0x30),
        then=gives_up() & asks_again(), requirements=("7296-2.5-02",),
    ),
    Case(
        "minor_version_1", base="connect", at="IKE_SA_INIT request", do=set_header(version=0x21),
        then=accepted() & VERSION_2 & alive(), requirements=("7296-2.5-01", "7296-2.5-04", "7296-3.1-07"),
    ),
    Case(
        "minor_version_15", base="connect", at="IKE_SA_INIT request", do=set_header(version=0x2F),
        then=accepted() & VERSION_2 & alive(), requirements=("7296-2.5-01", "7296-2.5-04", "7296-3.1-07"),
    ),
    Case(
        "minor_version_1_in_auth", base="auth", do=set_header(version=0x21), then=accepted() & VERSION_2 & alive(),
        requirements=("7296-2.5-01", "7296-2.5-04"),
    ),
    Case(
        "minor_version_1_inside", base="liveness", do=set_header(version=0x21), then=accepted() & VERSION_2 & alive(),
        requirements=("7296-2.5-01", "7296-2.5-04"),
    ),
    Case(
        "minor_version_1_in_response", base="connect", at="IKE_SA_INIT response", do=set_header(version=0x21),
        then=goes_on() & VERSION_2, requirements=("7296-2.5-01", "7296-3.1-07"),
    ),
    Case(
        "minor_version_1_in_inner_response", base="liveness", at="response", do=set_header(version=0x21),
        then=taken() & alive(), requirements=("7296-2.5-01",),
    ),
    Case(
        "ikev1_main_mode", base="init", severity="high", then=dropped() | answered("INVALID_MAJOR_VERSION"),
        source="RFC 7296 section 2.5",
        do=octets_instead(bytes.fromhex("4142434445464748" + "00" * 8 + "0110020000000000" + "0000001c")),
    ),
]  # fmt: skip

FLAGS = [
    Case(
        "reserved_flags_in_init", base="init", do=flip_flags(RESERVED_BITS), then=accepted() & CLEAN_FLAGS,
        requirements=("7296-2.5-06", "7296-3.1-09"),
    ),
    Case(
        "reserved_flags_in_auth", base="auth", do=flip_flags(RESERVED_BITS), then=accepted() & CLEAN_FLAGS & alive(),
        requirements=("7296-2.5-06", "7296-3.1-09"),
    ),
    Case(
        "reserved_flags_inside", base="liveness", do=flip_flags(RESERVED_BITS),
        then=accepted() & CLEAN_FLAGS & alive(), requirements=("7296-2.5-06", "7296-3.1-09"),
    ),
    Case(
        "reserved_flags_in_init_response", base="connect", at="IKE_SA_INIT response", do=flip_flags(RESERVED_BITS),
        then=goes_on() & CLEAN_FLAGS, requirements=("7296-2.5-06", "7296-3.1-09"),
    ),
    Case(
        "reserved_flags_in_response", base="liveness", at="response", do=flip_flags(RESERVED_BITS),
        then=taken() & alive(), requirements=("7296-2.5-06", "7296-3.1-09"),
    ),
    Case(
        "version_flag_in_init", base="init", do=flip_flags(VERSION_BIT), then=accepted() & CLEAN_FLAGS,
        requirements=("7296-3.1-12",),
    ),
    Case(
        "version_flag_in_auth", base="auth", do=flip_flags(VERSION_BIT), then=accepted() & CLEAN_FLAGS & alive(),
        requirements=("7296-3.1-12",),
    ),
    Case(
        "version_flag_inside", base="create_child", do=flip_flags(VERSION_BIT), then=accepted() & CLEAN_FLAGS,
        requirements=("7296-3.1-12",),
    ),
    Case(
        "version_flag_in_response", base="liveness", at="response", do=flip_flags(VERSION_BIT), then=taken() & alive(),
        requirements=("7296-3.1-12",),
    ),
    Case(
        "initiator_flag_cleared_in_init", base="init", do=flip_flags(INITIATOR_BIT), then=REFUSED & chooses_nothing(),
        requirements=("7296-3.1-13",),
    ),
    Case(
        "initiator_flag_wrong_in_auth", base="auth", do=flip_flags(INITIATOR_BIT), then=REFUSED & no_sa(),
        requirements=("7296-3.1-13",), severity="high",
    ),
    Case(
        "initiator_flag_wrong_inside", base="liveness", do=flip_flags(INITIATOR_BIT), then=REFUSED & alive(),
        requirements=("7296-3.1-13",), severity="high",
    ),
    Case(
        "initiator_flag_wrong_in_response", base="liveness", at="response", do=flip_flags(INITIATOR_BIT),
        then=asks_again(), requirements=("7296-3.1-13",), severity="high",
    ),
    Case(
        "response_flag_in_init_request", base="init", do=flip_flags(RESPONSE_BIT), then=silent(),
        requirements=("7296-3.1-11",), severity="high",
    ),
    Case(
        "response_flag_in_auth_request", base="auth", do=flip_flags(RESPONSE_BIT), then=silent() & no_sa(),
        requirements=("7296-3.1-11",), severity="high",
    ),
    Case(
        "response_flag_in_request_inside", base="liveness", do=flip_flags(RESPONSE_BIT), then=silent() & alive(),
        requirements=("7296-3.1-11",), severity="high",
    ),
    Case(
        "response_flag_cleared_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=flip_flags(RESPONSE_BIT), then=asks_again() & gives_up(), source="RFC 7296 section 3.1",
    ),
    Case(
        "response_flag_cleared_in_response", base="liveness", at="response", do=flip_flags(RESPONSE_BIT),
        then=asks_again(), source="RFC 7296 section 3.1",
    ),
]  # fmt: skip

SPIS = [
    Case(
        "initiator_spi_zero", base="init", do=set_header(init_SPI=bytes(8)), then=REFUSED & chooses_nothing(),
        requirements=("7296-3.1-02",),
    ),
    Case(
        "responder_spi_in_first_request", base="init", do=set_header(resp_SPI=b"\x5a" * 8),
        then=REFUSED & chooses_nothing(), requirements=("7296-3.1-03",),
    ),
    Case(
        "responder_spi_zero_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=set_header(resp_SPI=bytes(8)), then=gives_up(), source="RFC 7296 section 3.1", severity="high",
    ),
    Case(
        "initiator_spi_changed_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=set_header(init_SPI=b"\x5a" * 8), then=asks_again() & gives_up(), requirements=("7296-2.6-i01",),
    ),
    Case(
        "unknown_spis_in_auth", base="auth", do=set_header(init_SPI=b"\x5a" * 8, resp_SPI=b"\xa5" * 8),
        then=(answered("INVALID_IKE_SPI", protected=False) | silent()) & no_sa(), requirements=("7296-2.6-i01",),
    ),
    Case(
        "unknown_initiator_spi_inside", base="liveness", do=set_header(init_SPI=b"\x5a" * 8),
        then=REFUSED & alive(), requirements=("7296-2.6-i01",), severity="high",
    ),
    Case(
        "unknown_responder_spi_inside", base="liveness", do=set_header(resp_SPI=b"\x5a" * 8),
        then=REFUSED & alive(), requirements=("7296-2.6-i01",), severity="high",
    ),
    Case(
        "responder_spi_of_refused_group", base="init", then=answered("INVALID_KE_PAYLOAD") & SPI_ZERO,
        ours={"proposals": "aes128gcm16-prfsha256-x25519-ecp256"},
        peer={"proposals": "aes128gcm16-prfsha256-ecp256"}, at="IKE_SA_INIT request round 1",
        requirements=("7296-2.6-i02",), severity="low",
        what="The responder SPI of an INVALID_KE_PAYLOAD is zero, and so is that of our retry.",
    ),
    Case(
        "responder_spi_of_refused_proposals", base="init", then=answered("NO_PROPOSAL_CHOSEN") & SPI_ZERO,
        ours={"proposals": "aes128gcm16-prfsha256-x25519"}, peer={"proposals": "aes256gcm16-prfsha384-ecp256"},
        requirements=("7296-2.6-i02",), severity="low",
        what="The responder SPI of a NO_PROPOSAL_CHOSEN is zero: no IKE SA was created.",
    ),
    Case(
        "cookie_with_responder_spi", base="connect", at="IKE_SA_INIT response round 1",
        do=set_header(resp_SPI=b"\x5a" * 8), endpoint=EndpointConfig(cookie_threshold=0),
        then=retries(cookie=True) & taken() & goes_on(), requirements=("7296-2.6-i03", "7296-3.1-03"),
    ),
    Case(
        "invalid_ke_with_responder_spi", base="connect", at="IKE_SA_INIT response round 1",
        do=set_header(resp_SPI=b"\x5a" * 8), then=retries() & taken() & goes_on(),
        requirements=("7296-2.6-i03", "7296-3.1-03"),
        ours={"proposals": "aes128gcm16-prfsha256-ecp256"},
        peer={"proposals": "aes128gcm16-prfsha256-x25519-ecp256"},
    ),
]  # fmt: skip

LENGTHS = [
    Case("datagram_cut", base="liveness", do=truncate(1), then=dropped() & alive(), requirements=("7296-3.1-i03",)),
    Case("datagram_cut_in_init", base="init", do=truncate(1), then=dropped(), requirements=("7296-3.1-i03",)),
    Case("datagram_cut_in_auth", base="auth", do=truncate(16), then=dropped(), requirements=("7296-3.1-i03",)),
    Case(
        "datagram_extended", base="liveness", do=extend(4), then=dropped() & alive(), requirements=("7296-3.1-i03",),
    ),
    Case("datagram_extended_in_init", base="init", do=extend(1), then=dropped(), requirements=("7296-3.1-i03",)),
    Case("datagram_without_header", base="init", do=cut_to(27), then=dropped(), requirements=("7296-3.1-i03",)),
    Case("datagram_of_the_header", base="liveness", do=cut_to(28), then=dropped() & alive(),
         requirements=("7296-3.1-i03",)),
    Case("datagram_of_one_octet", base="init", do=cut_to(1), then=dropped(), requirements=("7296-3.1-i03",)),
    Case("datagram_empty", base="init", do=cut_to(0), then=dropped(), requirements=("7296-3.1-i03",)),
    Case(
        "header_length_zero", base="init", do=overwrite(LENGTH, bytes(4)), then=dropped(),
        requirements=("7296-3.1-i03",),
    ),
    Case(
        "header_length_below_the_header", base="liveness", do=overwrite(LENGTH, b"\0\0\0\x1b"),
        then=dropped() & alive(), requirements=("7296-3.1-i03",),
    ),
    Case(
        "header_length_four_gibibytes", base="init", do=overwrite(LENGTH, b"\xff" * 4), then=dropped(),
        requirements=("7296-3.1-i03",), severity="high",
    ),
    Case(
        "header_length_four_gibibytes_inside", base="liveness", do=overwrite(LENGTH, b"\xff" * 4),
        then=dropped() & alive(), requirements=("7296-3.1-i03",), severity="high",
    ),
    Case(
        "header_length_one_too_many", base="liveness", do=set_header(length=58), then=silent() & alive(),
        requirements=("7296-3.1-i03",),
    ),
    Case(
        "octets_behind_the_message", base="liveness", do=append_for_good(b"\x5a" * 8), then=silent() & alive(),
        requirements=("7296-3.1-i03",),
    ),
    Case(
        "first_payload_denied", base="init", do=set_header(next_payload=0), then=REFUSED & chooses_nothing(),
        source="RFC 7296 section 3.1",
    ),
    Case(
        "first_payload_unknown", base="init", do=set_header(next_payload=200), then=REFUSED & chooses_nothing(),
        requirements=("7296-2.5-09",),
    ),
    Case(
        "marker_on_port_500", base="init", do=put_before(bytes(4)), then=dropped(), requirements=("7296-3.1-i01",),
    ),
    Case(
        "marker_on_port_500_inside", base="liveness", do=put_before(bytes(4)), then=dropped() & alive(),
        requirements=("7296-3.1-i01",),
    ),
    Case(
        "message_of_1280_octets", base="connect", at="IKE_SA_INIT request", do=stuff(930), then=accepted() & alive(),
        requirements=("7296-2-01",), what="IKE_SA_INIT of about 1280 octets is processed.",
    ),
    Case(
        "message_of_3000_octets", base="connect", at="IKE_SA_INIT request", do=stuff(2650), then=accepted() & alive(),
        requirements=("7296-2-01",), severity="low", what="IKE_SA_INIT of about 3000 octets is processed.",
    ),
    Case(
        "auth_of_1280_octets", base="auth", do=stuff(900), then=accepted() & alive(), requirements=("7296-2-01",),
        what="IKE_AUTH of about 1280 octets is processed.",
    ),
    Case(
        "request_of_3000_octets", base="liveness", do=stuff(2900), then=accepted() & alive(),
        requirements=("7296-2-01",), severity="low", what="INFORMATIONAL of about 3000 octets is processed.",
    ),
    Case(
        "response_of_1280_octets", base="connect", at="IKE_SA_INIT response", do=stuff(900), then=goes_on(),
        requirements=("7296-2-01",), what="An answer to IKE_SA_INIT of about 1280 octets is processed.",
    ),
]  # fmt: skip

TYPES = [
    Case(
        "exchange_type_unknown_in_init", base="init", do=set_header(exch_type=200), then=REFUSED & chooses_nothing(),
        source="RFC 7296 section 3.1",
    ),
    Case(
        "exchange_type_zero", base="init", do=set_header(exch_type=0), then=REFUSED & chooses_nothing(),
        source="RFC 7296 section 3.1",
    ),
    Case(
        "exchange_type_of_ikev1", base="init", do=set_header(exch_type=2), then=REFUSED & chooses_nothing(),
        source="RFC 7296 section 3.1",
    ),
    Case(
        "exchange_type_changed_in_response", base="liveness", at="response", do=set_header(exch_type=36),
        then=asks_again(), source="RFC 7296 section 2.1",
    ),
    Case(
        "exchange_type_changed_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=set_header(exch_type=35), then=asks_again() & gives_up(), source="RFC 7296 section 2.1",
    ),
    Case(
        "message_id_in_init_response", base="connect", at="IKE_SA_INIT response", do=set_header(id=1),
        then=asks_again() & gives_up(), requirements=("7296-2.2-i02",),
    ),
]  # fmt: skip

cases(__name__, [*VERSIONS, *FLAGS, *SPIS, *LENGTHS, *TYPES])


@case(requirements=("7296-2.6-i01",), severity="high", roles=BOTH, live=False)
def request_from_another_address(run: Run) -> None:
    """A request from an address that the IKE SA does not know is answered there: its SPIs say whose it is."""
    s = run.session()
    run.establish(s)
    elsewhere, kept = stranger(s), list[Datagram]()
    answers: list[Datagram] = []

    def keep(_message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        kept.extend(datagrams)
        return []

    def watch(_time: float, datagram: Datagram, _fate: str) -> None:
        if datagram.remote == elsewhere:
            answers.append(datagram)

    remove = s.tap("datagrams", keep)
    s.sa.liveness()
    s.network.run(s.network.now + 0.1)
    remove()
    # HDR, SK {}  -->     from another address
    with s.network.observe(watch):
        deliver(s, kept[0].data, to="responder" if run.role.begins else "initiator", source=elsewhere)
    # <--  HDR, SK {}     to that address
    expect([answer.data[:16] for answer in answers], "answers there").equals([kept[0].data[:16]])
