# SPDX-License-Identifier: GPL-2.0-or-later
"""Why TLS has failed, in words, and what an alert of the other end may mean here (RFC 5246 section 7.2, RFC 8446
section 6.2)."""

from __future__ import annotations

import re
import ssl

_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?([A-Z_]+)")
"""What OpenSSL calls an alert of the other end."""
_MEANINGS = {
    "unknown_ca": "it does not trust the CA of our certificate, or the chain to one that it trusts is missing",
    "bad_certificate": "it cannot read our certificate, or a signature in its chain does not verify",
    "unsupported_certificate": "it takes no certificate with our kind of key, or none for another purpose",
    "certificate_revoked": "our certificate, or one above it, is revoked",
    "certificate_expired": "our certificate, or one above it, has expired or is not valid yet, by its clock",
    "certificate_unknown": "it does not take our certificate, for a reason that its log may have",
    "certificate_required": "it wants a certificate, and we have sent none",
    "access_denied": "our certificate is good, but may not come in there",
    "handshake_failure": "it has no algorithm in common with us, or wants a certificate that we have not sent",
    "insufficient_security": "it wants stronger algorithms than ours",
    "protocol_version": "it takes other versions of TLS than ours, which are {versions}",
    "decrypt_error": "a signature of ours does not verify there: does the key fit the certificate?",
    "internal_error": "it has failed for a reason of its own, which its log may have",
}
"""What we can do about it. Other alerts say that the other end does not understand us."""
_CHECKS = {
    "unable to get local issuer certificate": "we do not trust the CA of the other end's certificate, or its chain is "
    "missing",
    "self-signed certificate in certificate chain": "we do not trust the CA of the other end's certificate",
}
"""Why OpenSSL takes no certificate, where its words do not say what to do."""


def failure(error: ssl.SSLError, versions: str) -> str:
    """What was found instead of a TLS connection. ``versions`` are those that we take."""
    reason = error.reason or ""
    if alert := _ALERT.fullmatch(reason):
        name = alert[1].lower()
        meaning = _MEANINGS.get(name, "")
        return f"the TLS alert {name} of the other end" + (f": {meaning.format(versions=versions)}" if meaning else "")
    text = plain(error)
    if reason == "UNSUPPORTED_PROTOCOL":
        return f"{text}: the other end takes none of our versions of TLS, which are {versions}"
    if isinstance(error, ssl.SSLCertVerificationError):
        meaning = _CHECKS.get(error.verify_message, "")
        return f"{text}: {error.verify_message}" + (f" ({meaning})" if meaning else "")
    return text


def plain(error: OSError) -> str:
    """The reason in a few words, without what only OpenSSL's authors read."""
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__).lower().replace("_", " ")
