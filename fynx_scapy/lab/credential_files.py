# SPDX-License-Identifier: GPL-2.0-or-later
"""The credentials of a lab's peer as files, and as the words of its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.worlds.credentials import EAP, EndAuth, Held
from fynx_scapy.harness.worlds.peers import PeerConfig
from fynx_scapy.lab.peer import hexed

PASSPHRASE = b"lab"
"""What encrypts the keys in PKCS #12. The database of NSS takes none in the clear."""


@dataclass(frozen=True, slots=True)
class SwanctlAuth:
    """How one connection of a swanctl.conf authenticates; the names are those of files."""

    local: str = "psk"
    """What it proves itself with, as ``auth`` says it."""
    remote: str = "psk"
    """What we must prove ourselves with."""
    certs: list[str] = field(default_factory=list)
    pubkeys: list[str] = field(default_factory=list)
    """Its own raw public keys."""
    cacerts: list[str] = field(default_factory=list)
    """The authorities that it trusts."""
    remote_pubkeys: list[str] = field(default_factory=list)
    revocation: str = ""
    ocsp: str = ""
    answers: list[bytes] = field(default_factory=list)
    """OCSP answers about its certificates, which it fetches and sends."""
    local_user: str = ""
    """Its name in EAP, if it is a client that authenticates by EAP."""
    remote_user: str = ""
    """Ours, if we are."""
    local_rounds: tuple[EndAuth, ...] = ()
    """What it proves itself with in further rounds (RFC 4739)."""
    remote_rounds: tuple[EndAuth, ...] = ()
    """What we must."""
    users: dict[str, str] = field(default_factory=dict, repr=False)
    """The passwords of all users."""

    @property
    def psk(self) -> bool:
        """Whether either end proves itself with the pre-shared key."""
        further = (*self.local_rounds, *self.remote_rounds)
        return "psk" in (self.local, self.remote, *(each.by for each in further))


_OCSP = {(False, False): "", (True, False): "reply", (False, True): "request", (True, True): "both"}
"""Whether it sends OCSP answers about its certificate, and whether it asks for some about ours -> its word for that."""


def swanctl(config: PeerConfig, name: str, folder: Path) -> SwanctlAuth:
    """Write the credentials of a connection into swanctl's folders; returns how its configuration names them."""
    auth = config.auth
    if auth is None:
        return SwanctlAuth()
    made = config.credentials
    roots = _written(folder / "x509ca", f"{name}-root", map(_pem, made.anchors))
    _written(folder / "x509ca", f"{name}-known", map(_pem, made.known_to_them))
    # It sends what it has of its own chain. Of several certificates it chooses by the roots that it has.
    _written(folder / "x509ca", f"{name}-own", (_pem(each) for held in made.theirs for each in held.chain))
    _written(folder / "x509ca", f"{name}-further", (_pem(held.root) for held in made.theirs[1:]))
    _written(folder / "private", name, (held.issued.key_pem() for held in made.theirs))
    _written(folder / "x509crl", name, made.lists)
    return SwanctlAuth(
        local=_word(auth.theirs, auth.ours),
        remote=_word(auth.ours, auth.theirs),
        certs=_written(folder / "x509", name, _certificates(made.theirs)),
        pubkeys=_written(folder / "pubkey", f"{name}-own", _public_keys(made.theirs)),
        cacerts=roots if auth.ours.by in ("certificate", "eap-tls") else [],
        remote_pubkeys=_written(folder / "pubkey", name, made.our_public_keys),
        revocation={"off": "", "if-known": "relaxed", "required": "strict"}[auth.ours.checked],
        answers=[held.ocsp for held in made.theirs if held.ocsp and held.end.evidence == "ocsp-sent"],
        local_user=auth.theirs.user if auth.theirs.by in EAP else "",
        remote_user=auth.ours.user if auth.ours.by in EAP else "",
        local_rounds=auth.theirs.then,
        remote_rounds=auth.ours.then,
        users={
            each.user: each.password for end in (auth.theirs, auth.ours) for each in (end, *end.then) if each.by in EAP
        },
        ocsp=_OCSP[auth.theirs.evidence == "ocsp-sent", auth.ours.evidence == "ocsp-sent"],
    )


def _word(end: EndAuth, other: EndAuth) -> str:
    """What swanctl calls a way to prove an identity. ``ike:`` leaves the signatures in certificates alone."""
    if end.by == "psk" or end.by in EAP:
        return end.by
    if end.by == "eap":
        return other.by
    if not end.scheme:
        return "pubkey"
    scheme = end.scheme.replace("pkcs1-", "").replace("-pss-", "/pss-")
    return f"ike:{scheme.partition('-')[0] if end.old_method else scheme}"


def _pem(certificate: bytes) -> bytes:
    from fynx_scapy.pki.making.issued import pem  # slow to import, and for peers with certificates alone

    return pem("CERTIFICATE", certificate)


def _certificates(ends: Iterable[Held]) -> list[bytes]:
    return [held.issued.pem for held in ends if held.end.by in ("certificate", "eap", "eap-tls")]


def _public_keys(ends: Iterable[Held]) -> list[bytes]:
    return [held.public_key for held in ends if held.end.by == "public-key"]


def _written(folder: Path, name: str, contents: Iterable[bytes]) -> list[str]:
    """Write files that only their owner may read; returns their names: NAME, then NAME-1, …"""
    names = []
    for number, octets in enumerate(contents):
        path = folder / (f"{name}-{number}" if number else name)
        path.touch(mode=0o600)
        path.write_bytes(octets)
        names.append(path.name)
    return names


def old_signatures(config: PeerConfig) -> bool:
    """Whether an end of any connection signs by a method of before RFC 7427, which strongSwan sets for all of them."""
    auths = [each.auth for _, each in config.connections() if each.auth is not None]
    return any(auth.theirs.old_method or auth.ours.old_method for auth in auths)


def phase2_method(config: PeerConfig) -> str:
    """The EAP method that a strongSwan offers inside EAP-TTLS, which it sets for all connections; empty without it."""
    auths = [each.auth for _, each in config.connections() if each.auth is not None]
    return next((auth.ours.inner.removeprefix("eap-") for auth in auths if auth.ours.by == "eap-ttls"), "")


def tls_version(config: PeerConfig) -> str:
    """The highest TLS version of any connection's EAP, which strongSwan sets for all of them; empty without EAP."""
    auths = [each.auth for _, each in config.connections() if each.auth is not None]
    return max((end.tls for auth in auths for end in (auth.theirs, auth.ours) if end.by in EAP), default="")


OUR_FILES = ("certificate.pem", "key.pem", "ca.pem", "client.p12", "passphrase")
"""The files of `our_files`."""


def our_files(config: PeerConfig, folder: Path) -> dict[str, str]:
    """Write what we need to authenticate to the peer into files, as an administrator gives them out.

    These are certificate.pem, key.pem and ca.pem; and the same again as client.p12, with its passphrase in a file.
    """
    if config.auth is None:
        return {}
    made = config.credentials
    issued = made.ours[0].issued
    certificate = issued.pem + b"".join(map(_pem, made.ours[0].chain))
    authorities = b"".join(map(_pem, made.anchors))
    contents = (certificate, issued.key_pem(), authorities, issued.pkcs12(PASSPHRASE, "client"), PASSPHRASE)
    for name, octets in zip(OUR_FILES, contents, strict=True):
        _written(folder, name, [octets])
    return {name: str(folder / f"{name}.pem") for name in ("certificate", "key", "ca")}


# libreswan

_LIBRESWAN = {
    "psk": "secret",
    "null": "null",
    "rsa-sha1": "rsa-sha1",
    **{f"rsa-pss-sha{bits}": f"rsa-sha2_{bits}" for bits in (256, 384, 512)},
    **{f"ecdsa-sha{bits}": f"ecdsa-sha2_{bits}" for bits in (256, 384, 512)},
}


def ipsec_conf(config: PeerConfig) -> list[str]:
    """How a connection of an ipsec.conf authenticates, as its settings."""
    auth = config.auth
    if auth is None:
        return ["authby=secret"]
    ours, theirs = _authby(auth.ours), _authby(auth.theirs)
    both = [f"authby={theirs}"] if ours == theirs else [f"leftauth={theirs}", f"rightauth={ours}"]
    certs = ["leftcert=theirs", "leftsendcert=always", "sendca=all"] if auth.theirs.by == "certificate" else []
    # The authority makes it ask for a certificate in IKE_AUTH, and name the authority.
    asked = [f'rightca="{root}"' for root in config.credentials.trusted] if auth.ours.by == "certificate" else []
    return [*both, *certs, *asked[:1]]


def _authby(end: EndAuth) -> str:
    if end.by == "public-key":
        raise ConfigError("a raw public key is not supported with libreswan in the lab; use a certificate")
    name = end.scheme if end.by == "certificate" else end.by
    if name and name not in _LIBRESWAN:
        raise ConfigError(f"libreswan has no word for the signature scheme {name}; it has {', '.join(_LIBRESWAN)}")
    return _LIBRESWAN[name] if name else "ecdsa" if end.key.startswith("ecdsa") else "rsasig"


def nss_imports(config: PeerConfig, folder: Path, nss: Path) -> list[list[str]]:
    """Write the credentials into files; returns the commands that import them into a database of NSS."""
    if config.auth is None:
        return []
    made = config.credentials
    certificates = [each for each in made.theirs if each.end.by == "certificate"]
    keys = _written(folder, "theirs", [each.issued.pkcs12(PASSPHRASE, "theirs") for each in certificates])
    store = ["-d", f"sql:{nss}"]
    commands = [["pk12util", *store, "-i", str(folder / name), "-W", PASSPHRASE.decode(), "-K", ""] for name in keys]
    trusted = [("CT,C,C", each) for each in made.anchors]
    chains = [(",,", each) for each in (*(cert for held in certificates for cert in held.chain), *made.known_to_them)]
    names = _written(folder, "authority", [_pem(each) for _, each in (*trusted, *chains)])
    commands += [
        ["certutil", "-A", *store, "-n", name, "-t", trust, "-a", "-i", str(folder / name)]
        for name, (trust, _) in zip(names, (*trusted, *chains), strict=True)
    ]
    lists = _written(folder, "revoked", made.lists)
    return commands + [["crlutil", "-I", *store, "-B", "-i", str(folder / name)] for name in lists]


# OpenIKED

_IKED_FOLDERS = ("ca", "certs", "crls", "private", "pubkeys/fqdn")


def iked_conf(config: PeerConfig) -> str:
    """How a connection of an iked.conf authenticates. It has one word for both ends."""
    auth = config.auth
    if auth is None or auth.theirs.by == auth.ours.by == "psk":
        return f"psk {hexed(config.psk)}"
    if {auth.theirs.by, auth.ours.by} - {"certificate", "public-key"}:
        raise ConfigError(f"OpenIKED has no authentication by {auth.theirs.by} at one end and {auth.ours.by} at ours")
    if auth.theirs.old_method:
        return "rsa" if auth.theirs.scheme == "rsa-sha1" else auth.theirs.scheme.replace("-p", "")
    return "rfc7427"


def _one_list(lists: Iterable[bytes]) -> list[bytes]:
    """Lists of revoked certificates as the contents of one file, if there are any: iked reads no DER."""
    from fynx_scapy.pki.making.issued import pem

    joined = b"".join(pem("X509 CRL", each) for each in lists)
    return [joined] if joined else []


def iked_files(config: PeerConfig, folder: Path) -> Path:
    """Write the credentials into a folder as iked expects it in /etc; returns the folder."""
    for kind in _IKED_FOLDERS:
        (folder / kind).mkdir(parents=True)
    if config.auth is not None:
        made = config.credentials
        _written(folder / "ca", "ca.crt", [b"".join(map(_pem, (*made.anchors, *made.known_to_them)))])
        _written(folder / "certs", "local.crt", _certificates(made.theirs))
        _written(folder / "crls", "ca.crl", _one_list(made.lists))
        _written(folder / "private", "local.key", [held.issued.key_pem() for held in made.theirs])
        _written(folder / "pubkeys/fqdn", config.remote_id, made.our_public_keys)
    return folder
