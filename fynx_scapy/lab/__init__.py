# SPDX-License-Identifier: GPL-2.0-or-later
"""Real peers on this machine: network namespaces, the daemons in them, and trials that we undergo together."""
