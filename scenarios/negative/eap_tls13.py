# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-TLS with TLS 1.3: the success indication, what answers it, flights in fragments (RFC 9190)."""

from __future__ import annotations

from typing import Any

from fynx_scapy.harness.cases import cases, clients, eap_fails, eap_says, gateways, inside, not_proven, silent
from fynx_scapy.harness.verbs import NOTHING, eap_cut, eap_instead, eap_overwrite, eap_success
from fynx_scapy.scenarios.negative.eap import as_client, as_gateway
from fynx_scapy.scenarios.negative.eap_tls import ALERTS, BROKEN, CERTIFICATES, FATAL, SIZES

TLS: dict[str, Any] = {"by": "eap-tls", "names": ("carol",), "tls": "1.3"}
TYPE = 13
FLIGHT, INDICATION = "TLS round 1", "TLS round 2"
"""The end of the gateway's flight, and its data 0x00."""
FINISHED = "TLS round 2"
"""The end of the client's second flight."""
WHOLE = "TLS fragment"
"""The first packet of that flight, which has more than one: what is sent in its place is all of the flight."""
FAILS = eap_fails("TLS") | silent()
"""A server may send an alert first."""
CRITICAL: dict[str, Any] = {"severity": "critical"}
SUCCESS, NOTHING_ELSE = ("9190-2.5-01",), ("9190-2.1.1-i01",)

cases(
    __name__,
    [
        # The success indication
        as_gateway(
            "tls13_success_without_the_indication", INDICATION, eap_success(), *SUCCESS, "3748-4.2-01",
            auth=gateways(**TLS), then=not_proven(), **CRITICAL,
            what="EAP-Success in place of data 0x00 under TLS: nobody vouches for it.",
        ),
        *(
            as_gateway(
                f"tls13_indication_{name}", INDICATION, eap_instead(TYPE, octets), *SUCCESS, auth=gateways(**TLS),
                then=not_proven(), **CRITICAL,
            )
            for name, octets in (
                ("empty", b"\0"),
                ("in_the_clear", b"\0\x17\x03\x03\0\x01\0"),
                ("that_is_an_alert", b"\0" + FATAL),
                ("that_does_not_verify", b"\0\x17\x03\x03\0\x12" + bytes(18)),
            )
        ),
        *(
            as_gateway(
                f"tls13_indication_of_{name}", INDICATION, NOTHING, *SUCCESS, auth=gateways(**TLS),
                tune=inside(lambda _, data=data: data), then=not_proven(), **CRITICAL,  # type: ignore[misc]
                what="Other data than 0x00, well protected, is no indication of success.",
            )
            for name, data in (("one", b"\1"), ("two_octets", b"\0\0"), ("text", b"success"))
        ),
        as_gateway(
            "tls13_indication_cut", INDICATION, eap_cut(12), *SUCCESS, auth=gateways(**TLS), then=not_proven(),
            **CRITICAL,
        ),
        # What answers it
        *(
            as_client(
                f"tls13_indication_answered_by_{name}", "TLS acknowledgement round 2", eap_instead(TYPE, octets),
                *NOTHING_ELSE, *(ALERTS if "alert" in name else ()), auth=clients(**TLS), then=FAILS,
            )
            for name, octets in (
                ("an_alert", b"\0" + FATAL),
                ("data", b"\0\x17\x03\x03\0\x12" + bytes(18)),
                ("a_start", b"\x20" + FATAL),
            )
        ),
        # Flights
        *(
            as_client(
                f"tls13_finished_{name}", WHOLE, eap_instead(TYPE, octets), *(ALERTS if "alert" in name else SIZES),
                auth=clients(**TLS),
                then=FAILS | eap_says("TLS acknowledgement") if name.endswith("cut") else FAILS,
            )
            for name, octets in BROKEN.items()
            if "fragments" not in name
        ),
        *(
            as_gateway(
                f"tls13_flight_{name}", FLIGHT, eap_instead(TYPE, octets), *(ALERTS if "alert" in name else SIZES),
                auth=gateways(**TLS), then=not_proven(),
            )
            for name, octets in BROKEN.items()
            if "fragments" not in name
        ),
        *(
            as_gateway(
                f"tls13_fragments_of_{name}_of_a_gateway", "TLS fragment", eap_overwrite(6, size.to_bytes(4)), *SIZES,
                auth=gateways(**TLS), then=not_proven(),
            )
            for name, size in (("1_octet", 1), ("4_gb", 0xFFFFFFFF))
        ),
        as_client(
            "tls13_last_fragment_missing", WHOLE, eap_overwrite(5, b"\x80"), *SIZES, auth=clients(**TLS),
            then=FAILS, what="The first fragment says that it is the last one, and has less than the length.",
        ),
        as_gateway(
            "tls13_last_fragment_missing_of_a_gateway", "TLS fragment", eap_overwrite(5, b"\x80"), *SIZES,
            auth=gateways(**TLS), then=not_proven(),
        ),
        # Certificates, which TLS 1.3 has under its keys
        as_client(
            "tls13_client_of_a_stranger", FINISHED, NOTHING, *CERTIFICATES, then=FAILS, **CRITICAL,
            auth=clients(**TLS, authority="stranger"), source="RFC 9190 section 2.1.4",
        ),
    ],
)  # fmt: skip
