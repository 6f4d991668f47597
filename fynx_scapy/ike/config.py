# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of an IKE SA: a frozen dataclass that checks itself, with ``replace`` for variants.

Each setting has its check beside its default (`fynx_scapy.checks`).
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fynx_scapy.checks import (
    Checked,
    as_tuple,
    flag,
    kind,
    one_of,
    optional,
    pair,
    required,
    seconds,
    setting,
    several,
    shown,
    udp_port,
    whole,
)
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import AnyPath
from fynx_scapy.iana import KeMethod, ProtocolId, lookup
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates, RawKey, RawKeys
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.ppk import Ppk, check_ppks, read_ppks
from fynx_scapy.ike.credentials.secrets import Null, Psk
from fynx_scapy.ike.credentials.together import (
    CREDENTIAL,
    VERIFIER,
    Auth,
    any_certificate,
    check_identities,
    check_use,
    first_identity,
    own_identity,
    owns,
    read_auth,
    read_trust,
    verifier,
)
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.child_config import ChildConfig, Proposals, Selectors, read_proposals, roaming
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.endpoint_config import MANY, EndpointConfig
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.lifetime import CHILD_LIFETIME, IKE_LIFETIME, Lifetime
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.ike.terms.timeouts import DETECTION, DeadPeerDetection, Retransmission
from fynx_scapy.pki.trust import Trust

if TYPE_CHECKING:
    from typing import TypeAlias, Unpack

    from cryptography import x509

    TrustSource: TypeAlias = AnyPath | bytes | x509.Certificate | Sequence[AnyPath | bytes | x509.Certificate]

__all__ = [  # includes the names that older scripts import from here
    "CHILD_LIFETIME",
    "DETECTION",
    "IKE_LIFETIME",
    "Address",
    "Certificate",
    "Certificates",
    "ChildConfig",
    "ConfigReply",
    "ConfigRequest",
    "DeadPeerDetection",
    "EndpointConfig",
    "Identity",
    "IkeChanges",
    "IkeConfig",
    "IkeFields",
    "Lifetime",
    "Null",
    "Ppk",
    "Proposal",
    "Proposals",
    "Psk",
    "RawKey",
    "RawKeys",
    "Retransmission",
    "Selector",
    "Selectors",
    "Trust",
    "address",
]


class IkeFields(TypedDict, total=False):
    """The arguments of `IkeConfig` except ``auth``. The constructor converts them to the types of the fields."""

    local_id: Identity | str | None
    remote_id: Identity | str | None
    remote_auth: Credential | str | bytes | None
    trust: Trust | TrustSource | None
    send_certificates: str
    certificate_requests: bool
    supported_auth_methods: bool
    proposals: Proposals
    children: ChildConfig | Sequence[ChildConfig]
    ppk: Ppk | Sequence[Ppk] | None
    ppk_required: bool
    remote: Address | str | tuple[str, int] | None
    ke: int | str | None
    refuse_weaker_ke: bool
    nonce_size: int
    cookies: int
    puzzle_effort: int
    retransmission: Retransmission
    half_open_lifetime: float
    cp_request: ConfigRequest | None
    cp_reply: ConfigReply | None
    childless: bool
    child_limit: int
    undeleted_limit: int
    error_wait: float
    invalid_syntax_is_fatal: bool
    retry_wait: tuple[float, float]
    retry_limit: float
    fragmentation: bool
    fragment_size: int
    reassembly_limit: int
    window: int
    invalid_message_id: float | None
    auth_rounds: int
    chain_limit: int
    chain_lifetime: float
    signature_hashes: Sequence[int]
    keepalive: float
    force_encapsulation: bool
    remote_natt_port: int
    lifetime: Lifetime
    reauthenticate_after: float | None
    auth_lifetime: int | None
    replace_refused: bool
    initial_contact: bool
    dpd: DeadPeerDetection


class IkeChanges(IkeFields, total=False):
    """The arguments of `IkeConfig.replace`."""

    auth: Auth


def _identity(value: Any) -> Identity | None:
    return None if value is None else Identity.of(value)


def _ke(value: Any) -> Any:
    return lookup(KeMethod, value) if isinstance(value, str) else value


def _children(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, ChildConfig)


def _numbers(value: Any) -> tuple[Any, ...]:
    return as_tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeConfig(Checked):
    """How to set up an IKE SA, as initiator or as responder."""

    local_id: Identity = setting(None, optional(kind(Identity)), read=_identity)
    """Our identity, in any form that `Identity.of` reads. None stands for ``fynx``, with a certificate for the first
    name in its subjectAltName or else its subject, and with `Null` for ID_NULL."""
    remote_id: Identity | None = setting(None, optional(kind(Identity)), read=_identity)
    """The identity that the peer must have; None accepts any peer that knows the key."""
    auth: Credential = required(CREDENTIAL, read=read_auth)
    """The credential that proves who we are: a `Psk`, or the text or bytes of one, a `Certificate` or several, a
    `RawKey`, `Eap`, `Null`, or `Rounds` of them (RFC 4739)."""
    remote_auth: Credential | None = setting(None, optional(VERIFIER), read=read_auth)
    """The credential that verifies who the peer is: a `Psk`, `Certificates`, `RawKeys`, `EapUsers`, `Null` or
    `Rounds` of them. None stands for `Certificates` with ``trust``, and without it for the same as ``auth``."""
    trust: Trust | None = setting(None, optional(kind(Trust)), read=read_trust)
    """Whom we trust to certify peers: a `Trust`, or the files, octets or objects of one or several certificates."""
    send_certificates: str = setting("asked", one_of("asked", "always", "never"))
    """When we send our certificate: if the peer asks for one (RFC 4945 section 3.3.6), always, or never."""
    certificate_requests: bool = setting(True, flag())
    """Whether we ask for certificates of the authorities that we trust (CERTREQ)."""
    supported_auth_methods: bool = setting(True, flag())
    """Whether we say which authentication methods we accept, where that may be signatures (RFC 9593)."""
    ppk: tuple[Ppk, ...] = setting((), several(kind(Ppk, hidden=True), 0, 256), read=read_ppks)
    """Post-quantum pre-shared keys (RFC 8784). As initiator we use the first one, as responder the one that the peer
    names. With EAP they go into the AUTH payloads after it; with `Rounds` there is none."""
    ppk_required: bool = setting(False, flag())
    """Whether there is no IKE SA without a PPK. If not, a peer that has none is authenticated without it."""
    proposals: tuple[Proposal, ...] = setting(
        "default",
        several(kind(Proposal), 1, 255),
        read=partial(read_proposals, ProtocolId.IKE),
    )
    """The proposals to offer or accept, best first, in strongSwan's notation. ``default`` stands for the default ones,
    ``legacy`` for those with SHA-1, 3DES and MODP-1024 that old peers need: ``"default,legacy"``."""
    children: tuple[ChildConfig, ...] = setting((ChildConfig(),), several(kind(ChildConfig)), read=_children)
    """The Child SAs that may be set up. IKE_AUTH sets up the first one, or none (``children=()``, RFC 6023)."""
    remote: Address | None = setting(None, optional(kind(Address)), read=lambda v: None if v is None else address(v))
    """The peer's address, in any form that `address` reads. An initiator needs it. A responder serves only peers at
    this IP address; None serves all."""
    ke: int | None = setting(None, optional(whole(0, 65535)), read=_ke)
    """The key exchange method of our first KE payload; None uses the first one proposed."""
    refuse_weaker_ke: bool = setting(False, flag())
    """Whether an initiator ignores an INVALID_KE_PAYLOAD that asks for a method weaker than the first one proposed. In
    IKE_SA_INIT an attacker can forge one."""
    nonce_size: int = setting(32, whole(16, 256, "octets (RFC 7296 section 3.9)"))
    """The size of our nonces in octets. They grow to half the key size of the PRF where that is larger (section 2.10).
    A tap can still shorten them."""
    cookies: int = setting(5, whole(0, 1000))
    """How many COOKIE and INVALID_KE_PAYLOAD answers an initiator follows."""
    puzzle_effort: int = setting(1 << 18, whole(0, MANY, "PRFs"))
    """How many PRF computations we spend on the puzzles of one IKE SA (RFC 8019). A million take a second or two and
    block everything else; 0 ignores puzzles."""
    retransmission: Retransmission = setting(Retransmission(), kind(Retransmission))
    """When to retransmit a request that has no answer."""
    half_open_lifetime: float = setting(30.0, seconds())
    """Seconds after which an IKE SA that is not authenticated is dropped."""
    cp_request: ConfigRequest | None = setting(None, optional(kind(ConfigRequest)))
    """The addresses and other attributes that an initiator requests (RFC 7296 section 2.19). Child SAs whose selectors
    are not given then propose everything, which the responder narrows."""
    cp_reply: ConfigReply | None = setting(None, optional(kind(ConfigReply)))
    """The addresses and other attributes that a responder assigns on request."""
    childless: bool = setting(False, flag())
    """Whether a responder allows IKE_AUTH without a Child SA (RFC 6023)."""
    child_limit: int = setting(256, whole(0, MANY))
    """How many Child SAs a peer may have under one IKE SA, including those that it has rekeyed but not deleted."""
    undeleted_limit: int = setting(8, whole(0, MANY))
    """How many rekeyed IKE SAs the peer may leave undeleted before we refuse another rekey."""
    error_wait: float = setting(1.0, seconds(zero=True))
    """How many seconds an initiator waits for a better answer after an unprotected error, which may be forged (RFC 7296
    section 2.21.1)."""
    invalid_syntax_is_fatal: bool = setting(True, flag())
    """Whether INVALID_SYNTAX inside SK, sent or received, closes the IKE SA (section 2.21.3). False lets a test go
    on."""
    retry_wait: tuple[float, float] = setting(
        (5.0, 15.0), pair(seconds(zero=True), seconds(zero=True)), read=lambda v: tuple(v) if isinstance(v, list) else v
    )
    """The shortest and the longest wait, in seconds, before we try again after TEMPORARY_FAILURE (section 2.25) or
    after a failed reauthentication."""
    retry_limit: float = setting(180.0, seconds(zero=True))
    """How many seconds of TEMPORARY_FAILURE close the IKE SA."""
    fragmentation: bool = setting(True, flag())
    """Whether to send long IKE messages in fragments to a peer that supports it (RFC 7383)."""
    fragment_size: int = setting(1280, whole(160, 65535, "octets"))
    """The longest IP packet, in octets, for an unfragmented IKE message or for one fragment (section 2.5.1)."""
    reassembly_limit: int = setting(65536, whole(0, MANY, "octets"))
    """How many octets of the peer's fragments one IKE SA stores (RFC 7383 section 5)."""
    window: int = setting(1, whole(1, 1024, "requests"))
    """How many requests the peer may have outstanding at once (RFC 7296 section 2.3)."""
    invalid_message_id: float | None = setting(None, optional(seconds(zero=True)))
    """The shortest time, in seconds, between two INVALID_MESSAGE_ID notifies; None sends none."""
    auth_rounds: int = setting(64, whole(10, 1 << 16))
    """How many rounds IKE_AUTH may have after the first one; "at least ten" must be possible (section 2.16)."""
    chain_limit: int = setting(64, whole(1, MANY))
    """How many of the peer's exchanges may wait for their next request (RFC 9370 section 2.2.4)."""
    chain_lifetime: float = setting(20.0, seconds())
    """How many seconds each of them waits. Before the peer is authenticated, only `half_open_lifetime` counts."""
    signature_hashes: tuple[int, ...] = setting((2, 3, 4, 5), several(whole(0, 65535)), read=_numbers)
    """The hash algorithms that we announce for signatures, and accept in them (RFC 7427 section 4): SHA-256, SHA-384,
    SHA-512 and Identity by default. An empty tuple announces none, which leaves the older methods."""
    keepalive: float = setting(20.0, seconds(zero=True))
    """After how many idle seconds we send a keepalive when we are behind a NAT (RFC 3948 section 4); 0 for never."""
    force_encapsulation: bool = setting(False, flag())
    """Whether to fake a NAT in front of us, so that both sides send ESP in UDP."""
    remote_natt_port: int = setting(4500, udp_port())
    """The peer's UDP port for ESP in UDP and for IKE with the non-ESP marker. If ``remote`` has this port, we use the
    marker from the first message on."""
    lifetime: Lifetime = setting(IKE_LIFETIME, kind(Lifetime))
    """When to rekey the IKE SA, and when to close it."""
    reauthenticate_after: float | None = setting(None, optional(seconds()))
    """Seconds after which to reauthenticate; None for never."""
    auth_lifetime: int | None = setting(None, optional(whole(0, 0xFFFF_FFFF, "seconds")))
    """For how many seconds a responder lets an initiator go on before it authenticates again (AUTH_LIFETIME, RFC 4478);
    then it deletes the IKE SA. None for ever, 0 for at once. An initiator heeds what its responder says."""
    replace_refused: bool = setting(True, flag())
    """Whether to set up a new IKE SA from scratch when the peer answers a rekey with NO_ADDITIONAL_SAS (section 4). If
    not, the old one lives until its hard limit."""
    initial_contact: bool = setting(False, flag())
    """Whether the first IKE SA with a peer sends INITIAL_CONTACT (section 2.4). Leave it off if our identity may be in
    use on several hosts."""
    dpd: DeadPeerDetection = setting(DETECTION, kind(DeadPeerDetection))
    """When to check that a silent peer is alive, and what to do when it is dead."""

    if TYPE_CHECKING:

        def __init__(self, *, auth: Auth, **fields: Unpack[IkeFields]) -> None: ...
        def replace(self, **changes: Unpack[IkeChanges]) -> Self: ...

    @classmethod
    def legacy(cls, *, auth: Auth, **fields: Unpack[IkeFields]) -> Self:
        """A configuration that also takes old peers: SHA-1, 3DES and MODP-1024, which no default offers or accepts."""
        fields.setdefault("proposals", "default,legacy")
        fields.setdefault("children", ChildConfig.legacy())
        return cls(auth=auth, **fields)

    @classmethod
    def from_file(cls, path: AnyPath, name: str | None = None) -> IkeConfig:
        """The connection of that name in a TOML file or a swanctl.conf; without a name, the only one.

        ConfigError names the file, the line and the key. What the reader has to say of the file is a UserWarning.
        """
        # Upwards, so by its name and only when asked for: the reader of files knows every configuration.
        config: IkeConfig = importlib.import_module("fynx_scapy.settings").connection_of(path, name)
        return config

    if not TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self:
            """A copy with some fields changed. An identity that came from ``auth`` goes with it."""
            if changes.keys() & {"auth", "ppk"} and self.local_id == own_identity(self.auth, self.ppk):
                changes.setdefault("local_id", None)
            if "trust" in changes and self.remote_auth is any_certificate():
                changes.setdefault("remote_auth", None)
            return Checked.replace(self, **changes)

    @property
    def peer_auth(self) -> Credential:
        """The credential that verifies who the peer is."""
        return self.auth if self.remote_auth is None else self.remote_auth

    @property
    def announced_hashes(self) -> tuple[int, ...]:
        """Those of `signature_hashes` that the signature schemes have which we accept by name (RFC 8420 section 3).

        All of them where none is named, or where the named ones are of the older methods alone.
        """
        schemes = getattr(self.peer_auth, "schemes", None) or ()
        used = {scheme.hash_id for scheme in schemes}
        return tuple(number for number in self.signature_hashes if number in used) or self.signature_hashes

    def _check_together(self) -> None:
        if self.local_id is None:
            self._set("local_id", own_identity(self.auth, self.ppk))
        if self.remote_id is None:
            self._set("remote_id", first_identity(self.remote_auth))
        check_identities(self.auth, self.remote_auth, self.local_id, self.remote_id)
        self._set("remote_auth", verifier(self.auth, self.remote_auth, self.trust))
        check_use(self.auth, self.local_id, self.trust)
        if self.retry_wait[0] > self.retry_wait[1]:
            raise ConfigError(
                f"expected IkeConfig.retry_wait to be the shortest and then the longest wait, found {self.retry_wait}"
            )
        self._set("children", roaming(self.children, self.cp_request, self.cp_reply))
        check_ppks(self.ppk, self.ppk_required, self.auth, self.peer_auth)

    def accepts_address(self, remote: Address) -> bool:
        """Whether this configuration serves a peer at that address."""
        return self.remote is None or self.remote.host == remote.host

    def accepts_identities(self, local: Identity | None, remote: Identity) -> bool:
        """Whether this configuration fits these identities. ``local`` is the peer's IDr, None if it sent none."""
        ours = local is None or local == self.local_id or owns(self.auth, local)
        return ours and (self.remote_id is None or remote.same(self.remote_id))


def address(value: Address | str | tuple[str, int], port: int = 500) -> Address:
    """Read ``192.0.2.1``, ``192.0.2.1:500``, ``[2001:db8::1]:500`` or a pair of host and port.

    Names are not resolved. ConfigError for anything else.
    """
    if isinstance(value, tuple) and len(value) == 2:
        host, number = value
    elif not isinstance(value, str):
        raise ConfigError(f"expected an address as text or a pair of host and port, found {shown(value)}")
    else:
        text = value
        host, number = text, port
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            text = rest
        if text.count(":") == 1:
            front, _, digits = text.partition(":")
            host = front or host
            if not digits.isdecimal() or len(digits) > 5:
                raise ConfigError(f"expected a port number after the colon, found {value!r}")
            number = int(digits)
    try:
        host = str(ipaddress.ip_address(str(host)))
    except ValueError:
        raise ConfigError(f"expected an IP address such as 192.0.2.1 or [2001:db8::1]:500, found {value!r}") from None
    if not whole(0, 65535).accepts(number):
        raise ConfigError(f"expected a port between 0 and 65535, found {shown(number)}")
    return Address(host, number)
