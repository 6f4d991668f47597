# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication of clients by EAP (RFC 7296 section 2.16), and of both ends by EAP alone (RFC 5998)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from scapy.layers.eap import EAP
from scapy.packet import Raw

from fynx_scapy import Certificate, Certificates, Passed, Psk, Subscriber, Trust
from fynx_scapy.eap.accounts import Accounts
from fynx_scapy.eap.mschapv2 import Mschapv2Server
from fynx_scapy.eap.peer import LONGEST_NOTIFICATION
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType, NotifyType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.events import (
    EapNotified,
    IkeSaEstablished,
    IkeSaFailed,
    MessageDropped,
    MessageSent,
    RequestRefused,
)
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CP, IKEv2_Delete, IKEv2_EAP, IKEv2_IDi, IKEv2_SA
from fynx_scapy.layers.ikev2.eap import EAP_Expanded
from fynx_scapy.observe import EventLog
from fynx_scapy.pki.making import Authority
from tests.ike.pair import Pair, alice, bob

USERS = {"carol": "Ar3etTnp"}
CAROL = Eap.mschapv2("carol", "Ar3etTnp")


@cache
def root() -> Authority:
    return Authority.root(seed="root")


@cache
def gateway() -> Certificate:
    made = root().issue("C=CH, CN=bob", ["bob"], "ecdsa-p256")
    return Certificate(made.cert, made.key, made.chain)


def ends(ours: Any = CAROL, users: Any = None, **theirs: Any) -> tuple[Pair, IkeConfig]:
    """Bob, a gateway with a certificate and users, and Carol's configuration."""
    fields: dict[str, Any] = {"auth": gateway(), "remote_auth": users or EapUsers.passwords(USERS), "remote_id": None}
    pair = Pair(bob(**(fields | theirs)))
    return pair, alice(local_id="carol", auth=ours, trust=Trust(root().cert))


def ladder(pair: Pair) -> list[str]:
    """What was sent in IKE_AUTH, in words."""
    return [
        " ".join(
            payload.text if isinstance(payload, IKEv2_EAP) else type(payload).__name__.removeprefix("IKEv2_")
            for payload in event.payloads
            if isinstance(payload, IKEv2_EAP | IKEv2_AUTH)
        )
        for _, event in pair.network.events
        if isinstance(event, MessageSent) and event.header.exch_type == 35
    ]


def test_mschapv2() -> None:
    pair, config = ends()
    sa = pair.connect(config)
    assert ladder(pair) == [
        "",
        "AUTH request Identity",
        "response Identity",
        "request MSCHAPv2 Challenge",
        "response MSCHAPv2 Response",
        "request MSCHAPv2 Success",
        "response MSCHAPv2 Success",
        "success",
        "AUTH",
        "AUTH",
    ]
    assert sa.established
    assert pair.bobs.established
    assert pair.of("bob", IkeSaEstablished)[0].proof == "EAP-MSCHAPv2 as carol"
    assert pair.of("alice", IkeSaEstablished)[0].proof == "certificate, ECDSA SHA-256"
    sa.rekey()
    pair.network.run()
    assert sa.newest.established


def test_a_method_without_a_key() -> None:
    """Section 2.16: AUTH is then made with SK_pi and SK_pr."""
    pair, config = ends(Eap.md5("carol", "Ar3etTnp"), EapUsers.passwords(USERS, ["mschapv2", "md5"]))
    sa = pair.connect(config)
    assert ladder(pair)[3:7] == ["request MSCHAPv2 Challenge", "response Nak", "request MD5", "response MD5"]
    assert sa.established
    assert pair.of("bob", IkeSaEstablished)[0].proof == "EAP-MD5 as carol"


@pytest.mark.parametrize("client", [Eap.mschapv2("carol", "wrong"), Eap.md5("carol", "wrong")])
def test_a_wrong_password(client: Eap) -> None:
    pair, config = ends(client, EapUsers.passwords(USERS, ["mschapv2", "md5"]))
    assert not pair.connect(config).established
    assert not pair.of("bob", IkeSaEstablished)
    assert pair.of("alice", IkeSaFailed)


def test_an_unknown_user() -> None:
    """Section 2.16: "the responder MUST send an EAP payload containing the Failure message"."""
    pair, config = ends(Eap.md5("dave", "Ar3etTnp"), EapUsers.passwords(USERS, ["md5"]))
    assert not pair.connect(config).established
    assert ladder(pair)[-1] == "failure"
    (refused,) = pair.of("bob", RequestRefused)
    assert (refused.notify_type, "dave" in refused.reason) == (NotifyType.AUTHENTICATION_FAILED, True)
    pair.network.run(until=300)
    assert not pair.bob.sas


def test_a_name_of_many_octets_is_cut() -> None:
    name = "\u202e" * 10_000
    pair, config = ends(Eap.md5(name, "x", identity=name), EapUsers.passwords(USERS, ["md5"]))
    pair.connect(config)
    (refused,) = pair.of("bob", RequestRefused)
    assert "(30000 octets)" in refused.reason
    assert len(refused.reason) < 2000


# An end that gives up (RFC 7296 section 2.21.2)


def _instead(octets: bytes) -> Callable[[Any], None]:
    """A gateway that sends this in place of its first challenge."""

    def tap(message: Any) -> None:
        for number, payload in enumerate(message.payloads):
            if isinstance(payload, IKEv2_EAP) and "Challenge" in payload.text:
                message.payloads[number] = IKEv2_EAP(eap=octets)

    return tap


def _informational(message: Any) -> bool:
    return message.header.exch_type == 37


@pytest.mark.parametrize(
    ("octets", "kind"),
    [(b"\3\1\0\4", NotifyType.AUTHENTICATION_FAILED), (b"\1\2\0", NotifyType.INVALID_SYNTAX)],
    ids=["success", "malformed"],
)
@pytest.mark.requirements("7296-2.21.2-02", "7296-2.21.2-i03", negative=True)
def test_a_client_gives_up_in_the_middle(octets: bytes, kind: NotifyType) -> None:
    pair, config = ends()
    pair.bob.taps.add("payloads", _instead(octets))
    sa = pair.connect(config)
    told = [
        event for _, event in pair.network.events if isinstance(event, MessageSent) and event.header.exch_type == 37
    ]
    # HDR, SK {N(AUTHENTICATION_FAILED)}  -->   <--  HDR, SK {}
    assert [[payload.type for payload in event.payloads] for event in told] == [[kind], []]
    assert not pair.of("bob", RequestRefused)
    (failed,) = pair.of("bob", IkeSaFailed)
    assert (failed.notify_type, f"gave up, with {kind.name}" in failed.reason) == (kind, True)
    assert (sa.state, pair.bobs.state) == (State.CLOSED, State.CLOSED)
    pair.network.run(until=300)
    assert (len(pair.bob.sas), pair.bob.half_open) == (0, 0)


@pytest.mark.parametrize("payload", [[], [notify(NotifyType.INITIAL_CONTACT)], [IKEv2_Delete(proto=1)]])
def test_nothing_else_comes_in_between(payload: list[Any]) -> None:
    """The same exchange without an error that ends an IKE SA: it gets around no round."""
    pair, config = ends()
    pair.bob.taps.add("payloads", _instead(b"\3\1\0\4"))
    pair.alice.taps.add("payloads", lambda message: message.payloads.__setitem__(slice(None), payload), _informational)
    pair.connect(config)
    (refused,) = pair.of("bob", RequestRefused)
    assert (refused.notify_type, refused.exchange) == (NotifyType.INVALID_SYNTAX, 37)


def test_nobody_answers_a_gateway_that_has_ended_it() -> None:
    """Section 2.16: EAP-Failure ends the exchange, and there is nobody left who would hear more."""
    pair, config = ends(Eap.mschapv2("carol", "wrong"))
    assert not pair.connect(config).established
    pair.network.run(until=300)
    assert ladder(pair)[-1] == "failure"
    assert [event.header.exch_type for _, event in pair.network.events if isinstance(event, MessageSent)][-1] == 35
    assert not pair.of("bob", MessageDropped)


def test_a_client_that_has_no_method_of_ours() -> None:
    pair, config = ends(Eap.md5("carol", "Ar3etTnp"))
    assert not pair.connect(config).established
    assert ladder(pair)[-2:] == ["response Nak", "failure"]


def test_eap_where_the_gateway_wants_none() -> None:
    pair, config = ends(remote_auth=Psk("secret"))
    assert not pair.connect(config).established


def test_a_client_that_does_not_ask_for_eap() -> None:
    pair, config = ends()
    assert not pair.connect(config.replace(auth=Psk("secret"), local_id="carol", remote_auth=None)).established
    (refused,) = pair.of("bob", RequestRefused)
    assert "found AUTH" in refused.reason


@pytest.mark.parametrize("order", [1, -1])
def test_a_gateway_with_users_and_peers_that_have_a_key(order: int) -> None:
    """Whether there is AUTH says which configuration it is, not their order."""
    configs = [
        bob(auth=gateway(), remote_auth=EapUsers.passwords(USERS), remote_id=None),
        bob(auth=gateway(), remote_auth=Psk("secret"), remote_id=None),
    ][::order]
    _, config = ends()
    key = config.replace(auth=Psk("secret"), local_id="alice", remote_auth=Certificates())
    assert all(Pair(*configs).connect(each).established for each in (config, key))


def carol() -> Certificate:
    made = root().issue("C=CH, CN=carol", ["carol"], "ecdsa-p256")
    return Certificate(made.cert, made.key, made.chain)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls(version: str) -> None:
    trust = Trust(root().cert)
    pair, config = ends(Eap.tls(carol(), trust), EapUsers.tls(gateway(), trust, maximum=version))
    sa = pair.connect(config)
    assert sa.established
    assert pair.of("bob", IkeSaEstablished)[0].proof == "EAP-TLS as carol"


def test_by_eap_alone() -> None:
    """RFC 5998: no AUTH and no CERT of the gateway."""
    trust = Trust(root().cert)
    pair, config = ends(Eap.tls(carol(), trust, only=True), EapUsers.tls(gateway(), trust, only=True))
    assert pair.connect(config.replace(trust=None, remote_auth=None)).established
    assert ladder(pair)[:2] == ["", "request Identity"]
    assert ladder(pair)[-2:] == ["AUTH", "AUTH"]
    assert pair.of("alice", IkeSaEstablished)[0].proof == "EAP-TLS as carol"


USIM: dict[str, Any] = {"k": "00" * 16, "opc": "11" * 16}


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("prime", [False, True])
def test_aka(prime: bool, only: bool) -> None:
    """RFC 4187 and RFC 9048; both are safe alone (RFC 5998 section 4)."""
    known = {"0carol@example": Subscriber(**USIM, sqn=3)}
    ours = (Eap.aka_prime if prime else Eap.aka)("0carol@example", **USIM, sqn=100, only=only)
    users = (EapUsers.aka_prime if prime else EapUsers.aka)(known, only=only)
    pair, config = ends(ours, users)
    if only:
        config = config.replace(trust=None, remote_auth=None)
    assert pair.connect(config).established
    name = "AKA'" if prime else "AKA"
    assert f"response {name} Synchronization-Failure" in ladder(pair)
    assert pair.of("bob", IkeSaEstablished)[0].proof == f"EAP-{name} as 0carol@example"


@pytest.mark.parametrize("client", ["k", "opc"])
def test_another_usim(client: str) -> None:
    pair, config = ends(
        Eap.aka("0carol", **USIM | {client: bytes(15) + b"x"}), EapUsers.aka({"0carol": Subscriber(**USIM)})
    )
    assert not pair.connect(config).established
    assert ladder(pair)[-2:] == ["response AKA Authentication-Reject", "failure"]
    pair.network.run(until=300)
    assert not pair.bob.sas


def test_usims_that_are_none() -> None:
    for wrong, said in ({"k": "00"}, "found 1 octets"), ({"opc": "zz"}, "hex digits"), ({"sqn": -1}, "sequence number"):
        with pytest.raises(ConfigError, match=said):
            Eap.aka("0carol", **USIM | wrong)
    with pytest.raises(ConfigError, match="at most 1016 octets"):
        Eap.aka("0" * 1017, **USIM)
    assert "1111" not in repr((Eap.aka("0carol", **USIM), EapUsers.aka({"0carol": Subscriber(**USIM)})))


def _nas(number: int) -> EAP_Expanded:
    return EAP_Expanded(vendor=10415, vendor_type=3, data=bytes([number, 0]))


def test_a_method_that_a_caller_speaks() -> None:
    """EAP-5G (3GPP TS 24.502 section 9.3.2): AUTH is made with the key that both callers have."""

    def gateway_side(identity: bytes) -> Any:
        return lambda response: _nas(1) if response is None else Passed(msk=b"k" * 32, identity=b"imsi")

    def client_side(key: bytes) -> Any:
        return lambda identity: lambda request: Passed(_nas(2), msk=key)

    for key, works in ((b"k" * 32, True), (b"x" * 32, False)):
        ours = Eap.passthrough(client_side(key), identity="ue")
        pair, config = ends(ours, EapUsers.passthrough(gateway_side, name="5G"))
        assert pair.connect(config).established is works
        assert ladder(pair)[3:6] == ["request EAP-5G 5G-Start", "response EAP-5G 5G-NAS", "success"]
        assert bool(pair.of("bob", IkeSaEstablished)) is works
        assert not works or pair.of("bob", IkeSaEstablished)[0].proof == "EAP-5G as imsi"


def test_a_gateway_that_does_not_want_eap_alone() -> None:
    """Section 3: "In this case, the initiator MUST verify that payload"."""
    trust = Trust(root().cert)
    ours, users = Eap.tls(carol(), trust, only=True), EapUsers.tls(gateway(), trust)
    pair, config = ends(ours, users)
    assert pair.connect(config).established
    assert ladder(pair)[1] == "AUTH request Identity"

    pair, config = ends(ours, users)
    assert not pair.connect(config.replace(trust=None, remote_auth=None)).established
    assert "by EAP alone" in pair.of("alice", IkeSaFailed)[0].reason


def test_a_method_that_is_not_safe_alone() -> None:
    """RFC 5998 section 4: not with passwords that can be guessed."""
    with pytest.raises(ConfigError, match="found EAP-MSCHAPv2"):
        Eap(*CAROL.methods, identity="carol", only=True)


def test_a_client_whose_certificate_nobody_knows() -> None:
    trust = Trust(root().cert)
    made = Authority.root(seed="another").issue("C=CH, CN=carol", ["carol"], "ecdsa-p256")
    stranger = Certificate(made.cert, made.key, made.chain)
    pair, config = ends(Eap.tls(stranger, trust), EapUsers.tls(gateway(), trust))
    assert not pair.connect(config).established
    assert not pair.of("bob", IkeSaEstablished)
    (refused,) = pair.of("bob", RequestRefused)
    assert "verify failed" in refused.reason


# Who the peer is (section 2.16: "policy lookups and access control decisions use the actual authenticated identity")


def named(name: str) -> Certificate:
    made = root().issue(f"C=CH, CN={name}", [name], "ecdsa-p256")
    return Certificate(made.cert, made.key, made.chain)


def test_an_idi_that_somebody_else_has() -> None:
    """A user could end the SAs of another one by INITIAL_CONTACT, if IDi counted."""
    pair, config = ends()
    assert pair.connect(config.replace(local_id="admin")).established
    assert str(pair.bobs.remote_id) == "carol"


def test_a_configuration_for_one_peer() -> None:
    """IDi chooses it, but EAP has to prove it."""
    pair, config = ends(remote_id="admin")
    assert not pair.connect(config.replace(local_id="admin")).established
    assert "expected the peer to be admin, found carol by EAP" in pair.of("bob", RequestRefused)[0].reason
    pair, config = ends(remote_id="carol")
    assert pair.connect(config).established


@pytest.mark.parametrize("remote_id", [None, "carol"])
def test_a_user_with_the_certificate_of_another_one(remote_id: str | None) -> None:
    """RFC 5216 section 5.2: the certificate says who it is, whatever the answer to Identity was."""
    trust = Trust(root().cert)
    client = Eap.tls(named("dave"), trust, identity="carol")
    pair, config = ends(client, EapUsers.tls(gateway(), trust), remote_id=remote_id)
    assert pair.connect(config).established == (remote_id is None)
    if remote_id is None:
        assert pair.of("bob", IkeSaEstablished)[0].proof == "EAP-TLS as dave"
        assert str(pair.bobs.remote_id) == "dave"
    else:
        assert "expected the peer to be carol, found dave by EAP" in pair.of("bob", RequestRefused)[0].reason


def test_a_user_who_says_that_it_is_the_gateway() -> None:
    """By EAP alone no AUTH of the gateway covers its IDr with a key that is in a certificate."""
    trust = Trust(root().cert)
    pair, config = ends(Eap.tls(carol(), trust, only=True), EapUsers.tls(named("dave"), trust, only=True))
    assert not pair.connect(config.replace(trust=None, remote_auth=None)).established
    assert "expected ID_FQDN bob in the certificate of CN=dave" in pair.of("alice", IkeSaFailed)[0].reason


@pytest.mark.parametrize(("fields", "name"), [({"at": "2026-01-01"}, "at"), ({"revocation": "required"}, "revocation")])
def test_trust_that_tls_does_not_heed(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"found one with {name}"):
        EapUsers.tls(gateway(), Trust(root().cert, **fields))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Eap.mschapv2("carol", b"secret"), "the password for EAP as text, found bytes"),  # type: ignore[arg-type]
        (lambda: Eap.md5("\ud800", "secret"), "the user for EAP as text that has a form in UTF-8"),
        (lambda: EapUsers.passwords({"carol": "\ud800"}), "the password for EAP as text that has a form"),
        (lambda: Eap.aka("\ud800", k=bytes(16), opc=bytes(16)), "the identity for EAP as text that has a form"),
        (lambda: EapUsers.aka({"\ud800": Subscriber(bytes(16), bytes(16))}), "the identity for EAP as text that has"),
        (lambda: EapUsers.passwords("carol"), "expected users as a dict of names and passwords, found str"),  # type: ignore[arg-type]
        (lambda: Eap.ttls("carol", "secret", None), "whom to trust"),  # type: ignore[arg-type]
        (lambda: EapUsers.passwords(["carol"]), "users as a dict of names and passwords, found list"),  # type: ignore[arg-type]
        (lambda: EapUsers.passwords({"carol": "x"}, "md4"), "found 'md4'; did you mean md5"),
        (lambda: Eap.mschapv2("carol", "x") | "md5", "another Eap for either of them, found str"),  # type: ignore[operator]
        (lambda: CAROL | Eap.md5("dave", "x"), "of one user, which is said first, found carol and dave"),
        (lambda: Eap.mschapv2("carol", "x", identity="c") | Eap.md5("dave", "x", identity="c"), "found carol and dave"),
        (lambda: CAROL | Eap.md5("carol", "x", identity="c"), "one identity, .* found carol and c: give both the same"),
        (lambda: CAROL | Eap.ttls("carol", "x", Trust(root().cert)), "of one identity, .* found carol and anonymous"),
        (lambda: CAROL | Eap.aka("dave", k=bytes(16), opc=bytes(16)), "of one identity, .* found carol and dave"),
        (lambda: CAROL | Eap.mschapv2("carol", "x"), "expected each EAP method once, found MSCHAPv2 twice"),
        (lambda: Eap.tls("carol.pem", Trust(root().cert)), r"a Certificate\(cert, key\) .*, found str"),  # type: ignore[arg-type]
        (lambda: Eap.tls(carol(), Trust(root().cert), fragment=0), "1 to 65525 octets, found 0"),
        (lambda: EapUsers.ttls(gateway(), USERS, fragment=65526), "1 to 65525 octets, found 65526"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(make: Callable[[], Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        make()


@pytest.mark.parametrize("methods", [["md5"], ["ttls"]])
def test_methods_of_one_user_that_a_server_chooses_from(methods: list[str]) -> None:
    ours = CAROL | Eap.ttls("carol", "Ar3etTnp", Trust(root().cert), identity=b"carol") | Eap.md5("carol", "Ar3etTnp")
    users = EapUsers.ttls(gateway(), USERS) if methods == ["ttls"] else EapUsers.passwords(USERS, methods)
    pair, config = ends(ours, users)
    assert pair.connect(config).established
    assert pair.of("bob", IkeSaEstablished)[0].proof == f"EAP-{methods[0].upper()} as carol"


@pytest.mark.parametrize(("inner", "said"), [([], "found none"), (["eap-md5", "pap"], "an EAP method with a password")])
def test_what_ttls_cannot_have_inside(inner: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Eap.ttls("carol", "Ar3etTnp", Trust(root().cert), inner=inner)


def in_auth(pair: Pair) -> list[MessageSent]:
    """The messages of IKE_AUTH, of both ends."""
    return [
        event for _, event in pair.network.events if isinstance(event, MessageSent) and event.header.exch_type == 35
    ]


@pytest.mark.requirements("7296-2.19-03")
def test_an_address_is_asked_for_and_given_beside_the_sa_payloads() -> None:
    wide = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("0.0.0.0/0",))
    pair, config = ends(children=(wide,), cp_reply=ConfigReply(pool=("10.9.0.0/24",)))
    child = config.children[0].replace(local_ts=("0.0.0.0/0",))
    assert pair.connect(config.replace(children=(child,), cp_request=ConfigRequest())).established
    kinds = [{type(each) for each in event.payloads} for event in in_auth(pair)]
    assert [IKEv2_CP in each for each in kinds] == [True, *[False] * 8, True]
    assert [IKEv2_SA in each for each in kinds] == [True, *[False] * 8, True]


@pytest.mark.requirements("7296-3.5-08")
def test_an_identity_with_a_realm_is_a_mail_address() -> None:
    carol = Eap.mschapv2("carol@example.org", "Ar3etTnp")
    pair, config = ends(carol)
    pair.connect(config.replace(local_id=carol.own_identity))
    (identity,) = (each for each in in_auth(pair)[0].payloads if type(each) is IKEv2_IDi)
    assert (int(identity.IDtype), bytes(identity.ID)) == (IdType.ID_RFC822_ADDR, b"carol@example.org")


class Speaking(Mschapv2Server):
    """A server that has a message for the user before its challenge, and another one in octets that are no text."""

    def challenge(self, run: Any) -> Any:
        yield EAP(code=EAP.REQUEST, type=2) / Raw(b"your password ends in 3 days")
        yield EAP(code=EAP.REQUEST, type=2) / Raw(b"\x1b[31m\xff" + b"A" * 3000)
        return (yield from super().challenge(run))


@pytest.mark.parametrize("inside", [False, True], ids=["mschapv2", "ttls"])
def test_a_message_for_the_user(inside: bool) -> None:
    """RFC 3748 section 5.2: "The peer SHOULD display this message to the user or log it if it cannot be displayed"."""
    speaking = Speaking(Accounts(USERS))
    users, ours = EapUsers(speaking), CAROL
    if inside:
        (tunnel,) = EapUsers.ttls(gateway(), USERS).methods
        users = EapUsers(replace(tunnel, methods=(speaking,)))  # type: ignore[type-var]
        ours = Eap.ttls("carol", USERS["carol"], Trust(root().cert))
    pair, config = ends(ours, users)
    out = io.StringIO()
    EventLog(pair.network, file=out)
    assert pair.connect(config).established
    first, second = (event.text for event in pair.of("alice", EapNotified))
    assert first == "your password ends in 3 days"
    assert second == r"\x1b[31m\xff" + "A" * (LONGEST_NOTIFICATION - 9) + "… (3006 octets)"
    assert not pair.of("bob", EapNotified)
    assert 'text="your password ends in 3 days"' in out.getvalue()
    (row,) = (row for row in Ladder(pair.network.events, ("alice", "bob")).rows if first in row.text)
    assert row.text == f"EAP message for the user: {first}"
