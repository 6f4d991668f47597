# SPDX-License-Identifier: GPL-2.0-or-later
"""What frames carry: the headers of links, what lies between them and IP, IP itself, and tunnels in IP."""
