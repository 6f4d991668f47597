# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader: from the octets of a capture file to its IPsec packets. It needs no keys and does not track IKE SAs."""
