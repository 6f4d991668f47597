# SPDX-License-Identifier: GPL-2.0-or-later
"""ML-KEM as the only key exchange."""

from __future__ import annotations

from fynx_scapy.events import IkeSaRekeyed
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import KeMethod
from fynx_scapy.layers.ikev2 import IKEv2_KE

SIZES = {
    # Octets of KEi, the encapsulation key, and of KEr, the ciphertext
    KeMethod.ML_KEM_768: (1184, 1088),
    KeMethod.ML_KEM_1024: (1568, 1568),
}  # fmt: skip


@scenario("RFC 7296 section 3.4", requirements=("7296-1.2-04", "7296-1.3-04"))
def mlkem_alone(run: Run) -> None:
    """ML-KEM as the only key exchange: in IKE_SA_INIT, for a Child SA, and in both rekeys.

    The initiator sends an encapsulation key, the responder answers with a ciphertext (draft-ietf-ipsecme-ikev2-mlkem).
    """
    for method, (public, ciphertext) in SIZES.items():
        word = method.name.lower().replace("_", "")
        both = f"aes256gcm16-prfsha384-x25519-{word}"
        esp = f"aes256gcm16-{word}"
        s = run.session(
            method.name,
            proposals=both,
            esp_proposals=esp,
            peer={"proposals": f"aes256gcm16-prfsha384-{word}"},
        )
        # HDR(A,0), SAi1, KEi(X25519), Ni  -->   <--  HDR(A,0), N(INVALID_KE_PAYLOAD, ML-KEM)
        # HDR(A,0), SAi1, KEi(encapsulation key), Ni  -->   <--  HDR(A,B), SAr1, KEr(ciphertext), Nr
        answer = s.sa_init()
        asked = expect(s.events).at("initiator").sent(1).has(IKEv2_KE, group=method).packet
        expect(len(asked[IKEv2_KE].ke), "octets of KEi").equals(public)
        expect(answer).has(IKEv2_KE, group=method)
        expect(len(answer[IKEv2_KE].ke), "octets of KEr").equals(ciphertext)
        s.auth()

        # HDR, SK {[N(REKEY_SA),] SA, Ni, KEi, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, KEr, TSi, TSr}
        for answer in (s.create_child(), s.rekey_child()):
            expect(len(answer[IKEv2_KE].ke), "octets of KEr").equals(ciphertext)
        s.ping()
        # HDR, SK {SA, Ni, KEi(X25519)}  -->   <--  HDR, SK {N(INVALID_KE_PAYLOAD, ML-KEM)}
        # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
        expect(s.rekey_ike()).has(IKEv2_KE, group=method)
        expect(s.events).has(IkeSaRekeyed, times=2)
        s.ping()


if __name__ == "__main__":
    main(__file__)
