# SPDX-License-Identifier: GPL-2.0-or-later
"""Throw-away authorities, certificates, CRLs and OCSP responses for tests: good ones, and bad ones by name.

>>> root = Authority.root(seed=1)
>>> gateway = root.intermediate().issue("CN=gateway", ["gw.example", "192.0.2.1"])
>>> late = root.issue("CN=late", ["late.example"], expired=True)

None of them is for production: a seed makes keys that anybody can make again.
"""

from __future__ import annotations

from fynx_scapy.pki.making.authority import Authority as Authority
from fynx_scapy.pki.making.changes import Changes as Changes
from fynx_scapy.pki.making.issued import Issued as Issued
from fynx_scapy.pki.making.issued import Written as Written
from fynx_scapy.pki.making.keys import KINDS as KINDS
from fynx_scapy.pki.making.keys import make_key as make_key
