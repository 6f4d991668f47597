# SPDX-License-Identifier: GPL-2.0-or-later
"""A client authenticates by its USIM: EAP-AKA and EAP-AKA', with a sequence number that is right, or used before.

Between our ends: Debian's strongSwan has the method of EAP-AKA, but neither a card nor a home network for it.
"""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import Credentials, EndAuth, Role, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.scenarios.eap.methods import ALONE, GATEWAY, client

AHEAD = 1 << 20
"""A sequence number that the home network has not reached yet."""
KINDS = {
    "aka": ("eap-aka", GATEWAY, 0, "RFC 4187 section 3"),
    "aka_alone": ("eap-aka", ALONE, 0, "RFC 5998 section 3"),
    "aka_synchronised": ("eap-aka", GATEWAY, AHEAD, "RFC 4187 section 6.3.1"),
    "aka_prime": ("eap-aka-prime", GATEWAY, 0, "RFC 9048 section 3"),
    "aka_prime_alone": ("eap-aka-prime", ALONE, 0, "RFC 5998 section 3"),
    "aka_prime_synchronised": ("eap-aka-prime", GATEWAY, AHEAD, "RFC 9048 section 3.2"),
}


def synchronised(run: Run) -> None:
    """The client proves itself by its USIM, though the home network does not know its sequence number at first."""
    client(run)
    found = [
        each[IKEv2_EAP].text
        for kind in (MessageSent, MessageReceived)
        for each in run.messages(kind)
        if IKEv2_EAP in each
    ]
    told = [text for text in found if text.endswith("Synchronization-Failure")]
    expect(len(told), "failures to synchronise").equals(1)


for _name, (_by, _gateway, _sqn, _source) in KINDS.items():
    _client = EndAuth(by=_by, user="0232010000000000@example", sqn=_sqn)
    for _role, _config in (
        (Role.INITIATOR, {"auth": Credentials(ours=_client, theirs=_gateway), "remote_id": _client.user}),
        (Role.RESPONDER, {"auth": Credentials(theirs=_client, ours=_gateway), "local_id": _client.user}),
    ):
        scenario(
            _source, name=f"{_name}_{'client' if _role is Role.INITIATOR else 'gateway'}", roles=(_role,),
            needs={"certificates", "ecdsa", "eap", "eap_aka", *(("eap_only",) if _gateway is ALONE else ())},
            config=_config,
        )(synchronised if _sqn else client)  # fmt: skip

if __name__ == "__main__":
    main(__file__)
