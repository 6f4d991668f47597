# SPDX-License-Identifier: GPL-2.0-or-later
"""Which scenarios run against a live peer, and with which verdict: what runs today may not be left out tomorrow unseen.

A scenario of `RUN_LIVE` PASSes unless a table of its peer says otherwise, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Other(NamedTuple):
    """A verdict other than PASS, and why."""

    verdict: str
    why: str


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
    "error_auth_unknown_identity": Other("SKIP", "the peer accepts any identity"),
    "error_childless_unannounced": Other("SKIP", "the peer announces CHILDLESS_IKEV2_SUPPORTED"),
}

# What strongSwan need not do; in what it differs from the RFCs, `fynx_scapy.lab.differences` says by its version.
STRONGSWAN = {
    "error_childless_unannounced": Other("SKIP", "the peer announces CHILDLESS_IKEV2_SUPPORTED"),
    "error_unknown_ike_spi": Other("SKIP", "the peer does not answer to unknown SPIs"),
}


def expected(table: dict[str, Other], differs: Iterable[str] = ()) -> dict[str, str]:
    """The verdict of every scenario that runs live, with a peer that ``differs`` in some of them."""
    found = dict.fromkeys(RUN_LIVE, "PASS") | dict.fromkeys(RUN_LIVE & set(differs), "FAIL")
    return found | {name: other.verdict for name, other in table.items()}
