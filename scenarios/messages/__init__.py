# SPDX-License-Identifier: GPL-2.0-or-later
"""What every message of a peer must look like, in a whole conversation in which nothing goes wrong."""
