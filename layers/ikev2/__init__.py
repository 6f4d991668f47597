# SPDX-License-Identifier: GPL-2.0-or-later
"""IKEv2 as Scapy layers: ``from fynx_scapy.layers.ikev2 import *``.

Importing it binds :class:`IKEv2` to UDP port 500 and behind the non-ESP marker on port 4500, in place of
``scapy.contrib.ikev2`` if that is or will be loaded; IKEv1 on the same ports still goes to Scapy's ISAKMP.
"""
# ruff: noqa: F403 -- this package is its files' public names, each file says which

from __future__ import annotations

from ..listing import list_under
from . import (
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
    payload,
    puzzle,
    sa,
    scan,
    ts,
    vendor,
)
from .auth import *
from .cert import *
from .cp import *
from .delete import *
from .eap import *
from .encrypted import *
from .group import *
from .header import *
from .ident import *
from .ke import *
from .nonce import *
from .notify import *
from .payload import *
from .puzzle import *
from .sa import *
from .scan import *
from .ts import *
from .vendor import *

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
__all__ += payload.__all__
__all__ += puzzle.__all__
__all__ += sa.__all__
__all__ += scan.__all__
__all__ += ts.__all__
__all__ += vendor.__all__
