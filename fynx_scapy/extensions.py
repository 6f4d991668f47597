# SPDX-License-Identifier: GPL-2.0-or-later
"""The built-in IKEv2 extensions, and what you need to write a new one.

A new extension is one class (CONTRIBUTING.md): an ``Extension``, registered by ``extension`` for every endpoint, or by
a ``Registry`` for one endpoint. ``sa.of(Fragmentation)`` is the state of an extension in an IKE SA.
"""

from __future__ import annotations

from fynx_scapy.ike.extensions import (
    AuthLifetime,
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
    "AuthLifetime",
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
