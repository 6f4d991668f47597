# SPDX-License-Identifier: GPL-2.0-or-later
"""What we authenticate to a live peer with: a key, certificates or EAP, and perhaps a PPK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fynx_scapy.checks import SECRET, Checked, flag, kind, optional, setting, several, text
from fynx_scapy.ike.config import Ppk, Psk, Trust
from fynx_scapy.ike.credentials.certificates import Certificate, OwnCertificates
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.ppk import read_ppks
from fynx_scapy.ike.credentials.together import CREDENTIAL, VERIFIER, read_auth, read_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs(Checked):
    """The settings of a `Target` about authentication."""

    psk: str | bytes = setting("fynx", SECRET, repr=False)
    """The pre-shared key, as `Psk` reads it."""
    auth: Credential | None = setting(None, optional(CREDENTIAL), read=read_auth)
    """What proves who we are, as in IkeConfig. None stands for ``psk``."""
    remote_auth: Credential | None = setting(None, optional(VERIFIER), read=read_auth)
    """What verifies who the peer is, as in IkeConfig."""
    trust: Trust | None = setting(None, optional(kind(Trust)), read=read_trust)
    """Whom we trust to certify the peer, as in IkeConfig."""
    ppk: tuple[Ppk, ...] = setting((), several(kind(Ppk, hidden=True), 0, 256), read=read_ppks)
    """Post-quantum pre-shared keys, as in IkeConfig."""
    ppk_required: bool = setting(False, flag())
    """Whether there is no IKE SA without a PPK."""
    local_id: str | None = setting(None, optional(text()))
    """Our identity. None stands for ``alice``, with a certificate for the identity in it, and with EAP for the user."""

    def changes(self) -> dict[str, Any]:
        """The fields of an `IkeConfig`. What is not said stays as the scenario has it."""
        auth = Psk(self.psk) if self.auth is None else self.auth
        named = isinstance(auth, Certificate | OwnCertificates | Eap)
        found: dict[str, Any] = {"auth": auth, "local_id": self.local_id or (None if named else "alice")}
        if any(given is not None for given in (self.auth, self.remote_auth, self.trust)):
            found |= {"remote_auth": self.remote_auth, "trust": self.trust}
        return found | ({"ppk": self.ppk, "ppk_required": self.ppk_required} if self.ppk else {})
