# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in EAP: who is taken for authenticated too early, and what is not checked (RFC 7296 section 2.16)."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.crypto.milenage import Milenage
from fynx_scapy.eap import avps, flights, mschap, packets, peer
from fynx_scapy.eap.aka import peer as aka_peer
from fynx_scapy.eap.aka import server as aka_server
from fynx_scapy.eap.aka.keys import Keys
from fynx_scapy.eap.aka.usim import LARGEST_SQN
from fynx_scapy.eap.flights import Flights
from fynx_scapy.eap.md5 import _received
from fynx_scapy.eap.method import Outcome
from fynx_scapy.eap.mschapv2 import Mschapv2Server, session_key
from fynx_scapy.eap.peer import EapPeer
from fynx_scapy.eap.server import EapServer
from fynx_scapy.eap.ttls import TtlsServer
from fynx_scapy.eap.tunnel import TlsConfig, Tunnel
from fynx_scapy.errors import AuthenticationError, MalformedError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.auth.eap import EapAuthenticator, EapInitiator, EapResponder
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.exchanges import ike_auth
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CERT, IKEv2_EAP
from fynx_scapy.layers.ikev2.eap import EAP_MSCHAPv2
from fynx_scapy.layers.ikev2.eap.aka import AKA_Attribute
from fynx_scapy.layers.ikev2.eap.mschapv2 import SUCCESS
from tests.faults.fault import Faulty, fault

_NO_KEY = "none"


def _believe(talk: EapPeer) -> None:
    """Have a peer take EAP for ended, whatever its method has yielded."""
    talk.method = talk.method or talk.methods[0]
    talk.outcome = talk.ready or Outcome(_NO_KEY, talk.identity)


# Success and Failure


@fault("eap", "3748-4.2-02", "7296-2.16-02")
def takes_eap_success_at_once(bad: Faulty) -> None:
    """As a client, believes an EAP-Success that comes before any method has begun."""
    bad.swap(EapPeer, "_succeed", lambda original, talk: original(talk) if talk.method else _believe(talk))


@fault("eap", "3748-4.2-01", "4187-6.3.4-01")
def takes_eap_success_in_the_middle(bad: Faulty) -> None:
    """As a client, believes an EAP-Success in the middle of a method."""

    def succeed(original, talk):
        if talk.method is None or talk._run.error is not None:
            original(talk)
        _believe(talk)

    bad.swap(EapPeer, "_succeed", succeed)


@fault("eap", "3748-4.2-04")
def takes_eap_success_after_a_failed_method(bad: Faulty) -> None:
    """As a client, believes an EAP-Success after a method that has failed on its side."""
    bad.swap(EapPeer, "_succeed", lambda original, talk: _believe(talk) if talk._run.error else original(talk))


@fault("eap", "7296-2.16-09", "7296-2.16-10")
def goes_on_after_eap_failure(bad: Faulty) -> None:
    """As a client, takes an EAP-Failure for the end of EAP, and sends AUTH."""

    def receive(original, talk, data):
        if bytes(data)[:1] != b"\x04":
            return original(talk, data)
        return _believe(talk)

    bad.swap(EapPeer, "receive", receive)


# AUTH after EAP


@fault("eap", "7296-2.16-03", "5998-3-04")
def takes_auth_without_the_msk(bad: Faulty) -> None:
    """Takes an AUTH payload made with SK_pi or SK_pr, though EAP has yielded a key."""

    def check(original, auth, method, data, covered, message):
        try:
            original(auth, method, data, covered, message)
        except AuthenticationError:
            right = auth.outcome
            auth.outcome = replace(right, msk=b"")
            try:
                original(auth, method, data, covered, message)
            finally:
                auth.outcome = right

    bad.swap(EapAuthenticator, "check", check)


@fault("eap", "7296-2.16-03", "7296-2.16-06")
def takes_any_auth_after_eap(bad: Faulty) -> None:
    """Takes whatever AUTH payload follows EAP."""

    def check(original, auth, method, data, covered, message):
        try:
            original(auth, method, data, covered, message)
        except AuthenticationError:
            auth.sa.peer_proof = Proof(method, "EAP")

    bad.swap(EapAuthenticator, "check", check)


@fault("eap", "7296-2.16-02", "7296-2.16-10")
def takes_auth_before_eap_has_ended(bad: Faulty) -> None:
    """As a gateway, takes an AUTH payload made with SK_pi in the middle of EAP."""

    def respond(original, auth, request):
        steps = original(auth, request)
        answer = next(steps)
        while True:
            message = yield answer
            if message.get(IKEv2_AUTH) is not None and auth.outcome is None:
                auth.outcome = Outcome(_NO_KEY, auth.identities[False][4:])
                auth.verify(message)
                return message
            try:
                answer = steps.send(message)
            except StopIteration as end:
                return end.value

    bad.swap(EapResponder, "respond", respond)


@fault("eap", "7296-5-05", "7296-2.16-01")
def leaves_out_its_auth_before_eap(bad: Faulty) -> None:
    """As a gateway, sends no certificate and no AUTH before EAP, whatever the client wants."""

    def respond(original, auth, request):
        steps = original(auth, request)
        answer = next(steps)
        while True:
            answer.payloads[:] = [each for each in answer.payloads if not isinstance(each, IKEv2_CERT | IKEv2_AUTH)]
            message = yield answer
            try:
                answer = steps.send(message)
            except StopIteration as end:
                return end.value

    bad.swap(EapResponder, "respond", respond)


@fault("eap", "5998-3-02", "5998-3-03")
def authenticates_alone_by_any_method(bad: Faulty) -> None:
    """As a gateway, leaves out its AUTH for a client that asks for it, with a method that is not safe alone, too."""

    def respond(original, auth, request):
        steps = original(auth, request)
        answer = next(steps)
        alone = request.has_notify(NotifyType.EAP_ONLY_AUTHENTICATION)
        while True:
            if alone:
                kept = [each for each in answer.payloads if not isinstance(each, IKEv2_CERT | IKEv2_AUTH)]
                answer.payloads[:] = kept
            message = yield answer
            try:
                answer = steps.send(message)
            except StopIteration as end:
                return end.value

    bad.swap(EapResponder, "respond", respond)


@fault("eap", "7296-5-05", "7296-2.16-01")
def needs_no_auth_before_eap(bad: Faulty) -> None:
    """As a client, begins EAP with a gateway that has sent no AUTH, though it wants one."""

    def verify(original, auth, answer):
        if answer.get(IKEv2_AUTH) is not None or answer.get(IKEv2_EAP) is None:
            original(auth, answer)

    bad.swap(EapInitiator, "_verify_gateway", verify)


@fault("eap", "5998-3-01")
def ignores_the_auth_of_a_gateway_that_may_do_without(bad: Faulty) -> None:
    """As a client that allows EAP alone, does not verify the AUTH of a gateway that sends one."""

    def verify(original, auth, answer):
        if not auth.credential.only:
            original(auth, answer)

    bad.swap(EapInitiator, "_verify_gateway", verify)


# The conversation


@fault("eap", "3748-4.1-01", "7296-3.16-01")
def takes_a_response_with_another_identifier(bad: Faulty) -> None:
    """As a server, takes a response whose Identifier is not that of its request."""

    def take(original, talk, response):
        talk._identifier = packets.identifier_of(response)
        return original(talk, response)

    bad.swap(EapServer, "_take", take)


@fault("eap", "3748-4-01")
def takes_any_eap_code_for_a_response(bad: Faulty) -> None:
    """As a server, takes a request, or a packet of an unknown code, for a response."""

    def take(original, talk, response):
        octets = bytes(response)
        return original(talk, packets.read(b"\x02" + octets[1:]) if octets[0] != 2 and len(octets) > 4 else response)

    bad.swap(EapServer, "_take", take)


@fault("eap", "3748-4-02", "7296-3.16-02")
def does_not_check_the_eap_length(bad: Faulty) -> None:
    """Takes EAP packets whose Length is another one than they have."""

    def right(octets):
        return octets[:2] + len(octets).to_bytes(2) + octets[4:] if len(octets) >= 4 else octets

    bad.swap_function(packets.read, lambda original, octets: original(right(bytes(octets))))
    bad.swap(IKEv2_EAP, "note_fault", lambda original, payload, reason: None)


@fault("eap", "3748-2.1-01")
def begins_another_method_in_the_middle(bad: Faulty) -> None:
    """As a client, answers a request of another type in the middle of a method as if none had begun."""

    def answer(original, talk, request):
        if talk._steps is not None and packets.type_of(request) != talk.method.type:
            talk._steps = None
        return original(talk, request)

    bad.swap(EapPeer, "_answer", answer)


@fault("eap", "3748-2.1-02")
def begins_another_method_after_a_late_nak(bad: Faulty) -> None:
    """As a server, begins another method after a Nak in the middle of one."""

    def take(original, talk, response):
        talk._answered = False
        return original(talk, response)

    bad.swap(EapServer, "_take", take)


@fault("eap", "3748-4.1-02")
def takes_mschapv2_success_for_a_response(bad: Faulty) -> None:
    """As a server of EAP-MSCHAPv2, takes a Success packet in answer to its challenge for the end of the method."""

    def challenge(original, method, run):
        steps = original(method, run)
        request = next(steps)
        while True:
            response = yield request
            if isinstance(response, EAP_MSCHAPv2) and response.op == SUCCESS and run.outcome is None:
                return Outcome(_NO_KEY, run.identity)
            try:
                request = steps.send(response)
            except StopIteration as end:
                return end.value

    bad.swap(Mschapv2Server, "challenge", challenge)


@fault("eap", "7296-2.16-i01")
def goes_on_with_eap_for_ever(bad: Faulty) -> None:
    """Has no limit for the rounds of EAP, for its notifications and for its fragments."""

    def further(original, rounds, most, heed=lambda message: None):
        return original(rounds, 1 << 20, heed)

    def notified(original, talk, request):
        talk._notifications = 0
        return original(talk, request)

    bad.swap_function(ike_auth._further, further)
    bad.swap(peer.EapPeer, "_notified", notified)
    bad.swap(Flights, "gather", _gather)


def _gather(original, ends, packet):
    """All fragments, without a look at lengths and limits."""
    data = b""
    while True:
        flags = flights._flags(ends._check(packet))
        data += ends._data(packet)
        if not flags & flights.MORE:
            return data
        packet = yield ends._packet(b"")


# Methods


@fault("eap", "1994-4.1-i01")
def does_not_check_the_value_size_of_md5(bad: Faulty) -> None:
    """Ends the value of EAP-MD5 with the packet, whatever its Value-Size is."""
    bad.swap_function(_received, lambda original, packet: packets.data_of(packet)[1:17])


@fault("eap", "3748-4.2-05")
def takes_any_mschapv2_response(bad: Faulty) -> None:
    """As a server of EAP-MSCHAPv2, takes any response of a user that it knows, or of none."""

    def verify(original, method, challenge, found):
        user, value = bytes(found.user), bytes(found.value)
        hashed = mschap.password_hash(method.accounts.find(user) or "")
        proof = mschap.authenticator_response(hashed, value[24:48], challenge, value[:16], user)
        return Outcome("MSCHAPv2", user, msk=session_key(hashed, value[24:48])), proof.hex().upper().encode()

    bad.swap(Mschapv2Server, "_verify", verify)


@fault("eap", "2759-5-01", "2759-5-02")
def takes_any_authenticator_response(bad: Faulty) -> None:
    """As a client of EAP-MSCHAPv2, takes any proof of the server that it knows the password."""
    bad.swap_function(mschap.same, lambda original, one, other: len(one) == 20 or original(one, other))


@fault("eap", "3748-4-02")
def does_not_check_ms_length(bad: Faulty) -> None:
    """Takes packets of EAP-MSCHAPv2 whose MS-Length is another one than they have."""

    def read(original, packet, octets):
        try:
            original(packet, octets)
        except MalformedError:
            if packet.internal("ms_length") in (None, len(octets) - 5):
                raise

    bad.swap(EAP_MSCHAPv2, "read", read)


@fault("eap", "5216-5.3-01")
def does_not_verify_the_server_of_tls(bad: Faulty) -> None:
    """As a client of EAP-TLS or EAP-TTLS, takes any certificate of the server."""
    bad.swap(TlsConfig, "context", _lenient(server=False))


@fault("eap", "5216-5.3-01", "3748-4.2-05")
def wants_no_certificate_of_a_tls_client(bad: Faulty) -> None:
    """As a server of EAP-TLS, does without a certificate of the client, and believes what it says of itself."""
    bad.swap(TlsConfig, "context", _lenient(server=True))


def _lenient(*, server: bool):
    """`TlsConfig.context` without a look at the other end's certificate, in one role."""
    role = server

    def context(original, config, *, server, log):
        made = original(config, server=server, log=log)
        if server == role:
            made.verify_flags, made.verify_mode = 0, 0
        return made

    return context


@fault("eap", "5216-2.1.5-i01")
def does_not_check_the_tls_message_length(bad: Faulty) -> None:
    """Takes a flight of EAP-TLS or EAP-TTLS that is shorter or longer than its TLS Message Length says."""
    bad.swap(Flights, "gather", _gather)


@fault("eap", "5281-10.1-i01")
def does_not_check_the_avp_length(bad: Faulty) -> None:
    """Takes the AVPs of EAP-TTLS up to the first one with a wrong length."""

    def unpack(original, octets):
        for end in range(len(octets), 0, -4):
            try:
                return original(octets[:end])
            except AuthenticationError:
                continue
        return []

    bad.swap_function(avps.unpack, unpack)


@fault("eap", "5281-10.1-01")
def ignores_mandatory_avps(bad: Faulty) -> None:
    """Ignores AVPs of EAP-TTLS that it does not know, mandatory ones too."""
    bad.swap_function(avps.understand, lambda original, found, known: None)


@fault("eap", "3748-4.2-05")
def takes_any_password_in_ttls(bad: Faulty) -> None:
    """As a server of EAP-TTLS, takes any password that comes by PAP."""
    bad.swap(TtlsServer, "_pap", lambda original, method, accounts, found, password: avps.first(found, 1) or b"")


@fault("eap", "4187-6.3.1-i01", "4187-6.3.2-01")
def takes_an_aka_attribute_without_length(bad: Faulty) -> None:
    """Takes an attribute of EAP-AKA with a length of zero words for one of four octets."""

    def measure(original, cls, octets, offset):
        return 4 if octets[offset + 1 : offset + 2] == b"\0" else original(cls, octets, offset)

    bad.swap(AKA_Attribute, "measure", measure)


@fault("eap", "4187-6.3.1-i01", "4187-6.3.2-01")
def takes_any_mac_of_aka(bad: Faulty) -> None:
    """Takes any AT_MAC."""
    bad.swap(Keys, "verified", lambda original, keys, packet: True)


@fault("eap", "4187-6.3.1-i02")
def takes_any_autn(bad: Faulty) -> None:
    """As a client of EAP-AKA, takes any AUTN."""

    def verify(original, functions, rand, autn):
        return original(functions, rand, autn) or (functions.vector(rand, LARGEST_SQN, autn[6:8]), LARGEST_SQN)

    bad.swap(Milenage, "verify", verify)


@fault("eap", "9190-2.5-01")
def takes_any_success_indication_of_tls_1_3(bad: Faulty) -> None:
    """As a client of EAP-TLS 1.3, takes any data under TLS for the success indication."""
    bad.swap(Tunnel, "read", lambda original, tunnel: original(tunnel) and b"\0")


@fault("eap", "9048-3.2-i01", "9048-3.2-i03")
def takes_any_kdf_for_the_first(bad: Faulty) -> None:
    """As a client of EAP-AKA', makes its keys as ever, whatever functions the server names."""
    bad.swap(aka_peer._Conversation, "_agree", lambda original, talk, offered: None)


@fault("eap", "9048-3.2-01")
def does_not_check_the_second_list_of_kdfs(bad: Faulty) -> None:
    """As a client of EAP-AKA', takes any list of functions once it has asked for one."""

    def agree(original, talk, offered):
        return None if talk._wanted is not None else original(talk, offered)

    bad.swap(aka_peer._Conversation, "_agree", agree)


@fault("eap", "9048-3.2-i02")
def takes_any_kdf_of_the_peer(bad: Faulty) -> None:
    """As a server of EAP-AKA', goes on with any function that the peer asks for."""
    bad.swap(aka_server._Conversation, "_agree", lambda original, talk, wanted: None)


@fault("eap", "9048-3.1-01")
def does_not_check_the_network_of_aka(bad: Faulty) -> None:
    """As a client of EAP-AKA', makes keys for its own network, whatever the server says."""
    bad.swap(aka_peer._Conversation, "_network", lambda original, talk, found, ours: b"WLAN")
