# SPDX-License-Identifier: GPL-2.0-or-later
"""The ground floor, which every feature imports: the record of an IKE SA, exchanges, extensions, a Child SA."""
