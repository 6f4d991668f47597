# SPDX-License-Identifier: GPL-2.0-or-later
"""IKEv2 as Scapy layers: ``from fynx_scapy.layers.ikev2 import *``.

The import binds :class:`IKEv2` to UDP port 500, and to port 4500 after the non-ESP marker. It replaces
``scapy.contrib.ikev2``, whether that is loaded before or later. IKEv1 on these ports is still dissected as ISAKMP.
"""
# ruff: noqa: F403 -- this package exports the public names of its modules

from __future__ import annotations

from fynx_scapy.layers.ikev2 import (
    auth,
    cert,
    cp,
    delete,
    eap,
    encrypted,
    group,
    header,
    ident,
    ke,
    nonce,
    notify,
    notify_extensions,
    payload,
    puzzle,
    sa,
    scan,
    threegpp,
    ts,
    vendor,
)
from fynx_scapy.layers.ikev2.auth import *
from fynx_scapy.layers.ikev2.cert import *
from fynx_scapy.layers.ikev2.cp import *
from fynx_scapy.layers.ikev2.delete import *
from fynx_scapy.layers.ikev2.eap import *
from fynx_scapy.layers.ikev2.encrypted import *
from fynx_scapy.layers.ikev2.group import *
from fynx_scapy.layers.ikev2.header import *
from fynx_scapy.layers.ikev2.ident import *
from fynx_scapy.layers.ikev2.ke import *
from fynx_scapy.layers.ikev2.nonce import *
from fynx_scapy.layers.ikev2.notify import *
from fynx_scapy.layers.ikev2.notify_extensions import *
from fynx_scapy.layers.ikev2.payload import *
from fynx_scapy.layers.ikev2.puzzle import *
from fynx_scapy.layers.ikev2.sa import *
from fynx_scapy.layers.ikev2.scan import *
from fynx_scapy.layers.ikev2.threegpp import *
from fynx_scapy.layers.ikev2.ts import *
from fynx_scapy.layers.ikev2.vendor import *
from fynx_scapy.layers.listing import list_under

list_under("fynx_ikev2", __name__)

__all__: list[str] = []
__all__ += auth.__all__
__all__ += cert.__all__
__all__ += cp.__all__
__all__ += delete.__all__
__all__ += eap.__all__
__all__ += encrypted.__all__
__all__ += group.__all__
__all__ += header.__all__
__all__ += ident.__all__
__all__ += ke.__all__
__all__ += nonce.__all__
__all__ += notify.__all__
__all__ += notify_extensions.__all__
__all__ += payload.__all__
__all__ += puzzle.__all__
__all__ += sa.__all__
__all__ += scan.__all__
__all__ += threegpp.__all__
__all__ += ts.__all__
__all__ += vendor.__all__
