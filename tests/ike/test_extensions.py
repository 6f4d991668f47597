# SPDX-License-Identifier: GPL-2.0-or-later
"""The seam of extensions, and the registry that each endpoint has of them and of exchanges."""

from __future__ import annotations

import ast

import pytest

from fynx_scapy import Session
from fynx_scapy.errors import ConfigError, LocalError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.registry import DEFAULT, Registry
from fynx_scapy.ike.events import IkeSaFailed, MessageSent, PeerDead, SaDeleted
from fynx_scapy.ike.exchanges import CreateChild, Custom, Exchange, Informational, RekeyChild
from fynx_scapy.ike.exchanges.ike_auth import ChildlessAuth
from fynx_scapy.ike.extensions import (
    Childless,
    ConfigurationPayload,
    Extension,
    Fragmentation,
    Place,
    QuickCrashDetection,
    SignatureHashes,
)
from fynx_scapy.ike.message import Address, Header, Message, notify
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.ike.wire.rules import ONE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_IDi, IKEv2_Notify, IKEv2_VendorID
from tests.ike.pair import Pair, alice, bob
from tests.test_imports import FILES, imports

GREETING = 40970


class Greeting(Extension):
    """A notify in IKE_SA_INIT, IKE_AUTH and rekeys of the IKE SA, which a successor keeps."""

    place = Place.NONCE

    def __init__(self, sa):
        super().__init__(sa)
        self.said, self.heard = [], []

    def offer(self, message, exchange, request):
        begins = exchange.exchange_type in (ExchangeType.IKE_SA_INIT, ExchangeType.IKE_AUTH)
        return [notify(GREETING, self.sa.endpoint.host.encode())] if begins or exchange.replaces_ike else []

    def sent(self, message, exchange):
        self.said += [exchange.exchange_type for _ in message.notifies(GREETING)]

    def note(self, message, exchange):
        self.heard += [(exchange.exchange_type, bytes(n.notify)) for n in message.notifies(GREETING)]

    def inherit(self, old):
        self.heard = list(old.heard)


INIT, AUTH, CREATE = ExchangeType.IKE_SA_INIT, ExchangeType.IKE_AUTH, ExchangeType.CREATE_CHILD_SA


@pytest.mark.parametrize("by_alice", [True, False])
def test_a_made_up_extension_is_one_class(by_alice):
    pair = Pair(registry=Registry(Greeting))
    # HDR, SA, KE, Ni, N(GREETING), …  -->   <--  HDR, SA, KE, Nr, N(GREETING), …
    # HDR, SK {IDi, …, N(GREETING)}  -->     <--  HDR, SK {IDr, …, N(GREETING)}
    sa = pair.connect()
    ends = {b"192.0.2.2": sa, b"192.0.2.1": pair.bobs}
    for other, end in ends.items():
        assert end.of(Greeting).heard == [(INIT, other), (AUTH, other)]
        assert end.of(Greeting).said == [INIT, AUTH]
    # HDR, SK {SA, Ni, KEi, N(GREETING)}  -->   <--  HDR, SK {SA, Nr, KEr, N(GREETING)}
    (sa if by_alice else pair.bobs).rekey()
    pair.network.run()
    for other, end in ends.items():
        assert end.newest is not end
        assert end.newest.of(Greeting).heard == [(INIT, other), (AUTH, other), (CREATE, other)]


def test_an_offer_goes_to_its_place_behind_those_registered_before():
    class Behind(Greeting):
        place = Place.IDENTITY

    pair = Pair(registry=Registry(Greeting, Behind))
    pair.connect(alice(initial_contact=True))
    init, auth = pair.of("alice", MessageSent)
    kinds = [p.type if isinstance(p, IKEv2_Notify) else p.payload_type for p in init.payloads]
    detection = [NotifyType.NAT_DETECTION_SOURCE_IP, NotifyType.NAT_DETECTION_DESTINATION_IP]
    ours = [NotifyType.IKEV2_FRAGMENTATION_SUPPORTED, NotifyType.SIGNATURE_HASH_ALGORITHMS, GREETING, GREETING]
    assert kinds == [P.SA, P.KE, P.Nonce, *detection, *ours], "where IDi is missing, at the end"
    kinds = [p.type if isinstance(p, IKEv2_Notify) else p.payload_type for p in auth.payloads]
    assert kinds[:4] == [P.IDi, NotifyType.INITIAL_CONTACT, GREETING, P.IDr]
    assert kinds[-1] == GREETING, "where the nonce is missing, at the end"


def test_an_exchange_of_a_persons_own_payloads_is_left_as_it_is():
    class Everywhere(Extension):
        def offer(self, message, exchange, request):
            return [notify(GREETING)]

    s = Session(psk="secret", seed=1, registry=Registry(Everywhere))
    s.connect()
    s.sa.start(Custom(s.sa, ExchangeType.INFORMATIONAL, notify(40960)))
    s.network.run()
    s.sa.start(Informational(s.sa, notify(40960)))
    s.network.run()
    custom, informational = [e for who, e in s.events if who == "initiator" and isinstance(e, MessageSent)][-2:]
    assert [p.type for p in custom.payloads] == [40960]
    assert [p.type for p in informational.payloads] == [40960, GREETING]


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_request_that_an_extension_objects_to_is_refused_and_not_acted_on(role):
    noted = []

    class Objector(Extension):
        def check(self, message, exchange):
            if message.has_notify(GREETING):
                raise PeerError(NotifyType.TEMPORARY_FAILURE, reason="not now")

        def note(self, message, exchange):
            noted.extend(message.notifies(GREETING))

    pair = Pair(registry=Registry(Objector))
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    asking = ends.pop(role)
    # HDR, SK {N(GREETING)}  -->   <--  HDR, SK {N(TEMPORARY_FAILURE)}
    exchange = asking.inform(notify(GREETING))
    pair.network.run()
    assert exchange.answer.error().type == NotifyType.TEMPORARY_FAILURE
    assert not noted
    assert asking.established


def test_what_an_extension_cannot_offer_or_read_ends_the_exchange_alone():
    class Broken(Extension):
        on = ""

        def offer(self, message, exchange, request):
            if self.on == "offer" and request is None:
                raise LocalError("nothing to say")
            return ()

        def note(self, message, exchange):
            if self.on == "note" and message.header_fields.response:
                raise LocalError("cannot read that")

        def ended(self, exchange):
            if self.on == "ended":
                raise LocalError("cannot go on")

    pair = Pair()
    pair.alice.registry.add(Broken)
    sa = pair.connect()
    found = []
    for sa.of(Broken).on in ("offer", "note", "ended", ""):
        exchange = sa.liveness()
        pair.network.run()
        found.append(exchange.error and str(exchange.error))
    assert found == ["nothing to say", "cannot read that", "cannot go on", None]
    assert sa.established
    assert sa.requests.next_id == 5, "a request that cannot be made takes no message ID"


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_rekey_that_an_extension_refuses_late_leaves_no_ike_sa_behind(role):
    class Late(Extension):
        def note(self, message, exchange):
            if exchange.replaces_ike:
                raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="not with me")

    pair = Pair()
    sa = pair.connect()
    end = {"alice": pair.alice, "bob": pair.bob}[role]
    end.registry.add(Late)
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}, or from Bob   <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}
    exchange = sa.rekey()
    pair.network.run()
    assert exchange.error.notify_type == NotifyType.NO_PROPOSAL_CHOSEN
    (left,) = end.sas.values()
    assert left.established
    assert left.line.spis == {left.own_spi}


class Refusing(Extension):
    """Refuses one message, by the hook ``on``, once the exchange has made what it makes."""

    on = ""

    def refuse(self, hook):
        if self.on == hook:
            raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="not with me")

    def offer(self, message, exchange, request):
        if exchange.exchange_type != INIT and request is not None:
            self.refuse("offer")
        return ()

    def note(self, message, exchange):
        if exchange.exchange_type == AUTH:
            self.refuse("note")


@pytest.mark.parametrize("hook", ["offer", "note"])
def test_an_ike_auth_that_an_extension_refuses_late_leaves_no_ike_sa(hook):
    pair = Pair()
    pair.bob.registry.add(type("Late", (Refusing,), {"on": hook}))
    # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}
    sa = pair.connect()
    assert sa.state is State.CLOSED
    assert not pair.bob.children
    assert [sa.state for sa in pair.bob.sas.values()] == [State.CLOSED], "it lingers for retransmissions alone"
    assert "not with me" in pair.of("bob", IkeSaFailed)[-1].reason


@pytest.mark.parametrize("rekey", [False, True])
def test_a_child_sa_whose_answer_an_extension_refuses_is_gone(rekey):
    pair = Pair()
    sa = pair.connect()
    pair.bob.registry.add(type("Late", (Refusing,), {"on": "offer"}))
    (child,) = sa.children.values()
    # HDR, SK {[N(REKEY_SA),] SA, Ni, TSi, TSr}  -->   <--  HDR, SK {N(NO_PROPOSAL_CHOSEN)}
    exchange = sa.rekey_child(child) if rekey else sa.create_child()
    pair.network.run()
    assert exchange.error.notify_type == NotifyType.NO_PROPOSAL_CHOSEN
    assert len(sa.children) == len(pair.bobs.children) == 1
    (left,) = pair.bobs.children.values()
    assert left.outbound.spi == child.inbound.spi


class Faulty(Extension):
    """Has a fault in the hook ``on``."""

    on = ""

    def closed(self):
        if self.on == "closed":
            raise ZeroDivisionError

    def sent(self, message, exchange):
        if self.on == "sent" and exchange.exchange_type == ExchangeType.INFORMATIONAL:
            raise ZeroDivisionError


def test_an_extension_that_fails_at_the_end_keeps_no_place_of_an_ike_sa():
    pair = Pair()
    pair.bob.registry.add(type("Fails", (Faulty,), {"on": "closed"}))
    # HDR, SA, KE, Ni  -->   <--  HDR, SA, KE, Nr, and no IKE_AUTH
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run()
    assert pair.bob.half_open == 1
    with pytest.raises(ZeroDivisionError):
        pair.bob.handle_timer(pair.network.now + bob().half_open_lifetime)
    assert (pair.bob.half_open, pair.bob.sas) == (0, {})


def test_a_request_whose_extension_fails_once_it_is_out_is_given_up_like_any_other():
    pair = Pair()
    sa = pair.connect()
    pair.alice.registry.add(type("Fails", (Faulty,), {"on": "sent"}))
    pair.network.wire.loss = 1.0
    with pytest.raises(ZeroDivisionError):
        sa.liveness()
    pair.network.run()
    assert [event.message_id for event in pair.of("alice", PeerDead)] == [2]
    assert sa.state is State.CLOSED


def test_every_turn_in_the_life_of_an_ike_sa_is_told():
    told = []

    class Diary(Extension):
        def established(self):
            told.append("established")

        def took_over(self):
            told.append("took over")

        def closed(self):
            told.append("closed")

        def ended(self, exchange):
            told.append(type(exchange).__name__)

    pair = Pair()
    pair.alice.registry.add(Diary)
    sa = pair.connect()
    sa.rekey()
    pair.network.run()
    sa.newest.delete_ike()
    pair.network.run()
    begun = ["IkeSaInit", "established", "IkeAuth", "took over", "RekeyIke"]
    assert told == [*begun, "closed", "Informational", "closed", "Informational"]


# What the extensions that come with us keep


@pytest.mark.parametrize("by_alice", [True, False])
def test_a_successor_keeps_what_was_agreed_and_not_what_is_its_own(by_alice):
    theirs = bob(signature_hashes=(2,), childless=True, cp_reply=ConfigReply(pool=("10.1.0.0/30",)), window=3)
    pair = Pair(theirs)
    sa = pair.connect(alice(signature_hashes=(4, 3), cp_request=ConfigRequest(), window=5))
    old = {"alice": sa, "bob": pair.bobs}
    (sa if by_alice else pair.bobs).rekey()
    pair.network.run()
    hashes = {"alice": (2,), "bob": (4, 3)}
    for name, end in old.items():
        new = end.newest
        assert new is not end
        assert new.of(Fragmentation).agreed
        assert new.of(SignatureHashes).peer == hashes[name]
        assert not new.of(Childless).peer
        assert new.of(QuickCrashDetection).tokens == []
    assert sa.newest.settings.addresses == ("10.1.0.1",)
    assert [str(lease) for lease in old["bob"].newest.of(ConfigurationPayload).leases] == ["10.1.0.1"]
    assert (sa.newest.requests.size, sa.newest.answers.size) == (3, 5)
    assert pair.bob.pools.lent == 1
    sa.newest.delete_ike()
    pair.network.run()
    assert pair.bob.pools.lent == 0


# Registries


class Loud(Informational):
    """INFORMATIONAL that answers with what it heard, and takes nothing but one Vendor ID."""

    rules = (Round(Rule({P.V: ONE}), Rule({P.V: ONE})),)

    def respond(self, request):
        yield self.response(IKEv2_VendorID(vendorID=bytes(request.one(IKEv2_VendorID).vendorID).upper()))


@pytest.mark.parametrize("where", ["alice", "bob"])
def test_a_users_own_informational_answers_at_its_endpoint_and_not_at_the_other(where):
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    {"alice": pair.alice, "bob": pair.bob}[where].registry.add(Loud)
    heard = {}
    for name, sa in ends.items():
        exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, IKEv2_VendorID(vendorID=b"hello")))
        pair.network.run()
        heard["bob" if name == "alice" else "alice"] = [bytes(p.vendorID) for p in exchange.answer.payloads]
    assert heard == {"alice": [], "bob": []} | {where: [b"HELLO"]}


def test_the_rules_of_a_users_exchange_are_heeded():
    pair = Pair()
    sa = pair.connect()
    pair.bob.registry.add(Loud)
    # HDR, SK {}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    sa.liveness()
    pair.network.run()
    assert sa.state is State.CLOSED
    assert "INVALID_SYNTAX" in pair.of("alice", SaDeleted)[-1].reason


def test_a_session_takes_a_registry_for_each_end():
    ours, theirs = Registry(), Registry()
    s = Session(psk="secret", seed=1, registry=ours, peer={"registry": theirs, "window": 4})

    @theirs.exchange(ExchangeType.INFORMATIONAL)
    class Louder(Loud):
        pass

    s.connect()
    assert (s.client.registry, s.sa.endpoint) == (ours, s.client)
    answer = s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=b"hello"))
    assert bytes(answer[IKEv2_VendorID].vendorID) == b"HELLO"
    assert not ours.responders
    assert theirs.responders == [Louder]
    assert Louder not in DEFAULT.responders


def request(number, *payloads) -> Message:
    """A request inside SK."""
    header, where = Header(b"A" * 8, b"B" * 8, 0, 0x20, number, 0x08, 1, 28), Address("192.0.2.1", 500)
    return Message(header, IKEv2(), list(payloads), b"", b"", where, where)


@pytest.mark.parametrize("what", [None, 7, "Loud", object, Exchange.respond])
def test_a_registry_takes_exchanges_and_extensions_alone(what):
    with pytest.raises(ConfigError, match="expected a class of an exchange or of an extension, found"):
        Registry().add(what)


@pytest.mark.parametrize("number", [-1, 256, 1.5, True, "INFORMATIONAL"])
def test_an_exchange_type_is_an_octet(number):
    with pytest.raises(ConfigError, match=r"expected Registry\.exchange_type to be a whole number from 0 to 255"):
        Registry().add(type("Own", (Exchange,), {}), number)


def test_the_later_of_two_with_the_same_condition_answers():
    def picky(message):
        return bool(message.payloads)

    class First(Exchange):
        pass

    class Second(Exchange):
        pass

    registry = Registry()
    registry.add(First, 243)
    registry.add(Second, 243, picky)
    some, none = request(243, notify(1)), request(243)
    assert (registry.responder_for(some), registry.responder_for(none)) == (Second, First)

    class Third(First):
        pass

    class Fourth(Second):
        pass

    registry.add(Third)
    registry.add(Fourth, 243, picky)
    assert (registry.responder_for(some), registry.responder_for(none)) == (Fourth, Third)
    assert DEFAULT.responder_for(some) is None


def test_a_condition_of_every_endpoints_goes_before_an_endpoints_own_exchange_without_one():
    class Other(CreateChild):
        pass

    registry = Registry(Other)
    rekey = request(ExchangeType.CREATE_CHILD_SA, notify(NotifyType.REKEY_SA))
    assert registry.responder_for(request(ExchangeType.CREATE_CHILD_SA)) is Other
    assert registry.responder_for(rekey) is RekeyChild
    registry.add(Other, when=lambda message: message.has_notify(NotifyType.REKEY_SA))
    assert registry.responder_for(rekey) is Other
    assert Registry().responder_for(request(ExchangeType.IKE_AUTH, IKEv2_IDi())) is ChildlessAuth


def test_an_exchange_without_a_type_or_with_two_is_refused():
    class Untyped(Exchange):
        pass

    with pytest.raises(ConfigError, match="exchange type that Untyped answers"):
        Registry(Untyped)
    with pytest.raises(ConfigError, match="expected the exchange type 37 of Informational, found 240"):
        Registry().add(Informational, 240)
    assert Informational.exchange_type == ExchangeType.INFORMATIONAL


# Who knows an extension by its name


RUN_THEM = ("child", "core", "exchanges", "life", "path", "strangers", "wire")


@pytest.mark.parametrize("module", [name for name in FILES if name.split(".")[1:3] in [["ike", it] for it in RUN_THEM]])
def test_what_runs_extensions_names_none(module):
    assert not {name for name in imports(module) if name.startswith("fynx_scapy.ike.extensions")}


def test_a_successor_is_given_nothing_of_an_extensions_by_hand():
    tree = ast.parse(FILES["fynx_scapy.ike.life.succession"].read_text())
    (succeed,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "succeed")
    copied = {ast.unparse(node) for node in ast.walk(succeed) if isinstance(node, ast.Attribute)}
    kept = {"endpoint", "config", "local", "remote", "local_id", "remote_id", "line", "inbox", "peer_proof"}
    assert {name for name in copied if name.startswith("old.")} == {f"old.{name}" for name in kept}
