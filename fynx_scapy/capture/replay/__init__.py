# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay: the datagrams of a capture sent once more, or its conversation held once more with a peer of today."""
