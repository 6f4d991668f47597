# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/signatures.md: the table of signature schemes, and which files of keys and certificates are read."""

from __future__ import annotations

from fynx_scapy.crypto.schemes import DIGITAL, SCHEMES, UNREGISTERED, Scheme
from fynx_scapy.iana import HashAlgorithm
from fynx_scapy.pki import loading
from tools.settings_page import NOTE

INTRODUCTION = """\
An end that authenticates with a certificate or a raw key signs its AUTH payload with a *scheme*. Schemes have these
names wherever they are configured and reported.

- **method** is the authentication method (RFC 7296 section 3.8). Method 14 says in the payload which algorithm it uses:
  the AlgorithmIdentifier (RFC 7427 section 3) stands in front of the signature.
- **hash** is what the peer has to announce in SIGNATURE_HASH_ALGORITHMS before the scheme may be used. Methods 1 and
  9 to 11 need no announcement. SHA-224 has no number, so a peer cannot announce it.
- **by default** schemes are used where the key fits. The others are used only when they are named.

Of the schemes that fit the key, the first whose hash the peer announced is used; if the peer announces none, one of
methods 9 to 11. If several hashes fit an ECDSA key, the one as strong as its curve comes first. ECDSA signatures are
deterministic (RFC 6979), so that a seed reproduces a run; RSASSA-PSS and ML-DSA signatures are different each time.

An AlgorithmIdentifier that is received has to be in DER, and that of the table. The parameters of RSASSA-PSS may be
others; SHA-1, -224, -256, -384 and -512 are known. RSASSA-PKCS1-v1_5 may lack its NULL (RFC 4055 section 5).
"""

FILES = f"""\
## Files of keys and certificates

| what | formats |
| --- | --- |
| private key | PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), in PEM or DER; encrypted ones with a passphrase; one in a file |
| certificates | PEM with one or more, DER, PKCS #7 in PEM or DER |
| certificate, key and chain | PKCS #12, with or without a passphrase |
| public key | SubjectPublicKeyInfo or PKCS #1, in PEM or DER, or a certificate |
| CRLs | PEM with one or more, DER |
| OCSP response | DER |

Keys have up to {loading.MOST_KEY >> 10} KB, CRLs up to {loading.MOST_CRL >> 20} MB, other files up to \
{loading.MOST_OCTETS >> 20} MB and {loading.MOST_CERTIFICATES} certificates. A key in OpenSSH's own format is refused;
`ssh-keygen -p -m PKCS8 -f FILE` converts it. A key that makes no signatures (X25519) is refused too.
An ML-DSA key needs its seed (RFC 9881 section 6): one in expanded form alone is refused.
"""


def signatures() -> str:
    """The whole page."""
    head = (
        "| name | algorithm | method | hash | by default | AlgorithmIdentifier |\n| --- | --- | --- | --- | --- | --- |"
    )
    return "\n".join(
        [
            "# Signatures, and files of keys\n",
            f"{NOTE}\n",
            INTRODUCTION,
            head,
            *map(_row, SCHEMES.values()),
            "",
            FILES,
        ]
    )


def _row(scheme: Scheme) -> str:
    hashed = "" if scheme.hash_id is None else _hash(scheme.hash_id)
    identifier = f"`{scheme.identifier.hex()}`" if scheme.method == DIGITAL else ""
    default = "" if scheme.weak else "yes"
    return f"| `{scheme.name}` | {scheme.title} | {scheme.method} | {hashed} | {default} | {identifier} |"


def _hash(number: int) -> str:
    return "none" if number == UNREGISTERED else f"{number} ({HashAlgorithm(number).title})"
