# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of algorithms in key tables: Wireshark's for IKE and for ESP, and strongSwan's in proposals.

Wireshark's names are those of its tables ``ikev2_decryption_table`` and ``esp_sa``, which strongSwan's save-keys plugin
writes too. EXTENDED names are ours, in the same style, for algorithms that Wireshark lacks: it warns about such a row
and reads the others. Reading ignores case and the reference in brackets; writing uses Wireshark's spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fynx_scapy import private_use
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, Prf, TransformType

KEY_LENGTHS = (128, 192, 256)
SHA2_256_96 = "draft-ietf-ipsec-ciph-sha-256-00"

IKE_ENCR: dict[str, tuple[int, tuple[int | None, ...]]] = {  # {} is the key length in bits
    "3DES [RFC2451]": (Encr.ENCR_3DES, (None,)),
    "NULL [RFC2410]": (Encr.ENCR_NULL, (None,)),
    "AES-CBC-{} [RFC3602]": (Encr.ENCR_AES_CBC, KEY_LENGTHS),
    "AES-CTR-{} [RFC5930]": (Encr.ENCR_AES_CTR, KEY_LENGTHS),
    "AES-GCM-{} with 8 octet ICV [RFC5282]": (Encr.ENCR_AES_GCM_8, KEY_LENGTHS),
    "AES-GCM-{} with 12 octet ICV [RFC5282]": (Encr.ENCR_AES_GCM_12, KEY_LENGTHS),
    "AES-GCM-{} with 16 octet ICV [RFC5282]": (Encr.ENCR_AES_GCM_16, KEY_LENGTHS),
    "AES-CCM-{} with 8 octet ICV [RFC5282]": (Encr.ENCR_AES_CCM_8, KEY_LENGTHS),
    "AES-CCM-{} with 12 octet ICV [RFC5282]": (Encr.ENCR_AES_CCM_12, KEY_LENGTHS),
    "AES-CCM-{} with 16 octet ICV [RFC5282]": (Encr.ENCR_AES_CCM_16, KEY_LENGTHS),
    # EXTENDED
    "CAMELLIA-CBC-{} [RFC5529]": (Encr.ENCR_CAMELLIA_CBC, KEY_LENGTHS),
    "ChaCha20-Poly1305 [RFC7634]": (Encr.ENCR_CHACHA20_POLY1305, (None,)),
    "DES-CBC [RFC2405]": (Encr.ENCR_DES, (None,)),
    "IDEA-CBC [RFC2451]": (Encr.ENCR_IDEA, (None,)),
    "BLOWFISH-CBC-{} [RFC2451]": (Encr.ENCR_BLOWFISH, KEY_LENGTHS),
    "CAST5-CBC-{} [RFC2144]": (Encr.ENCR_CAST, (128,)),
}
IKE_INTEG: dict[str, int] = {
    "NONE [RFC4306]": Integ.NONE,
    "HMAC_MD5_96 [RFC2403]": Integ.AUTH_HMAC_MD5_96,
    "HMAC_SHA1_96 [RFC2404]": Integ.AUTH_HMAC_SHA1_96,
    "HMAC_MD5_128 [RFC4595]": Integ.AUTH_HMAC_MD5_128,
    "HMAC_SHA1_160 [RFC4595]": Integ.AUTH_HMAC_SHA1_160,
    f"HMAC_SHA2_256_96 [{SHA2_256_96}]": private_use.Integ.AUTH_HMAC_SHA2_256_96,
    "HMAC_SHA2_256_128 [RFC4868]": Integ.AUTH_HMAC_SHA2_256_128,
    "HMAC_SHA2_384_192 [RFC4868]": Integ.AUTH_HMAC_SHA2_384_192,
    "HMAC_SHA2_512_256 [RFC4868]": Integ.AUTH_HMAC_SHA2_512_256,
    # EXTENDED
    "AES_XCBC_96 [RFC3566]": Integ.AUTH_AES_XCBC_96,
    "AES_CMAC_96 [RFC4494]": Integ.AUTH_AES_CMAC_96,
}
IKE_UNCHECKED: dict[str, int] = {  # size in octets of an ICV whose key is unknown
    f"ANY {bits}-bits of Authentication [No Checking]": bits // 8 for bits in (64, 96, 128, 160, 192, 256)
}
ESP_ENCR: dict[str, int] = {
    "NULL": Encr.ENCR_NULL,
    "TripleDES-CBC [RFC2451]": Encr.ENCR_3DES,
    "AES-CBC [RFC3602]": Encr.ENCR_AES_CBC,
    "AES-CTR [RFC3686]": Encr.ENCR_AES_CTR,
    "DES-CBC [RFC2405]": Encr.ENCR_DES,
    "CAST5-CBC [RFC2144]": Encr.ENCR_CAST,
    "BLOWFISH-CBC [RFC2451]": Encr.ENCR_BLOWFISH,
    "TWOFISH-CBC": private_use.Encr.ENCR_TWOFISH_CBC,  # which no library that we use has
    "AES-GCM with 8 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_8,
    "AES-GCM with 12 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_12,
    "AES-GCM with 16 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_16,
    # EXTENDED
    "IDEA-CBC [RFC2451]": Encr.ENCR_IDEA,
    "AES-CCM with 8 octet ICV [RFC4309]": Encr.ENCR_AES_CCM_8,
    "AES-CCM with 12 octet ICV [RFC4309]": Encr.ENCR_AES_CCM_12,
    "AES-CCM with 16 octet ICV [RFC4309]": Encr.ENCR_AES_CCM_16,
    "CAMELLIA-CBC [RFC5529]": Encr.ENCR_CAMELLIA_CBC,
    "ChaCha20-Poly1305 [RFC7634]": Encr.ENCR_CHACHA20_POLY1305,
    "NULL with AES-GMAC [RFC4543]": Encr.ENCR_NULL_AUTH_AES_GMAC,
    "AES-CCM with 8 octet ICV and implicit IV [RFC8750]": Encr.ENCR_AES_CCM_8_IIV,
    "AES-GCM with 16 octet ICV and implicit IV [RFC8750]": Encr.ENCR_AES_GCM_16_IIV,
    "ChaCha20-Poly1305 with implicit IV [RFC8750]": Encr.ENCR_CHACHA20_POLY1305_IIV,
}
NO_AEAD: set[int] = {
    Encr.ENCR_NULL, Encr.ENCR_3DES, Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_CAMELLIA_CBC, Encr.ENCR_DES,
    Encr.ENCR_CAST, Encr.ENCR_BLOWFISH, Encr.ENCR_IDEA, private_use.Encr.ENCR_TWOFISH_CBC,
}  # fmt: skip
# Wireshark's old name for GCM leaves the ICV size to the authentication column. We try each size: the ICV decides
ESP_GCM = "AES-GCM [RFC4106]"
ESP_GCM_SIZES = (Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8)
ESP_INTEG: dict[str, int] = {
    "NULL": Integ.NONE,
    "HMAC-SHA-1-96 [RFC2404]": Integ.AUTH_HMAC_SHA1_96,
    f"HMAC-SHA-256-96 [{SHA2_256_96}]": private_use.Integ.AUTH_HMAC_SHA2_256_96,
    "HMAC-SHA-256-128 [RFC4868]": Integ.AUTH_HMAC_SHA2_256_128,
    "HMAC-SHA-384-192 [RFC4868]": Integ.AUTH_HMAC_SHA2_384_192,
    "HMAC-SHA-512-256 [RFC4868]": Integ.AUTH_HMAC_SHA2_512_256,
    "HMAC-MD5-96 [RFC2403]": Integ.AUTH_HMAC_MD5_96,
    "MAC-RIPEMD-160-96 [RFC2857]": private_use.Integ.AUTH_HMAC_RIPEMD_160_96,
    # EXTENDED
    "AES-XCBC-96 [RFC3566]": Integ.AUTH_AES_XCBC_96,
    "AES-CMAC-96 [RFC4494]": Integ.AUTH_AES_CMAC_96,
    "HMAC-MD5-128 [RFC4595]": Integ.AUTH_HMAC_MD5_128,
    "HMAC-SHA-1-160 [RFC4595]": Integ.AUTH_HMAC_SHA1_160,
}
ESP_UNCHECKED: dict[str, int] = {  # size in octets of an ICV whose key is unknown
    f"ANY {bits} bit authentication [no checking]": bits // 8 for bits in (64, 96, 128, 192, 256)
}
# Spellings of other versions of Wireshark, and of the other table: the name in ESP_ENCR that each means
ESP_ALIASES = {
    "3DES [RFC2451]": "TripleDES-CBC",
    "3DES-CBC": "TripleDES-CBC",
    "ChaCha20 with Poly1305 [RFC7634]": "ChaCha20-Poly1305",
    "ChaCha20 with Poly1305 and IIV [RFC7634 & RFC8750]": "ChaCha20-Poly1305 with implicit IV",
    "AES-GCM with IIV and 16 octet ICV [RFC4106 & RFC8750]": "AES-GCM with 16 octet ICV and implicit IV",
}
PROPOSAL_ENCR: dict[str, int] = {  # strongSwan's names in proposals; the key length in bits follows the last underscore
    "3DES_CBC": Encr.ENCR_3DES,
    "NULL": Encr.ENCR_NULL,
    "AES_CBC": Encr.ENCR_AES_CBC,
    "AES_CTR": Encr.ENCR_AES_CTR,
    "AES_GCM_8": Encr.ENCR_AES_GCM_8,
    "AES_GCM_12": Encr.ENCR_AES_GCM_12,
    "AES_GCM_16": Encr.ENCR_AES_GCM_16,
    "AES_CCM_8": Encr.ENCR_AES_CCM_8,
    "AES_CCM_12": Encr.ENCR_AES_CCM_12,
    "AES_CCM_16": Encr.ENCR_AES_CCM_16,
    "CAMELLIA_CBC": Encr.ENCR_CAMELLIA_CBC,
    "CHACHA20_POLY1305": Encr.ENCR_CHACHA20_POLY1305,
    "NULL_AES_GMAC": Encr.ENCR_NULL_AUTH_AES_GMAC,
    "DES_CBC": Encr.ENCR_DES,
    "IDEA_CBC": Encr.ENCR_IDEA,
    "CAST_CBC": Encr.ENCR_CAST,
    "BLOWFISH_CBC": Encr.ENCR_BLOWFISH,
}
PROPOSAL_INTEG: dict[str, int] = {
    "HMAC_MD5_96": Integ.AUTH_HMAC_MD5_96,
    "HMAC_MD5_128": Integ.AUTH_HMAC_MD5_128,
    "HMAC_SHA1_160": Integ.AUTH_HMAC_SHA1_160,
    "HMAC_SHA2_256_96": private_use.Integ.AUTH_HMAC_SHA2_256_96,
    "HMAC_SHA1_96": Integ.AUTH_HMAC_SHA1_96,
    "HMAC_SHA2_256_128": Integ.AUTH_HMAC_SHA2_256_128,
    "HMAC_SHA2_384_192": Integ.AUTH_HMAC_SHA2_384_192,
    "HMAC_SHA2_512_256": Integ.AUTH_HMAC_SHA2_512_256,
    "AES_XCBC_96": Integ.AUTH_AES_XCBC_96,
    "AES_CMAC_96": Integ.AUTH_AES_CMAC_96,
}
PROPOSAL_ESN = {"NO_EXT_SEQ": False, "EXT_SEQ": True}


def _plain(name: str) -> str:
    """A name for comparison: lower case, single spaces, without the reference in brackets."""
    return re.sub(r"\s*\[[^]]*\]\s*$", "", re.sub(r"\s+", " ", name.strip())).casefold()


_IKE_ENCR = {
    _plain(name.format(bits)): Transform(TransformType.ENCR, number, bits)
    for name, (number, lengths) in IKE_ENCR.items()
    for bits in lengths
}
_IKE_INTEG = {_plain(name): number for name, number in IKE_INTEG.items()}
_IKE_UNCHECKED = {_plain(name): octets for name, octets in IKE_UNCHECKED.items()}
_ESP_ENCR = {_plain(name): (number,) for name, number in ESP_ENCR.items()} | {_plain(ESP_GCM): ESP_GCM_SIZES}
_ESP_ENCR |= {_plain(other): _ESP_ENCR[_plain(name)] for other, name in ESP_ALIASES.items()}
_ESP_INTEG = {_plain(name): number for name, number in ESP_INTEG.items()}
_ESP_UNCHECKED = {_plain(name): octets for name, octets in ESP_UNCHECKED.items()}
_IKE_ENCR_NAMES = {number: name for name, (number, _) in IKE_ENCR.items()}
_IKE_INTEG_NAMES = {number: name for name, number in IKE_INTEG.items()}
_ESP_ENCR_NAMES = {number: name for name, number in ESP_ENCR.items()}
_ESP_INTEG_NAMES = {number: name for name, number in ESP_INTEG.items()}


def _integ(number: int) -> Transform | None:
    return Transform(TransformType.INTEG, number) if number else None


def _unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    # never the name itself: in a row with swapped columns it is a key
    return ConfigError(f"{what} is not supported ({len(name)} characters); expected one of: {', '.join(known)}")


def read_ike(encr: str, integ: str) -> tuple[Transform, Transform | None, int]:
    """What a row of ``ikev2_decryption_table`` names: two transforms, and the octets of an ICV whose key is unknown.

    Raises ConfigError for an unknown name.
    """
    if _plain(encr) not in _IKE_ENCR:
        raise _unknown("the encryption algorithm", encr, IKE_ENCR)
    cipher = _IKE_ENCR[_plain(encr)]
    if _plain(integ) in _IKE_UNCHECKED:
        # with an AEAD, the column only repeats the size of its ICV
        return cipher, None, _IKE_UNCHECKED[_plain(integ)] if cipher.id in NO_AEAD else 0
    if _plain(integ) not in _IKE_INTEG:
        raise _unknown("the integrity algorithm", integ, IKE_INTEG | IKE_UNCHECKED)
    return cipher, _integ(_IKE_INTEG[_plain(integ)]), 0


def write_ike(encr: Transform, integ: Transform | None, unchecked: int = 0) -> tuple[str, str] | None:
    """The two names for a row of ``ikev2_decryption_table``, or None if there are none."""
    name, icv = _IKE_ENCR_NAMES.get(encr.id), _IKE_INTEG_NAMES.get(integ.id if integ else Integ.NONE)
    if unchecked:
        icv = next((text for text, octets in IKE_UNCHECKED.items() if octets == unchecked), None)
    return (name.format(encr.key_length), icv) if name and icv else None


def read_esp(encr: str, integ: str) -> tuple[tuple[int, ...], Transform | None, int]:
    """What a row of ``esp_sa`` names: encryption, integrity, and the size in octets of an ICV whose key is unknown.

    Encryption has several numbers if the name does not give the ICV size. Raises ConfigError for an unknown name.
    """
    if _plain(encr) not in _ESP_ENCR:
        raise _unknown("the encryption algorithm", encr, ESP_ENCR)
    numbers = _ESP_ENCR[_plain(encr)]
    if _plain(integ) in _ESP_UNCHECKED:
        # with an AEAD, the column only repeats the size of its ICV
        return numbers, None, _ESP_UNCHECKED[_plain(integ)] if NO_AEAD.issuperset(numbers) else 0
    if _plain(integ) not in _ESP_INTEG:
        raise _unknown("the authentication algorithm", integ, ESP_INTEG | ESP_UNCHECKED)
    return numbers, _integ(_ESP_INTEG[_plain(integ)]), 0


def write_esp(encr: Transform, integ: Transform | None, unchecked: int = 0) -> tuple[str, str] | None:
    """The two names for a row of ``esp_sa``, or None if there are none."""
    if unchecked:
        icv = next((name for name, octets in ESP_UNCHECKED.items() if octets == unchecked), None)
    else:
        icv = _ESP_INTEG_NAMES.get(integ.id if integ else Integ.NONE)
    name = _ESP_ENCR_NAMES.get(encr.id)
    return (name, icv) if name and icv else None


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """The transforms of one proposal that decryption needs."""

    encr: Transform
    integ: Transform | None = None
    prf: Transform | None = None
    esn: bool | None = None


def read_proposal(text: str) -> CipherSuite:
    """Read a strongSwan proposal such as ``ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ``. Key exchanges are ignored.

    Raises ConfigError if it names no encryption algorithm.
    """
    encr = integ = prf = None
    esn: bool | None = None
    for word in text.rpartition(":")[2].split("/"):
        base, _, length = word.rpartition("_")
        if word in PROPOSAL_INTEG:
            integ = Transform(TransformType.INTEG, PROPOSAL_INTEG[word])
        elif word in PROPOSAL_ESN:
            esn = PROPOSAL_ESN[word]
        elif word in Prf.__members__:
            prf = Transform(TransformType.PRF, Prf[word])
        elif word in PROPOSAL_ENCR:
            encr = Transform(TransformType.ENCR, PROPOSAL_ENCR[word])
        elif base in PROPOSAL_ENCR and length.isdecimal():
            encr = Transform(TransformType.ENCR, PROPOSAL_ENCR[base], int(length))
    if encr is None:
        raise ConfigError(
            f"the proposal names no encryption algorithm ({len(text)} characters); "
            f"expected one of: {', '.join(PROPOSAL_ENCR)}"
        )
    return CipherSuite(encr, integ, prf, esn)


def has_proposal(encr: Transform) -> bool:
    """Whether strongSwan has a name for an encryption algorithm."""
    return encr.id in PROPOSAL_ENCR.values()


def write_proposal(suite: CipherSuite) -> str:
    """A suite in strongSwan's notation, without the protocol. Raises ConfigError if an algorithm has no name there."""
    names = {number: word for word, number in PROPOSAL_ENCR.items()}
    if suite.encr.id not in names:
        raise ConfigError(f"{suite.encr} has no name in strongSwan's proposals")
    words = [names[suite.encr.id] + (f"_{suite.encr.key_length}" if suite.encr.key_length else "")]
    integs = {number: word for word, number in PROPOSAL_INTEG.items()}
    if suite.integ is not None and suite.integ.id in integs:
        words.append(integs[suite.integ.id])
    if suite.prf is not None:
        words.append(Prf(suite.prf.id).name)
    if suite.esn is not None:
        words.append("EXT_SEQ" if suite.esn else "NO_EXT_SEQ")
    return "/".join(words)
