# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of inner packets: out through the Child SA that policy selects, and in from the Child SA of an SPI."""
