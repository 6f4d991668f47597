# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for EAP: a client is ``auth = { eap = METHOD, … }``, a gateway's users ``remote_auth = { eap = METHOD, … }``.

The method says which further keys there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from fynx_scapy.checks import SECRET, Check, as_tuple, flag, one_of, optional, required, setting, several, text, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap import LONGEST_IDENTITY, Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.pki.trust import Trust
from fynx_scapy.settings.credentials import FILE, CredentialTable
from fynx_scapy.settings.users import as_text, password, read_table, read_users, subscriber, usim

PASSWORDS = ("mschapv2", "md5")
"""The methods with a password that may stand beside each other."""
INNER = ("eap-mschapv2", "eap-md5", "mschapv2", "pap")
"""How a password goes through EAP-TTLS."""
_VERSION = one_of("1.2", "1.3")


def _is_users(value: object) -> bool:
    """What an empty secret lacks, `read_table` says, with its user."""
    return isinstance(value, Mapping) and all(isinstance(value[key], str | bytes) for key in value)


_USERS = Check("a table from names to secrets", _is_users, hidden=True, item=SECRET, of=Mapping)

T = TypeVar("T")


def _several(value: Any) -> Any:
    return as_tuple(value, str)


def _methods(value: Any) -> Any:
    found = _several(value)
    return tuple(dict.fromkeys(found)) if all(isinstance(each, str) for each in found) else found


@dataclass(frozen=True, kw_only=True)
class _Password(CredentialTable):
    """A client's user name and password."""

    user: str = required(text())
    """The user name."""
    password: str | bytes = required(SECRET, repr=False)
    """Its password: text, or hex digits after `0x`; or the file that has it."""

    def _secret(self) -> str:
        octets = self.password.encode() if isinstance(self.password, str) else self.password
        return as_text(octets, "password")


@dataclass(frozen=True, kw_only=True)
class _Tls(CredentialTable):
    """One end of TLS inside EAP."""

    minimum: str = setting("1.2", _VERSION)
    """The lowest TLS version that we take."""
    maximum: str = setting("1.3", _VERSION)
    """The highest TLS version that we take."""
    fragment: int = setting(1024, whole(1, 0xFFFF - 10, "octets"))
    """The octets of TLS in a packet."""
    key_log: str | None = setting(None, optional(FILE))
    """A file to which the secrets of TLS are added (`SSLKEYLOGFILE`), for captures. Who has it can read all of it."""

    def _fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: getattr(self, name) for name in ("minimum", "maximum", "fragment")}
        return found | ({"key_log": self.key_log} if self.key_log else {})


@dataclass(frozen=True, kw_only=True)
class _Certified(_Tls):
    """One end of TLS with a certificate."""

    cert: str = required(FILE)
    """Our certificate for TLS: in PEM or DER, or in PKCS#12 with its key. Further ones in this file are its chain."""
    key: str | None = setting(None, optional(FILE))
    """The private key of `cert`. By default it is in the same file."""
    chain: tuple[str, ...] = setting((), several(FILE), read=_several)
    """The certificates between `cert` and what the other end trusts."""
    passphrase_file: str | None = setting(None, optional(FILE))
    """The file with the passphrase of the private key or of PKCS#12, and nothing else; a final line end is ignored."""

    def _certificate(self) -> Certificate:
        return Certificate(self.cert, self.key, self.chain, passphrase=self._passphrase())

    def secret_files(self) -> list[str]:
        """Also the certificate's, if the key is there."""
        return [*([self.cert] if self.key is None else []), *super().secret_files()]


@dataclass(frozen=True, kw_only=True)
class _Trusting(CredentialTable):
    """An end of TLS that verifies the other one's certificate."""

    ca: tuple[str, ...] = required(several(FILE, 1), read=_several)
    """The certificates of authorities: that of the other end of TLS has to lead to one of them."""
    crl: tuple[str, ...] = setting((), several(FILE), read=_several)
    """Lists of revoked certificates, one of each authority. With any, a certificate needs the list of its issuer."""

    def _trust(self) -> Trust:
        return Trust(list(self.ca), crls=list(self.crl))


@dataclass(frozen=True, kw_only=True)
class _Client(_Tls, _Trusting):
    """A client of TLS."""

    server: str | None = setting(None, optional(text()))
    """Whom the certificate of the server has to name; without it, anybody whom `ca` has certified."""
    only: bool = setting(False, flag())
    """Whether the gateway may authenticate by EAP alone (RFC 5998); it then needs no certificate in IKE."""

    def _ours(self) -> dict[str, Any]:
        return self._fields() | {"only": self.only} | ({"server": self.server} if self.server else {})


@dataclass(frozen=True, kw_only=True)
class _Gateway(CredentialTable):
    """What every gateway with EAP says."""

    ask: bool = setting(True, flag())
    """Whether to ask for an identity first; else that of IDi counts."""


@dataclass(frozen=True, kw_only=True)
class _Alone(_Gateway):
    """A gateway whose method may authenticate both ends."""

    only: bool = setting(False, flag())
    """Whether we leave out our certificate in IKE for clients that want it so (RFC 5998)."""


@dataclass(frozen=True, kw_only=True)
class _Users(_Gateway):
    """A gateway that knows its users."""

    users: Mapping[str, bytes] | None = setting(None, optional(_USERS), repr=False)
    """The users: `{ carol = "her password" }`; with EAP-AKA `K:OPC`, or `K:OPC:SQN`, in hex digits and a number."""
    users_file: str | None = setting(None, optional(FILE))
    """Instead of `users`, the file that has them, a line each: `NAME:PASSWORD`, or with EAP-AKA `NAME:K:OPC:SQN`."""

    def _check_together(self) -> None:
        if (self.users is None) == (self.users_file is None):
            raise ConfigError(f"expected users or users_file, found {'neither' if self.users is None else 'both'}")

    def _read(self, read: Callable[[str, str], T], longest: int = LONGEST_IDENTITY) -> dict[str, T]:
        if self.users_file is not None:
            return read_users(Path(self.users_file), read, longest)
        assert self.users is not None
        return read_table(self.users, read, "users", longest)

    def secret_files(self) -> list[str]:
        """Also that of the users."""
        more = [self.users_file] if self.users_file is not None else []
        return [*more, *super().secret_files()]


# -- clients


@dataclass(frozen=True, slots=True, kw_only=True)
class EapPasswordTable(_Password):
    """`Eap.mschapv2` and `Eap.md5`."""

    about: ClassVar[str] = "a client with a password, by EAP"

    eap: tuple[str, ...] = required(several(one_of(*PASSWORDS), 1, len(PASSWORDS)), read=_methods)
    """The method, or both of them, best first. MD5 makes no key and proves nothing of the gateway."""
    identity: str | None = setting(None, optional(text()))
    """What we answer to the request for an identity; without it, the user name."""

    def credential(self) -> Credential:
        """One method, or a choice of several."""
        kinds = {"mschapv2": Eap.mschapv2, "md5": Eap.md5}
        first, *more = (kinds[each](self.user, self._secret(), identity=self.identity or "") for each in self.eap)
        for each in more:
            first = first | each
        return first


@dataclass(frozen=True, slots=True, kw_only=True)
class EapTlsTable(_Client, _Certified):
    """`Eap.tls`."""

    about: ClassVar[str] = "a client with a certificate, by EAP-TLS"

    eap: str = required(one_of("tls"))
    """The method."""
    identity: str | None = setting(None, optional(text()))
    """What we answer to the request for an identity; without it, the first identity of the certificate."""

    def credential(self) -> Credential:
        """`Eap.tls`."""
        return Eap.tls(self._certificate(), self._trust(), identity=self.identity or "", **self._ours())


@dataclass(frozen=True, slots=True, kw_only=True)
class EapTtlsTable(_Client, _Password):
    """`Eap.ttls`."""

    about: ClassVar[str] = "a client with a password inside TLS, by EAP-TTLS"

    eap: str = required(one_of("ttls"))
    """The method."""
    inner: str = setting("eap-mschapv2", one_of(*INNER))
    """How the password goes through TLS."""
    identity: str = setting("anonymous", text())
    """What we answer to the request for an identity, outside of TLS."""

    def credential(self) -> Credential:
        """`Eap.ttls`."""
        return Eap.ttls(
            self.user, self._secret(), self._trust(), inner=self.inner, identity=self.identity, **self._ours()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EapAkaTable(CredentialTable):
    """`Eap.aka` and `Eap.aka_prime`."""

    about: ClassVar[str] = "a client with a USIM, by EAP-AKA or EAP-AKA'"

    eap: str = required(one_of("aka", "aka-prime"))
    """The method."""
    user: str = required(text())
    """The identity, such as `0232010000000000@example`."""
    usim: str | bytes = required(SECRET, repr=False)
    """The keys of the USIM: `K:OPC`, or `K:OPC:SQN` with the highest sequence number that it has taken; or the file
    that has them. K and OPC are 32 hex digits each."""
    network: str = setting("", text(empty=True))
    """With EAP-AKA': the network that keys are bound to. A server that says another is refused; empty for any."""
    only: bool = setting(False, flag())
    """Whether the gateway may authenticate by EAP alone (RFC 5998); it then needs no certificate in IKE."""

    def _check_together(self) -> None:
        if self.network and self.eap == "aka":
            raise ConfigError('network is about eap = "aka-prime", found eap = "aka"')

    def credential(self) -> Credential:
        """`Eap.aka` or `Eap.aka_prime`."""
        octets = self.usim.encode() if isinstance(self.usim, str) else self.usim
        k, opc, sqn = usim(as_text(octets, "usim"), "usim")
        if self.eap == "aka":
            return Eap.aka(self.user, k=k, opc=opc, sqn=sqn, only=self.only)
        return Eap.aka_prime(self.user, k=k, opc=opc, sqn=sqn, only=self.only, network=self.network)


# -- gateways


@dataclass(frozen=True, slots=True, kw_only=True)
class EapPasswordUsersTable(_Users):
    """`EapUsers.passwords`."""

    about: ClassVar[str] = "users with passwords, by EAP"

    eap: tuple[str, ...] = required(several(one_of(*PASSWORDS), 1, len(PASSWORDS)), read=_methods)
    """The method, or both of them, best first."""

    def credential(self) -> Credential:
        """`EapUsers.passwords`."""
        return EapUsers.passwords(self._read(password), self.eap, ask=self.ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class EapTlsUsersTable(_Certified, _Trusting, _Alone):
    """`EapUsers.tls`."""

    about: ClassVar[str] = "users with certificates, by EAP-TLS"

    eap: str = required(one_of("tls"))
    """The method."""

    def credential(self) -> Credential:
        """`EapUsers.tls`."""
        return EapUsers.tls(self._certificate(), self._trust(), ask=self.ask, only=self.only, **self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class EapTtlsUsersTable(_Certified, _Users, _Alone):
    """`EapUsers.ttls`."""

    about: ClassVar[str] = "users with passwords inside TLS, by EAP-TTLS"

    eap: str = required(one_of("ttls"))
    """The method."""
    inner: tuple[str, ...] = setting(INNER[:2], several(one_of(*INNER[:2]), 1, 2), read=_methods)
    """The methods of EAP inside TLS, best first."""
    plain: bool = setting(True, flag())
    """Whether a client may also send its password without EAP inside TLS, by MSCHAPv2 or PAP."""

    def credential(self) -> Credential:
        """`EapUsers.ttls`."""
        methods = [each.removeprefix("eap-") for each in self.inner]
        return EapUsers.ttls(
            self._certificate(), self._read(password), methods, plain=self.plain, ask=self.ask, only=self.only,
            **self._fields(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EapAkaUsersTable(_Users, _Alone):
    """`EapUsers.aka` and `EapUsers.aka_prime`."""

    about: ClassVar[str] = "subscribers with USIMs, by EAP-AKA or EAP-AKA'"

    eap: str = required(one_of("aka", "aka-prime"))
    """The method."""
    network: str | None = setting(None, optional(text()))
    """With EAP-AKA': the name of the network that keys are bound to; without it, `WLAN`."""

    def _check_together(self) -> None:
        _Users._check_together(self)
        if self.network and self.eap == "aka":
            raise ConfigError('network is about eap = "aka-prime", found eap = "aka"')

    def credential(self) -> Credential:
        """`EapUsers.aka` or `EapUsers.aka_prime`."""
        from fynx_scapy.eap.aka.usim import LONGEST_IDENTITY

        known = self._read(subscriber, LONGEST_IDENTITY)
        if self.eap == "aka":
            return EapUsers.aka(known, ask=self.ask, only=self.only)
        named = {"network": self.network} if self.network else {}
        return EapUsers.aka_prime(known, ask=self.ask, only=self.only, **named)


CLIENTS: Mapping[str, type[CredentialTable]] = {
    "mschapv2": EapPasswordTable, "md5": EapPasswordTable, "tls": EapTlsTable, "ttls": EapTtlsTable,
    "aka": EapAkaTable, "aka-prime": EapAkaTable,
}  # fmt: skip
"""The table of a client by its method."""
GATEWAYS: Mapping[str, type[CredentialTable]] = {
    "mschapv2": EapPasswordUsersTable, "md5": EapPasswordUsersTable, "tls": EapTlsUsersTable,
    "ttls": EapTtlsUsersTable, "aka": EapAkaUsersTable, "aka-prime": EapAkaUsersTable,
}  # fmt: skip
"""The table of a gateway by its method."""
