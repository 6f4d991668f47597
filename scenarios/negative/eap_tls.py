# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-TLS and EAP-TTLS: fragments and lengths, alerts, certificates, and AVPs inside the tunnel (RFC 5216, 5281)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy.harness import EndAuth
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    avp,
    cases,
    clients,
    eap_fails,
    eap_says,
    gateways,
    inside,
    not_proven,
    silent,
    without_certificate,
)
from fynx_scapy.harness.verbs import NOTHING, eap_cut, eap_instead, eap_overwrite, eap_success
from fynx_scapy.scenarios.negative.eap import as_client, as_gateway

TLS: dict[str, Any] = {"by": "eap-tls", "names": ("carol",)}
TTLS: dict[str, Any] = {"by": "eap-ttls"}
PAP: dict[str, Any] = {"by": "eap-ttls", "inner": "pap"}
PLAIN: dict[str, Any] = {"by": "eap-ttls", "inner": "mschapv2"}
METHODS: dict[str, tuple[dict[str, Any], int]] = {"TLS": (TLS, 13), "TTLS": (TTLS, 21)}
FAILS = eap_fails("TLS", "TTLS") | silent()
"""A server may send an alert first."""
CRITICAL: dict[str, Any] = {"severity": "critical"}
EAP_MESSAGE, MICROSOFT = 79, 311
"""An AVP, and who has those of MS-CHAP."""
FATAL = b"\x15\x03\x03\0\x02\x02\x28"
"""A TLS record with an alert: fatal, handshake_failure."""
CLOSE = b"\x15\x03\x03\0\x02\x01\0"
"""Likewise: warning, close_notify."""
SIZES, ALERTS, CERTIFICATES = ("5216-2.1.5-i01",), ("5216-2.1.3-01",), ("5216-5.3-01",)
LENGTHS, MANDATORY, REFUSED = ("5281-10.1-i01",), ("5281-10.1-01",), ("3748-4.2-05",)
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "that_says_a_length_of_three_octets": b"\x80\0\0",
    "that_is_a_start": b"\x20",
    "of_4_gb": b"\x80\xff\xff\xff\xff\x16\x03\x01\0\x05",
    "of_4_gb_in_fragments": b"\xc0\xff\xff\xff\xff\x16\x03\x01\0\x05",
    "shorter_than_its_length": b"\x80\0\0\0\x40\x16\x03\x01\0\x05\x01\0\0\x01\0",
    "longer_than_its_length": b"\x80\0\0\0\x01\x16\x03\x01\0\x05\x01\0\0\x01\0",
    "that_is_no_tls": b"\0" + b"\xff" * 64,
    "of_a_record_that_is_cut": b"\0\x16\x03\x01\x40\0\x01",
    "with_a_fatal_alert": b"\0" + FATAL,
    "with_close_notify": b"\0" + CLOSE,
}
"""What is behind the Type in place of a flight: flags, perhaps a length, and TLS."""


def _refused(method: str, name: str) -> Outcome:
    """What a server does then. Of a TLS record that is cut it may want the rest, in the next packet."""
    return FAILS | eap_says(f"{method} acknowledgement") if name.endswith("cut") else FAILS


def _sized(size: int) -> Callable[[bytes], bytes]:
    """The first AVP says another length."""
    return lambda data: data[:5] + size.to_bytes(3) + data[8:]


def _followed(octets: bytes) -> Callable[[bytes], bytes]:
    """More octets behind good AVPs."""
    return lambda data: data + octets


def _only(octets: bytes) -> Callable[[bytes], bytes]:
    return lambda _: octets


def _swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Other octets of the same number in place of these."""
    return lambda data: data.replace(old, new)


def _eap(octets: bytes) -> bytes:
    return avp(EAP_MESSAGE, octets)


AVPS: dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    **{f"of_length_{size}": (_sized(size), LENGTHS) for size in (0, 1, 7, 0x7FFF, 0xFFFFFF)},
    **{
        f"followed_by_one_of_length_{size}": (_followed(b"\0\0\0\x01\x40" + size.to_bytes(3) + b"fynx"), LENGTHS)
        for size in (0, 4, 7, 13, 0xFFFFFF)
    },
    "followed_by_a_vendors_of_length_8": (_followed(b"\0\0\0\x0b\xc0\0\0\x08"), LENGTHS),
    "followed_by_a_vendors_of_length_11": (_followed(b"\0\0\0\x0b\xc0\0\0\x0b\0\0\x01\x37"), LENGTHS),
    "followed_by_half_a_header": (_followed(b"\0\0\0\x01"), LENGTHS),
    "followed_by_a_mandatory_one_of_nobody": (_followed(avp(9999, b"fynx")), MANDATORY),
    "followed_by_a_mandatory_one_of_a_vendor": (_followed(avp(1, b"fynx", 99_999)), MANDATORY),
    "that_are_none": (_only(b"\xff" * 64), LENGTHS),
}
"""What is wrong with the AVPs."""


def _avps(name: str, change: Callable[[bytes], bytes], requirements: tuple[str, ...], **fields: Any) -> Case:
    """A client of EAP-TTLS sends its AVPs so: its third flight, or with TLS 1.3 its second one."""
    given: dict[str, Any] = {"auth": clients(**PAP), "then": FAILS} | fields
    return as_client(name, "TTLS round 3", NOTHING, *requirements, tune=inside(change), **given)


cases(
    __name__,
    [
        # Flights
        *(
            row
            for method, (auth, kind) in METHODS.items()
            for name, octets in BROKEN.items()
            for row in (
                as_client(
                    f"{method.lower()}_hello_{name}", f"{method} round 1", eap_instead(kind, octets),
                    *(ALERTS if "alert" in name else SIZES), auth=clients(**auth), then=_refused(method, name),
                ),
                as_client(
                    f"{method.lower()}_flight_{name}", f"{method} round 2", eap_instead(kind, octets),
                    *(ALERTS if "alert" in name else SIZES), auth=clients(**auth), then=_refused(method, name),
                ),
                as_gateway(
                    f"{method.lower()}_finished_{name}", f"{method} round 2", eap_instead(kind, octets),
                    *(ALERTS if "alert" in name else SIZES), auth=gateways(**auth), then=not_proven(),
                ),
            )
            if "fragments" not in name
        ),
        *(
            row
            for method, (auth, kind) in METHODS.items()
            for row in (
                as_gateway(
                    f"{method.lower()}_without_a_start", f"{method} start", eap_instead(kind, b"\0"), "5281-9.2-01",
                    auth=gateways(**auth), then=not_proven(),
                ),
                as_gateway(
                    f"{method.lower()}_start_cut", f"{method} start", eap_cut(5), "5281-9.2-01",
                    auth=gateways(**auth), then=not_proven(),
                ),
                as_client(
                    f"{method.lower()}_hello_cut", f"{method} round 1", eap_cut(20), *SIZES, auth=clients(**auth),
                    then=_refused(method, "cut"),
                ),
                as_client(
                    f"{method.lower()}_hello_of_4_gb_in_fragments", f"{method} round 1",
                    eap_instead(kind, BROKEN["of_4_gb_in_fragments"]), *SIZES, auth=clients(**auth),
                    then=FAILS | eap_says(f"{method} acknowledgement"), suites=("dos",), severity="medium",
                ),
            )
        ),
        *(
            row
            for name, size in (("1_octet", 1), ("4_gb", 0xFFFFFFFF))
            for row in (
                as_client(
                    f"tls_fragments_of_{name}", "TLS fragment", eap_overwrite(6, size.to_bytes(4)), *SIZES,
                    auth=clients(**TLS), then=FAILS | eap_says("TLS acknowledgement"), severity="medium",
                    what="The TLS Message Length of several fragments is wrong: refused at once, or at their end.",
                ),
                as_gateway(
                    f"tls_fragments_of_{name}_of_a_gateway", "TLS fragment", eap_overwrite(6, size.to_bytes(4)),
                    *SIZES, auth=gateways(**TLS), then=not_proven(),
                ),
            )
        ),
        as_client(
            "tls_last_fragment_missing", "TLS fragment", eap_overwrite(5, b"\x80"), *SIZES, auth=clients(**TLS),
            then=FAILS, what="The first fragment says that it is the last one, and has less than the length.",
        ),
        as_gateway(
            "tls_last_fragment_missing_of_a_gateway", "TLS fragment", eap_overwrite(5, b"\x80"), *SIZES,
            auth=gateways(**TLS), then=not_proven(),
        ),
        as_client(
            "tls_alert_at_the_end", "TLS acknowledgement round 2", eap_instead(13, b"\0" + FATAL), *ALERTS,
            auth=clients(**TLS), then=FAILS, what="The client refuses the server after the handshake: no EAP-Success.",
        ),
        # Certificates
        as_client(
            "tls_client_of_a_stranger", "TLS round 2", NOTHING, *CERTIFICATES, then=FAILS, suites=("cve",), **CRITICAL,
            auth=clients(**TLS, authority="stranger"), source="CVE-2023-26463; RFC 5216 section 5.3",
            what="The client's certificate is of an authority that the gateway does not trust.",
        ),
        as_client(
            "tls_client_with_an_expired_certificate", "TLS round 2", NOTHING, *CERTIFICATES, then=FAILS, **CRITICAL,
            auth=clients(**TLS, validity="expired"),
        ),
        as_client(
            "tls_client_without_a_certificate", "TLS round 2", NOTHING, *CERTIFICATES, "3748-4.2-05", then=FAILS,
            auth=clients(**TLS), tune=without_certificate, **CRITICAL,
        ),
        *(
            as_gateway(
                f"{method['by'][4:]}_server_{name}", f"{method['by'][4:].upper()} start", NOTHING, *CERTIFICATES,
                auth=gateways(**method, gateway=EndAuth(by="eap", **certificate)), then=not_proven(), **CRITICAL,
                what="By EAP alone, the certificate of TLS is all that shows who the gateway is.",
            )
            for method in (TLS, TTLS)
            for name, certificate in (
                ("of_a_stranger", {"authority": "stranger"}),
                ("with_an_expired_certificate", {"validity": "expired"}),
                ("of_another_name", {"names": ("mallory.example",)}),
            )
        ),
        # AVPs inside EAP-TTLS
        *(
            _avps(
                f"ttls_avps_{name}", change, requirements, **CRITICAL,
                **({"source": "CVE-2026-25075; RFC 5281 section 10", "suites": ("cve",)} if "length" in name else {}),
            )
            for name, (change, requirements) in AVPS.items()
        ),
        *(
            as_gateway(
                f"ttls_avps_of_a_gateway_{name}", "TTLS round 3", NOTHING, *requirements, auth=gateways(**TTLS),
                tune=inside(change), then=not_proven(), **CRITICAL,
                **({"source": "CVE-2026-25075; RFC 5281 section 10", "suites": ("cve",)} if "length" in name else {}),
            )
            for name, (change, requirements) in AVPS.items()
        ),
        _avps(
            "ttls_avps_followed_by_an_optional_one_of_nobody",
            _followed(avp(9999, b"fynx", mandatory=False)), MANDATORY, then=eap_says("success"),
        ),
        # Passwords inside EAP-TTLS
        _avps("ttls_password_of_another", _swapped(b"Ar3etTnp", b"Ar3etTnq"), REFUSED, **CRITICAL),
        _avps("ttls_password_empty", _swapped(b"Ar3etTnp", bytes(8)), REFUSED, **CRITICAL),
        _avps("ttls_user_of_nobody", _swapped(b"carol", b"chuck"), REFUSED, **CRITICAL),
        _avps("ttls_user_alone", lambda data: data[:16], REFUSED, **CRITICAL),
        _avps("ttls_password_alone", lambda data: data[16:], REFUSED, **CRITICAL),
        _avps(
            "ttls_mschapv2_challenge_of_ones_own", lambda data: data[:28] + bytes(16) + data[44:], REFUSED,
            auth=clients(**PLAIN), source="RFC 5281 section 11.2.4", **CRITICAL,
            what="The challenge has to be that of the tunnel, or an old response could be sent again.",
        ),
        _avps("ttls_mschapv2_response_changed", lambda data: data[:-8] + bytes(8), REFUSED, auth=clients(**PLAIN),
              **CRITICAL),
        _avps("ttls_mschapv2_response_short", lambda data: data[:44] + avp(25, bytes(20), MICROSOFT), REFUSED,
              auth=clients(**PLAIN), **CRITICAL),
        # EAP inside EAP-TTLS
        *(
            _avps(f"ttls_eap_inside_{name}", _only(_eap(octets)), ("3748-4.1-02",), auth=clients(**TTLS), **CRITICAL)
            for name, octets in (
                ("begins_with_success", b"\x03\x01\0\x04"),
                ("begins_with_a_request", b"\x01\x01\0\x0a\x01carol"),
                ("begins_with_a_method", b"\x02\x01\0\x16\x04\x10" + bytes(16)),
                ("of_a_length_beyond", b"\x02\x01\x40\0\x01carol"),
                ("of_two_octets", b"\x02\x01"),
                ("empty", b""),
            )
        ),
        as_client(
            "ttls_eap_inside_ends_with_success", "TTLS round 4", NOTHING, "3748-4.1-02", auth=clients(**TTLS),
            tune=inside(lambda data: data if b"carol" in data else _eap(b"\x03\x01\0\x04")), then=FAILS, **CRITICAL,
            what="Inside the tunnel, the client answers the challenge with EAP-Success.",
        ),
        *(
            as_gateway(
                f"ttls_eap_inside_{name}_of_a_gateway", "TTLS round 3", NOTHING, *requirements,
                auth=gateways(**TTLS), tune=inside(_only(_eap(octets))), then=not_proven(), **CRITICAL,
            )
            for name, octets, requirements in (
                ("success_at_once", b"\x03\x01\0\x04", ("3748-4.2-01",)),
                ("failure", b"\x04\x01\0\x04", ("3748-4.2-04",)),
                ("of_a_length_beyond", b"\x01\x01\x40\0\x04\x10", ("3748-4-02",)),
            )
        ),
        as_gateway(
            "ttls_success_before_the_password", "TTLS round 3", eap_success(), "3748-4.2-01", auth=gateways(**TTLS),
            then=not_proven(), **CRITICAL, what="EAP-Success outside while EAP inside has only begun.",
        ),
    ],
)  # fmt: skip
