# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication of clients by EAP (RFC 7296 section 2.16)."""
