# SPDX-License-Identifier: GPL-2.0-or-later
"""What one end is willing to do: frozen dataclasses that check themselves, and ``replace`` for variants.

Each setting says beside its default what it has to be (`fynx_scapy.checks`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fynx_scapy.checks import (
    Checked,
    as_tuple,
    flag,
    kind,
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
from fynx_scapy.iana import KeMethod, ProtocolId, lookup
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.child_config import ChildConfig, Proposals, Selectors, read_proposals
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.credential import Credential
from fynx_scapy.ike.terms.endpoint_config import MANY, EndpointConfig
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.lifetime import CHILD_LIFETIME, IKE_LIFETIME, Lifetime
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.ike.terms.timeouts import DETECTION, DeadPeerDetection, Retransmission

if TYPE_CHECKING:
    from typing import Unpack

__all__ = [  # what scripts have imported from here so far, too
    "CHILD_LIFETIME",
    "DETECTION",
    "IKE_LIFETIME",
    "Address",
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
    "Proposal",
    "Proposals",
    "Psk",
    "Retransmission",
    "Selector",
    "Selectors",
    "address",
]


@dataclass(frozen=True, slots=True)
class Psk(Checked, Credential):
    """A pre-shared key (RFC 7296 section 2.15).

    Text is taken as its UTF-8 octets, ``0x…`` as hex digits; the repr hides it.
    """

    secret: bytes = field(repr=False)
    """Its octets."""

    if TYPE_CHECKING:

        def replace(self, *, secret: str | bytes) -> Self: ...

    def __init__(self, secret: str | bytes):
        self._set("secret", secret)
        self.__post_init__()

    def __post_init__(self) -> None:
        # Here, since a dataclass that is derived from this one has an __init__ of its own.
        Checked.__post_init__(self)
        secret: object = self.secret
        if isinstance(secret, str):
            try:
                secret = bytes.fromhex(secret[2:]) if secret.startswith("0x") else secret.encode()
            except ValueError:
                raise ConfigError("expected hex digits behind 0x in a pre-shared key") from None
        if not isinstance(secret, bytes | bytearray):
            raise ConfigError(f"expected text or bytes for a pre-shared key, found {shown(secret, hidden=True)}")
        if not secret:
            raise ConfigError("expected a pre-shared key of at least one octet, found an empty one")
        self._set("secret", bytes(secret))


class IkeFields(TypedDict, total=False):
    """What an `IkeConfig` is made from beside ``auth``: wider than its fields, into whose types it is turned."""

    local_id: Identity | str
    remote_id: Identity | str | None
    proposals: Proposals
    children: ChildConfig | Sequence[ChildConfig]
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
    chain_limit: int
    chain_lifetime: float
    signature_hashes: Sequence[int]
    keepalive: float
    force_encapsulation: bool
    remote_natt_port: int
    lifetime: Lifetime
    reauthenticate_after: float | None
    replace_refused: bool
    initial_contact: bool
    dpd: DeadPeerDetection


class IkeChanges(IkeFields, total=False):
    """What `IkeConfig.replace` takes."""

    auth: Credential | str | bytes


def _identity(value: Any) -> Identity | None:
    return None if value is None else Identity.of(value)


def _auth(value: Any) -> Any:
    return Psk(value) if isinstance(value, str | bytes) else value


def _ke(value: Any) -> Any:
    return lookup(KeMethod, value) if isinstance(value, str) else value


def _children(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, ChildConfig)


def _numbers(value: Any) -> tuple[Any, ...]:
    return as_tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeConfig(Checked):
    """An IKE SA that may be set up, as initiator or as responder."""

    local_id: Identity = setting("fynx", kind(Identity), read=_identity)
    """Who we are, as `Identity.of` reads it."""
    remote_id: Identity | None = setting(None, optional(kind(Identity)), read=_identity)
    """Who the peer has to be; None takes any peer that knows the key."""
    auth: Credential = required(kind(Credential, hidden=True), read=_auth)
    """What we show who we are with, and hold the peer against: a `Psk`, or what one is made from."""
    proposals: tuple[Proposal, ...] = setting(
        (
            "aes128gcm16-prfsha256-x25519",
            "aes256gcm16-prfsha384-ecp384",
            "aes128-sha256-prfsha256-x25519-modp2048",
        ),
        several(kind(Proposal), 1, 255),
        read=partial(read_proposals, ProtocolId.IKE),
    )
    """What is offered or accepted, best first, written as strongSwan writes it."""
    children: tuple[ChildConfig, ...] = setting((ChildConfig(),), several(kind(ChildConfig)), read=_children)
    """The Child SAs that may be set up; the first one in IKE_AUTH, or none (``children=()``, RFC 6023)."""
    remote: Address | None = setting(None, optional(kind(Address)), read=lambda v: None if v is None else address(v))
    """Where the peer is, as `address` reads it. Needed to connect; as responder it limits whom this serves."""
    ke: int | None = setting(None, optional(whole(0, 65535)), read=_ke)
    """The key exchange method of our first KE payload; None takes the first one proposed."""
    refuse_weaker_ke: bool = setting(False, flag())
    """Whether an initiator ignores an INVALID_KE_PAYLOAD that asks for a method weaker than the first one proposed: in
    IKE_SA_INIT anybody can write one."""
    nonce_size: int = setting(32, whole(16, 256, "octets (RFC 7296 section 3.9)"))
    """Octets of our nonces; where half the key of the PRF is more, they have that size (section 2.10), unless a tap
    cuts them."""
    cookies: int = setting(5, whole(0, 1000))
    """How many COOKIEs and INVALID_KE_PAYLOADs an initiator follows."""
    puzzle_effort: int = setting(1 << 18, whole(0, MANY, "PRFs"))
    """How many PRFs the puzzles of one IKE SA may take to be solved (RFC 8019). A million are a second or two, in which
    nothing else is done; 0 ignores puzzles."""
    retransmission: Retransmission = setting(Retransmission(), kind(Retransmission))
    """When a request without an answer goes out again."""
    half_open_lifetime: float = setting(30.0, seconds())
    """Seconds after which an IKE SA that is not authenticated is dropped."""
    cp_request: ConfigRequest | None = setting(None, optional(kind(ConfigRequest)))
    """What an initiator asks for: addresses and more (RFC 7296 section 2.19)."""
    cp_reply: ConfigReply | None = setting(None, optional(kind(ConfigReply)))
    """What a responder gives to those who ask."""
    childless: bool = setting(False, flag())
    """Whether a responder allows IKE_AUTH without a Child SA (RFC 6023)."""
    child_limit: int = setting(256, whole(0, MANY))
    """How many Child SAs a peer may have under one IKE SA, those included that it has rekeyed and not deleted."""
    undeleted_limit: int = setting(8, whole(0, MANY))
    """How many IKE SAs may be left undeleted behind one that is rekeyed."""
    error_wait: float = setting(1.0, seconds(zero=True))
    """For how many seconds an initiator waits on for a good answer after an error that anybody may have sent (RFC 7296
    section 2.21.1)."""
    invalid_syntax_is_fatal: bool = setting(True, flag())
    """Whether INVALID_SYNTAX inside SK, sent or received, closes the IKE SA (section 2.21.3). A tester may go on."""
    retry_wait: tuple[float, float] = setting(
        (5.0, 15.0), pair(seconds(zero=True), seconds(zero=True)), read=lambda v: tuple(v) if isinstance(v, list) else v
    )
    """The least and the most seconds before we try again after TEMPORARY_FAILURE (section 2.25), or after a
    reauthentication that failed."""
    retry_limit: float = setting(180.0, seconds(zero=True))
    """After how many seconds of TEMPORARY_FAILURE the IKE SA is closed."""
    fragmentation: bool = setting(True, flag())
    """Whether long IKE messages are sent in fragments to a peer that can take them (RFC 7383)."""
    fragment_size: int = setting(1280, whole(160, 65535, "octets"))
    """The longest IP packet that an IKE message goes in unfragmented, and that a fragment makes (section 2.5.1)."""
    reassembly_limit: int = setting(65536, whole(0, MANY, "octets"))
    """How many octets of the peer's fragments are stored for one IKE SA (RFC 7383 section 5)."""
    window: int = setting(1, whole(1, 1024, "requests"))
    """How many requests the peer may send without an answer to the first (RFC 7296 section 2.3)."""
    invalid_message_id: float | None = setting(None, optional(seconds(zero=True)))
    """The least seconds between two notifies about a request outside of the window; None sends none."""
    chain_limit: int = setting(64, whole(1, MANY))
    """How many exchanges of the peer's may wait for their next request (RFC 9370 section 2.2.4)."""
    chain_lifetime: float = setting(20.0, seconds())
    """For how many seconds each of them waits; before the peer is authenticated `half_open_lifetime` counts alone."""
    signature_hashes: tuple[int, ...] = setting((), several(whole(0, 65535)), read=_numbers)
    """The hash algorithms that we announce for signatures (RFC 7427 section 4); none by default."""
    keepalive: float = setting(20.0, seconds(zero=True))
    """After how many seconds without another packet the end behind a NAT sends a keepalive (RFC 3948 section 4); 0 for
    never."""
    force_encapsulation: bool = setting(False, flag())
    """Whether we make the peer believe in a NAT before us, so that ESP travels in UDP."""
    remote_natt_port: int = setting(4500, udp_port())
    """Where the peer takes ESP in UDP, and IKE with the non-ESP marker. A ``remote`` with this port is spoken to in
    that way from the beginning."""
    lifetime: Lifetime = setting(IKE_LIFETIME, kind(Lifetime))
    """When the IKE SA is rekeyed, and when it is closed."""
    reauthenticate_after: float | None = setting(None, optional(seconds()))
    """Seconds after which both ends authenticate anew; None for never."""
    replace_refused: bool = setting(True, flag())
    """Whether a new IKE SA is set up from scratch when the peer answers a rekey with NO_ADDITIONAL_SAS (section 4);
    else the old one lives until its hard limit."""
    initial_contact: bool = setting(False, flag())
    """Whether the first IKE SA with a peer says that it is the only one: not for who may be in two places (section
    2.4)."""
    dpd: DeadPeerDetection = setting(DETECTION, kind(DeadPeerDetection))
    """When a silent peer is asked whether it lives, and what follows when it does not."""

    if TYPE_CHECKING:

        def __init__(self, *, auth: Credential | str | bytes, **fields: Unpack[IkeFields]) -> None: ...
        def replace(self, **changes: Unpack[IkeChanges]) -> Self: ...

    def _check_together(self) -> None:
        if self.retry_wait[0] > self.retry_wait[1]:
            raise ConfigError(f"expected IkeConfig.retry_wait to run upwards, found {self.retry_wait}")

    def accepts_address(self, remote: Address) -> bool:
        """Whether a peer at that address is served by this configuration."""
        return self.remote is None or self.remote.host == remote.host

    def accepts_identities(self, local: Identity | None, remote: Identity) -> bool:
        """Whether this configuration is the one for these IDr and IDi; a peer need not say whom it wants."""
        return (local is None or local == self.local_id) and (self.remote_id is None or remote == self.remote_id)


def address(value: Address | str | tuple[str, int], port: int = 500) -> Address:
    """Read ``192.0.2.1``, ``192.0.2.1:500``, ``[2001:db8::1]:500`` or a pair; ConfigError for anything else.

    Names are not looked up.
    """
    if isinstance(value, tuple) and len(value) == 2:
        host, number = value
    elif not isinstance(value, str):
        raise ConfigError(f"expected an address as text, or a pair of host and port, found {shown(value)}")
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
                raise ConfigError(f"expected a port number behind the colon, found {value!r}")
            number = int(digits)
    try:
        host = str(ipaddress.ip_address(str(host)))
    except ValueError:
        raise ConfigError(f"expected an IP address such as 192.0.2.1 or [2001:db8::1]:500, found {value!r}") from None
    if not whole(0, 65535).accepts(number):
        raise ConfigError(f"expected a port between 0 and 65535, found {shown(number)}")
    return Address(host, number)
