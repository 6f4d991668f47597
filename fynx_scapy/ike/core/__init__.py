# SPDX-License-Identifier: GPL-2.0-or-later
"""The base that every feature imports: the interfaces of IKE SA and endpoint, exchanges, extensions, Child SAs."""
