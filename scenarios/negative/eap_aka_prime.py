# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA': which key derivation function, and for which network (RFC 9048)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fynx_scapy import EapUsers, IkeConfig
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.cases import Case, cases, clients, eap_says, gateways
from fynx_scapy.harness.verbs import NOTHING, Mutation, aka_attribute, aka_drop, aka_duplicate, eap_instead
from fynx_scapy.scenarios.negative.eap import USER, as_client, as_gateway

AKA: dict[str, Any] = {"by": "eap-aka-prime", "user": USER}
TYPE = 50
CHALLENGE = "AKA' Challenge"
REJECTED, SAID_ERROR = eap_says("AKA' Authentication-Reject"), eap_says("AKA' Client-Error")
CRITICAL: dict[str, Any] = {"severity": "critical"}
NONE_FITS, CHANGED, OFFERED = ("9048-3.2-i01",), ("9048-3.2-01",), ("9048-3.2-i02",)


def _server(**fields: Any) -> Callable[[IkeConfig], IkeConfig]:
    """For ``tune``: our gateway's method differs so."""

    def tune(config: IkeConfig) -> IkeConfig:
        users = config.remote_auth
        if not isinstance(users, EapUsers):
            raise ConfigError("expected a gateway that authenticates by EAP-AKA', found none")
        methods: list[Any] = list(users.methods)
        methods = [replace(each, **fields) for each in methods]
        return config.replace(remote_auth=EapUsers(*methods, ask=users.ask, only=users.only))

    return tune


def _second(*numbers: int) -> Callable[[list[Any]], list[Any]]:
    """The functions of a second challenge, under its MAC, in place of those that belong there."""

    def tap(attributes: list[Any]) -> list[Any]:
        found = [each for each in attributes if each.name == "AT_KDF"]
        if [each.number for each in found] == [2, 1]:
            return attributes
        others = [each for each in attributes if each not in found]
        return others + [type(found[0])(number=number) for number in numbers]

    return tap


def _gateway(name: str, do: Mutation, *requirements: str, at: str = CHALLENGE, **fields: Any) -> Case:
    given: dict[str, Any] = {"auth": gateways(**AKA), "then": REJECTED, **CRITICAL} | fields
    return as_gateway(name, at, do, *requirements, **given)


def _chosen(*numbers: int) -> bytes:
    """Behind the Type: a Challenge with these AT_KDF."""
    return b"\x01\0\0" + b"".join(b"\x18\x01" + number.to_bytes(2) for number in numbers)


cases(
    __name__,
    [
        _gateway("aka_prime_kdf_missing", aka_drop("AT_KDF"), *NONE_FITS),
        _gateway("aka_prime_kdf_of_nobody", aka_attribute("AT_KDF", number=2), *NONE_FITS),
        _gateway("aka_prime_kdf_0", aka_attribute("AT_KDF", number=0), *NONE_FITS),
        _gateway(
            "aka_prime_kdf_twice", aka_duplicate("AT_KDF"), "9048-3.2-i03",
            what="The same function twice without a request for it.",
        ),
        *(
            _gateway(
                f"aka_prime_kdf_asked_for_and_{name}", NOTHING, *CHANGED, at=f"{CHALLENGE} round 2",
                tune=_server(kdfs=(2, 1), tap=_second(*numbers)), then=SAID_ERROR,
                what="The client has asked for function 1, and the second challenge has another list, well protected.",
            )
            for name, numbers in (
                ("the_first_list_again", (2, 1)),
                ("function_1_alone", (1,)),
                ("a_shorter_list", (1, 1)),
                ("a_longer_list", (1, 2, 1, 3)),
                ("another_list", (1, 3, 1)),
            )
        ),
        _gateway("aka_prime_network_missing", aka_drop("AT_KDF_INPUT"), "9048-3.1-01"),
        _gateway("aka_prime_network_empty", aka_attribute("AT_KDF_INPUT", value=b""), "9048-3.1-01"),
        _gateway(
            "aka_prime_network_of_another", aka_attribute("AT_KDF_INPUT", value=b"HRPD"), "9048-3.1-01",
            then=REJECTED | SAID_ERROR,
            what="A client may compare the name with its own; its keys are bound to the name that it was told.",
        ),
        *(
            as_client(
                f"aka_prime_kdf_chosen_{name}", CHALLENGE, eap_instead(TYPE, _chosen(*numbers)), *OFFERED,
                auth=clients(**AKA), then=eap_says("AKA' Notification"), **CRITICAL,
            )
            for name, numbers in (
                ("is_the_first_one", (1,)),
                ("was_not_offered", (2,)),
                ("is_two", (2, 1)),
            )
        ),
    ],
)  # fmt: skip
