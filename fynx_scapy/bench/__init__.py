# SPDX-License-Identifier: GPL-2.0-or-later
"""What the toolkit costs: one file a topic, each with ``measure(quick) -> list[Figure]``; ``fynx bench`` runs them."""
