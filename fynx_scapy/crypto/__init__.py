# SPDX-License-Identifier: GPL-2.0-or-later
"""Cryptographic algorithms, as functions on bytes."""
