# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of key tables: the keys in a row, and the rows for followed SAs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fynx_scapy.capture.follow.pool import KeySet
from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa
from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.keylog import EspKeys, IkeKeys
from fynx_scapy.keynames import CipherSuite

TABLE = "key table"


def of_row(row: IkeKeys, sa: CapturedIkeSa | None, suites: Sequence[CipherSuite], own: bool) -> Iterator[KeySet]:
    """The keys of a table's row, with the negotiated suite and with the row's own suite."""
    keys = SkKeys(row.sk_d, row.sk_ai, row.sk_ar, row.sk_ei, row.sk_er, row.sk_pi, row.sk_pr)
    prf = row.prf or (suites[0].prf if suites else None)
    for suite in [*suites, CipherSuite(row.encr, row.integ, prf)]:
        if sa is not None and any(known.keys == keys and known.suite == suite for known in sa.sets):
            continue
        yield KeySet(suite, keys, TABLE if own else "key table without SPIs")


def ike_rows(sa: CapturedIkeSa) -> Iterator[IkeKeys]:
    """One row per key set of an IKE SA."""
    for number, held in enumerate(sa.sets, 1):
        keys, suite = held.keys, held.suite
        sk_d = sa.sk_d if sa.sk_d and number == len(sa.sets) else keys.sk_d
        yield IkeKeys(
            sa.spi_i, sa.spi_r, suite.encr, suite.integ, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar, suite.prf,
            sk_d, keys.sk_pi, keys.sk_pr,
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
