# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in post-quantum pre-shared keys (RFC 8784)."""

from __future__ import annotations

from fynx_scapy.crypto.keymat import mix_ppk
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.auth.ppk import PostQuantumKey
from fynx_scapy.ike.sa import IkeSa
from tests.faults.fault import Faulty, later


def _lenient(original, ppk, *args, **named):
    """Call a method as if no PPK were required."""
    config = ppk.sa.config
    ppk.sa.config = config.replace(ppk_required=False)
    try:
        return original(ppk, *args, **named)
    finally:
        ppk.sa.config = config


@later("auth", "8784-3-07")
def takes_no_ppk_auth_although_required(bad: Faulty) -> None:
    """Authenticates an initiator without a PPK, though it requires one."""
    bad.swap(PostQuantumKey, "_do_without", _lenient)


@later("auth", "8784-3-i08")
def ignores_a_wrong_ppk(bad: Faulty) -> None:
    """Takes a peer that has another PPK under the same PPK_ID."""

    def verify(original, auth, message):
        try:
            original(auth, message)
        except AuthenticationError:
            if auth.sa.of(PostQuantumKey).key is None:
                raise

    bad.swap(Authenticator, "verify", verify)


@later("auth", "8784-3-07")
def takes_any_ppk_id(bad: Faulty) -> None:
    """Uses its only PPK, whatever the PPK_ID of the initiator is."""

    def proof(original, ppk, message, data):
        named = message.notify(NotifyType.PPK_IDENTITY)
        if not ppk.sa.initiator and named is not None and ppk.sa.config.ppk:
            named.notify = ppk.sa.config.ppk[0].wire_id
        return original(ppk, message, data)

    bad.swap(PostQuantumKey, "proof", proof)


@later("auth", "8784-3-06")
def needs_no_ppk_identity(bad: Faulty) -> None:
    """Goes on without a PPK if PPK_IDENTITY is missing after USE_PPK."""

    def proof(original, ppk, message, data):
        if not ppk.sa.initiator and message.notify(NotifyType.PPK_IDENTITY) is None:
            return data
        return original(ppk, message, data)

    bad.swap(PostQuantumKey, "proof", proof)


@later("auth", "8784-3-i08")
def prefers_no_ppk_auth(bad: Faulty) -> None:
    """Does without the PPK wherever the initiator allows it, though it has the PPK."""

    def proof(original, ppk, message, data):
        plain = message.notify(NotifyType.NO_PPK_AUTH)
        return original(ppk, message, data) if ppk.sa.initiator or plain is None else bytes(plain.notify)

    bad.swap(PostQuantumKey, "proof", proof)


@later("auth", "8784-3-02")
def goes_on_without_use_ppk(bad: Faulty) -> None:
    """As an initiator that requires a PPK, goes on with a responder that has none."""
    for name in ("doubts", "note", "offer"):
        bad.swap(PostQuantumKey, name, _lenient)


@later("auth", "8784-3-10")
def needs_no_confirmation_of_its_ppk(bad: Faulty) -> None:
    """As an initiator, does without a PPK that the responder did not confirm, though it requires one."""
    bad.swap(PostQuantumKey, "_accept_answer", lambda original, ppk, *, confirmed: original(ppk, confirmed=True))


@later("auth", "8784-3-09")
def mixes_the_ppk_into_auth_alone(bad: Faulty) -> None:
    """Mixes the PPK into SK_pi and SK_pr, and leaves SK_d as it is."""

    def adopt(original, sa, keys, *rest):
        before = sa._keys
        ppk = sa.of(PostQuantumKey).key
        return original(sa, keys if ppk is None or before is None else before, *rest)

    bad.swap(IkeSa, "adopt", adopt)


@later("rekey", "8784-3-03")
def mixes_the_ppk_in_again(bad: Faulty) -> None:
    """Mixes the PPK into the keys of a rekeyed IKE SA again."""

    def derive(original, sa, suite, shared, old=None):
        original(sa, suite, shared, old)
        if old is not None and old.config.ppk:
            sa.adopt(mix_ppk(sa.suite.prf_function(), old.config.ppk[0].secret, sa.keys))

    bad.swap(IkeSa, "derive_keys", derive)
