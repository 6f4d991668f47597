# SPDX-License-Identifier: GPL-2.0-or-later
"""The sans-IO engine: an IKEv2 endpoint that neither opens a socket nor reads a clock."""
