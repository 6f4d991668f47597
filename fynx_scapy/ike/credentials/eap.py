# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP as a credential (RFC 7296 section 2.16): `Eap` proves who a client is, `EapUsers` verifies clients."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.terms.identity import Identity

if TYPE_CHECKING:
    from fynx_scapy.eap.accounts import Accounts
    from fynx_scapy.eap.aka.usim import Subscriber, Usim
    from fynx_scapy.eap.method import PeerMethod, ServerMethod
    from fynx_scapy.eap.passthrough import Begin
    from fynx_scapy.eap.tunnel import TlsConfig
    from fynx_scapy.files import AnyPath
    from fynx_scapy.ike.credentials.certificates import Certificate
    from fynx_scapy.pki.trust import Trust

LONGEST_IDENTITY = 0xFFFF - 5
"""Octets of an identity in EAP (RFC 3748 section 5.1)."""


@dataclass(frozen=True, slots=True, init=False)
class Eap(Credential):
    """A client that authenticates by EAP, with one of several methods: the server says which.

    >>> IkeConfig(auth=Eap.mschapv2("carol", "secret"), trust=Trust("ca.pem"))

    The gateway proves who it is by its certificate (``trust``), or, with ``only``, by the EAP method alone (RFC 5998).
    """

    methods: tuple[PeerMethod, ...]
    """The methods that we take, best first."""
    identity: str | bytes
    """What we answer to EAP's request for an identity; it travels inside the protected IKE_AUTH."""
    only: bool
    """Whether the EAP method may authenticate the gateway, which then needs no certificate (RFC 5998)."""

    def __init__(self, *methods: PeerMethod, identity: str | bytes, only: bool = False) -> None:
        from fynx_scapy.eap.method import PeerMethod, check_text

        for method in methods:
            if not isinstance(method, PeerMethod):
                raise ConfigError(f"expected EAP methods of a peer, found {type(method).__name__}")
        if not methods:
            raise ConfigError("expected at least one EAP method, found none")
        if only and (bad := next((each for each in methods if not each.safe), None)):
            raise ConfigError(
                f"expected EAP methods that are safe without a certificate of the gateway (RFC 5998 section 4) with "
                f"only=True, found EAP-{bad.name}"
            )
        if isinstance(identity, str):
            check_text(identity=identity)
        octets = identity.encode() if isinstance(identity, str) else bytes(identity)
        if not 0 < len(octets) <= LONGEST_IDENTITY:
            raise ConfigError(f"expected an EAP identity of 1 to {LONGEST_IDENTITY} octets, found {len(octets)}")
        object.__setattr__(self, "methods", methods)
        object.__setattr__(self, "identity", identity)
        object.__setattr__(self, "only", only)

    @property
    def verifies(self) -> bool:  # type: ignore[override]
        """By the method alone, it verifies the peer, too."""
        return self.only

    @property
    def identity_octets(self) -> bytes:
        """The identity as octets."""
        return self.identity.encode() if isinstance(self.identity, str) else self.identity

    @property
    def own_identity(self) -> Identity:
        """What IDi says where no other identity is configured: the same."""
        return identity_of(self.identity_octets)

    @classmethod
    def mschapv2(cls, user: str, password: str, *, identity: str | bytes = "") -> Self:
        """EAP-MSCHAPv2 with a user name and a password. Who has listened can find the password."""
        from fynx_scapy.eap.mschapv2 import Mschapv2Peer

        return cls(Mschapv2Peer(user, password), identity=identity or user)

    @classmethod
    def md5(cls, user: str, password: str, *, identity: str | bytes = "") -> Self:
        """EAP-MD5 with a user name and a password. It makes no key (RFC 7296 section 2.16: SHOULD NOT be used)."""
        from fynx_scapy.eap.md5 import Md5Peer

        return cls(Md5Peer(user, password), identity=identity or user)

    @classmethod
    def tls(
        cls,
        certificate: Certificate,
        trust: Trust | AnyPath | bytes,
        *,
        identity: str | bytes = "",
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """EAP-TLS with a certificate. ``trust`` says which servers we take: the gateway, or one behind it.

        ``fields``: ``server`` (whom its certificate has to name, an identity), ``minimum`` and ``maximum`` (TLS
        versions), ``fragment`` (octets of TLS in a packet), ``key_log`` (a file to which the secrets of TLS are added,
        for captures). ConfigError for what TLS does not take.
        """
        from fynx_scapy.eap.tls import TlsPeer

        return cls(
            TlsPeer(tls_end(certificate, _trusted(trust), fields), **fields),
            identity=identity or str(certificate.identities[0]),
            only=only,
        )

    @classmethod
    def ttls(
        cls,
        user: str,
        password: str,
        trust: Trust | AnyPath | bytes,
        *,
        inner: str | Sequence[str] = "eap-mschapv2",
        identity: str | bytes = "anonymous",
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """EAP-TTLS: a password inside TLS, where nobody sees the user. ``identity`` is what is seen outside.

        ``inner``: ``eap-mschapv2``, ``eap-md5``, both of them, ``mschapv2`` or ``pap``. The other arguments are those
        of `tls`.
        """
        from fynx_scapy.eap.ttls import TtlsPeer

        methods = [inner] if isinstance(inner, str) else list(inner)
        if not methods:
            raise ConfigError("expected how the password goes through EAP-TTLS, found none")
        inside = tuple(_peer_method(each.removeprefix("eap-"))(user, password) for each in methods
                       if len(methods) > 1 or each.startswith("eap-"))  # fmt: skip
        method = inside or methods[0]
        return cls(
            TtlsPeer(tls_end(None, _trusted(trust), fields), user, password, method, **fields),
            identity=identity,
            only=only,
        )

    @classmethod
    def aka(
        cls,
        identity: str,
        *,
        k: bytes | str,
        opc: bytes | str,
        sqn: int = 0,
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """EAP-AKA with a USIM: its key K and its operator's value OPc, 16 octets or hex digits each.

        ``sqn`` is the highest sequence number that the USIM has taken. It grows with each authentication, so keep one
        credential for a USIM. ``fields``: ``indications``. ConfigError for keys of other sizes.
        """
        from fynx_scapy.eap.aka.peer import AkaPeer

        return cls(AkaPeer(_usim(identity, k, opc, sqn), **fields), identity=identity, only=only)

    @classmethod
    def aka_prime(
        cls,
        identity: str,
        *,
        k: bytes | str,
        opc: bytes | str,
        sqn: int = 0,
        network: str = "",
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """EAP-AKA', whose keys are bound to a network. ``network``: its name; a server that says another is refused.

        The other arguments are those of `aka`.
        """
        from fynx_scapy.eap.aka.peer import AkaPrimePeer

        method = AkaPrimePeer(_usim(identity, k, opc, sqn), network=network, **fields)
        return cls(method, identity=identity, only=only)

    @classmethod
    def passthrough(cls, begin: Begin, *, identity: str | bytes, only: bool = False, **fields: Any) -> Self:
        """A method that a caller speaks: an EAP-5G stack, a tester.

        ``begin(identity)`` is called for each conversation and returns a function that takes each request, an EAP
        layer, and returns the response, or `fynx_scapy.eap.passthrough.Passed` with the last one and the MSK. It is
        called by the engine, and must not wait.

        ``fields``: ``type`` (of the method; 254, expanded), ``name`` (in reports), ``safe`` (for ``only``).
        """
        from fynx_scapy.eap.passthrough import PassthroughPeer

        return cls(PassthroughPeer(begin, **fields), identity=identity, only=only)

    def __or__(self, other: Eap) -> Eap:
        """Either of them: ``Eap.mschapv2(...) | Eap.md5(...)``."""
        return Eap(*self.methods, *other.methods, identity=self.identity, only=self.only and other.only)


@dataclass(frozen=True, slots=True, init=False)
class EapUsers(Credential):
    """Clients that authenticate by EAP, with one of our methods: the first that both ends take.

    >>> IkeConfig(auth=Certificate("gw.pem", "gw.key"), remote_auth=EapUsers.passwords({"carol": "secret"}))
    """

    proves: ClassVar[bool] = False

    methods: tuple[ServerMethod, ...]
    """The methods that we offer, first to last."""
    ask: bool
    """Whether to ask for an identity first; else that of IDi counts."""
    only: bool
    """Whether we leave out our certificate for clients that want it so (RFC 5998), where the method allows it."""

    def __init__(self, *methods: ServerMethod, ask: bool = True, only: bool = False) -> None:
        from fynx_scapy.eap.method import ServerMethod

        for method in methods:
            if not isinstance(method, ServerMethod):
                raise ConfigError(f"expected EAP methods of a server, found {type(method).__name__}")
        if not methods:
            raise ConfigError("expected at least one EAP method, found none")
        object.__setattr__(self, "methods", methods)
        object.__setattr__(self, "ask", ask)
        object.__setattr__(self, "only", only)

    @classmethod
    def passwords(
        cls,
        users: Mapping[str, str] | Accounts,
        methods: Sequence[str] = ("mschapv2",),
        **fields: bool,
    ) -> Self:
        """Users with passwords, by methods that use them: ``mschapv2`` and ``md5``. ConfigError for another one."""
        return cls(*_password_methods(users, methods), **fields)

    @classmethod
    def tls(
        cls,
        certificate: Certificate,
        trust: Trust | AnyPath | bytes,
        *,
        ask: bool = True,
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """Clients with certificates, by EAP-TLS. ``trust`` says which; ``fields`` are those of `Eap.tls`."""
        from fynx_scapy.eap.tls import TlsServer

        return cls(TlsServer(tls_end(certificate, trust, fields), **fields), ask=ask, only=only)

    @classmethod
    def ttls(
        cls,
        certificate: Certificate,
        users: Mapping[str, str] | Accounts,
        methods: Sequence[str] = ("mschapv2", "md5"),
        *,
        plain: bool = True,
        ask: bool = True,
        only: bool = False,
        **fields: Any,
    ) -> Self:
        """Users with passwords inside EAP-TTLS: by EAP methods, and, with ``plain``, by PAP and MSCHAPv2."""
        from fynx_scapy.eap.accounts import Accounts
        from fynx_scapy.eap.ttls import TtlsServer

        accounts = Accounts(users)
        inner = tuple(_password_methods(accounts, methods))
        config = tls_end(certificate, None, fields)
        return cls(TtlsServer(config, inner, accounts if plain else None, **fields), ask=ask, only=only)

    @classmethod
    def aka(cls, subscribers: Mapping[str, Subscriber], *, ask: bool = True, only: bool = False, **fields: Any) -> Self:
        """Subscribers with USIMs, by EAP-AKA: ``{identity: Subscriber(k, opc, sqn)}``.

        ``fields``: ``question`` (which identity EAP-AKA asks for) and ``indications`` (a protected success).
        """
        from fynx_scapy.eap.aka.server import AkaServer
        from fynx_scapy.eap.aka.usim import Subscribers

        return cls(AkaServer(Subscribers(subscribers), **fields), ask=ask, only=only)

    @classmethod
    def aka_prime(
        cls, subscribers: Mapping[str, Subscriber], *, ask: bool = True, only: bool = False, **fields: Any
    ) -> Self:
        """The same by EAP-AKA'. ``fields`` also: ``network``, the name that keys are bound to (``WLAN``)."""
        from fynx_scapy.eap.aka.server import AkaPrimeServer
        from fynx_scapy.eap.aka.usim import Subscribers

        return cls(AkaPrimeServer(Subscribers(subscribers), **fields), ask=ask, only=only)

    @classmethod
    def passthrough(cls, begin: Begin, *, ask: bool = True, only: bool = False, **fields: Any) -> Self:
        """A method that a caller speaks: see `Eap.passthrough`.

        The function that ``begin(identity)`` returns takes None and then each response. It returns the next request,
        or `Passed`, after which the client is told of its success, or raises AuthenticationError.
        """
        from fynx_scapy.eap.passthrough import PassthroughServer

        return cls(PassthroughServer(begin, **fields), ask=ask, only=only)


def _usim(identity: str, k: bytes | str, opc: bytes | str, sqn: int) -> Usim:
    from fynx_scapy.eap.aka.usim import LONGEST_IDENTITY, Usim

    size = len(identity.encode())
    if size > LONGEST_IDENTITY:
        raise ConfigError(f"expected an identity of at most {LONGEST_IDENTITY} octets with EAP-AKA, found {size}")
    return Usim(k, opc, sqn)


def _peer_method(name: str) -> Any:
    """The class of a method with a password, as the peer; ConfigError for another name."""
    from fynx_scapy.eap.md5 import Md5Peer
    from fynx_scapy.eap.mschapv2 import Mschapv2Peer

    return _named({"mschapv2": Mschapv2Peer, "md5": Md5Peer}, name)


def _password_methods(users: Mapping[str, str] | Accounts, names: Sequence[str]) -> list[ServerMethod]:
    """Methods with passwords, as the server; ConfigError for another name."""
    from fynx_scapy.eap.accounts import Accounts
    from fynx_scapy.eap.md5 import Md5Server
    from fynx_scapy.eap.mschapv2 import Mschapv2Server

    accounts = Accounts(users)
    return [_named({"mschapv2": Mschapv2Server, "md5": Md5Server}, name)(accounts) for name in names]


def _named(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        said = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"expected an EAP method with a password ({', '.join(known)}), found {name!r}{said}")
    return known[name]


def _trusted(trust: Trust | AnyPath | bytes | None) -> Trust | AnyPath | bytes:
    """ConfigError for none: a client would give its password to anybody."""
    if trust is None:
        raise ConfigError("expected whom to trust as the server of EAP with TLS, found None")
    return trust


def _check_trust(trust: Trust) -> None:
    """ConfigError for what OpenSSL does not heed: it judges certificates of TLS by anchors and CRLs alone."""
    usual = type(trust)(trust.anchors, crls=trust.crls)
    for each in fields_of(trust):
        if getattr(trust, each.name) != getattr(usual, each.name):
            raise ConfigError(
                f"expected a Trust of certificates and CRLs alone for EAP with TLS, found one with {each.name}"
            )


@dataclass(frozen=True, slots=True)
class NamedServer:
    """Takes the certificate of a TLS server if it has an identity (RFC 5216 section 5.3)."""

    identity: Identity

    @classmethod
    def of(cls, name: Identity | str) -> Self:
        """ConfigError for an identity that no certificate has."""
        identity = name if isinstance(name, Identity) else Identity.of(name)
        if identity.type == IdType.ID_KEY_ID:
            raise ConfigError(f"expected server to be a name that a certificate may have, found the key ID {identity}")
        return cls(identity)

    def __call__(self, certificate: bytes) -> None:
        """CertificateError for another one."""
        from fynx_scapy.pki.identity import matches

        matches(certificate, self.identity.type, self.identity.data)


def identity_of(user: bytes) -> Identity:
    """An identity of EAP as one of IKE: read as text; a key ID where it is none."""
    try:
        return Identity.of(user.decode())
    except (ConfigError, UnicodeDecodeError):
        return Identity(IdType.ID_KEY_ID, user)


def tls_end(
    certificate: Certificate | None, trust: Trust | AnyPath | bytes | None, fields: dict[str, Any]
) -> TlsConfig:
    """One end of TLS. It takes the fields that are TLS's."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from fynx_scapy.eap.tunnel import TlsConfig
    from fynx_scapy.pki.trust import Trust

    of_tls: dict[str, Any] = {name: fields.pop(name) for name in ("minimum", "maximum", "key_log") if name in fields}
    if "server" in fields:
        of_tls["accept"] = NamedServer.of(fields.pop("server"))
    trust = trust if isinstance(trust, Trust) or trust is None else Trust(trust)
    if trust is not None:
        _check_trust(trust)
    anchors: tuple[Any, ...] = trust.anchors if trust is not None else ()
    crls: tuple[Any, ...] = trust.crls if trust is not None else ()
    ours = (certificate.certificate, *certificate.chain) if certificate is not None else ()
    return TlsConfig(
        certificates=b"".join(each.public_bytes(Encoding.PEM) for each in ours),
        key=certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if certificate else b"",
        anchors=b"".join(each.public_bytes(Encoding.PEM) for each in (*anchors, *crls)),
        check_crls=bool(crls),
        **of_tls,
    )
