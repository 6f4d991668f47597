# SPDX-License-Identifier: GPL-2.0-or-later
"""Load for gateways: many tunnels at a rate, rekeys and traffic, measured in the terms of the BMWG."""

from fynx_scapy.load.generator import Load
from fynx_scapy.load.plan import LoadPlan, Traffic
from fynx_scapy.load.quantiles import Quantiles
from fynx_scapy.load.report import LoadReport

__all__ = ["Load", "LoadPlan", "LoadReport", "Quantiles", "Traffic"]
