# SPDX-License-Identifier: GPL-2.0-or-later
"""Those commands of ``fynx`` that bring several parts together; one that needs a single part lies there."""
