# SPDX-License-Identifier: GPL-2.0-or-later
"""The clients that authenticate by EAP (RFC 7296 section 2.16): `EapUsers` verifies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap import method_named
from fynx_scapy.ike.credentials.eap_tls import tls_end

if TYPE_CHECKING:
    from fynx_scapy.eap.accounts import Accounts
    from fynx_scapy.eap.aka.usim import Subscriber
    from fynx_scapy.eap.method import ServerMethod
    from fynx_scapy.eap.passthrough import Begin
    from fynx_scapy.files import AnyPath
    from fynx_scapy.ike.credentials.certificates import Certificate
    from fynx_scapy.pki.trust import Trust


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
        methods: str | Sequence[str] = ("mschapv2",),
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
        methods: str | Sequence[str] = ("mschapv2", "md5"),
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


def _password_methods(users: Mapping[str, str] | Accounts, names: str | Sequence[str]) -> list[ServerMethod]:
    """Methods with passwords, as the server; ConfigError for another name."""
    from fynx_scapy.eap.accounts import Accounts
    from fynx_scapy.eap.md5 import Md5Server
    from fynx_scapy.eap.mschapv2 import Mschapv2Server

    accounts, wanted = Accounts(users), (names,) if isinstance(names, str) else names
    return [method_named({"mschapv2": Mschapv2Server, "md5": Md5Server}, name)(accounts) for name in wanted]
