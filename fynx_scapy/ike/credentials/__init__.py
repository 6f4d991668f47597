# SPDX-License-Identifier: GPL-2.0-or-later
"""What peers authenticate with, as configurations hold it: keys, certificates, or nothing."""
