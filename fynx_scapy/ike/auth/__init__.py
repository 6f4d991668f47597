# SPDX-License-Identifier: GPL-2.0-or-later
"""How an end shows who it is: one file for each method."""
