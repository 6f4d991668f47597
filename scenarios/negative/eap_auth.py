# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH before and after EAP (RFC 7296 section 2.16), EAP alone (RFC 5998), and other requests between the rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scapy.packet import Packet

from fynx_scapy import EapUsers, IkeConfig
from fynx_scapy.harness import EndAuth
from fynx_scapy.harness.cases import (
    Base,
    Case,
    cases,
    clients,
    deletes,
    eap_says,
    gateways,
    no_child,
    no_sa,
    not_proven,
    proves_itself,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    auth_method,
    create_child_instead,
    drop,
    eap_auth,
    eap_instead,
    insert,
    insert_notify,
    only,
    spoil_auth,
)
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.scenarios.negative.eap import CHALLENGE, FAILS, MD5, MSCHAPV2, USER, as_client, as_gateway

ALONE = EndAuth(by="eap")
TLS: dict[str, Any] = {"by": "eap-tls", "names": ("carol",)}
AKA: dict[str, Any] = {"by": "eap-aka", "user": USER}
RESPONSE = IKEv2_EAP(eap=b"\x02\x01\x00\x0a\x01carol")
REQUEST = IKEv2_EAP(eap=b"\x01\x01\x00\x05\x01")
LAST, FIRST = "AUTH round 2", "AUTH round 1"
KEYED, PROVEN, BEFORE = ("7296-2.16-03",), ("7296-2.16-10", "7296-2.16-02"), ("7296-5-05", "7296-2.16-01")
CRITICAL: dict[str, Any] = {"severity": "critical"}
BETWEEN = (refused() | silent()) & no_child() & no_sa()


@dataclass(frozen=True, slots=True)
class Secret:
    """What AUTH after EAP is made with, by a method that yields a key or by one that does not."""

    name: str
    method: dict[str, Any]
    secret: str
    requirements: tuple[str, ...]


SECRETS = (
    Secret("sk_p_after_mschapv2", MSCHAPV2, "sk_p", KEYED),
    Secret("sk_p_after_tls", TLS, "sk_p", KEYED),
    Secret("sk_p_after_ttls", {"by": "eap-ttls"}, "sk_p", KEYED),
    Secret("sk_p_after_aka", AKA, "sk_p", KEYED),
    Secret("another_msk_after_mschapv2", MSCHAPV2, "another-msk", KEYED),
    Secret("another_msk_after_md5", {"by": "eap-md5"}, "another-msk", ("7296-2.16-06",)),
    Secret("zeros_after_mschapv2", MSCHAPV2, "zeros", KEYED),
    Secret("nothing_after_mschapv2", MSCHAPV2, "nothing", KEYED),
    Secret("nothing_after_md5", {"by": "eap-md5"}, "nothing", ("7296-2.16-06",)),
)


def _proves_both_ways(config: IkeConfig) -> IkeConfig:
    """A gateway of ours that sends its AUTH, also to a client that can do without."""
    users = config.remote_auth
    assert isinstance(users, EapUsers)
    return config.replace(remote_auth=EapUsers(*users.methods, ask=users.ask))


def _after_auth(payload: Packet) -> Base:
    """IKE_AUTH with one payload, in an IKE SA that is established."""
    return Base(
        name="EAP after IKE_AUTH", exchange=ExchangeType.IKE_AUTH, provoke=lambda peer: peer.liveness(),
        start=lambda s, t: s.request(int(ExchangeType.IKE_AUTH), payload, timeout=t),
    )  # fmt: skip


cases(
    __name__,
    [
        # AUTH after EAP, of a client and of a gateway
        *(
            row
            for each in SECRETS
            for row in (
                as_client(
                    f"eap_auth_of_a_client_by_{each.name}", "AUTH", eap_auth(each.secret), *each.requirements,
                    auth=clients(**each.method), **CRITICAL,
                ),
                as_gateway(
                    f"eap_auth_of_a_gateway_by_{each.name}", LAST, eap_auth(each.secret), *each.requirements,
                    auth=gateways(**each.method), then=deletes(), **CRITICAL,
                ),
            )
        ),
        as_client("eap_auth_missing_of_a_client", "AUTH", drop("AUTH"), *PROVEN, **CRITICAL),
        as_client(
            "eap_auth_replaced_by_eap", "AUTH", drop("AUTH") + insert(RESPONSE), *PROVEN, **CRITICAL,
            what="After EAP-Success comes one more response of EAP, and no AUTH.",
        ),
        as_client("eap_auth_spoilt_of_a_client", "AUTH", spoil_auth(), *KEYED, **CRITICAL),
        as_client("eap_auth_called_a_signature", "AUTH", auth_method(14), *KEYED, **CRITICAL),
        as_client("eap_auth_called_null", "AUTH", auth_method(13), *KEYED, **CRITICAL),
        as_gateway("eap_auth_missing_of_a_gateway", LAST, drop("AUTH"), *PROVEN, then=deletes(), **CRITICAL),
        as_gateway("eap_auth_spoilt_of_a_gateway", LAST, spoil_auth(), *KEYED, then=deletes(), **CRITICAL),
        as_gateway("eap_auth_called_null_of_a_gateway", LAST, auth_method(13), *KEYED, then=deletes(), **CRITICAL),
        as_gateway(
            "eap_instead_of_the_last_auth", LAST, only("N") + insert(REQUEST, at=0), *PROVEN, then=deletes(),
            **CRITICAL, what="The gateway answers AUTH with one more request of EAP.",
        ),
        # AUTH before EAP has ended
        *(
            as_client(
                f"eap_auth_instead_of_{name}", at, drop("EAP") + eap_auth(secret), *PROVEN, **CRITICAL,
                what=f"AUTH in place of {at}, made with {secret}: the method has not ended.",
            )
            for name, at, secret in (
                ("the_identity", "Identity", "sk_p"),
                ("the_method", "MSCHAPv2 Response", "sk_p"),
                ("the_method_with_another_msk", "MSCHAPv2 Response", "another-msk"),
                ("the_last_response", "MSCHAPv2 Success", "sk_p"),
            )
        ),
        as_client(
            "eap_auth_beside_eap", "MSCHAPv2 Response", eap_auth("sk_p"), *PROVEN,
            then=eap_says("MSCHAPv2 Success") | FAILS, **CRITICAL,
        ),
        as_client(
            "eap_auth_in_the_first_request", "IDi", eap_auth("nothing"), "7296-2.16-02", **CRITICAL,
            what="AUTH by an empty pre-shared key where the gateway wants EAP.",
        ),
        # The AUTH of a gateway, before EAP
        as_gateway("eap_gateway_without_auth", "Identity", drop("AUTH", "CERT"), *BEFORE, **CRITICAL),
        as_gateway("eap_gateway_without_auth_but_a_certificate", "Identity", drop("AUTH"), *BEFORE, **CRITICAL),
        as_gateway("eap_gateway_with_a_spoilt_auth", "Identity", spoil_auth(), *BEFORE, **CRITICAL),
        as_gateway("eap_gateway_by_sk_pr", "Identity", eap_auth("sk_p"), *BEFORE, **CRITICAL),
        as_gateway(
            "eap_gateway_of_a_stranger", "Identity", NOTHING, *BEFORE,
            auth=gateways(**MSCHAPV2, gateway=EndAuth(authority="stranger")), **CRITICAL,
            what="The gateway has a certificate of an authority that the client does not trust.",
        ),
        as_client(
            "eap_gateway_that_has_to_prove_itself", "IDi", NOTHING, *BEFORE, then=proves_itself(), **CRITICAL,
            what="A client asks for EAP: the gateway's first answer has AUTH.",
        ),
        # EAP alone (RFC 5998)
        *(
            as_client(
                f"eap_alone_asked_for_with_{name}", "IDi", insert_notify("EAP_ONLY_AUTHENTICATION"), "5998-3-03",
                auth=clients(**method), then=proves_itself(), **CRITICAL,
                what="A client asks for EAP alone, which the gateway does not allow, or not with this method.",
            )
            for name, method in (("mschapv2", MSCHAPV2), ("md5", {"by": "eap-md5"}), ("tls", TLS))
        ),
        as_client(
            "eap_alone_and_auth_by_sk_pi", "AUTH", eap_auth("sk_p"), "5998-3-04", auth=clients(**TLS, gateway=ALONE),
            **CRITICAL,
        ),
        as_gateway(
            "eap_alone_and_auth_by_sk_pr", FIRST, eap_auth("sk_p"), "5998-3-04", auth=gateways(**TLS, gateway=ALONE),
            then=deletes(), **CRITICAL,
        ),
        as_gateway(
            "eap_alone_by_md5", "TLS start", eap_instead(MD5, CHALLENGE), "5998-3-02", "5998-3-03",
            auth=gateways(**TLS, gateway=ALONE), then=not_proven(), **CRITICAL,
        ),
        as_gateway(
            "eap_alone_not_taken_up_and_auth_spoilt", "Identity", spoil_auth(), "5998-3-01",
            auth=gateways(**TLS, gateway=ALONE), tune=_proves_both_ways, **CRITICAL,
            what="A client would do without the gateway's AUTH; the gateway sends one that does not verify.",
        ),
        # Other exchanges between the rounds
        *(
            as_client(
                f"eap_create_child_sa_instead_of_{name}", at, create_child_instead(), "7296-1-01", "7296-2.16-02",
                then=BETWEEN, source="CVE-2026-78135; RFC 7296 section 1", suites=("cve",), **CRITICAL,
                what=f"CREATE_CHILD_SA in place of {at}: no Child SA comes of it.",
            )
            for name, at in (("the_method", "MSCHAPv2 Response"), ("the_end", "MSCHAPv2 Success"), ("auth", "AUTH"))
        ),
        *(
            Case(
                f"eap_after_auth_of_a_{name}", base=_after_auth(payload), roles=(role,), auth=auth,
                requirements=PROVEN, then=(refused() | silent()) & no_child(), severity="high",
                what="IKE_AUTH with EAP alone, in an IKE SA that is established, is refused.",
            )
            for name, role, auth, payload in (
                ("client", "initiator", clients(**MSCHAPV2), RESPONSE),
                ("gateway", "responder", gateways(**MSCHAPV2), REQUEST),
            )
        ),
    ],
)  # fmt: skip
