# SPDX-License-Identifier: GPL-2.0-or-later
"""With whom a scenario runs: an embedded peer, a target, and what the peer can be asked to do."""
