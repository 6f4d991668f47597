# SPDX-License-Identifier: GPL-2.0-or-later
"""What is answered to what is wrong, and what is ignored."""
