# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by signatures: what signs, which certificates lead to it, and which are refused."""
