# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of algorithms as gateways and tools write them, and the keys of an SA whose algorithms have such names.

The size of a key says its length, so the length in a name is ignored. A name that is not known is never repeated in an
error: what stands in its place may be a key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping

from fynx_scapy import keynames, private_use
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, Prf, TransformType
from fynx_scapy.keylog.keys import EspKeys, IkeKeys
from fynx_scapy.keylog.text import sized

GCM = (Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8)  # where a name leaves the size of the ICV open
CCM = (Encr.ENCR_AES_CCM_16, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_8)

# In small letters, without punctuation and without a key length
CIPHERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("null", "none", "ciphernull"), (Encr.ENCR_NULL,)),
    **dict.fromkeys(("aes", "aescbc", "rijndael", "rijndaelcbc"), (Encr.ENCR_AES_CBC,)),
    **dict.fromkeys(("3des", "3descbc", "des3", "des3cbc", "desede3", "desede3cbc", "des3ede"), (Encr.ENCR_3DES,)),
    **dict.fromkeys(("des", "descbc"), (Encr.ENCR_DES,)),
    **dict.fromkeys(("blowfish", "blowfishcbc", "bf", "bfcbc"), (Encr.ENCR_BLOWFISH,)),
    **dict.fromkeys(("cast", "castcbc", "cast5", "cast5cbc"), (Encr.ENCR_CAST,)),
    **dict.fromkeys(("idea", "ideacbc"), (Encr.ENCR_IDEA,)),
    **dict.fromkeys(("aesctr",), (Encr.ENCR_AES_CTR,)),
    **dict.fromkeys(("aesgcm", "aesgcmesp"), GCM),
    **dict.fromkeys(("aesgcm16", "aesgcmc"), GCM[:1]),
    **dict.fromkeys(("aesgcm12", "aesgcmb"), GCM[1:2]),
    **dict.fromkeys(("aesgcm8", "aesgcma"), GCM[2:]),
    **dict.fromkeys(("aesccm",), CCM),
    **dict.fromkeys(("aesccm16", "aesccmc"), CCM[:1]),
    **dict.fromkeys(("aesccm12", "aesccmb"), CCM[1:2]),
    **dict.fromkeys(("aesccm8", "aesccma"), CCM[2:]),
    **dict.fromkeys(("aesgmac", "nullaesgmac", "nullauthaesgmac"), (Encr.ENCR_NULL_AUTH_AES_GMAC,)),
    **dict.fromkeys(("camellia", "camelliacbc"), (Encr.ENCR_CAMELLIA_CBC,)),
    **dict.fromkeys(("chacha20poly1305", "chachapoly"), (Encr.ENCR_CHACHA20_POLY1305,)),
}
UNOPENED = {
    "twofish": "Twofish",
    "twofishcbc": "Twofish",
    "serpent": "Serpent",
    "serpentcbc": "Serpent",
    "rc3cbc": "RC3",
    "rc5": "RC5",
    "rc5cbc": "RC5",
    "aria": "ARIA",
    "ariacbc": "ARIA",
    "seed": "SEED",
    "seedcbc": "SEED",
}
# In small letters, without punctuation and "hmac". SHORTENED: octets of an ICV that cannot be verified
SIGNERS: dict[str, int] = {
    **dict.fromkeys(("none", "null", "digestnull"), Integ.NONE),
    **dict.fromkeys(("md5", "md596"), Integ.AUTH_HMAC_MD5_96),
    **dict.fromkeys(("sha", "sha1", "sha196"), Integ.AUTH_HMAC_SHA1_96),
    **dict.fromkeys(("sha256", "sha2256", "sha256128", "sha2256128"), Integ.AUTH_HMAC_SHA2_256_128),
    **dict.fromkeys(("sha384", "sha2384", "sha384192", "sha2384192"), Integ.AUTH_HMAC_SHA2_384_192),
    **dict.fromkeys(("sha512", "sha2512", "sha512256", "sha2512256"), Integ.AUTH_HMAC_SHA2_512_256),
    **dict.fromkeys(("aesxcbc", "aesxcbc96", "aesxcbcmac", "xcbcaes"), Integ.AUTH_AES_XCBC_96),
    **dict.fromkeys(("aescmac", "aescmac96", "cmac96", "cmacaes"), Integ.AUTH_AES_CMAC_96),
    **dict.fromkeys(("md5128",), Integ.AUTH_HMAC_MD5_128),
    **dict.fromkeys(("sha1160",), Integ.AUTH_HMAC_SHA1_160),
    **dict.fromkeys(("sha25696", "sha225696"), private_use.Integ.AUTH_HMAC_SHA2_256_96),
    **dict.fromkeys(("ripemd", "ripemd160", "ripemd16096", "rmd160"), private_use.Integ.AUTH_HMAC_RIPEMD_160_96),
}
SHORTENED = dict.fromkeys(("keyedmd5", "keyedsha1"), 12)
PRFS: dict[str, int] = {
    **dict.fromkeys(("md5", "prfmd5"), Prf.PRF_HMAC_MD5),
    **dict.fromkeys(("sha1", "sha", "prfsha1"), Prf.PRF_HMAC_SHA1),
    **dict.fromkeys(("sha256", "sha2256", "prfsha256", "prfsha2256"), Prf.PRF_HMAC_SHA2_256),
    **dict.fromkeys(("sha384", "sha2384", "prfsha384", "prfsha2384"), Prf.PRF_HMAC_SHA2_384),
    **dict.fromkeys(("sha512", "sha2512", "prfsha512", "prfsha2512"), Prf.PRF_HMAC_SHA2_512),
    **dict.fromkeys(("aesxcbc", "aes128xcbc", "prfaes128xcbc"), Prf.PRF_AES128_XCBC),
    **dict.fromkeys(("aescmac", "aes128cmac", "prfaes128cmac"), Prf.PRF_AES128_CMAC),
}
# What keys of these sizes most likely belong to, where nothing names the algorithms: the likeliest first
LIKELY = (
    Encr.ENCR_AES_CBC, *GCM, Encr.ENCR_CHACHA20_POLY1305, *CCM, Encr.ENCR_3DES, Encr.ENCR_AES_CTR, Encr.ENCR_NULL,
)  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def ciphers(name: str) -> tuple[int, ...]:
    """The numbers that a cipher's name may stand for. Raises ConfigError if it is not known."""
    plain = re.sub(r"128|192|256", "", _plain(name).removeprefix("encr"))
    if plain in UNOPENED:
        raise ConfigError(f"no library that we use decrypts {UNOPENED[plain]}")
    if plain not in CIPHERS:
        raise _unknown("encryption", name)
    return CIPHERS[plain]


def signer(name: str) -> tuple[Transform | None, int]:
    """An integrity algorithm, and the octets of its ICV if it cannot be verified. Raises ConfigError if not known."""
    plain = _plain(name).removeprefix("auth").removeprefix("hmac")
    if plain in SHORTENED:
        return None, SHORTENED[plain]
    if plain not in SIGNERS:
        raise _unknown("integrity", name)
    number = SIGNERS[plain]
    if not number:
        return None, 0
    integrity(number)  # raises ConfigError for one that no library has
    return Transform(TransformType.INTEG, number), 0


def prf(name: str) -> Transform | None:
    """A pseudorandom function, None if the name is not known: decryption does without it."""
    number = PRFS.get(_plain(name).removeprefix("prf").removeprefix("hmac"))
    return None if number is None else Transform(TransformType.PRF, number)


def esp_keys(
    spi: int | None,
    ends: tuple[str, str],
    names: tuple[str, str],
    keys: tuple[bytes, bytes],
    esn: bool | None = None,
    unchecked: int = 0,
) -> Iterator[EspKeys]:
    """The keys of an ESP SA: its addresses, names of its algorithms, and keys. Raises ConfigError if they do not fit.

    ``unchecked`` is the size of an ICV whose algorithm and key are not given.
    """
    integ, size = signer(names[1])
    for number in ciphers(names[0]):
        encr = sized(number, keys[0])
        if encryption(number, encr.key_length, esp=True).aead:
            yield EspKeys(spi, *ends, encr, keys[0], None, b"", esn)
        else:
            yield EspKeys(spi, *ends, encr, keys[0], integ, keys[1] if integ else b"", esn, size or unchecked)


def ike_keys(spis: tuple[bytes, bytes], names: tuple[str, str, str], values: Mapping[str, bytes]) -> Iterator[IkeKeys]:
    """The keys of an IKE SA: its SPIs, names of cipher, integrity and PRF, and SK_* by name.

    A name may be empty, where the source has none. Then the keys are tried with all algorithms that have such sizes.
    Raises ConfigError if nothing fits.
    """
    missing = [name.replace("sk", "SK") for name in ("sk_ei", "sk_er") if not values.get(name)]
    if missing:
        raise ConfigError(f"keys of an IKE SA without {' and '.join(missing)}")
    key, auth_key = values["sk_ei"], values.get("sk_ai", b"")
    function = prf(names[2]) if names[2] else None
    if names[0]:
        integ = signer(names[1])[0] if names[1] else None
        suites: Iterable[tuple[Transform, Transform | None]] = (
            (sized(number, key, esp=False), integ) for number in ciphers(names[0])
        )
    else:
        suites = likely(len(key), len(auth_key), esp=False)
    for encr, signing in suites:
        integ = None if encryption(encr.id, encr.key_length).aead else signing
        yield IkeKeys(*spis, encr, integ, prf=function, **_held(values, integ))  # type: ignore[arg-type]


def _held(values: Mapping[str, bytes], integ: Transform | None) -> dict[str, bytes]:
    names = ("sk_ei", "sk_er", "sk_d", "sk_pi", "sk_pr", *(("sk_ai", "sk_ar") if integ else ()))
    return {name: values[name] for name in names if name in values}


def likely(key: int, auth_key: int, *, esp: bool) -> list[tuple[Transform, Transform | None]]:
    """The suites whose keys have these sizes in octets, the likeliest first. Raises ConfigError if there is none."""
    found: list[tuple[Transform, Transform | None]] = []
    signers = [
        Transform(TransformType.INTEG, number)
        for number in dict.fromkeys(SIGNERS.values())
        if number and _size(number) == auth_key
    ]
    for number, bits in itertools.product(LIKELY, (None, *keynames.KEY_LENGTHS)):
        try:
            cipher = encryption(number, bits, esp=esp)
        except ConfigError:
            continue
        if cipher.key_size != key or cipher.aead == bool(auth_key):
            continue
        encr = Transform(TransformType.ENCR, number, bits)
        found += [(encr, None)] if cipher.aead else [(encr, integ) for integ in signers]
    if not found:
        raise ConfigError(f"no algorithms have keys of {key} and {auth_key} octets (encryption and integrity)")
    return found


def _size(number: int) -> int:
    try:
        return integrity(number).key_size
    except ConfigError:
        return 0


def _unknown(what: str, name: str) -> ConfigError:
    return ConfigError(f"the name of the {what} algorithm is not known ({len(name)} characters)")
