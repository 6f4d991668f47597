# SPDX-License-Identifier: GPL-2.0-or-later
"""The output of ``ip xfrm state``, the Linux kernel's SAs, with several lines for an SA or (``ip -o``) one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fynx_scapy import private_use
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, TransformType
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, Rows
from fynx_scapy.keylog.text import address, octets, sized

LINE = re.compile(r"^src \S+ dst \S+[ \t]*(?:$|\\)", re.MULTILINE)
_PROTO = re.compile(r"\bproto (\S+) spi (0x[0-9a-f]+)")
_ALGORITHM = re.compile(r"(?:^|\s)(enc|auth|auth-trunc|aead) (\S+) (0x[0-9a-fA-F]*|\"\"|<<Keys hidden>>)?\s*(\d+)?")

ENC = {  # the kernel's names of ciphers without authentication
    "ecb(cipher_null)": Encr.ENCR_NULL,
    "cbc(des3_ede)": Encr.ENCR_3DES,
    "cbc(aes)": Encr.ENCR_AES_CBC,
    "rfc3686(ctr(aes))": Encr.ENCR_AES_CTR,
    "cbc(camellia)": Encr.ENCR_CAMELLIA_CBC,
    "cbc(des)": Encr.ENCR_DES,
    "cbc(blowfish)": Encr.ENCR_BLOWFISH,
    "cbc(cast5)": Encr.ENCR_CAST,
}
UNOPENED = {"cbc(twofish)": "Twofish", "cbc(serpent)": "Serpent", "cbc(sm4)": "SM4", "cbc(aria)": "ARIA"}
AEAD = {  # and of AEAD ciphers, with the size of the ICV in bits
    ("rfc4106(gcm(aes))", 64): Encr.ENCR_AES_GCM_8,
    ("rfc4106(gcm(aes))", 96): Encr.ENCR_AES_GCM_12,
    ("rfc4106(gcm(aes))", 128): Encr.ENCR_AES_GCM_16,
    ("rfc4309(ccm(aes))", 64): Encr.ENCR_AES_CCM_8,
    ("rfc4309(ccm(aes))", 96): Encr.ENCR_AES_CCM_12,
    ("rfc4309(ccm(aes))", 128): Encr.ENCR_AES_CCM_16,
    ("rfc4543(gcm(aes))", 128): Encr.ENCR_NULL_AUTH_AES_GMAC,
    ("rfc7539esp(chacha20,poly1305)", 128): Encr.ENCR_CHACHA20_POLY1305,
}
AUTH: dict[tuple[str, int], int] = {
    ("digest_null", 0): Integ.NONE,
    ("hmac(md5)", 96): Integ.AUTH_HMAC_MD5_96,
    ("hmac(md5)", 128): Integ.AUTH_HMAC_MD5_128,
    ("hmac(sha1)", 96): Integ.AUTH_HMAC_SHA1_96,
    ("hmac(sha1)", 160): Integ.AUTH_HMAC_SHA1_160,
    ("hmac(sha256)", 96): private_use.Integ.AUTH_HMAC_SHA2_256_96,
    ("hmac(sha256)", 128): Integ.AUTH_HMAC_SHA2_256_128,
    ("hmac(sha384)", 192): Integ.AUTH_HMAC_SHA2_384_192,
    ("hmac(sha512)", 256): Integ.AUTH_HMAC_SHA2_512_256,
    ("xcbc(aes)", 96): Integ.AUTH_AES_XCBC_96,
    ("cmac(aes)", 96): Integ.AUTH_AES_CMAC_96,
}
# A line without a size means the kernel's default (net/xfrm/xfrm_algo.c), which for SHA-256 is not RFC 4868's
DEFAULT_BITS = {"hmac(sha256)": 96, "hmac(sha384)": 192, "hmac(sha512)": 256, "digest_null": 0}
IGNORED = ("comp", "route2", "hao")


def read_xfrm_state(lines: Sequence[Line]) -> Rows:
    """Read the ESP SAs. Others cause a warning, except IPComp, which has no keys."""
    blocks: list[tuple[int, str]] = []
    for number, line in lines:
        inside = line.replace("\\", "\n").strip()
        if inside.startswith("#"):
            continue
        if blocks and line[:1].isspace():
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]}\n{inside}")
        elif inside:
            blocks.append((number, inside))
    for number, block in blocks:

        def row(block: str = block) -> Iterable[Entry]:
            return list(_state(block))

        yield f"line {number}", row


def _state(block: str) -> Iterator[EspKeys]:
    ends, proto = re.match(r"src (\S+) dst (\S+)", block), _PROTO.search(block)
    if ends is None or proto is None:
        raise ConfigError("expected an SA: 'src ADDRESS dst ADDRESS' and 'proto esp spi 0x…'")
    if proto[1] in IGNORED:
        return
    if proto[1] != "esp":
        raise ConfigError(f"expected an SA of esp, found one of {'ah' if proto[1] == 'ah' else 'another protocol'}")
    encr: Transform | None = None
    key = auth_key = b""
    integ: Transform | None = None
    unchecked = 0
    for kind, algorithm, value, bits in _ALGORITHM.findall(block):
        if value.startswith("<<"):
            raise ConfigError("the keys are hidden: run 'ip xfrm state' as root and without 'nokeys'")
        octets_ = octets(value.strip('"'), f"key of '{kind}'")
        if kind in ("enc", "aead"):
            number = ENC.get(algorithm) if kind == "enc" else AEAD.get((algorithm, int(bits or 0)))
            if algorithm in UNOPENED:
                raise ConfigError(f"no library that we use decrypts {UNOPENED[algorithm]}")
            if number is None:
                raise ConfigError(f"the algorithm of '{kind}' is not supported ({len(algorithm)} characters)")
            encr, key = sized(number, octets_), octets_
        else:
            size = int(bits) if bits else DEFAULT_BITS.get(algorithm, 96)
            known = AUTH.get((algorithm, size))
            if known is None:  # the packets can still be decrypted, but not verified
                integ, auth_key, unchecked = None, b"", size // 8
            else:
                integ = Transform(TransformType.INTEG, known) if known else None
                auth_key, unchecked = (octets_ if known else b""), 0
    if encr is None:
        raise ConfigError("expected 'enc' or 'aead' in an SA of esp, found neither")
    flags = re.search(r"\bflag ([^\n]*)", block)
    esn = bool(flags and "esn" in flags[1].split())
    yield EspKeys(int(proto[2], 16), address(ends[1]), address(ends[2]), encr, key, integ, auth_key, esn, unchecked)


def write_xfrm_state(entries: Iterable[Entry]) -> str:
    """Write all ESP SAs whose SPI and addresses are known and whose algorithms the kernel names."""
    return "".join(text for entry in entries if isinstance(entry, EspKeys) and (text := _written(entry)))


def _written(keys: EspKeys) -> str:
    if keys.spi is None or "*" in keys.src + keys.dst or keys.unchecked_icv:
        return ""
    lines = [f"src {keys.src} dst {keys.dst}", f"\tproto esp spi 0x{keys.spi:08x} reqid 0 mode tunnel"]
    lines.append("\treplay-window 0" + (" flag esn" if keys.esn else ""))
    aead = next((names for names, number in AEAD.items() if number == keys.encr.id), None)
    enc = next((kernel for kernel, number in ENC.items() if number == keys.encr.id), None)
    if aead is not None:
        lines.append(f"\taead {aead[0]} 0x{keys.key.hex()} {aead[1]}")
    elif enc is not None:
        wanted = keys.integ.id if keys.integ else Integ.NONE
        auth = next((names for names, number in AUTH.items() if number == wanted), None)
        if auth is None:
            return ""
        lines.append(f"\tauth-trunc {auth[0]} 0x{keys.auth_key.hex()} {auth[1]}")
        lines.append(f"\tenc {enc} " + (f"0x{keys.key.hex()}" if keys.key else '""'))
    else:
        return ""
    return "\n".join(lines) + "\n"
