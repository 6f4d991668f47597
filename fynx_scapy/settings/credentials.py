# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for what both ends authenticate with: one key of the table says which kind of credential it is.

Keys and passphrases lie in files of their own. The words are those of ``fynx connect``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fynx_scapy.checks import SECRET, Check, Checked, as_tuple, flag, one_of, optional, required, setting, several, text
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates, RawKey, RawKeys
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.secrets import Null, Psk
from fynx_scapy.settings.source import read_passphrase_file

FILE = Check("the name of a file", lambda value: isinstance(value, str) and bool(value), file=True)
_TRUE = Check("true", lambda value: value is True)
_SCHEMES = optional(several(text(), 1, 64))


def _several(value: Any) -> Any:
    return None if value is None else as_tuple(value, str)


class CredentialTable(Checked):
    """A table that stands for a credential."""

    __slots__ = ()
    about: ClassVar[str]
    """What it is, as a title."""

    def credential(self) -> Credential:
        """The credential. ConfigError for files that cannot be read, or do not go together."""
        raise NotImplementedError

    def secret_files(self) -> list[str]:
        """The files that nobody else should be able to read, apart from those of ``psk_file``."""
        return [name for key in ("key", "raw_key", "passphrase_file") if (name := getattr(self, key, None))]

    def _passphrase(self) -> bytes | None:
        name = getattr(self, "passphrase_file", None)
        return None if name is None else read_passphrase_file(Path(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class PskTable(CredentialTable):
    """`Psk`."""

    about: ClassVar[str] = "a pre-shared key"

    psk: str | bytes = required(SECRET, repr=False)
    """The key: text, or hex digits after `0x`; or the file that has it."""

    def credential(self) -> Credential:
        """`Psk`."""
        return Psk(self.psk)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullTable(CredentialTable):
    """`Null`."""

    about: ClassVar[str] = "no authentication (RFC 7619)"

    null: bool = required(_TRUE)
    """Nothing is proven."""

    def credential(self) -> Credential:
        """`Null`."""
        return Null()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTable(CredentialTable):
    """`Certificate`."""

    about: ClassVar[str] = "a certificate"

    cert: str = required(FILE)
    """Our certificate: in PEM or DER, or in PKCS#12 with its key. Further ones in this file are its chain."""
    key: str | None = setting(None, optional(FILE))
    """The private key of `cert`. By default it is in the same file."""
    chain: tuple[str, ...] = setting((), several(FILE), read=_several)
    """The certificates between `cert` and what the peer trusts."""
    passphrase_file: str | None = setting(None, optional(FILE))
    """The file with the passphrase of the private key or of PKCS#12, and nothing else; a final line end is ignored."""
    schemes: tuple[str, ...] | None = setting(None, _SCHEMES, read=_several)
    """The signature schemes that we may use, best first, such as `rsa-pss-sha256`; without any, all that fit the key
    and are not weak."""
    ocsp: str | None = setting(None, optional(FILE))
    """An OCSP response about it in DER, for peers that ask for one (RFC 4806)."""
    crl: tuple[str, ...] = setting((), several(FILE), read=_several)
    """CRLs, for peers that ask for them."""
    check: bool = setting(True, flag())
    """Whether a certificate that the peer must refuse is an error. `false` lets a tester send it."""

    def credential(self) -> Credential:
        """`Certificate`."""
        return Certificate(
            self.cert, self.key, self.chain, passphrase=self._passphrase(), schemes=self.schemes,
            ocsp=self.ocsp or b"", crls=self.crl, check=self.check,
        )  # fmt: skip

    def secret_files(self) -> list[str]:
        """Also the certificate's, if the key is there."""
        return [*([self.cert] if self.key is None else []), *CredentialTable.secret_files(self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawKeyTable(CredentialTable):
    """`RawKey`."""

    about: ClassVar[str] = "a raw key (RFC 7670)"

    raw_key: str = required(FILE)
    """The private key, whose public key the peer knows."""
    passphrase_file: str | None = setting(None, optional(FILE))
    """The file with the passphrase of the private key, and nothing else; a final line end is ignored."""
    schemes: tuple[str, ...] | None = setting(None, _SCHEMES, read=_several)
    """The signature schemes that we may use, best first; without any, all that fit the key and are not weak."""

    def credential(self) -> Credential:
        """`RawKey`."""
        return RawKey(self.raw_key, passphrase=self._passphrase(), schemes=self.schemes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawKeysTable(CredentialTable):
    """`RawKeys`."""

    about: ClassVar[str] = "raw keys (RFC 7670)"

    raw_keys: tuple[str, ...] = required(several(FILE, 1), read=_several)
    """The public keys of peers, or certificates with them. A key is the identity of its owner, whatever its ID says."""
    schemes: tuple[str, ...] | None = setting(None, _SCHEMES, read=_several)
    """The signature schemes that we accept; without any, all that are not weak."""

    def credential(self) -> Credential:
        """`RawKeys`."""
        return RawKeys(*self.raw_keys, schemes=self.schemes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatesTable(CredentialTable):
    """`Certificates`: a table that has none of the keys `psk`, `raw_keys` and `null`. It needs `trust` beside it."""

    about: ClassVar[str] = "certificates"

    schemes: tuple[str, ...] | None = setting(None, _SCHEMES, read=_several)
    """The signature schemes that we accept; without any, all that are not weak, by the hashes that we announce. Naming
    one of the older methods (`ecdsa-p256`, `rsa-sha1`) accepts it although both ends announced hashes."""
    known: tuple[str, ...] = setting((), several(FILE), read=_several)
    """Certificates of peers that need not be sent, intermediates too. They are judged like those that are sent."""
    ocsp: str = setting("if-required", one_of("if-required", "always", "never"))
    """When to ask for an OCSP response (RFC 4806): where `trust.revocation` is `required`, always, or never."""
    match_address: bool = setting(False, flag())
    """Whether an identity that is an IP address must be the one that the peer sends from (RFC 4945 section 3.1.1)."""

    def credential(self) -> Credential:
        """`Certificates`."""
        ocsp = {"if-required": None, "always": True, "never": False}[self.ocsp]
        return Certificates(schemes=self.schemes, known=self.known, ocsp=ocsp, match_address=self.match_address)
