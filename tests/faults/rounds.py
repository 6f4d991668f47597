# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in several authentications (RFC 4739), and in how long one counts (RFC 4478)."""

from __future__ import annotations

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.auth.multiple import FOLLOWS, SUPPORTED, MultipleAuthentication, MultipleAuthenticator
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.extensions import auth_lifetime
from fynx_scapy.ike.extensions.auth_lifetime import AuthLifetime
from fynx_scapy.ike.life import reauthentication
from fynx_scapy.ike.message import Message
from fynx_scapy.layers.ikev2 import IKEv2_IDi, IKEv2_IDr
from tests.faults.fault import Faulty, fault

LIFETIME = NotifyType.AUTH_LIFETIME


# Rounds


@fault("auth", "4739-2.1-i04")
def is_content_with_one_of_several_rounds(bad: Faulty) -> None:
    """Takes a peer for authenticated that has left out its further rounds."""

    def settle(original, auth):
        del auth._verifying[len(auth._proven) :]
        return original(auth)

    bad.swap(MultipleAuthenticator, "_settle", settle)


@fault("auth", "4739-2.1-i04")
def takes_any_auth_in_a_later_round(bad: Faulty) -> None:
    """Does not verify AUTH in any round but the first."""

    def check(original, auth, method, data, covered, message):
        try:
            original(auth, method, data, covered, message)
        except AuthenticationError:
            if auth.sa.peer_proof is None:
                raise

    bad.swap(Authenticator, "check", check)


@fault("auth", "4739-2.1-i02")
def takes_rounds_of_a_peer_that_does_not_know_them(bad: Faulty) -> None:
    """Goes through several rounds with a peer that has sent no MULTIPLE_AUTH_SUPPORTED."""

    def has_notify(original, message, kind):
        return kind == SUPPORTED or original(message, kind)

    bad.swap(Message, "has_notify", has_notify)
    bad.swap(MultipleAuthentication, "doubts", lambda original, one, answer: False)


@fault("auth", "4739-2.1-i02")
def takes_a_round_that_was_not_announced(bad: Faulty) -> None:
    """Takes a further ID payload for the beginning of another round, without ANOTHER_AUTH_FOLLOWS before it."""

    def remember_begin(auth, message):
        kind = IKEv2_IDr if auth.sa.initiator else IKEv2_IDi
        if message.get(kind) is not None and len(auth._proven) < len(auth._verifying):
            auth._awaited = True

    def settle(original, auth):
        if len(auth._proven) >= len(auth._verifying):
            original(auth)

    bad.swap(MultipleAuthenticator, "_check_begins", lambda original, auth, message: remember_begin(auth, message))
    bad.swap(MultipleAuthenticator, "_take", lambda original, auth, answer: (remember_begin(auth, answer),
                                                                             original(auth, answer)))  # fmt: skip
    bad.swap(MultipleAuthenticator, "_settle", settle)


@fault("auth", "4739-2.1-i03")
def waits_for_no_round_that_was_announced(bad: Faulty) -> None:
    """Sets up the IKE SA although ANOTHER_AUTH_FOLLOWS says that the peer goes on."""

    def heed(original, auth, message):
        if message.has_notify(FOLLOWS):
            del auth._verifying[len(auth._proven) :]
        else:
            original(auth, message)

    bad.swap(MultipleAuthenticator, "_heed", heed)


@fault("auth", "4739-2.1-i06")
def covers_the_identity_of_the_first_round(bad: Faulty) -> None:
    """Makes and verifies AUTH of every round over the identity of the first one."""

    def remember(original, auth, message, *, ours):
        if ours not in auth.identities:
            original(auth, message, ours=ours)

    bad.swap(Authenticator, "remember", remember)


@fault("auth", "4739-2.1-i03")
def says_who_it_is_in_the_first_round_alone(bad: Faulty) -> None:
    """Begins its further rounds without an ID payload."""

    def identify(original, auth, message):
        original(auth, message)
        if auth._begun > 1:
            del message.payloads[-1]

    bad.swap(MultipleAuthenticator, "identify", identify)


@fault("auth", "4739-2.1-i01")
def does_not_say_that_it_knows_rounds(bad: Faulty) -> None:
    """Leaves out MULTIPLE_AUTH_SUPPORTED."""
    bad.swap(MultipleAuthentication, "offer", lambda original, one, message, exchange, request: ())


# Lifetimes of authentications


@fault("lifetime/dpd", "4478-2-04", "4478-3-i03")
def does_not_authenticate_again(bad: Faulty) -> None:
    """Takes no notice of AUTH_LIFETIME."""
    bad.swap(AuthLifetime, "note", lambda original, one, message, exchange: None)


def _obeys(bad: Faulty, wrong) -> None:
    """Authenticate again at once because of messages for which ``wrong`` is true."""

    def note(original, one, message: Message, exchange: Exchange):
        original(one, message, exchange)
        if message.notify(LIFETIME) is not None and wrong(one, message, exchange) and one.sa.established:
            one.sa.reauthenticate()

    bad.swap(AuthLifetime, "note", note)


@fault("lifetime/dpd", "4478-2-02")
def obeys_the_auth_lifetime_of_an_initiator(bad: Faulty) -> None:
    """As the responder, authenticates again because the initiator sends AUTH_LIFETIME."""
    _obeys(bad, lambda one, message, exchange: not one.began)


@fault("lifetime/dpd", "4478-3-i01")
def reads_auth_lifetime_of_any_size(bad: Faulty) -> None:
    """Takes the data of AUTH_LIFETIME for a number, however many octets they are."""

    def lifetime(original, message):
        found = message.notify(LIFETIME)
        return None if found is None else min(int.from_bytes(bytes(found.notify or b"")), 0xFFFF_FFFF)

    bad.swap_function(auth_lifetime._lifetime, lifetime)


@fault("lifetime/dpd", "4478-2-06")
def obeys_an_auth_lifetime_in_the_clear(bad: Faulty) -> None:
    """Heeds AUTH_LIFETIME in the answer to IKE_SA_INIT, which anybody may have put there."""

    said = set()

    def note(original, one, message, exchange):
        original(one, message, exchange)
        if not message.encrypted and message.notify(LIFETIME) is not None and one.began:
            said.add(one)

    def established(original, one):
        original(one)
        if one in said:
            one._act(one.sa.now + 1, one._authenticate_again)

    bad.swap(AuthLifetime, "note", note)
    bad.swap(AuthLifetime, "established", established)


@fault("lifetime/dpd", "4478-2-03")
def lets_an_authentication_count_for_ever(bad: Faulty) -> None:
    """Sends AUTH_LIFETIME, and never deletes the IKE SA."""
    bad.swap(AuthLifetime, "_delete", lambda original, one, now: None)


@fault("lifetime/dpd", "4478-2-i01")
def forgets_the_auth_lifetime_at_a_rekey(bad: Faulty) -> None:
    """Limits the IKE SA that was authenticated, and not that which replaces it."""
    bad.swap(AuthLifetime, "inherit", lambda original, one, old: None)


@fault("lifetime/dpd", "4478-2-08")
def keeps_the_ike_sa_of_the_authentication_before(bad: Faulty) -> None:
    """Authenticates again, and leaves the old IKE SA to the peer."""
    bad.swap_function(reauthentication._delete, lambda original, old, now: None)


@fault("lifetime/dpd", "4478-3-01")
def sends_auth_lifetime_for_a_protocol(bad: Faulty) -> None:
    """Sends AUTH_LIFETIME with the Protocol ID of IKE."""

    def change(payload) -> None:
        payload.proto = 1

    bad.each_notify(change, LIFETIME)
