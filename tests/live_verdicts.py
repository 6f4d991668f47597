# SPDX-License-Identifier: GPL-2.0-or-later
"""Which scenarios run against a live peer, and with which verdict: what runs today may not be left out tomorrow unseen.

A scenario of `RUN_LIVE` PASSes unless a table of its peer says otherwise, with the reason.
"""

from __future__ import annotations

from typing import NamedTuple


class Other(NamedTuple):
    """A verdict other than PASS, and why; of a peer's versions before ``before``, where later ones PASS."""

    verdict: str
    why: str
    before: tuple[int, ...] | None = None


_NAMES = """
    childless cipher_suites create_child delete_child delete_ike error_auth_child_refused error_auth_malformed
    error_auth_unknown_identity error_auth_wrong_responder error_child_sa_not_found error_childless_unannounced
    error_create_child_missing error_create_child_refused error_critical_payload error_init_missing_ke
    error_init_nonce_size error_init_refused error_integrity error_lengths error_major_version error_malformed_request
    error_minor_version error_padding error_request_before_auth error_unknown_error_type error_unknown_esp_spi
    error_unknown_exchange error_unknown_ike_spi error_unknown_ike_spi_response error_unknown_payload
    error_unknown_status_type esp_ping fragment_numbers fragmentation fragments_lost fragments_of_two_sets
    fragments_out_of_order fragments_unannounced lifetime_bytes liveness nat_forced natt_port_first no_proposal_chosen
    psk_handshake rekey_child rekey_ike rekey_without_ke ts_narrowing ts_unacceptable wrong_psk
    """
RUN_LIVE = frozenset(_NAMES.split())

# Our own responder, as tests.harness.peers configures it.
OURS = {
    "error_auth_unknown_identity": Other("SKIP", "the peer takes any identity"),
    "error_childless_unannounced": Other("SKIP", "the peer announces CHILDLESS_IKEV2_SUPPORTED"),
}

# Each with the sentence of the RFC that says who is right.
STRONGSWAN = {
    "error_childless_unannounced": Other("SKIP", "the peer announces CHILDLESS_IKEV2_SUPPORTED"),
    "error_unknown_ike_spi": Other("SKIP", "the peer does not answer to unknown SPIs"),
    "error_child_sa_not_found": Other(
        "FAIL",
        'RFC 7296 section 2.25: the SPI field "is copied from the SPI field in the REKEY_SA notification"; '
        "5.9.8 sends none, 6.0.1 does",
        before=(6, 0),
    ),
    "error_major_version": Other(
        "FAIL",
        "RFC 7296 section 3.1: no response to what is marked as a response (7296-3.1-11); it answers one of version 3",
    ),
    "error_unknown_exchange": Other(
        "FAIL",
        'RFC 7296 section 3.10.1: INVALID_SYNTAX "MUST be sent in response to any error not covered" '
        "(7296-3.10.1-04); it says nothing",
    ),
    "fragment_numbers": Other(
        "FAIL",
        "RFC 7383 section 2.6: impossible numbers are silently discarded (7383-2.6-01); it ends the handshake",
    ),
    **dict.fromkeys(
        ("fragmentation", "fragments_of_two_sets", "fragments_out_of_order"),
        Other(
            "FAIL",
            "RFC 7383 section 2.5: it is the Encrypted payload that is split, of whatever exchange; it takes a "
            "fragmented INFORMATIONAL for one in the clear, and drops it",
        ),
    ),
}


def expected(table: dict[str, Other], version: tuple[int, ...] = ()) -> dict[str, str]:
    """The verdict of every scenario that runs live, with a peer of this version."""
    found = dict.fromkeys(RUN_LIVE, "PASS")
    return found | {
        name: other.verdict for name, other in table.items() if other.before is None or version < other.before
    }
