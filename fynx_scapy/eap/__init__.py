# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP (RFC 3748): both ends of a conversation and its methods, without IKE and without I/O."""
