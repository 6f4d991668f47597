# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom we trust, and how strictly certificates are judged. cryptography's x509 is imported only when there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from fynx_scapy.checks import Check, Checked, as_tuple, flag, one_of, required, setting, several, shown, whole
from fynx_scapy.errors import CertificateError, ConfigError
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from typing import Self, TypeAlias, TypeVar, Unpack

    from cryptography import x509
    from cryptography.x509.ocsp import OCSPResponse

    Item = TypeVar("Item")
    Source: TypeAlias = str | os.PathLike[str] | bytes | Item | Sequence[str | os.PathLike[str] | bytes | Item]

_MOST = 4096


class TrustFields(TypedDict, total=False):
    """The keywords of `Trust`, as users write them."""

    crls: Source[x509.CertificateRevocationList]
    ocsp: Source[OCSPResponse]
    revocation: str
    at: datetime | str | None
    minimum_rsa_bits: int
    minimum_ec_bits: int
    allow_sha1: bool
    key_usage: bool
    extended_key_usage: str
    wildcards: bool


def _is_a(name: str, value: object) -> bool:
    """Whether a value is of a class of cryptography's, asked without importing it."""
    return any(each.__name__ == name and "cryptography" in each.__module__ for each in type(value).__mro__)


def _objects(name: str, wanted: str, low: int = 0) -> Check:
    return several(Check(wanted, lambda value: _is_a(name, value), file=True), low, _MOST)


def _reader(function: str) -> Callable[[Any], tuple[Any, ...]]:
    """A reader of one or several sources. Objects pass: the check says whether they are of the right class."""

    def read(value: Any) -> tuple[Any, ...]:
        single = isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Sequence)
        found: list[Any] = []
        for each in (value,) if single else as_tuple(value):
            if isinstance(each, str | bytes | os.PathLike):
                from fynx_scapy.pki import loading  # it imports cryptography's x509

                loaded = getattr(loading, function)(each)
                if function == "load_certificates":
                    _check_readable(loaded, each)
                found += loaded if isinstance(loaded, list) else [loaded]
            else:
                found.append(each)
        return tuple(found)

    return read


def _check_readable(certificates: Sequence[x509.Certificate], source: Any) -> None:
    """ConfigError for one in which something cannot be read: no peer could be judged by it."""
    from fynx_scapy.pki.parsed import parse

    for each in certificates:
        try:
            parse(each, "a trusted certificate")
        except CertificateError as error:
            named = not isinstance(source, bytes) and "-----BEGIN" not in str(source)
            where = f"{printable(str(source), LONGEST)}: " if named else ""
            raise ConfigError(f"{where}{error}") from None


def _time(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ConfigError(f"expected a time such as 2026-01-31T12:00:00Z, found {shown(value)}") from None
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


@dataclass(frozen=True, slots=True)
class Trust(Checked):
    """The certificates that we trust, and the policy by which others are judged. Nothing is ever fetched.

    ``Trust("ca.pem")`` trusts what it issued, and what its intermediates issued. Any certificate can be trusted: a
    root, an intermediate alone, or the peer's own one, which is then pinned.
    """

    anchors: tuple[x509.Certificate, ...] = required(
        _objects("Certificate", "a certificate, its file or its octets", 1),
        read=_reader("load_certificates"),
        repr=False,
        key="ca",
    )
    """Trusted certificates: files in PEM, DER or PKCS #7, octets, or what cryptography has read; one or several."""
    crls: tuple[x509.CertificateRevocationList, ...] = setting(
        (),
        _objects("CertificateRevocationList", "a CRL, its file or its octets"),
        read=_reader("load_crls"),
        repr=False,
        key="crl",
    )
    """CRLs, likewise. They count beside those that a peer sends."""
    ocsp: tuple[OCSPResponse, ...] = setting(
        (), _objects("OCSPResponse", "an OCSP response, its file or its octets"), read=_reader("load_ocsp"), repr=False
    )
    """OCSP responses in DER, likewise."""
    revocation: str = setting("if-known", one_of("if-known", "required", "off"))
    """``if-known`` refuses what is known to be revoked. ``required`` also refuses what nobody vouches for: each
    certificate but the trusted one needs a current CRL or OCSP response."""
    at: datetime | None = setting(
        None, Check("a time, or None", lambda value: value is None or isinstance(value, datetime)), read=_time
    )
    """The time to judge at; without a time zone it is UTC. None is the time when it is asked."""
    minimum_rsa_bits: int = setting(2048, whole(512, 16384, "bits"))
    """RSA keys that are shorter are refused. RFC 7296 section 4 wants 1024 possible."""
    minimum_ec_bits: int = setting(256, whole(256, 521, "bits"))
    """Elliptic curves with shorter keys are refused: 384 leaves P-256 out."""
    allow_sha1: bool = setting(False, flag())
    """Whether an issuer's signature may use SHA-1."""
    key_usage: bool = setting(True, flag())
    """Whether a keyUsage of the peer's certificate must allow signatures (RFC 4945 section 5.1.3.2)."""
    extended_key_usage: str = setting("usual", one_of("usual", "rfc4945", "off"))
    """What an extendedKeyUsage of the peer's certificate must contain. ``rfc4945``: ipsecIKE or any. ``usual``: also
    serverAuth, clientAuth or one of the older IPsec purposes, which many gateways have. ``off``: it is ignored."""
    wildcards: bool = setting(False, flag())
    """Whether ``*.example`` in a certificate stands for ``gw.example``. RFC 4945 section 3.1.2 forbids it."""

    if TYPE_CHECKING:

        def __init__(self, anchors: Source[x509.Certificate], **fields: Unpack[TrustFields]) -> None: ...
        def replace(self, *, anchors: Source[x509.Certificate] = ..., **changes: Unpack[TrustFields]) -> Self: ...

    def __repr__(self) -> str:
        return (
            f"Trust({len(self.anchors)} anchors, {len(self.crls)} CRLs, {len(self.ocsp)} OCSP responses, "
            f"revocation={self.revocation!r}, at={self.at})"
        )

    def now(self) -> datetime:
        """The time to judge at: ``at``, or the system's clock."""
        return self.at or datetime.now(UTC)
