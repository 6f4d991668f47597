# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048): both ends prove that they know what is on a USIM.

Full authentication only. Pseudonyms and fast re-authentication are offered by no server of ours, and what another
server sends for them (AT_ENCR_DATA, which may be skipped) is not opened.
"""
