# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP as a credential (RFC 7296 section 2.16): `Eap` proves who a client is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap_tls import tls_end
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from fynx_scapy.eap.aka.usim import Usim
    from fynx_scapy.eap.method import PeerMethod
    from fynx_scapy.eap.passthrough import Begin
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
        """Either of them: ``Eap.mschapv2(...) | Eap.md5(...)``. ConfigError for two users.

        A client says who it is before it knows the method (RFC 3748 section 5.1), and the server chooses that.
        """
        if not isinstance(other, Eap):
            raise ConfigError(f"expected another Eap for either of them, found {type(other).__name__}")
        _check_one_user(self, other)
        return Eap(*self.methods, *other.methods, identity=self.identity, only=self.only and other.only)


def _check_one_user(one: Eap, other: Eap) -> None:
    """ConfigError for credentials that do not go together: one of them would never be used, or not as it is written."""
    types = [method.type for method in one.methods]
    if twice := next((method.name for method in other.methods if method.type in types), ""):
        raise ConfigError(f"expected each EAP method once, found {twice} twice: the server could choose one only")
    users = [method.user.encode() for method in (*one.methods, *other.methods) if hasattr(method, "user")]
    for what, found in (("user", users), ("identity", [one.identity_octets, other.identity_octets])):
        if len(differ := list(dict.fromkeys(found))) > 1:
            names = " and ".join(printable(name, LONGEST) for name in differ[:2])
            hint = ": give both the same identity=" if what == "identity" else ""
            raise ConfigError(f"expected EAP methods of one {what}, which is said first, found {names}{hint}")


def _usim(identity: str, k: bytes | str, opc: bytes | str, sqn: int) -> Usim:
    from fynx_scapy.eap.aka.usim import LONGEST_IDENTITY, Usim
    from fynx_scapy.eap.method import check_text

    check_text(identity=identity)
    size = len(identity.encode())
    if size > LONGEST_IDENTITY:
        raise ConfigError(f"expected an identity of at most {LONGEST_IDENTITY} octets with EAP-AKA, found {size}")
    return Usim(k, opc, sqn)


def _peer_method(name: str) -> Any:
    """The class of a method with a password, as the peer; ConfigError for another name."""
    from fynx_scapy.eap.md5 import Md5Peer
    from fynx_scapy.eap.mschapv2 import Mschapv2Peer

    return method_named({"mschapv2": Mschapv2Peer, "md5": Md5Peer}, name)


def method_named(known: dict[str, Any], name: str) -> Any:
    """One of these classes of methods with passwords; ConfigError for another name."""
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


def identity_of(user: bytes) -> Identity:
    """An identity of EAP as one of IKE: read as text; a key ID where it is none."""
    try:
        return Identity.of(user.decode())
    except (ConfigError, UnicodeDecodeError):
        return Identity(IdType.ID_KEY_ID, user)
