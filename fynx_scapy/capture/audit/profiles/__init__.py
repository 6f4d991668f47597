# SPDX-License-Identifier: GPL-2.0-or-later
"""The profiles of the audit, a file each. Every row has its source, with the document's version or date.

What a document does not say, or what could not be looked up, is UNKNOWN and never OK.
"""

from __future__ import annotations

from collections.abc import Mapping

from fynx_scapy.capture.audit.profiles.bsi import BSI
from fynx_scapy.capture.audit.profiles.cnsa1 import CNSA1
from fynx_scapy.capture.audit.profiles.cnsa2 import CNSA2
from fynx_scapy.capture.audit.profiles.niap import NIAP
from fynx_scapy.capture.audit.profiles.nist import NIST
from fynx_scapy.capture.audit.profiles.rfc import RFC
from fynx_scapy.capture.audit.rules import Profile

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (RFC, CNSA2, CNSA1, NIAP, NIST, BSI)}
"""Name -> profile."""
