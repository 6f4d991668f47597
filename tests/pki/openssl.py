# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenSSL's command line as a second opinion on certificates, CRLs and OCSP responses. It reads files only."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fynx_scapy.pki.making.issued import pem


def openssl(*words: object) -> str:
    """What ``openssl WORDS`` prints on both streams."""
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, errors="replace", timeout=30, check=False
    )
    return done.stdout + done.stderr


def verify(
    folder: Path, certificate: bytes, root: bytes, above: tuple[bytes, ...] = (), *, crls: tuple[bytes, ...] = (),
    words: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """What ``openssl verify`` says of a certificate (DER), under this root and over these intermediates."""
    places = {"leaf": [("CERTIFICATE", certificate)], "root": [("CERTIFICATE", root)]}
    places["above"] = [("CERTIFICATE", each) for each in above]
    places["crl"] = [("X509 CRL", each) for each in crls]
    for name, octets in places.items():
        (folder / name).write_bytes(b"".join(pem(label, each) for label, each in octets))
    options = {"above": "-untrusted", "crl": "-CRLfile"}
    given = [each for name, option in options.items() if places[name] for each in (option, folder / name)]
    return openssl("verify", *words, "-CAfile", folder / "root", *given, folder / "leaf")
