# SPDX-License-Identifier: GPL-2.0-or-later
"""Small helpers that do not depend on IKE messages: bounded lists, timers, randomness, the states of an IKE SA."""
