# SPDX-License-Identifier: GPL-2.0-or-later
"""The Configuration payload: addresses that a responder assigns."""
