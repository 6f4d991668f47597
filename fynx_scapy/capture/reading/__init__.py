# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader: from the octets of a capture file to the IPsec packets in it. It needs no key and knows no IKE SA."""
