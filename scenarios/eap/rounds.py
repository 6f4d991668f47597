# SPDX-License-Identifier: GPL-2.0-or-later
"""Several authentications in one IKE_AUTH: of the initiator, of the responder, and of both."""

from __future__ import annotations

from fynx_scapy.harness import Credentials, EndAuth, Role, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr, IKEv2_Notify
from fynx_scapy.scenarios.certificates.signatures import authenticated

PSK, CAROL = EndAuth(by="psk"), EndAuth(by="eap-mschapv2")
DAVE = EndAuth(by="eap-md5", user="dave", password="another")
SEVERAL: dict[str, tuple[EndAuth, EndAuth, str]] = {
    "eap_twice": (CAROL.replace(then=(DAVE,)), EndAuth(), "RFC 4739 section 2.2"),
    "certificate_then_eap": (EndAuth(then=(CAROL,)), EndAuth(), "RFC 4739 section 2.3"),
    "psk_then_eap": (PSK.replace(then=(CAROL,)), PSK, "RFC 4739 section 2.3"),
    "certificate_then_psk": (EndAuth(then=(PSK,)), EndAuth(), "RFC 4739 section 2.4"),
    "responder_twice": (PSK, EndAuth(then=(PSK,)), "RFC 4739 section 2.5"),
    "both_twice": (EndAuth(then=(PSK,)), EndAuth(then=(PSK,)), "RFC 4739 section 2.1"),
}
"""What the initiator and the responder prove, and the section with an example."""
CHECKED = ("4739-2.1-i01", "4739-2.1-i03", "4739-2.1-i05", "4739-2.1-i06", "4739-3.1-01", "4739-3.2-01")
NEEDS = {"certificates", "ecdsa", "eap", "mixed", "rounds"}


def rounds(run: Run) -> None:
    """Each end goes through its rounds, and says that another one follows; packets pass, and both SAs are rekeyed."""
    auth = run.peer_config.auth
    assert auth is not None
    initiator, responder = (auth.ours, auth.theirs) if run.we_begin else (auth.theirs, auth.ours)
    authenticated(run)
    init, requests, answers = run.answers("IKE_SA_INIT")[-1], run.requests("IKE_AUTH"), run.answers("IKE_AUTH")
    # HDR, SAr1, KEr, Nr, N(MULTIPLE_AUTH_SUPPORTED)     HDR, SK {IDi, …, N(MULTIPLE_AUTH_SUPPORTED)}  -->
    expect(init).notifies("MULTIPLE_AUTH_SUPPORTED")
    expect(requests[0]).notifies("MULTIPLE_AUTH_SUPPORTED")
    for messages, kind, end in ((requests, IKEv2_IDi, initiator), (answers, IKEv2_IDr, responder)):
        begun = [each for each in messages if kind in each]
        expect(len(begun), f"messages with {kind.__name__}").equals(1 + len(end.then))
        following = [each for each in messages if expect(each).has_notify("ANOTHER_AUTH_FOLLOWS")]
        expect(len(following), "ANOTHER_AUTH_FOLLOWS").equals(len(end.then))
        expect(all(IKEv2_AUTH in each for each in following), "AUTH beside each").holds()
    # Sections 3.1 and 3.2: no protocol, no SPI, no data
    kinds = {int(NotifyType.MULTIPLE_AUTH_SUPPORTED), int(NotifyType.ANOTHER_AUTH_FOLLOWS)}
    heard = (init, *answers) if run.we_begin else requests
    notifies = [each for message in heard for each in message.iterpayloads()]
    said = [each for each in notifies if isinstance(each, IKEv2_Notify) and each.type in kinds]
    found = {(each.proto, each.SPIsize, each.length) for each in said}
    expect(found, "Protocol ID, SPI Size and length of the peer's notifies").equals({(0, 0, 8)})
    proof = run.s.sa.peer_proof
    assert proof is not None
    theirs = responder if run.we_begin else initiator
    expect(len(proof.rounds), "what the peer has proven").equals(1 + len(theirs.then) if theirs.then else 0)


for _name, (_initiator, _responder, _source) in SEVERAL.items():
    for _roles, _auth in (
        ((Role.INITIATOR, Role.CLIENT), Credentials(ours=_initiator, theirs=_responder)),
        ((Role.RESPONDER, Role.SERVER), Credentials(theirs=_initiator, ours=_responder)),
    ):
        # strongSwan has an end that has ended its own rounds judge the other one's at once.
        _also: set[str] = {"lone_rounds"} if _name == "responder_twice" and not _roles[0].begins else set()
        scenario(
            _source, name=f"{_name}_{_roles[0].value}", roles=_roles, needs=NEEDS | _also, config={"auth": _auth},
            requirements=CHECKED,
        )(rounds)  # fmt: skip


if __name__ == "__main__":
    main(__file__)
