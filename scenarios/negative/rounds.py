# SPDX-License-Identifier: GPL-2.0-or-later
"""Several authentications in one IKE_AUTH (RFC 4739): not announced, missing, too many, and one that fails."""

from __future__ import annotations

from typing import Any

from fynx_scapy.harness import Credentials, EndAuth
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    Seen,
    accepted,
    cases,
    deletes,
    eap_fails,
    gives_up,
    judged,
    no_child,
    refused,
    silent,
    survives,
)
from fynx_scapy.harness.verbs import (
    Mutation,
    auth_as_before,
    create_child_instead,
    drop,
    duplicate,
    eap_auth,
    eap_failure,
    eap_success,
    identity,
    insert_notify,
    retype,
    spoil_auth,
)
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.layers.ikev2 import IKEv2_SA

SUPPORTED, FOLLOWS = "MULTIPLE_AUTH_SUPPORTED", "ANOTHER_AUTH_FOLLOWS"
GATEWAY, PSK = EndAuth(), EndAuth(by="psk")
CAROL, DAVE = EndAuth(by="eap-mschapv2"), EndAuth(by="eap-md5", user="dave", password="another")
CERTIFICATE_THEN_PSK, CERTIFICATE_THEN_EAP = EndAuth(then=(PSK,)), EndAuth(then=(CAROL,))
EAP_TWICE, PASSWORD_TWICE = CAROL.replace(then=(DAVE,)), CAROL.replace(then=(CAROL.replace(user="dave"),))
KNOWN, ANNOUNCED, BEGINS, ALL, ASKED, LATEST = (f"4739-2.1-i0{number}" for number in range(1, 7))
FIRST, SECOND = "request with IDi round 1", "request with IDi round 2"


def not_set_up() -> Outcome:
    """Neither end takes the IKE SA for established: what the peer answers in IKE_AUTH has no SA payload."""
    return judged("no IKE SA", lambda seen: f"an IKE SA: {seen}" if seen.established or _given(seen) else None)


def not_done() -> Outcome:
    """As the responder, it does not end IKE_AUTH: it may refuse, or wait for the round that was announced."""
    return judged("no Child SA in IKE_AUTH", lambda seen: str(seen) if _given(seen) else None)


def _given(seen: Seen) -> bool:
    return any(each.exchange == ExchangeType.IKE_AUTH and each.has(IKEv2_SA) for each in seen.answers)


def not_announced() -> Outcome:
    """As the initiator, it announces no other authentication."""

    def judge(seen: Seen) -> str | None:
        notes = [note for message in seen.requests for note in message.notifies]
        return str(seen) if any(note.type == NotifyType.ANOTHER_AUTH_FOLLOWS for note in notes) else None

    return judged(f"no {FOLLOWS}", judge)


REFUSES = (refused() | silent()) & not_set_up()
FAILS = (eap_fails() | refused() | silent()) & not_set_up()


def as_client(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We prove several things, by default what a certificate says and a pre-shared key; the peer is the gateway."""
    ours = fields.pop("ours_by", CERTIFICATE_THEN_PSK)
    given: dict[str, Any] = {"then": REFUSES, "severity": "critical"} | fields
    auth = Credentials(ours=ours, theirs=GATEWAY)
    return Case(f"rounds_{name}", base="auth", at=at, do=do, requirements=requirements, auth=auth, **given)


def as_gateway(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We are the gateway, which proves two things to a client that proves one."""
    given: dict[str, Any] = {"then": deletes(), "severity": "critical"} | fields
    auth = Credentials(ours=given.pop("ours_by", CERTIFICATE_THEN_PSK), theirs=given.pop("theirs_by", PSK))
    return Case(f"rounds_{name}", base="auth", at=at, do=do, requirements=requirements, auth=auth, **given)


cases(
    __name__,
    [
        # What a client announces
        as_client("of_a_client_that_does_not_know_them", FIRST, drop(f"N({SUPPORTED})"), KNOWN, ANNOUNCED),
        as_client("that_a_client_does_not_announce", FIRST, drop(f"N({FOLLOWS})"), ANNOUNCED, ALL),
        as_client("of_eap_that_a_client_does_not_announce", "request with AUTH round 1", drop(f"N({FOLLOWS})"),
                  ANNOUNCED, ALL, ours_by=EAP_TWICE),
        as_client("one_too_many_of_a_client", SECOND, insert_notify(FOLLOWS), ALL, then=not_done(),
                  what="A third round is announced, and the gateway wants two."),
        as_client("one_too_many_after_eap", "request with AUTH round 2", insert_notify(FOLLOWS), ALL,
                  then=not_done(), ours_by=EAP_TWICE),
        as_client("announced_without_auth", "request with Identity", insert_notify(FOLLOWS), ANNOUNCED,
                  ours_by=CERTIFICATE_THEN_EAP, then=survives(), severity="low"),
        *(
            as_client(
                f"{word}_{name}", FIRST, drop(f"N({kind})") + insert_notify(kind, **field),
                then=accepted() | REFUSES, severity="low", source=f"RFC 4739 section {section}",
            )
            for word, kind, section in (("support", SUPPORTED, "3.1"), ("announcement", FOLLOWS, "3.2"))
            for name, field in (
                ("with_data", {"data": b"\x01\x02"}),
                ("for_a_protocol", {"protocol": 1}),
                ("with_an_spi", {"protocol": 3, "spi": bytes(range(4))}),
            )
        ),
        # Rounds of a client that are not there
        as_client("empty_of_a_client", SECOND, drop("IDi", "AUTH"), BEGINS, ALL,
                  what="The round that was announced is an empty request."),
        as_client("without_idi", SECOND, drop("IDi"), BEGINS),
        as_client("without_auth", SECOND, drop("AUTH"), ALL),
        as_client("with_idr_instead_of_idi", SECOND, retype("IDi", int(PayloadType.IDr)), BEGINS),
        as_client("with_two_idi", SECOND, duplicate("IDi"), BEGINS),
        as_client("of_eap_without_idi", SECOND, drop("IDi"), BEGINS, ours_by=CERTIFICATE_THEN_EAP),
        as_client("create_child_sa_instead", SECOND, create_child_instead(), ALL,
                  then=(refused() | silent()) & no_child() & not_set_up(),
                  what="CREATE_CHILD_SA in place of the second round: no Child SA comes of it."),
        # Rounds of a client that fail
        as_client("first_auth_spoilt", FIRST, spoil_auth(), ALL),
        as_client("second_auth_spoilt", SECOND, spoil_auth(), ALL),
        as_client("first_auth_of_eap_spoilt", "request with AUTH round 1", spoil_auth(), ALL, ours_by=EAP_TWICE),
        as_client("second_auth_of_eap_spoilt", "request with AUTH round 2", spoil_auth(), ALL, ours_by=EAP_TWICE),
        as_client("second_identity_changed_on_the_way", SECOND, identity("mallory"), LATEST, sign="before"),
        as_client("failure_in_the_second", "request with MSCHAPv2 Response", eap_failure(), ALL,
                  ours_by=CERTIFICATE_THEN_EAP, then=FAILS),
        as_client("auth_instead_of_eap", SECOND, eap_auth("sk_p"), ASKED, ours_by=CERTIFICATE_THEN_EAP,
                  what="The second round has AUTH by SK_pi where the gateway wants EAP."),
        as_client("auth_before_eap_has_ended", "request with MSCHAPv2 Response", drop("EAP") + eap_auth("sk_p"),
                  ALL, ours_by=CERTIFICATE_THEN_EAP, then=FAILS),
        # AUTH of another round
        as_client("auth_by_the_msk_of_the_first", "request with AUTH", auth_as_before("secret"), LATEST, ALL,
                  ours_by=PASSWORD_TWICE, what="AUTH of the second round is made with the first one's MSK."),
        as_client("auth_by_the_msk_of_the_first_after_md5", "request with AUTH", auth_as_before("secret"), LATEST,
                  ALL, ours_by=EAP_TWICE),
        as_client("auth_over_the_first_identity", "request", auth_as_before("identity"), LATEST, ours_by=EAP_TWICE,
                  what="AUTH of the second round covers the IDi of the first one."),
        as_client("auth_over_the_first_identity_after_a_certificate", "request", auth_as_before("identity"), LATEST,
                  ours_by=CERTIFICATE_THEN_EAP),
        # What a gateway announces
        as_gateway("of_a_gateway_that_does_not_know_them", "IKE_SA_INIT response", drop(f"N({SUPPORTED})"), KNOWN,
                   ANNOUNCED, ours_by=GATEWAY, theirs_by=CERTIFICATE_THEN_PSK, then=not_announced()),
        as_gateway("that_a_gateway_does_not_announce", "response with IDr round 1", drop(f"N({FOLLOWS})"), ANNOUNCED,
                   ALL),
        as_gateway("one_too_many_of_a_gateway", "response with IDr round 2", insert_notify(FOLLOWS), ALL),
        # Rounds of a gateway that are not there, or fail
        as_gateway("empty_of_a_gateway", "response with IDr round 2", drop("IDr", "AUTH"), BEGINS, ALL,
                   what="The gateway's announced round is missing from the answer that ends IKE_AUTH."),
        as_gateway("without_idr", "response with IDr round 2", drop("IDr"), BEGINS),
        as_gateway("without_auth_of_a_gateway", "response with IDr round 2", drop("AUTH"), ALL),
        as_gateway("second_auth_of_a_gateway_spoilt", "response with IDr round 2", spoil_auth(), ALL),
        as_gateway("first_auth_of_a_gateway_spoilt", "response with IDr round 1", spoil_auth(), ALL, then=gives_up()),
        as_gateway("second_identity_of_a_gateway_changed", "response with IDr round 2", identity("mallory"), LATEST,
                   sign="before"),
        # A gateway, and a client with two conversations of EAP
        as_gateway("eap_success_at_once_in_the_second", "response with MD5", eap_success(), "3748-4.2-01", ALL,
                   ours_by=GATEWAY, theirs_by=EAP_TWICE, then=gives_up()),
        as_gateway("auth_between_two_conversations_spoilt", "response with AUTH round 2", spoil_auth(), ALL,
                   ours_by=GATEWAY, theirs_by=EAP_TWICE, then=gives_up()),
        as_gateway("last_auth_of_two_conversations_spoilt", "response with AUTH round 3", spoil_auth(), ALL,
                   ours_by=GATEWAY, theirs_by=EAP_TWICE),
        as_gateway("last_auth_by_another_msk", "response with AUTH round 3", eap_auth("another-msk"), LATEST,
                   ours_by=GATEWAY, theirs_by=PASSWORD_TWICE),
    ],
)  # fmt: skip
