# SPDX-License-Identifier: GPL-2.0-or-later
"""From layers to encrypted octets and back: fragments, taps, and the rules for the payloads of a message."""
