# SPDX-License-Identifier: GPL-2.0-or-later
"""What an extension of IKEv2 is written with, and the extensions that there are.

A new extension is one class (CONTRIBUTING.md): an ``Extension``, registered by ``extension`` for every endpoint, or by
a ``Registry`` for one. ``sa.of(Fragmentation)`` is what an IKE SA knows of one.
"""

from __future__ import annotations

from fynx_scapy.ike.extensions import (
    Childless,
    ConfigurationPayload,
    Extension,
    Fragmentation,
    InitialContact,
    NatDetection,
    Place,
    QuickCrashDetection,
    Registry,
    SignatureHashes,
    WindowSize,
    extension,
)

__all__ = [
    "Childless",
    "ConfigurationPayload",
    "Extension",
    "Fragmentation",
    "InitialContact",
    "NatDetection",
    "Place",
    "QuickCrashDetection",
    "Registry",
    "SignatureHashes",
    "WindowSize",
    "extension",
]
