# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures of AUTH against vectors and openssl, in both directions, and forgeries that a lax verifier accepts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fynx_scapy.crypto.schemes import identified
from fynx_scapy.crypto.signing import SCHEMES, describe, sign, verified
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, MalformedError
from fynx_scapy.pki.loading import load_certificates, load_key
from tests.crypto.keys import key
from tests.shared import shared

OCTETS = b"RealMessage1 | NonceRData | MACedIDForI"
DIGITAL = 14


def data(identifier: bytes | str, signature: bytes) -> bytes:
    octets = bytes.fromhex(identifier) if isinstance(identifier, str) else identifier
    return bytes((len(octets),)) + octets + signature


# --- RFC 4754 section 8: the message "abc" ---

ECDSA_VECTORS = [
    (
        9, ec.SECP256R1(),
        "2442A5CC0ECD015FA3CA31DC8E2BBC70BF42D60CBCA20085E0822CB04235E970",
        "6FC98BD7E50211A4A27102FA3549DF79EBCB4BF246B80945CDDFE7D509BBFD7D",
        "CB28E0999B9C7715FD0A80D8E47A77079716CBBF917DD72E97566EA1C066957C86FA3BB4E26CAD5BF90B7F81899256CE7594BB1EA0C89212"
        "748BFF3B3D5B0315",
    ),
    (
        10, ec.SECP384R1(),
        "96281BF8DD5E0525CA049C048D345D3082968D10FEDF5C5ACA0C64E6465A97EA5CE10C9DFEC21797415710721F437922",
        "447688BA94708EB6E2E4D59F6AB6D7EDFF9301D249FE49C33096655F5D502FAD3D383B91C5E7EDAA2B714CC99D5743CA",
        "FB017B914E29149432D8BAC29A514640B46F53DDAB2C69948084E2930F1C8F7E08E07C9C63F2D21A07DCB56A6AF56EB3B263A130"
        "5E057F984D38726A1B46874109F417BCA112674C528262A40A629AF1CBB9F516CE0FA7D2FF630863A00E8B9F",
    ),
    (
        11, ec.SECP521R1(),
        "0151518F1AF0F563517EDD5485190DF95A4BF57B5CBA4CF2A9A3F6474725A35F7AFE0A6DDEB8BEDBCD6A197E592D40188901CECD650699C9"
        "B5E456AEA5ADD19052A8",
        "006F3B142EA1BFFF7E2837AD44C9E4FF6D2D34C73184BBAD90026DD5E6E85317D9DF45CAD7803C6C20035B2F3FF63AFF4E1BA64D1C077577"
        "DA3F4286C58F0AEAE643",
        "0154FD3836AF92D0DCA57DD5341D3053988534FDE8318FC6AAAAB68E2E6F4339B19F2F281A7E0B22C269D93CF8794A9278880ED7DBB8D936"
        "2CAEACEE544320552251017705A7030290D1CEB605A9A1BB03FF9CDD521E87A696EC926C8C10C8362DF4975367101F67D1CF9BCCBF2F3D23"
        "9534FA509E70AAC851AE01AAC68D62F866472660",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "curve", "x", "y", "signature"), ECDSA_VECTORS)
def test_vectors_of_rfc_4754(method: int, curve: ec.EllipticCurve, x: str, y: str, signature: str) -> None:
    public = ec.EllipticCurvePublicNumbers(int(x, 16), int(y, 16), curve).public_key()
    octets = bytes.fromhex(signature)
    assert verified(method, octets, b"abc", public).method == method
    with pytest.raises(AuthenticationError, match="does not verify"):
        verified(method, octets, b"abd", public)


# --- RFC 9881 appendix C: keys and certificates that sign themselves ---


@pytest.mark.parametrize(("number", "kind"), [(0, "ML-DSA-44"), (1, "ML-DSA-65"), (2, "ML-DSA-87")])
def test_certificates_of_rfc_9881(number: int, kind: str) -> None:
    lines = [line.strip() for line in shared("rfc/rfc9881.txt").read_text().splitlines()]
    text = "\n".join(line for line in lines if line and not line.startswith(("Massimo, ", "RFC 9881")))
    certificates = load_certificates(text)
    assert len(certificates) == 3
    certificate = certificates[number]
    scheme = SCHEMES[kind.lower().replace("-", "")]
    made = data(scheme.identifier, certificate.signature)
    assert verified(DIGITAL, made, certificate.tbs_certificate_bytes, certificate.public_key()) is scheme
    with pytest.raises(AuthenticationError, match="does not verify"):
        verified(DIGITAL, made, certificate.tbs_certificate_bytes[:-1], certificate.public_key())
    seed = [part for part in text.split("-----BEGIN PRIVATE KEY-----")[1:] if len(part.partition("-----END")[0]) < 100]
    private = load_key(
        "-----BEGIN PRIVATE KEY-----" + seed[number].partition("PRIVATE KEY-----")[0] + "PRIVATE KEY-----"
    )
    assert private.public_key() == certificate.public_key()


# --- what is accepted in front of the signature ---

IDENTIFIERS = [  # RFC 7427 appendix A.1 to A.3
    ("300d06092a864886f70d0101050500", "RSASSA-PKCS1-v1_5 SHA-1"),
    ("300d06092a864886f70d01010b0500", "RSASSA-PKCS1-v1_5 SHA-256"),
    ("300d06092a864886f70d01010c0500", "RSASSA-PKCS1-v1_5 SHA-384"),
    ("300d06092a864886f70d01010d0500", "RSASSA-PKCS1-v1_5 SHA-512"),
    ("300b06092a864886f70d01010b", "RSASSA-PKCS1-v1_5 SHA-256"),  # without NULL: RFC 4055 section 5
    ("300906072a8648ce380403", "DSA SHA-1"),
    ("300b0609608648016503040302", "DSA SHA-256"),
    ("300906072a8648ce3d0401", "ECDSA SHA-1"),
    ("300a06082a8648ce3d040302", "ECDSA SHA-256"),
    ("300a06082a8648ce3d040303", "ECDSA SHA-384"),
    ("300a06082a8648ce3d040304", "ECDSA SHA-512"),
    # A.4: empty parameters, the defaults written down, SHA-256 with the trailer field
    ("300d06092a864886f70d01010a3000", "RSASSA-PSS SHA-1"),
    (
        "303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d010108300906052b0e03021a0500"
        "a203020114a303020101",
        "RSASSA-PSS SHA-1",
    ),
    (
        "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d0609608648"
        "0165030402010500a203020120a303020101",
        "RSASSA-PSS SHA-256",
    ),
    ("300506032b6570", "Ed25519"),  # RFC 8420 appendix A
    ("300506032b6571", "Ed448"),
    ("300b0609608648016503040311", "ML-DSA-44"),  # RFC 9881 section 2
    ("300b0609608648016503040312", "ML-DSA-65"),
    ("300b0609608648016503040313", "ML-DSA-87"),
]


@pytest.mark.parametrize(("identifier", "title"), IDENTIFIERS)
def test_identifiers_of_the_rfcs(identifier: str, title: str) -> None:
    scheme = identified(bytes.fromhex(identifier))
    assert scheme.title == title
    assert SCHEMES[scheme.name] is scheme
    assert describe(DIGITAL, data(identifier, b"x")).title == title


@pytest.mark.requirements("7427-3-01")
def test_what_we_send_is_that_of_the_rfcs() -> None:
    """But for RSASSA-PSS: RFC 4055 section 3.1 wants defaults left out, and RFC 7427 appendix A is not normative."""
    sent = {scheme.identifier.hex() for scheme in SCHEMES.values() if scheme.identifier}
    listed = {identifier for identifier, _ in IDENTIFIERS}
    pss = {identifier for identifier, _ in IDENTIFIERS if "2a864886f70d01010a" in identifier and len(identifier) > 30}
    assert listed - sent == pss | {"300b06092a864886f70d01010b"}


SHA256, SHA1 = "300d06096086480165030402010500", "300906052b0e03021a0500"


def element(tag: str, *parts: str) -> str:
    content = "".join(parts)
    return f"{tag}{len(content) // 2:02x}{content}"


def pss(hashed: str = SHA256, mask: str | None = None, salt: str = "020120", more: str = "") -> str:
    generator = element("30", "06092a864886f70d010108", mask or hashed)
    inside = element("a0", hashed) + element("a1", generator) + element("a2", salt) + more
    return element("30", "06092a864886f70d01010a", element("30", inside))


@pytest.mark.parametrize(
    ("identifier", "error", "text"),
    [
        ("300b06092a864886f70d01010a", MalformedError, "expected the parameters of RSASSA-PSS, found none"),
        ("300d06092a864886f70d01010a0500", MalformedError, "expected the parameters of RSASSA-PSS in DER"),
        (pss(more="a303020102"), MalformedError, "expected the trailer field 1"),
        (pss(more="a403020101"), MalformedError, "expected the parameters of RSASSA-PSS in DER"),
        (pss(salt="0201ff"), MalformedError, "a salt length of 0 to 2048 octets"),
        (pss(salt="02020801"), MalformedError, "a salt length of 0 to 2048 octets"),
        (pss(hashed="300c06082a864886f70d02050500"), ConfigError, r"the hash algorithm 1\.2\.840\.113549\.2\.5 is not"),
        (pss(hashed="300f06096086480165030402010402abcd"), MalformedError, "parameters of RSASSA-PSS in DER"),
        (
            pss().replace("2a864886f70d010108", "2a864886f70d010109"),
            ConfigError, r"the mask generation function 1\.2\.840\.113549\.1\.1\.9 is not supported",
        ),
        ("300706032b65700500", MalformedError, "the parameters of Ed25519 are not those of"),
        ("300d06096086480165030403110500", MalformedError, "the parameters of ML-DSA-44 are not those of"),
        ("300c06082a8648ce3d0403020500", MalformedError, "the parameters of ECDSA SHA-256 are not those of"),
        ("300f06092a864886f70d01010b0402abcd", MalformedError, "the parameters of RSASSA-PKCS1-v1_5 SHA-256 are not"),
        ("300506032b657000", MalformedError, "found 8 octets that are none"),  # an octet behind it
        ("30810506032b6570", MalformedError, "found 8 octets that are none"),  # a length that is not DER
        ("308006032b65700000", MalformedError, "found 9 octets that are none"),  # no length, as in BER
        ("300b0609608648016503040314", ConfigError, r"algorithm 2\.16\.840\.1\.101\.3\.4\.3\.20 is not"),  # SLH-DSA
    ],
)  # fmt: skip
def test_identifiers_that_are_refused(identifier: str, error: type[FynxError], text: str) -> None:
    with pytest.raises(error, match=text):
        verified(DIGITAL, data(identifier, b"x" * 256), OCTETS, key("RSA-2048").public_key())


def test_parameters_of_pss_are_those_of_the_signature() -> None:
    """The salt and the mask of the AlgorithmIdentifier are used, and no others."""
    odd = pss(mask=SHA1, salt="02010c")
    scheme = identified(bytes.fromhex(odd))
    assert (scheme.name, scheme.title) == ("rsa-pss-sha256", "RSASSA-PSS SHA-256 (MGF1 SHA-1, salt 12)")
    signature = key("RSA-2048").sign(OCTETS, padding.PSS(padding.MGF1(hashes.SHA1()), 12), hashes.SHA256())
    assert verified(DIGITAL, data(odd, signature), OCTETS, key("RSA-2048").public_key()).title == scheme.title
    for other in (pss(), pss(salt="02010c"), pss(mask=SHA1), pss(hashed=SHA1, salt="02010c")):
        with pytest.raises(AuthenticationError, match="does not verify"):
            verified(DIGITAL, data(other, signature), OCTETS, key("RSA-2048").public_key())


# --- RSA: the whole encoded message is compared (RFC 8017 section 8.2.2; CVE-2018-16151, -16152) ---

DIGEST = hashes.Hash(hashes.SHA256())
DIGEST.update(OCTETS)
HASHED = DIGEST.finalize().hex()
INFO = element("30", SHA256, element("04", HASHED))


def encoded(info: str, fill: int | None = None, begin: str = "0001", behind: str = "") -> str:
    """EMSA-PKCS1-v1_5 for 256 octets: 00 01 ff… 00 DigestInfo, and what is behind it."""
    free = 256 - 3 - (len(info) + len(behind)) // 2 if fill is None else fill
    return begin + "ff" * free + "00" + info + behind


@pytest.mark.sample(3)
@pytest.mark.parametrize("method", [1, DIGITAL])
@pytest.mark.parametrize(
    ("message", "good"),
    [
        (encoded(INFO), True),
        (encoded(INFO, fill=8, behind="ab" * (256 - 3 - 8 - len(INFO) // 2)), False),
        (encoded(element("30", element("30", SHA256[4:-4] + "0402abcd"), element("04", HASHED))), False),
        (encoded(element("30", element("30", SHA256[4:] + "0402abcd"), element("04", HASHED))), False),
        (encoded(element("30", element("30", SHA256[4:-4]), element("04", HASHED))), False),
        (encoded(element("30", SHA256, element("04", HASHED), "0500")), False),
        (encoded("3081" + INFO[2:]), False),
        (encoded(element("30", SHA256, element("04", HASHED[:-2]))), False),
        (encoded(HASHED), False),
        (encoded(INFO, begin="0002"), False),
        (encoded(INFO).replace("ffff00", "ff0000", 1), False),
    ],
    ids=[
        "right", "garbage behind", "garbage for parameters", "garbage behind parameters", "no parameters",
        "more in DigestInfo", "a long length", "a digest cut short", "no DigestInfo", "block type 2",
        "a zero in the padding",
    ],
)  # fmt: skip
def test_digest_info(method: int, message: str, good: bool) -> None:
    numbers = key("RSA-2048").private_numbers()
    assert len(message) == 512
    signature = pow(int(message, 16), numbers.d, numbers.public_numbers.n).to_bytes(256)
    made = signature if method == 1 else data(SCHEMES["rsa-pkcs1-sha256"].identifier, signature)
    if good:
        assert verified(method, made, OCTETS, key("RSA-2048").public_key()).title == "RSASSA-PKCS1-v1_5 SHA-256"
    else:
        with pytest.raises(AuthenticationError, match="does not verify"):
            verified(method, made, OCTETS, key("RSA-2048").public_key())


# --- elliptic curves ---

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256."""


def ecdsa(name: str = "ecdsa-sha256") -> bytes:
    return sign(SCHEMES[name], key("P-256"), OCTETS)


def signature(name: str = "ecdsa-sha256") -> bytes:
    scheme = SCHEMES[name]
    return describe(scheme.method, ecdsa(name)).signature


@pytest.mark.parametrize(
    ("method", "value"),
    [
        (9, bytes(64)),  # r and s are 0: CVE-2022-21449
        (9, N.to_bytes(32) * 2),
        (9, signature()),  # DER belongs to method 14
        (9, signature("ecdsa-p256") + b"\0"),
        (9, signature("ecdsa-p256")[32:] + signature("ecdsa-p256")[:32]),
        (DIGITAL, signature("ecdsa-p256")),  # r | s belongs to method 9
        (DIGITAL, signature() + b"\0"),
        (DIGITAL, b"\x30\x81" + signature()[1:]),
        (DIGITAL, bytes.fromhex("3006020100020100")),
        (DIGITAL, b""),
    ],
    ids=[
        "zeros", "the order twice", "DER for method 9", "one octet more", "s before r", "no DER for method 14",
        "an octet behind DER", "a length that is not DER", "zeros in DER", "nothing",
    ],
)  # fmt: skip
def test_forged_ecdsa(method: int, value: bytes) -> None:
    made = value if method == 9 else data(SCHEMES["ecdsa-sha256"].identifier, value)
    with pytest.raises(
        (AuthenticationError, MalformedError), match=r"does not verify|expected a signature of 64 octets"
    ):
        verified(method, made, OCTETS, key("P-256").public_key())


@pytest.mark.parametrize("kind", ["P-384", "brainpoolP256r1"])
def test_a_method_of_rfc_4754_has_one_curve(kind: str) -> None:
    with pytest.raises(AuthenticationError, match=f"expected an ECDSA P-256 key, found an? {kind} key"):
        verified(9, signature("ecdsa-p256"), OCTETS, key(kind).public_key())


def test_another_hash_is_another_signature() -> None:
    made = data(SCHEMES["ecdsa-sha384"].identifier, signature())
    with pytest.raises(AuthenticationError, match=r"the signature \(ECDSA SHA-384\) does not verify"):
        verified(DIGITAL, made, OCTETS, key("P-256").public_key())


def test_ml_dsa_is_signed_without_a_context() -> None:
    """draft-ietf-ipsecme-ikev2-pqc-auth section 3.2: "it MUST be set to an empty string"."""
    scheme = SCHEMES["mldsa44"]
    made = data(scheme.identifier, key("ML-DSA-44").sign(OCTETS, b"IKEv2"))
    with pytest.raises(AuthenticationError, match="does not verify"):
        verified(DIGITAL, made, OCTETS, key("ML-DSA-44").public_key())
    made = data(SCHEMES["mldsa65"].identifier, key("ML-DSA-44").sign(OCTETS))
    with pytest.raises(AuthenticationError, match="expected an ML-DSA-65 key, found an ML-DSA-44 key"):
        verified(DIGITAL, made, OCTETS, key("ML-DSA-44").public_key())


# --- openssl's command line, in both directions; version 3.0 has no ML-DSA ---

PSS_OPTIONS = ("-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
OPENSSL = [
    *((f"rsa-pkcs1-sha{bits}", "RSA-2048", ("-digest", f"sha{bits}")) for bits in (256, 384, 512)),
    *((f"rsa-pss-sha{bits}", "RSA-2048", ("-digest", f"sha{bits}", *PSS_OPTIONS)) for bits in (256, 384, 512)),
    ("rsa-sha1", "RSA-2048", ("-digest", "sha1")),
    ("ecdsa-sha256", "P-256", ("-digest", "sha256")),
    ("ecdsa-sha512", "P-256", ("-digest", "sha512")),
    ("ecdsa-sha384", "P-384", ("-digest", "sha384")),
    ("ecdsa-sha512", "P-521", ("-digest", "sha512")),
    ("ecdsa-sha256", "brainpoolP256r1", ("-digest", "sha256")),
    ("ecdsa-sha384", "brainpoolP384r1", ("-digest", "sha384")),
    ("ecdsa-sha512", "brainpoolP512r1", ("-digest", "sha512")),
    ("ed25519", "Ed25519", ()),
    ("ed448", "Ed448", ()),
]


def openssl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", "pkeyutl", *words], capture_output=True, timeout=20, check=False)


@pytest.mark.sample(3)
@pytest.mark.requirements("7427-3-03")
@pytest.mark.parametrize(("name", "kind", "options"), OPENSSL)
def test_openssl_agrees(name: str, kind: str, options: tuple[str, ...], tmp_path: Path) -> None:
    scheme, private = SCHEMES[name], key(kind)
    octets, pem, made = tmp_path / "octets", tmp_path / "key", tmp_path / "signature"
    octets.write_bytes(OCTETS)
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    theirs = openssl("-sign", "-rawin", "-inkey", pem, "-in", octets, *options)
    assert theirs.returncode == 0, theirs.stderr
    prefix = bytes((len(scheme.identifier),)) + scheme.identifier if scheme.method == DIGITAL else b""
    assert verified(scheme.method, prefix + theirs.stdout, OCTETS, private.public_key()) is scheme

    ours = sign(scheme, private, OCTETS)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem.write_bytes(public)
    for value, good in ((ours[len(prefix) :], True), (ours[len(prefix) : -1] + bytes([ours[-1] ^ 1]), False)):
        made.write_bytes(value)
        said = openssl("-verify", "-rawin", "-pubin", "-inkey", pem, "-in", octets, "-sigfile", made, *options)
        assert (said.returncode == 0) is good, said.stderr
