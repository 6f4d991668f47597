# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer sends in a whole conversation, for scenarios that hold each of its messages against the RFC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Unpack

from scapy.packet import Packet

from fynx_scapy.errors import LocalError
from fynx_scapy.harness.expect import fail
from fynx_scapy.harness.stage import Run
from fynx_scapy.iana import PayloadType, name_of
from fynx_scapy.ike.events import MessageReceived
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields


def conversation(
    run: Run, label: str = "", *, embedded: SessionFields | None = None, **given: Unpack[SessionFields]
) -> tuple[Session, list[MessageReceived]]:
    """Everything between IKE_SA_INIT and the Delete of the IKE SA; the session, and what the peer sent.

    We begin each kind of exchange, and so does a peer that can be asked to.
    """
    s = run.session(label, embedded=embedded, **given)
    run.establish(s)
    s.ping()
    s.liveness()
    s.create_child()
    s.rekey_child()
    if run.embedded("what the peer sends when it begins an exchange"):
        peer = run.driver(s)
        for act in (peer.liveness, peer.create_child, peer.rekey_child, peer.delete_child, peer.rekey_ike):
            act()
            s.network.run()
    s.rekey_ike()
    s.delete(s.child)
    s.liveness()
    s.delete()
    heard = messages(s)
    if len(heard) < 8:
        fail("at least eight messages of the peer", len(heard))
    return s, heard


def messages(s: Session) -> list[MessageReceived]:
    """What we received in a session, in its order."""
    ours = s.name
    return [event for who, event in s.events if who == ours and isinstance(event, MessageReceived)]


def is_response(message: MessageReceived) -> bool:
    """Whether the Response flag of a message is set."""
    return bool(int(message.header.flags) & FLAG_RESPONSE)


def payloads(heard: list[MessageReceived], kind: type[Packet]) -> Iterator[Any]:
    """Every payload of one class."""
    return (payload for message in heard for payload in message.payloads if type(payload) is kind)


def each(heard: list[MessageReceived], what: str, wrong: Callable[[Any], object], kind: type[Packet]) -> None:
    """Expect of every payload of one class that ``wrong`` finds nothing, and that there is one.

    ``what`` says what is expected of it. ExpectationFailed with what was found, and in which payload.
    """
    found = list(payloads(heard, kind))
    if not found:
        raise LocalError(f"expected a {kind.__name__} in the conversation, found none")
    for payload in found:
        if fault := wrong(payload):
            fail(f"{name_of(PayloadType, payload.payload_type)} with {what}", fault)
