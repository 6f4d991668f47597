# SPDX-License-Identifier: GPL-2.0-or-later
"""How a made certificate differs from an ordinary one: each deviation is a name. RFC 5280 section 4."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fynx_scapy.checks import Check, Checked, as_tuple, flag, kind, one_of, optional, setting, several, text, whole
from fynx_scapy.errors import ConfigError

BIG = 60_000
"""How many octets ``big=True`` adds."""

USAGES = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
    "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
PURPOSES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "ipsecIKE": "1.3.6.1.5.5.7.3.17",
    "ikeIntermediate": "1.3.6.1.5.5.8.2.2",
    "anyExtendedKeyUsage": "2.5.29.37.0",
}
"""Names of extended key usages; a dotted object identifier is taken too."""


def purpose(value: str) -> str:
    """The object identifier of an extended key usage. ConfigError for a name that is not one of `PURPOSES`."""
    return value if value[:1].isdigit() else PURPOSES[_known(value, tuple(PURPOSES), "an extended key usage")]


def as_utc(value: Any) -> Any:
    """A date with its time zone: one without is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _usages(value: Any) -> Any:
    if value is None:
        return None
    return tuple(_known(each, USAGES, "a key usage") for each in as_tuple(value, str))


def _purposes(value: Any) -> Any:
    return None if value is None else tuple(purpose(str(each)) for each in as_tuple(value, str))


def _known(value: Any, names: tuple[str, ...], what: str) -> str:
    if value in names:
        return str(value)
    near = difflib.get_close_matches(str(value), names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigError(f"expected {what}, one of {', '.join(names)}, found {str(value)[:60]!r}{hint}")


def _size(value: Any) -> Any:
    return BIG * value if isinstance(value, bool) else value


_DATE = optional(kind(datetime))
_ANY = Check("a name", lambda value: not isinstance(value, bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Checked):
    """What is not as in an ordinary certificate. ConfigError for a value that cannot be."""

    # validity (section 4.1.2.5)
    not_before: datetime | None = setting(None, _DATE, read=as_utc)
    """The first moment of its validity; a date without time zone is UTC."""
    not_after: datetime | None = setting(None, _DATE, read=as_utc)
    """The last moment of its validity."""
    expired: bool = setting(False, flag())
    """It ended before its authority began."""
    not_yet_valid: bool = setting(False, flag())
    """It begins on the last day of its authority."""

    # basicConstraints (section 4.2.1.9)
    ca: bool | None = setting(None, optional(flag()))
    """cA; by default as it should be. ``ca=False`` on an authority leaves it keyCertSign."""
    no_basic_constraints: bool = setting(False, flag())
    """There is no basicConstraints."""
    path_length: int | None = setting(None, optional(whole(0, 255)))
    """pathLenConstraint: how many intermediates may follow."""

    # keyUsage and extKeyUsage (sections 4.2.1.3, 4.2.1.12; RFC 4945 sections 5.1.3.2, 5.1.3.12)
    key_usage: tuple[str, ...] | None = setting(None, optional(several(text(), 0, 9)), read=_usages)
    """Names of `USAGES`; () leaves the extension out. By default digitalSignature, or keyCertSign and cRLSign."""
    eku: tuple[str, ...] | None = setting(None, optional(several(text(), 0, 100)), read=_purposes)
    """Names of `PURPOSES` or object identifiers. By default there is no extKeyUsage."""
    eku_critical: bool = setting(False, flag())
    """extKeyUsage is critical."""

    # names (sections 4.1.2.4, 4.2.1.6, 4.2.1.10)
    without_san: bool = setting(False, flag())
    """There is no subjectAltName, whatever names are given."""
    san_critical: bool = setting(False, flag())
    """subjectAltName is critical. With an empty subject it always is."""
    permitted: tuple[Any, ...] = setting((), several(_ANY), read=lambda value: as_tuple(value, str))
    """nameConstraints: permitted subtrees, such as ``example``, ``10.0.0.0/8``, ``email:b.example``, ``C=CH``."""
    excluded: tuple[Any, ...] = setting((), several(_ANY), read=lambda value: as_tuple(value, str))
    """nameConstraints: excluded subtrees."""
    issuer: str | None = setting(None, optional(text(empty=True)))
    """The issuer's name, if it is not that of the authority that signs."""

    # signature (section 4.1.1)
    hash: str | None = setting(None, optional(one_of("sha1", "sha256", "sha384", "sha512")))
    """The hash of the signature; by default one that fits the authority's key."""
    sha1: bool = setting(False, flag())
    """The signature is over SHA-1: short for ``hash="sha1"``."""
    pss: bool = setting(False, flag())
    """RSASSA-PSS instead of PKCS #1 v1.5; the authority's key has to be RSA."""
    wrong_key: bool = setting(False, flag())
    """It is signed by a stranger's key of the authority's kind."""
    broken_signature: bool = setting(False, flag())
    """One bit of the signature is flipped."""
    algorithm_mismatch: bool = setting(False, flag())
    """The signature algorithm inside what is signed is not that of the signature (section 4.1.1.2)."""

    # other fields and extensions
    serial: int | None = setting(None, optional(whole(1, (1 << 159) - 1)))
    """The serial number; by default a random one, or one from the seed."""
    version1: bool = setting(False, flag())
    """It is of version 1, so it has no extensions."""
    no_key_identifiers: bool = setting(False, flag())
    """There are neither subjectKeyIdentifier nor authorityKeyIdentifier."""
    wrong_key_identifier: bool = setting(False, flag())
    """authorityKeyIdentifier names another key."""
    policies: tuple[str, ...] = setting((), several(text()), read=lambda value: as_tuple(value, str))
    """Object identifiers of certificatePolicies."""
    crl_url: str | None = setting(None, optional(text()))
    """A cRLDistributionPoint. Nobody here ever fetches it."""
    ocsp_url: str | None = setting(None, optional(text()))
    """The OCSP responder of authorityInfoAccess. Nobody here ever asks it."""
    no_check: bool = setting(False, flag())
    """id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1)."""
    unknown_critical: bool = setting(False, flag())
    """There is a critical extension that nobody knows."""
    duplicate_extension: bool = setting(False, flag())
    """Its last extension is there twice, which section 4.2 forbids."""
    big: int = setting(0, whole(0, 1 << 20, "octets"), read=_size)
    """An unknown extension, not critical, of this many octets; True is 60,000."""

    # encoding
    garbled: str | None = setting(None, optional(one_of("truncated", "trailing", "length")))
    """The DER is cut short, has octets after its end, or a length that goes beyond it."""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Changes:
        """The changes with these names. ConfigError for a name that is none, with the nearest."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in known:
                raise ConfigError(f"expected a change of a certificate, {nearest(name, known)}")
        return cls(**given)

    def _check_together(self) -> None:
        for one, other in (("expired", "not_yet_valid"), ("expired", "not_after"), ("not_yet_valid", "not_before")):
            if getattr(self, one) and getattr(self, other):
                raise ConfigError(f"expected {one} or {other}, found both")
        if self.not_before and self.not_after and self.not_before > self.not_after:
            raise ConfigError(f"expected not_after later than not_before {self.not_before}, found {self.not_after}")
        if self.sha1 and self.hash not in (None, "sha1"):
            raise ConfigError(f"expected sha1 or another hash, found both: {self.hash}")


def nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"found {name[:60]!r}" + (f" (did you mean {near[0]!r}?)" if near else f"; they are {', '.join(known)}")
