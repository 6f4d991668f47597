# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP: Success and Failure at the wrong time, identifiers, codes and types that do not fit, endless rounds (RFC 3748).

A client tests gateways by its requests, a gateway tests clients by its responses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scapy.layers.eap import EAP, EAP_TLS

from fynx_scapy import Eap, EapUsers, IkeConfig
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    Seen,
    cases,
    clients,
    eap_ends_within,
    eap_fails,
    eap_says,
    gateways,
    gives_up,
    goes_on,
    judged,
    silent,
    survives,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    Mutation,
    drop,
    eap_beside,
    eap_code,
    eap_extend,
    eap_failure,
    eap_identifier,
    eap_instead,
    eap_length,
    eap_success,
    eap_type,
)
from fynx_scapy.layers.ikev2 import IKEv2_EAP

IDENTITY, NOTIFICATION, NAK, MD5, TLS = 1, 2, 3, 4, 13
USER = "0232010000000000@example"
MSCHAPV2: dict[str, Any] = {"by": "eap-mschapv2"}
METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "identity": (MSCHAPV2, "Identity"),
    "first_of_mschapv2": (MSCHAPV2, "MSCHAPv2 Challenge"),
    "middle_of_mschapv2": (MSCHAPV2, "MSCHAPv2 Success"),
    "md5": ({"by": "eap-md5"}, "MD5"),
    "first_of_tls": ({"by": "eap-tls", "names": ("carol",)}, "TLS start"),
    "middle_of_tls": ({"by": "eap-tls", "names": ("carol",)}, "TLS fragment"),
    "first_of_ttls": ({"by": "eap-ttls"}, "TTLS start"),
    "middle_of_ttls": ({"by": "eap-ttls"}, "TTLS"),
    "first_of_aka": ({"by": "eap-aka", "user": USER}, "AKA Identity"),
    "middle_of_aka": ({"by": "eap-aka", "user": USER}, "AKA Challenge"),
}
"""Where a gateway may send Success too early: the method of the client, and the packet in whose place it is sent."""
FAILS = eap_fails() | silent()
CHALLENGE = b"\x10" + bytes(range(16))
"""What is behind the Type in a challenge of EAP-MD5."""
LONGEST = 300
"""How many rounds we would take part in."""
MOST = 150
"""After so many a peer has ended it, whatever its limit is."""
AT_ONCE, METHOD = ("3748-4.2-02", "3748-4.2-01"), ("3748-4.2-01",)


def as_gateway(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We are the gateway, with EAP-MSCHAPv2 where nothing else is said; by default the client gives up."""
    given: dict[str, Any] = {"then": gives_up(), "auth": gateways(**MSCHAPV2), "severity": "high"} | fields
    return Case(name, base="auth", at=f"response with {at}", do=do, requirements=requirements, **given)


def as_client(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We are the client, likewise; by default the gateway ends EAP."""
    given: dict[str, Any] = {"then": FAILS, "auth": clients(**MSCHAPV2), "severity": "high"} | fields
    return Case(name, base="auth", at=f"request with {at}", do=do, requirements=requirements, **given)


def other_password(config: IkeConfig) -> IkeConfig:
    """A gateway of ours that has another password for the user than the client."""
    return config.replace(remote_auth=EapUsers.passwords({"carol": "another"}))


def _for_ever(config: IkeConfig) -> IkeConfig:
    """A gateway of ours that sends nothing but notifications, for as long as the client answers."""

    def begin(_: bytes) -> Callable[[EAP | None], EAP]:
        return lambda _: EAP(code=EAP.REQUEST, type=NOTIFICATION, message=b"please wait")

    return config.replace(remote_auth=EapUsers.passthrough(begin, type=MD5), auth_rounds=LONGEST)


def _fragments_for_ever(config: IkeConfig) -> IkeConfig:
    """A client of ours whose flight of EAP-TLS never ends."""

    def begin(_: bytes) -> Callable[[EAP], EAP]:
        return lambda _: EAP_TLS(code=EAP.RESPONSE, M=1, tls_data=b"\x16")

    return config.replace(auth=Eap.passthrough(begin, identity="carol", type=TLS), auth_rounds=LONGEST)


def _bare(name: str) -> Outcome:
    """The gateway's answer is EAP-Success or EAP-Failure, of four octets."""

    def judge(seen: Seen) -> str | None:
        found = [each for message in seen.answers for each in message.payloads if isinstance(each, IKEv2_EAP)]
        return None if found and found[0].text == name and len(found[0].data) == 4 else str(seen)

    return judged(f"EAP-{name.capitalize()} of four octets", judge)


def _naks_for_ever(config: IkeConfig) -> IkeConfig:
    """A client of ours that sends Nak to everything."""

    def begin(_: bytes) -> Callable[[EAP], EAP]:
        return lambda _: EAP(code=EAP.RESPONSE, type=NAK, desired_auth_types=[MD5, TLS])

    assert isinstance(config.auth, Eap)
    (method,) = config.auth.methods
    auth = Eap.passthrough(begin, identity="carol", type=method.type)
    return config.replace(auth=auth, auth_rounds=LONGEST)


cases(
    __name__,
    [
        # Success and Failure of a gateway at the wrong time
        *(
            as_gateway(
                f"eap_success_instead_of_{name}", at, eap_success(), *(AT_ONCE if "Identity" in at else METHOD),
                "7296-2.16-02", *(("4187-6.3.4-01",) if "aka" in name else ()), auth=gateways(**method),
                severity="critical",
                suites=("cve",), what=f"EAP-Success in place of {at}, as in CVE-2021-45079: the client is not fooled.",
            )
            for name, (method, at) in METHODS.items()
        ),
        as_gateway(
            "eap_success_after_a_failed_method", "failure", eap_success(), "3748-4.2-04", tune=other_password,
            severity="critical", what="EAP-Success after MSCHAPv2 has failed: the client has no reason to believe it.",
        ),
        as_gateway(
            "eap_failure_then_success", "success", eap_beside(EAP.FAILURE), "3748-4.2-04", "7296-2.16-09",
            severity="critical", what="EAP-Failure and EAP-Success in one message, Failure first.",
        ),
        as_gateway(
            "eap_success_then_failure", "success", eap_beside(EAP.FAILURE, at=1), "3748-4.2-04", "7296-2.16-09",
            severity="critical",
        ),
        as_gateway("eap_failure_at_once", "Identity", eap_failure(), "7296-2.16-09"),
        as_gateway("eap_failure_in_the_middle", "MSCHAPv2 Success", eap_failure(), "7296-2.16-09"),
        as_gateway("eap_failure_at_the_end", "success", eap_failure(), "7296-2.16-09", "7296-2.16-10"),
        as_gateway(
            "eap_success_with_data", "success", eap_extend(b"\0\0"), "3748-4.2-03", then=goes_on() | gives_up(),
        ),
        as_gateway("eap_success_that_never_comes", "success", drop("EAP"), "7296-2.16-07", "7296-2.16-10"),
        as_client(
            "eap_success_has_four_octets", "MSCHAPv2 Success", NOTHING, "7296-3.16-03", "7296-2.16-07",
            then=_bare("success"), severity="low",
        ),
        # What a client says in place of its response
        as_client(
            "eap_success_of_a_client", "MSCHAPv2 Response", eap_success(), "3748-4.1-02", severity="critical",
            suites=("cve",),
        ),
        as_client("eap_failure_of_a_client", "MSCHAPv2 Response", eap_failure(), "3748-4.1-02"),
        # Codes
        *(
            row
            for code in (0, 5, 255)
            for row in (
                as_gateway(f"eap_code_{code}_of_a_gateway", "MSCHAPv2 Challenge", eap_code(code), "3748-4-01"),
                as_client(f"eap_code_{code}_of_a_client", "MSCHAPv2 Response", eap_code(code), "3748-4-01"),
            )
        ),
        as_gateway("eap_response_of_a_gateway", "MSCHAPv2 Challenge", eap_code(2), "3748-4-01"),
        as_client("eap_request_of_a_client", "MSCHAPv2 Response", eap_code(1), "3748-4-01"),
        # Lengths of the packet
        *(
            row
            for by in (1, 4, 0x7000)
            for row in (
                as_gateway(
                    f"eap_length_beyond_by_{by}_of_a_gateway", "MSCHAPv2 Challenge", eap_length(by), "3748-4-02",
                    "7296-3.16-02",
                ),
                as_client(
                    f"eap_length_beyond_by_{by}_of_a_client", "MSCHAPv2 Response", eap_length(by), "3748-4-02",
                    "7296-3.16-02",
                ),
            )
        ),
        as_gateway(
            "eap_length_short_of_a_gateway", "MSCHAPv2 Challenge", eap_length(-4), "7296-3.16-02", then=survives(),
        ),
        as_client(
            "eap_length_short_of_a_client", "MSCHAPv2 Response", eap_length(-4), "7296-3.16-02", then=survives(),
        ),
        as_gateway("eap_missing_of_a_gateway", "MSCHAPv2 Challenge", drop("EAP"), "7296-2.16-02"),
        as_client("eap_missing_of_a_client", "MSCHAPv2 Response", drop("EAP"), "7296-2.16-02"),
        # Identifiers
        *(
            as_client(
                f"eap_identifier_{name}_of_a_client", "MSCHAPv2 Response", eap_identifier(by), "3748-4.1-01",
                "7296-3.16-01",
            )
            for name, by in (("repeated", -1), ("next", 1), ("jumps", 100))
        ),
        as_gateway(
            "eap_identifier_repeated_of_a_gateway", "MSCHAPv2 Challenge", eap_identifier(-1), "7296-3.16-01",
            then=eap_says("MSCHAPv2 Response", "Identity") | gives_up(), severity="medium",
            what="A new request with the identifier of the last one: it is answered, or taken for a duplicate.",
        ),
        as_gateway(
            "eap_identifier_jumps_of_a_gateway", "MSCHAPv2 Challenge", eap_identifier(100), "7296-3.16-01",
            then=eap_says("MSCHAPv2 Response"), severity="medium",
            what="Identifiers need not follow one another: the client answers.",
        ),
        # Types
        as_gateway(
            "eap_identity_again", "MSCHAPv2 Success", eap_instead(IDENTITY), "3748-2.1-01", severity="medium",
        ),
        as_gateway("eap_another_method_in_the_middle", "MSCHAPv2 Success", eap_instead(MD5, CHALLENGE), "3748-2.1-01"),
        as_gateway("eap_another_method_at_the_end", "success", eap_instead(MD5, CHALLENGE), "3748-2.1-01"),
        as_gateway(
            "eap_method_that_is_not_wanted", "MSCHAPv2 Challenge", eap_instead(9, b"fynx"), "7296-3.16-04",
            then=eap_says("Nak") | gives_up(), severity="medium",
        ),
        as_gateway(
            "eap_expanded_method_of_nobody", "MSCHAPv2 Challenge", eap_instead(254, bytes(7) + b"fynx"), "7296-3.16-04",
            then=eap_says("Nak", "expanded Nak") | gives_up(), severity="medium",
        ),
        as_gateway("eap_nak_of_a_gateway", "MSCHAPv2 Challenge", eap_instead(NAK, b"\x04"), "3748-4.1-02",
                   then=eap_says("Nak") | gives_up()),
        as_gateway(
            "eap_notification_before_the_method", "MSCHAPv2 Challenge", eap_instead(NOTIFICATION, b"hello"),
            "3748-5.2-01", then=eap_says("Notification"), severity="low",
        ),
        as_client("eap_identity_of_a_client", "MSCHAPv2 Response", eap_instead(IDENTITY, b"carol"), "3748-4.1-02"),
        as_client("eap_notification_of_a_client", "MSCHAPv2 Response", eap_instead(NOTIFICATION), "3748-4.1-02"),
        as_client(
            "eap_method_that_nobody_asked_for", "MSCHAPv2 Response", eap_instead(MD5, CHALLENGE), "3748-4.1-02",
            severity="critical",
        ),
        as_client("eap_type_of_another_method", "MSCHAPv2 Response", eap_type(TLS), "3748-4.1-02"),
        as_client("eap_type_0", "MSCHAPv2 Response", eap_type(0), "3748-4.1-02"),
        as_client("eap_nak_that_wants_nothing", "MSCHAPv2 Response", eap_instead(NAK, b"\0"), "3748-4.1-02"),
        as_client("eap_nak_without_types", "MSCHAPv2 Response", eap_instead(NAK), "3748-4.1-02"),
        as_client("eap_nak_for_what_was_offered", "MSCHAPv2 Response", eap_instead(NAK, b"\x1a"), "3748-4.1-02"),
        as_client("eap_nak_of_200_types", "MSCHAPv2 Response", eap_instead(NAK, b"\x63" * 200), "3748-4.1-02"),
        as_client(
            "eap_nak_in_the_middle", "MSCHAPv2 Success", eap_instead(NAK, b"\x04"), "3748-2.1-02",
            peer={"remote_auth": EapUsers.passwords({"carol": "Ar3etTnp"}, ("mschapv2", "md5"))},
            what="A Nak once the method has been taken up: no other method begins.",
        ),
        # Identities
        as_client(
            "eap_identity_of_64_kb", "Identity", eap_instead(IDENTITY, b"c" * 64_000), "3748-4.2-05",
            what="64,000 octets of identity, which nobody has.",
        ),
        as_client("eap_identity_empty", "Identity", eap_instead(IDENTITY), "3748-4.2-05", then=survives()),
        as_client(
            "eap_identity_with_control_characters", "Identity", eap_instead(IDENTITY, b"\x1b[2J\0carol\r\n"),
            "3748-4.2-05", then=survives(),
        ),
        # Endless rounds
        Case(
            "eap_notifications_for_ever", base="auth", at="response with Notification round 1", do=eap_extend(b"!"),
            auth=gateways(**MSCHAPV2), tune=_for_ever, then=eap_ends_within(MOST), source="RFC 3748 section 5.2",
            requirements=("7296-2.16-i01",), severity="medium", suites=("dos",),
            what="One notification after the other: the client goes on for ten rounds and more, but not for ever.",
        ),
        Case(
            "eap_fragments_for_ever", base="auth", at="request with TLS fragment round 1", do=eap_extend(b"\x03"),
            auth=clients("eap-tls", names=("carol",)), tune=_fragments_for_ever, then=eap_ends_within(MOST),
            source="RFC 5216 section 2.1.5", requirements=("5216-2.1.5-01",), suites=("dos",),
            what="Fragments of EAP-TLS without an end: the gateway acknowledges them, but not for ever.",
        ),
        Case(
            "eap_naks_for_ever", base="auth", at="request with Nak round 1", do=eap_extend(b"\x19"),
            auth=clients(**MSCHAPV2), tune=_naks_for_ever, then=eap_fails() | eap_ends_within(10),
            requirements=("3748-4.1-02",), severity="medium", suites=("dos",),
        ),
    ],
)  # fmt: skip
