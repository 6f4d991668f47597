# SPDX-License-Identifier: GPL-2.0-or-later
"""One file for each extension of IKEv2 that is a notify, or a payload, in several messages."""
