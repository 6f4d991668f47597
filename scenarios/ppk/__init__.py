# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-quantum pre-shared keys (RFC 8784): required, optional, wrong and missing ones."""
