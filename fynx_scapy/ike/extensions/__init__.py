# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKEv2 extensions that add a notify or a payload to several messages, one file each.

Importing this package registers them for all endpoints. Payloads at the same place follow in this order.
"""

from __future__ import annotations

from fynx_scapy.ike.core.extension import Extension as Extension
from fynx_scapy.ike.core.extension import Place as Place
from fynx_scapy.ike.core.registry import Registry as Registry
from fynx_scapy.ike.core.registry import extension as extension

# isort: off
from fynx_scapy.ike.path.nat import NatDetection as NatDetection
from fynx_scapy.ike.extensions.fragmentation import Fragmentation as Fragmentation
from fynx_scapy.ike.extensions.childless import Childless as Childless
from fynx_scapy.ike.extensions.signature_hashes import SignatureHashes as SignatureHashes
from fynx_scapy.ike.extensions.certificate_requests import CertificateRequests as CertificateRequests
from fynx_scapy.ike.extensions.supported_auth_methods import SupportedAuthMethods as SupportedAuthMethods
from fynx_scapy.ike.auth.ppk import PostQuantumKey as PostQuantumKey
from fynx_scapy.ike.auth.multiple import MultipleAuthentication as MultipleAuthentication
from fynx_scapy.ike.extensions.initial_contact import InitialContact as InitialContact
from fynx_scapy.ike.extensions.quick_crash import QuickCrashDetection as QuickCrashDetection
from fynx_scapy.ike.extensions.cp import ConfigurationPayload as ConfigurationPayload
from fynx_scapy.ike.extensions.auth_lifetime import AuthLifetime as AuthLifetime
from fynx_scapy.ike.extensions.window_size import WindowSize as WindowSize
