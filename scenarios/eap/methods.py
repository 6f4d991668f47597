# SPDX-License-Identifier: GPL-2.0-or-later
"""A client authenticates by an EAP method, the gateway by a certificate or by EAP alone; the SAs live on as always."""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import Credentials, EndAuth, Role, Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_EAP
from fynx_scapy.scenarios.certificates.signatures import authenticated

GATEWAY, ALONE = EndAuth(), EndAuth(by="eap")
METHODS: dict[str, tuple[EndAuth, EndAuth, str, set[str]]] = {
    "md5": (EndAuth(by="eap-md5"), GATEWAY, "RFC 3748 section 5.4", {"eap"}),
    "mschapv2": (EndAuth(by="eap-mschapv2"), GATEWAY, "RFC 7296 section 2.16", {"eap"}),
    "tls12": (EndAuth(by="eap-tls", names=("carol",)), GATEWAY, "RFC 5216 section 2.1", {"eap"}),
    "tls_alone": (EndAuth(by="eap-tls", names=("carol",)), ALONE, "RFC 5998 section 3", {"eap", "eap_only"}),
    "tls13": (
        EndAuth(by="eap-tls", names=("carol",), tls="1.3"),
        GATEWAY,
        "RFC 9190 section 2.1",
        {"eap", "eap_tls13"},
    ),
    "ttls_md5": (EndAuth(by="eap-ttls"), GATEWAY, "RFC 5281 section 11.2.1", {"eap"}),
    "ttls_mschapv2": (EndAuth(by="eap-ttls", inner="eap-mschapv2"), GATEWAY, "RFC 5281 section 11.2.1", {"eap"}),
    "ttls_alone": (EndAuth(by="eap-ttls"), ALONE, "RFC 5998 section 3", {"eap", "eap_only"}),
    "ttls_tls13": (EndAuth(by="eap-ttls", tls="1.3"), GATEWAY, "RFC 9427 section 2.4", {"eap", "eap_tls13"}),
    "ttls_pap": (EndAuth(by="eap-ttls", inner="pap"), GATEWAY, "RFC 5281 section 11.2.5", {"eap", "eap_ttls_plain"}),
    "ttls_plain_mschapv2": (
        EndAuth(by="eap-ttls", inner="mschapv2"),
        GATEWAY,
        "RFC 5281 section 11.2.4",
        {"eap", "eap_ttls_plain"},
    ),
    "tls12_rsa": (
        EndAuth(by="eap-tls", names=("carol",), key="rsa-2048"),
        EndAuth(key="rsa-2048"),
        "RFC 5216 section 2.1",
        {"eap"},
    ),
}


def client(run: Run) -> None:
    """The client proves itself by EAP; packets pass, and both SAs are rekeyed."""
    authenticated(run)
    for kind in (MessageSent, MessageReceived):
        found = [each[IKEv2_EAP].text for each in run.messages(kind) if IKEv2_EAP in each]
        expect(found, "EAP packets").holds()


for _name, (_client, _gateway, _source, _needs) in METHODS.items():
    for _role, _auth in (
        (Role.INITIATOR, Credentials(ours=_client, theirs=_gateway)),
        (Role.RESPONDER, Credentials(theirs=_client, ours=_gateway)),
    ):
        scenario(
            _source, name=f"{_name}_{'client' if _role is Role.INITIATOR else 'gateway'}", roles=(_role,),
            needs={"certificates", "ecdsa", *_needs}, config={"auth": _auth},
        )(client)  # fmt: skip

if __name__ == "__main__":
    main(__file__)
