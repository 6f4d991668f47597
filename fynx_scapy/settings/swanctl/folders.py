# SPDX-License-Identifier: GPL-2.0-or-later
"""The credentials in the folders beside a swanctl.conf, as ``swanctl --load-creds`` loads them.

They are read when a connection first needs one. A file that cannot be read becomes a line of its own, and the others
are still read.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fynx_scapy.errors import CertificateError, ConfigError
from fynx_scapy.settings.source import exposed, readable_by_all
from fynx_scapy.settings.swanctl.keys import Notes
from fynx_scapy.settings.swanctl.secrets import Passphrase
from fynx_scapy.text import LONGEST, counted, printable

if TYPE_CHECKING:
    from cryptography import x509

    from fynx_scapy.pki.parsed import Parsed

T = TypeVar("T")

KEYS = ("private", "rsa", "ecdsa", "pkcs8")
"""The folders of private keys."""
MOST_FILES = 1000
"""How many files of one folder are read."""
MOST_CHAIN = 10
"""How many certificates there may be above one of ours."""
_NOT_READ = {
    "x509ocsp": "signers of OCSP responses need a certificate by the authority that they speak for (RFC 6960)",
    "x509aa": "attribute certificates are not supported",
    "x509ac": "attribute certificates are not supported",
}


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate and where it is from."""

    certificate: x509.Certificate = field(repr=False)
    parsed: Parsed = field(repr=False)
    path: Path


@dataclass(slots=True)
class _Loaded:
    """What the folders have."""

    certificates: list[Held] = field(default_factory=list)
    """Those of hosts: x509 and pkcs12."""
    authorities: list[Held] = field(default_factory=list)
    """Those of authorities: x509ca and the section authorities."""
    others: list[Held] = field(default_factory=list)
    """Further ones, which are in no place that makes them trusted."""
    keys: dict[bytes, tuple[Any, Path]] = field(default_factory=dict, repr=False)
    """Private keys by their public keys."""
    publics: set[bytes] = field(default_factory=set)
    crls: list[x509.CertificateRevocationList] = field(default_factory=list)
    shut: list[str] = field(default_factory=list)
    """The files of keys that could not be opened."""


class Folders:
    """The folders x509, x509ca, x509crl, pubkey, private, rsa, ecdsa, pkcs8 and pkcs12.

    ``named`` are the files that the section authorities names, each with its place in the configuration.
    """

    def __init__(
        self, folder: Path, passphrases: Mapping[tuple[str, str], Passphrase], named: Mapping[Path, str], notes: Notes
    ) -> None:
        self.folder = folder
        self._passphrases, self._named, self._notes = passphrases, named, notes
        self._used = False
        self._listed: dict[str, list[Path]] = {}

    # What connections ask for. Each raises ConfigError with the file and the reason.

    def certificate(self, name: str) -> Held:
        """The certificate of a host, by a path that may be relative to x509."""
        found = self._first(self.folder / "x509" / name)
        self._all.others.append(found)
        return found

    def authority(self, name: str) -> Held:
        """The certificate of an authority, by a path that may be relative to x509ca."""
        return self._checked(self._first(self.folder / "x509ca" / name))

    def public_key(self, name: str) -> tuple[Path, bytes]:
        """A public key, by a path that may be relative to pubkey, as a SubjectPublicKeyInfo in DER."""
        from fynx_scapy.pki import own

        path = self.folder / "pubkey" / name
        found = own.public_key(str(path))
        self._all.publics.add(found)
        return path, found

    def key(self, public: bytes, of: str) -> Any:
        """The private key that belongs to a public key."""
        found = self._all.keys.get(public)
        if found is None:
            shut = f"; these could not be opened: {', '.join(self._all.shut)}" if self._all.shut else ""
            raise ConfigError(f"no private key in {', '.join((*KEYS, 'pkcs12'))} fits {of}{shut}")
        return found[0]

    @property
    def own(self) -> list[Held]:
        """The certificates of hosts whose private keys are here."""
        return [each for each in self._all.certificates if each.parsed.spki in self._all.keys]

    @property
    def roots(self) -> list[Held]:
        """The authorities that are trusted: strongSwan's anchors are self-signed."""
        return [each for each in self._all.authorities if each.parsed.self_issued]

    @property
    def authorities(self) -> list[Held]:
        """All authorities."""
        return self._all.authorities

    @property
    def known(self) -> list[x509.Certificate]:
        """The certificates that a peer need not send: its own, and those of intermediate authorities."""
        mine = self._all
        each = (*mine.certificates, *mine.authorities, *mine.others)
        return list(dict.fromkeys(one.certificate for one in each if not one.parsed.self_issued))

    @property
    def crls(self) -> list[x509.CertificateRevocationList]:
        """The revocation lists."""
        return self._all.crls

    def chain(self, below: Held) -> list[Held]:
        """The certificates above one of them, each the issuer of the one before, as far as they are here."""
        from fynx_scapy.pki.signed import check_issued

        mine = self._all
        found: list[Held] = []
        latest = sorted((*mine.authorities, *mine.others, *mine.certificates), key=lambda each: each.parsed.not_after)
        while not below.parsed.self_issued and len(found) < MOST_CHAIN:
            for each in reversed(latest):
                if each.parsed.subject != below.parsed.issuer or each in found:
                    continue
                try:
                    check_issued(below.parsed, each.parsed, allow_sha1=True)
                except CertificateError:
                    continue
                found.append(each)
                break
            else:
                break
            below = found[-1]
        return found

    def finish(self) -> None:
        """Name the keys and passphrases that nothing has used. Nothing if no connection has needed the folders."""
        if not self._used:
            return
        mine = self._all
        public = mine.publics | {each.parsed.spki for each in (*mine.certificates, *mine.authorities, *mine.others)}
        for spki, (_, path) in mine.keys.items():
            if spki not in public:
                self._note(path, "no certificate and no public key here has this key: it is not used")
        for (kind, _), passphrase in self._passphrases.items():
            names = [path.name for path in self._files(kind)]
            if passphrase.file.lower() not in map(str.lower, names):
                near = difflib.get_close_matches(passphrase.file, names, 1)
                meant = f"; did you mean {printable(near[0], LONGEST)}?" if near else ""
                where = f"{passphrase.place}: {passphrase.owner}.file"
                file = printable(passphrase.file, LONGEST)
                self._notes.lines.append(f"{where}: no file in {self.folder / kind} is called {file}{meant}")

    # Loading

    @cached_property
    def _all(self) -> _Loaded:
        self._used = True
        found = _Loaded()
        for path in self._files("x509"):
            found.certificates += self._read(path, self._first)
        for path, place in [*((path, "") for path in self._files("x509ca")), *self._named.items()]:
            found.authorities += self._read(path, lambda path: self._checked(self._first(path)), place)
        for kind in KEYS:
            for path in self._files(kind):
                for key in self._read(path, partial(self._opened, kind), shut=found.shut):
                    self._add(found, key, path)
        for path in self._files("pkcs12"):
            for certificate, key, chain in self._read(path, self._container, shut=found.shut):
                found.certificates.append(_held(certificate, path))
                found.others += [_held(each, path) for each in chain]
                self._add(found, key, path)
        self._distrusted(found)
        self._load_rest(found)
        return found

    def _load_rest(self, found: _Loaded) -> None:
        from fynx_scapy.pki import loading, own

        for path in self._files("x509crl"):
            for crls in self._read(path, lambda path: loading.load_crls(str(path))):
                found.crls += crls
        for path in self._files("pubkey"):
            found.publics.update(self._read(path, lambda path: own.public_key(str(path))))
        for kind, why in _NOT_READ.items():
            if files := self._files(kind):
                self._note(self.folder / kind, f"{counted(len(files), 'file')} left out: {why}")

    def _distrusted(self, found: _Loaded) -> None:
        """Say of roots outside of x509ca that they are not trusted."""
        trusted = {each.parsed.der for each in found.authorities}
        for each in (*found.certificates, *found.others):
            if each.parsed.self_issued and _authority(each) and each.parsed.der not in trusted:
                self._note(each.path, f"the authority {each.parsed.text} is not trusted: only those in x509ca are")

    def _add(self, found: _Loaded, key: Any, path: Path) -> None:
        from fynx_scapy.pki import own

        found.keys.setdefault(own.spki(key), (key, path))

    def _files(self, kind: str) -> list[Path]:
        """The files of a folder, by their names. Hidden ones are not loaded. ConfigError for too many."""
        if kind not in self._listed:
            folder, paths = self.folder / kind, []
            try:
                paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
            except FileNotFoundError:
                pass
            except OSError as error:
                self._note(folder, f"it cannot be read, and is left out: {error.strerror or error}")
            if len(paths) > MOST_FILES:
                raise ConfigError(f"{folder}: expected at most {MOST_FILES} files, found {len(paths)}")
            self._listed[kind] = paths
        return self._listed[kind]

    def _read(
        self, path: Path, read: Callable[[Path], T], place: str = "", shut: list[str] | None = None
    ) -> Iterator[T]:
        """What a file holds, or a line that says why it cannot be read."""
        try:
            yield read(path)
        except ConfigError as error:
            self._notes.lines.append(f"{place}{': ' if place else ''}{error}; the file is left out")
            if shut is not None:
                shut.append(f"{path.parent.name}/{printable(path.name, LONGEST)}")

    def _first(self, path: Path) -> Held:
        """The first certificate of a file: strongSwan reads no further ones."""
        from fynx_scapy.pki import loading

        found = loading.load_certificates(str(path))
        if len(found) > 1:
            self._note(path, f"the first of {len(found)} certificates is taken, as strongSwan does: split the file")
        return _held(found[0], path)

    def _checked(self, held: Held) -> Held:
        """An authority. Without that, strongSwan does not load it as one."""
        if not _authority(held):
            raise ConfigError(f"{held.path}: {held.parsed.text} is no authority: basicConstraints does not say CA")
        return held

    def _opened(self, kind: str, path: Path) -> Any:
        from fynx_scapy.pki import loading

        return self._with_passphrase(kind, path, loading.load_key)

    def _container(self, path: Path) -> tuple[Any, Any, Iterable[Any]]:
        from fynx_scapy.pki import loading

        return self._with_passphrase("pkcs12", path, loading.load_pkcs12)

    def _with_passphrase(self, kind: str, path: Path, load: Callable[[str, str | None], T]) -> T:
        """What a file holds, opened by the passphrases that the configuration has for it, or by none."""
        passphrase = self._passphrases.get((kind, path.name.lower()))
        if passphrase is None:
            try:
                found = load(str(path), None)
            except ConfigError as error:
                hint = f": add it as secrets.{kind}-NAME with file = {printable(path.name, LONGEST)}"
                raise ConfigError(f"{error}{hint if 'passphrase' in str(error) else ''}") from None
            if readable_by_all(path):
                self._notes.lines.append(exposed(path))
            return found
        for number, word in enumerate(passphrase.secrets, 1):
            try:
                return load(str(path), word)
            except ConfigError as error:
                if number == len(passphrase.secrets):
                    raise ConfigError(f"{error} ({passphrase.place}: {passphrase.owner})") from None
        raise AssertionError

    def _note(self, path: Path, text: str) -> None:
        self._notes.lines.append(f"{printable(str(path), LONGEST)}: {text}")


def _held(certificate: x509.Certificate, path: Path) -> Held:
    from fynx_scapy.pki.parsed import parse

    try:
        return Held(certificate, parse(certificate), path)
    except CertificateError as error:
        raise ConfigError(f"{path}: {error}") from None


def _authority(held: Held) -> bool:
    from cryptography import x509

    constraints = held.parsed.get(x509.BasicConstraints)
    return constraints is not None and constraints.ca
