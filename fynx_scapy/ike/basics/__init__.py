# SPDX-License-Identifier: GPL-2.0-or-later
"""Small parts that know nothing of IKE: lists with a ceiling, timers, randomness, the table of states."""
