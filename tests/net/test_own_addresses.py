# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses of this machine."""

from __future__ import annotations

import socket

from fynx_scapy.net import own_addresses


def test_loopback_is_among_them_and_all_can_be_bound() -> None:
    found = own_addresses.own_addresses()
    assert "127.0.0.1" in found
    for address in found:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))


def test_what_the_kernel_writes(tmp_path, monkeypatch) -> None:
    four, six = tmp_path / "four", tmp_path / "six"
    four.write_text("Local:\n  |-- 10.0.0.0\n     /8 link UNICAST\n  |-- 10.0.0.7\n     /32 host LOCAL\n" * 2)
    six.write_text(
        "20010db8000000000000000000000001 02 40 00 80 eth0\nfe800000000000000000000000000001 02 40 20 80 eth0\n"
    )
    monkeypatch.setattr(own_addresses, "IPV4", four)
    monkeypatch.setattr(own_addresses, "IPV6", six)
    assert own_addresses.own_addresses() == ("10.0.0.7", "2001:db8::1")
    six.unlink()
    assert own_addresses.own_addresses() == ("10.0.0.7",)
