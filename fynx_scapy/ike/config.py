# SPDX-License-Identifier: GPL-2.0-or-later
"""What one end is willing to do: frozen dataclasses that check themselves, and ``replace`` for variants."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import KeMethod, ProtocolId, lookup
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.lifetime import CHILD_LIFETIME, IKE_LIFETIME, Lifetime
from fynx_scapy.ike.terms.patience import DETECTION, RETRANSMISSION, DeadPeerDetection
from fynx_scapy.ike.terms.patience import Retransmission as Retransmission
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector

Proposals: TypeAlias = "str | Proposal | Sequence[str | Proposal]"
Selectors: TypeAlias = "str | Selector | Sequence[str | Selector]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    def replace(self, **changes: Any) -> Self:
        """The same with some fields changed; the variant is checked like the original."""
        known = {f.name for f in dataclasses.fields(self)}
        for name in changes.keys() - known:
            raise ConfigError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Psk:
    """A pre-shared key (RFC 7296 section 2.15).

    Text is taken as its UTF-8 octets, ``0x…`` as hex digits; the repr hides it.
    """

    secret: bytes = field(repr=False)

    def __init__(self, secret: str | bytes):
        if isinstance(secret, str):
            try:
                secret = bytes.fromhex(secret[2:]) if secret.startswith("0x") else secret.encode()
            except ValueError:
                raise ConfigError("expected hex digits behind 0x in a pre-shared key") from None
        if not secret:
            raise ConfigError("expected a pre-shared key of at least one octet, found an empty one")
        object.__setattr__(self, "secret", bytes(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig(_Config):
    """A Child SA that may be set up: what it protects, and with which transforms.

    ``proposals`` are written as strongSwan writes them (``aes128gcm16-esn``), best first; selectors as `Selector.of`
    reads them. ``replay_window`` is in packets, ``tfc_length`` the size in bytes to which inner packets are padded
    (RFC 4303 section 2.7), 0 for none. ``accept_tfc``: whether the peer may pad its own; ``fragments``: whether packets
    that show no ports because they are later fragments go through (RFC 7296 section 1.3.1); ``single_pair``: whether
    each pair of addresses is to have a Child SA of its own (section 2.9).

    ``mode`` is ``tunnel`` or ``transport``. Transport mode protects what the two hosts themselves say to each other:
    selectors only limit that, and need to hold their addresses (``0.0.0.0/0[tcp]`` does). With ``tunnel_fallback``
    tunnel mode will do when the peer does not want transport mode (RFC 7296 section 1.3.1); without, there is no
    Child SA then.
    """

    name: str = "net"
    mode: str = "tunnel"
    tunnel_fallback: bool = True
    proposals: tuple[Proposal, ...] = ("aes128gcm16", "chacha20poly1305", "aes128-sha256")  # type: ignore[assignment]
    local_ts: tuple[Selector, ...] = ("10.1.0.0/24",)  # type: ignore[assignment]
    remote_ts: tuple[Selector, ...] = ("10.2.0.0/24",)  # type: ignore[assignment]
    replay_window: int = 64
    tfc_length: int = 0
    accept_tfc: bool = True
    fragments: bool = False
    single_pair: bool = False
    lifetime: Lifetime = CHILD_LIFETIME

    if TYPE_CHECKING:
        # What a person writes is wider than what is read: the constructor turns it into the fields' types.
        def __init__(
            self,
            *,
            proposals: Proposals = ...,
            local_ts: Selectors = ...,
            remote_ts: Selectors = ...,
            **fields: Any,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set("proposals", Proposal.parse_all(self.proposals, ProtocolId.ESP))
        for name in ("local_ts", "remote_ts"):
            value = getattr(self, name)
            found = tuple(Selector.of(ts) for ts in ((value,) if isinstance(value, str | Selector) else value))
            if not 0 < len(found) < 256:
                raise ConfigError(f"expected 1 to 255 traffic selectors in {name}, found {len(found)}")
            self._set(name, found)
        if self.mode not in ("tunnel", "transport"):
            raise ConfigError(f"expected the mode of a Child SA to be tunnel or transport, found {self.mode!r}")
        if self.replay_window < 1:
            raise ConfigError(f"expected a replay window of at least one packet, found {self.replay_window}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeConfig(_Config):
    """An IKE SA that may be set up, as initiator or as responder.

    ``local_id`` and ``remote_id`` are written as `Identity.of` reads them; no ``remote_id`` takes any peer that knows
    the key. ``remote`` is needed to connect; as responder it limits whom this configuration serves. ``cookies`` is
    how many COOKIEs and INVALID_KE_PAYLOADs an initiator follows, ``ke`` the key exchange method of its first KE
    payload (by default the first one proposed). With ``refuse_weaker_ke`` it does not follow an INVALID_KE_PAYLOAD that
    asks for a method weaker than the first one proposed: in IKE_SA_INIT anybody can write one. ``nonce_size`` is in
    octets; where half the key of a PRF is more, the nonce has that size (section 2.10), unless a tap cuts it.
    ``cp_request`` asks for addresses and more, ``cp_reply`` gives them (section 2.19). ``childless``: whether a
    responder allows IKE_AUTH without a Child SA (RFC 6023); an initiator does it with ``children=()``, if it may.
    ``child_limit`` is how many Child SAs a peer may have under one IKE SA, those that it has rekeyed and not deleted
    included; ``undeleted_limit`` how many IKE SAs may be left undeleted behind one that is rekeyed.
    ``error_wait``: for how many seconds an initiator goes on waiting for a good answer behind an error that anybody
    may have sent (section 2.21.1), ``puzzle_effort`` how many PRFs the puzzles of one IKE SA may take to be solved
    (RFC 8019; a million are a second or two, in which nothing else is done; 0 ignores puzzles).
    ``invalid_syntax_is_fatal``: whether INVALID_SYNTAX inside SK, sent or received, closes the IKE SA (section
    2.21.3); a tester may go on at his own end.

    ``keepalive`` is after how many seconds without another packet the end behind a NAT sends a keepalive (RFC 3948
    section 4), 0 for never. ``force_encapsulation`` makes the peer believe in a NAT before us, so that ESP travels in
    UDP. ``remote_natt_port`` is where the peer takes ESP in UDP, and IKE with the non-ESP marker: a ``remote`` with
    this port is spoken to in that way from the beginning.
    ``reauthenticate_after`` is in seconds, None for never; with ``initial_contact`` the first IKE SA with a peer says
    so: not for who may be in two places (section 2.4). ``replace_refused``: whether an IKE SA is replaced by a new one
    from scratch when the peer answers a rekey with NO_ADDITIONAL_SAS (section 4); else it lives until its hard limit.

    With ``fragmentation`` IKE messages that need IP packets of more than ``fragment_size`` octets are sent in
    fragments to a peer that can take them, and ``reassembly_limit`` is how many octets of the peer's fragments are
    stored for one IKE SA (RFC 7383 sections 2.5.1 and 5).

    ``window`` is how many requests the peer may send without an answer to the first (RFC 7296 section 2.3), and
    ``invalid_message_id`` the least seconds between two notifies about one outside of it; None sends none.
    """

    local_id: Identity = "fynx"  # type: ignore[assignment]
    remote_id: Identity | None = None
    auth: Psk
    proposals: tuple[Proposal, ...] = (  # type: ignore[assignment]
        "aes128gcm16-prfsha256-x25519",
        "aes256gcm16-prfsha384-ecp384",
        "aes128-sha256-prfsha256-x25519-modp2048",
    )
    children: tuple[ChildConfig, ...] = (ChildConfig(),)
    remote: Address | None = None
    ke: int | None = None
    refuse_weaker_ke: bool = False
    nonce_size: int = 32
    cookies: int = 5
    puzzle_effort: int = 1 << 18
    retransmission: Retransmission = RETRANSMISSION
    half_open_lifetime: float = 30.0
    cp_request: ConfigRequest | None = None
    cp_reply: ConfigReply | None = None
    childless: bool = False
    child_limit: int = 256
    undeleted_limit: int = 8
    error_wait: float = 1.0
    invalid_syntax_is_fatal: bool = True
    retry_wait: tuple[float, float] = (5.0, 15.0)
    retry_limit: float = 180.0
    fragmentation: bool = True
    fragment_size: int = 1280
    reassembly_limit: int = 65536
    window: int = 1
    invalid_message_id: float | None = None
    signature_hashes: tuple[int, ...] = ()
    keepalive: float = 20.0
    force_encapsulation: bool = False
    remote_natt_port: int = 4500
    lifetime: Lifetime = IKE_LIFETIME
    reauthenticate_after: float | None = None
    replace_refused: bool = True
    initial_contact: bool = False
    dpd: DeadPeerDetection = DETECTION

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            auth: Psk | str | bytes,
            local_id: Identity | str = ...,
            remote_id: Identity | str | None = ...,
            proposals: Proposals = ...,
            remote: Address | str | tuple[str, int] | None = ...,
            **fields: Any,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set("local_id", Identity.of(self.local_id))
        if self.remote_id is not None:
            self._set("remote_id", Identity.of(self.remote_id))
        if isinstance(self.auth, str | bytes):
            self._set("auth", Psk(self.auth))
        if not isinstance(self.auth, Psk):
            raise ConfigError(f"expected auth=Psk(…), found {type(self.auth).__name__}")
        self._set("proposals", Proposal.parse_all(self.proposals, ProtocolId.IKE))
        if self.remote is not None:
            self._set("remote", address(self.remote))
        if self.ke is not None:
            self._set("ke", lookup(KeMethod, self.ke))
        if not 1 <= self.window <= 1024:
            raise ConfigError(f"expected a window of 1 to 1024 requests, found {self.window}")
        if self.fragment_size < 160:
            raise ConfigError(f"expected IP packets of at least 160 octets for fragments, found {self.fragment_size}")
        if self.keepalive < 0:
            raise ConfigError(f"expected a keepalive interval of 0 seconds or more, found {self.keepalive:g}")
        _check_port("remote_natt_port", self.remote_natt_port)
        if not 16 <= self.nonce_size <= 256:
            raise ConfigError(f"expected a nonce of 16 to 256 octets (RFC 7296 section 3.9), found {self.nonce_size}")

    def accepts_address(self, remote: Address) -> bool:
        """Whether a peer at that address is served by this configuration."""
        return self.remote is None or self.remote.host == remote.host

    def accepts_identities(self, local: Identity | None, remote: Identity) -> bool:
        """Whether this configuration is the one for these IDr and IDi; a peer need not say whom it wants."""
        return (local is None or local == self.local_id) and (self.remote_id is None or remote == self.remote_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig(_Config):
    """What concerns a whole endpoint.

    ``port`` and ``natt_port`` are our own ports, the second one for what goes in UDP beside ESP (section 2.23).
    ``marker_always`` puts the non-ESP marker before every IKE message, and expects it there, whatever the ports are:
    some peers on ports of their own want it.

    Against floods (RFC 7296 section 2.6, RFC 8019), half-open being every IKE SA of others that is not authenticated:
    from ``cookie_threshold`` of them on, strangers are asked for a cookie, and from ``source_threshold`` on those who
    come from the same source (None: never); ``half_open_limit`` is a ceiling for all, ``source_limit`` for a source.
    A source is an IPv4 address, or the first ``source_prefix`` bits of an IPv6 address. ``answer_rate`` is how many
    unprotected errors a second are answered, a tenth of it to one source (RFC 7296 section 2.21.4).

    A request that is refused counts like a half-open IKE SA, one of several KiB like as many, and for its source a
    tenth of that; it fades within some ``refused_lifetime`` seconds. Towards the two ceilings it counts only behind a
    good cookie. ``half_open_octets`` is how
    many octets half-open IKE SAs may hold in all. A stranger's IKE_SA_INIT request has at most ``init_size`` octets,
    and at most ``init_substructures`` proposals, transforms, selectors and attributes: more is dropped unparsed.

    ``sa_limit`` is how many IKE SAs there are at most when a peer sets up one more, ``peer_limit`` how many with the
    same identity; ``children_limit`` and ``peer_children_limit`` are the same for Child SAs. What has ended answers
    retransmissions for ``linger`` seconds, and a replaced Child SA takes in packets for ``esp_linger`` seconds: at most
    ``linger_limit`` of either, beyond which the oldest goes at once.

    Events that nobody has fetched are kept up to ``event_limit`` of about ``event_octets`` in all, datagrams and inner
    packets up to ``queue_limit`` of ``queue_octets`` each; then the oldest are let go, and counted. ``junk_size`` is
    how many octets an event keeps of a datagram that was dropped and belongs to no SA.

    ``puzzle_levels`` are pairs of a number of half-open IKE SAs and the difficulty of the puzzle that is posed from
    there on (0: the initiator chooses); none by default. ``puzzle_legacy`` is the share of those who bring a cookie
    but no solution that is served all the same, ``puzzle_lifetime`` the seconds for a solution, ``puzzles_in_a_row``
    how many an initiator solves while the difficulty rises, and ``puzzle_auth_difficulty`` that of a further puzzle
    before IKE_AUTH.

    ``crash_secrets`` are the secrets of the tokens of RFC 6290, the newest first; without one none are made.
    ``hint_interval`` is how many seconds pass between two reactions of the same kind to what is not protected. The
    ``report_…`` say whether the peer is told of ESP on an unknown SPI (section 1.5) and of packets outside their
    selectors (section 3.10.1).
    """

    cookie_threshold: int | None = 100
    source_threshold: int | None = 10
    half_open_limit: int = 2000
    source_limit: int = 100
    source_prefix: int = 64
    refused_lifetime: float = 10.0
    half_open_octets: int = 16 << 20
    init_size: int = 16384
    init_substructures: int = 1024
    answer_rate: float = 100.0
    event_limit: int = 200_000
    event_octets: int = 128 << 20
    queue_limit: int = 100_000
    queue_octets: int = 64 << 20
    junk_size: int = 2048
    puzzle_levels: tuple[tuple[int, int], ...] = ()
    puzzle_legacy: float = 0.1
    puzzle_lifetime: float = 30.0
    puzzles_in_a_row: int = 3
    puzzle_auth_difficulty: int | None = None
    sa_limit: int = 10_000
    peer_limit: int = 1000
    children_limit: int = 10_000
    peer_children_limit: int = 1000
    linger_limit: int = 1000
    linger: float = 60.0
    esp_linger: float = 10.0
    port: int = 500
    natt_port: int = 4500
    marker_always: bool = False
    crash_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    hint_interval: float = 60.0
    report_unknown_spi: bool = True
    report_selectors: bool = False

    def __post_init__(self) -> None:
        secrets = (self.crash_secrets,) if isinstance(self.crash_secrets, bytes) else tuple(self.crash_secrets)
        if any(len(secret) < 16 for secret in secrets):
            raise ConfigError("expected secrets of at least 16 octets for the tokens of RFC 6290, found a shorter one")
        self._set("crash_secrets", secrets)
        _check_port("port", self.port)
        _check_port("natt_port", self.natt_port)
        if self.refused_lifetime <= 0:
            raise ConfigError(f"expected a refused_lifetime of more than 0 seconds, found {self.refused_lifetime:g}")
        if self.source_prefix % 8 or not 8 <= self.source_prefix <= 128:
            raise ConfigError(f"expected source_prefix to be 8 to 128 in steps of 8, found {self.source_prefix}")
        for difficulty in (*(level for _, level in self.puzzle_levels), self.puzzle_auth_difficulty or 8):
            # RFC 8019 section 4.4 excludes less than 8: too easy.
            if difficulty not in (0, *range(8, 256)):
                raise ConfigError(f"expected a puzzle difficulty of 8 to 255, or 0, found {difficulty}")
        if self.puzzle_auth_difficulty == 0:
            raise ConfigError("expected a puzzle difficulty of 8 to 255 for IKE_AUTH, found 0")


def _check_port(name: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise ConfigError(f"expected a port between 1 and 65535 for {name}, found {port}")


def address(value: Address | str | tuple[str, int], port: int = 500) -> Address:
    """Read ``192.0.2.1``, ``192.0.2.1:500``, ``[2001:db8::1]:500`` or a pair; ConfigError for anything else.

    Names are not looked up.
    """
    if isinstance(value, tuple):
        host, number = value
    else:
        text = value
        host, number = text, port
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            text = rest
        if text.count(":") == 1:
            front, _, digits = text.partition(":")
            host = front or host
            if not digits.isdecimal():
                raise ConfigError(f"expected a port number behind the colon, found {value!r}")
            number = int(digits)
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        raise ConfigError(f"expected an IP address such as 192.0.2.1 or [2001:db8::1]:500, found {value!r}") from None
    if not 0 <= number <= 65535:
        raise ConfigError(f"expected a port between 0 and 65535, found {number}")
    return Address(host, number)
