# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases with EAP: how both ends authenticate, and what a peer must do when EAP goes wrong (RFC 7296 section 2.16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fynx_scapy.eap.avps import Avp
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.cases.at import check_eap_name
from fynx_scapy.harness.cases.outcome import SILENT, Outcome, judged
from fynx_scapy.harness.cases.seen import Heard, Seen
from fynx_scapy.harness.worlds.credentials import Credentials, EndAuth
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP

FAILURE = "failure"


def clients(by: str, *, gateway: EndAuth | None = None, **fields: Any) -> Credentials:
    """We are a client that authenticates by this EAP method (``eap-mschapv2``); ``fields`` are those of `EndAuth`."""
    return Credentials(ours=EndAuth(by=by, **fields), theirs=gateway or EndAuth())


def gateways(by: str, *, gateway: EndAuth | None = None, **fields: Any) -> Credentials:
    """We are the gateway, and the peer is a client that authenticates by this EAP method."""
    return Credentials(theirs=EndAuth(by=by, **fields), ours=gateway or EndAuth())


# What our end does in a case


def avp(code: int, data: bytes = b"", vendor: int = 0, *, mandatory: bool = True) -> bytes:
    """An AVP of EAP-TTLS, padded (RFC 5281 section 10.1)."""
    return Avp(code, data, vendor, mandatory).octets()


def inside(change: Callable[[bytes], bytes]) -> Callable[[IkeConfig], IkeConfig]:
    """For ``tune``: our end changes what it sends inside TLS, such as the AVPs of EAP-TTLS."""
    return _tls(tap=change)


def without_certificate(config: IkeConfig) -> IkeConfig:
    """For ``tune``: our client has no certificate for EAP-TLS."""
    return _tls(certificates=b"", key=b"")(config)


def _tls(**fields: Any) -> Callable[[IkeConfig], IkeConfig]:
    """Our end has another configuration of TLS."""

    def method(each: Any) -> Any:
        return replace(each, config=replace(each.config, **fields))

    def tune(config: IkeConfig) -> IkeConfig:
        auth, users = config.auth, config.remote_auth
        if isinstance(auth, Eap):
            return config.replace(auth=Eap(*map(method, auth.methods), identity=auth.identity, only=auth.only))
        if not isinstance(users, EapUsers):
            raise ConfigError("expected a case in which one end authenticates by EAP-TLS or EAP-TTLS, found none")
        return config.replace(remote_auth=EapUsers(*map(method, users.methods), ask=users.ask, only=users.only))

    return tune


# What the peer must do


def _texts(message: Heard) -> list[str]:
    """What its EAP packets are, without their code; Success and Failure are their code."""
    found = [each.text for each in message.payloads if isinstance(each, IKEv2_EAP)]
    return [text.partition(" ")[2] or text for text in found]


def _of_auth(messages: list[Heard]) -> list[Heard]:
    return [each for each in messages if each.exchange == ExchangeType.IKE_AUTH]


def eap_fails(*before: str) -> Outcome:
    """As the gateway, it ends EAP at once: with EAP-Failure or an error notify, and takes nobody for authenticated.

    It may say so inside the method first, by a packet of one of these names. ConfigError for a name that none has.
    """
    for name in before:
        check_eap_name(name, "in eap_fails")

    def judge(seen: Seen) -> str | None:
        if seen.established or any(each.has(IKEv2_AUTH) for each in _of_auth(seen.answers)):
            return f"an IKE SA: {seen}"
        if not seen.answers:
            return str(seen)
        first = seen.answers[0]
        told = {FAILURE, *before} & set(_texts(first))
        return None if told or first.error is not None else str(seen)

    words = "".join(f", perhaps after {name}" for name in before)
    return judged(f"EAP-Failure or an error notify{words}, and no IKE SA", judge)


def eap_says(*names: str) -> Outcome:
    """Its next EAP packet is one of these, named as in ladders: ``AKA Client-Error``, ``Notification``."""
    if not names:
        raise ConfigError("expected the name of an EAP packet in eap_says, found none")
    for name in names:
        check_eap_name(name, "in eap_says")

    def judge(seen: Seen) -> str | None:
        said = [text for each in _of_auth(seen.heard) for text in _texts(each)]
        return None if said and said[0] in names else f"{said[0] if said else 'no EAP packet'}: {seen}"

    return judged(f"EAP {' or '.join(names)}", judge)


def not_proven() -> Outcome:
    """As the client, it does not go on to AUTH, whatever it answers inside EAP; and no IKE SA comes of it."""

    def judge(seen: Seen) -> str | None:
        proves = [each for each in _of_auth(seen.requests) if each.has(IKEv2_AUTH)]
        return str(seen) if proves or seen.established else None

    return judged("it does not go on to AUTH", judge, SILENT)


def eap_ends_within(rounds: int) -> Outcome:
    """It ends EAP after fewer rounds than these."""

    def judge(seen: Seen) -> str | None:
        count = sum(bool(_texts(each)) for each in _of_auth(seen.heard))
        return None if count < rounds and not seen.established else f"{count} rounds: {seen}"

    return judged(f"it ends EAP within {rounds} rounds", judge)


def proves_itself() -> Outcome:
    """As the gateway, it proves who it is before EAP: its first answer has AUTH, or refuses."""

    def judge(seen: Seen) -> str | None:
        if not seen.answers:
            return str(seen)
        first = seen.answers[0]
        return None if first.has(IKEv2_AUTH) or first.error is not None else str(seen)

    return judged("AUTH before EAP, or an error notify", judge)
