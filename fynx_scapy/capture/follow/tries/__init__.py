# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried on ESP when the known keys do not open it: an ICV, or the content itself, decides."""
