# SPDX-License-Identifier: GPL-2.0-or-later
"""Load for gateways: many tunnels at a rate, rekeys and traffic, measured in the terms of the BMWG."""
