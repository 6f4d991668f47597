# SPDX-License-Identifier: GPL-2.0-or-later
"""The sections ``local`` and ``remote`` of a connection: what proves who we are, and what the peer has to prove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.auth_words import Method
from fynx_scapy.settings.swanctl.folders import Folders, Held
from fynx_scapy.settings.swanctl.keys import AUTH, CERTIFICATE, IGNORED, LeftOut, Notes
from fynx_scapy.settings.swanctl.sections import Place, Section
from fynx_scapy.text import LONGEST, printable

_USED = {
    ("local", "psk"): (),
    ("local", "pubkey"): ("certs", "pubkeys"),
    ("local", "eap"): ("certs", "eap_id", "aaa_id"),
    ("remote", "psk"): (),
    ("remote", "pubkey"): ("certs", "pubkeys", "cacerts", "ca_id", "revocation"),
    ("remote", "eap"): ("cacerts", "ca_id", "eap_id"),
}
"""The keys beside ``auth`` and ``id`` that say something, by the end and what it authenticates with."""
_KINDS = {"psk": "a pre-shared key", "eap": "EAP"}


class End:
    """How one end of a connection authenticates. LeftOut if the connection would be wrong."""

    def __init__(self, end: str, section: Section, owner: str, folders: Folders, notes: Notes) -> None:
        self.place, self.owner = section.place, owner
        self._section, self.folders, self._notes = section, folders, notes
        self.values = notes.values(section, AUTH, owner)
        self.method: Method = self.values.get("auth", Method())
        self.id: Identity | None = self.values.get("id")
        kind = "psk" if self.method.psk else "eap" if self.method.eap else "pubkey"
        self._used = _USED[end, kind]
        for name, value in section.values.items():
            if (
                name.lower() in self.values
                and name.lower() not in (*self._used, "auth", "id", "round")
                and AUTH[name.lower()] is not IGNORED
            ):
                how = _KINDS.get(kind, f"the end {end}")
                notes.add(value, f"{owner}.{name}", f"it says nothing about {how}, and is left out")
        self._files: dict[str, list[tuple[Place, str, str]]] = {"certs": [], "cacerts": []}
        for name, inner in section.sections.items():
            self._inner(name, inner)

    def _inner(self, name: str, section: Section) -> None:
        """The section of one certificate."""
        owner = f"{self.owner}.{printable(name, LONGEST)}"
        kind = next((kind for kind in self._files if name.lower().startswith(kind.removesuffix("s"))), "")
        if not kind:
            raise LeftOut(f"{section.place}: {owner}: unknown section; those here begin with cert or cacert")
        file = self._notes.values(section, CERTIFICATE, owner).get("file", "")
        if not Path(file).is_absolute():
            found = f", found {printable(file, LONGEST)!r}" if file else ""
            raise LeftOut(f"{section.place}: {owner}.file: expected the absolute path of a certificate{found}")
        if kind in self._used:
            self._files[kind].append((section.place, f"{owner}.file", file))
        else:
            self._notes.lines.append(f"{section.place}: {owner} is left out: it says nothing here")

    def own(self) -> tuple[Any, Identity | None]:
        """The credential that proves who we are, other than a pre-shared key, and the identity if none is named."""
        if "pubkeys" in self.values:
            return self._raw_key(), self.id
        held = list(self._named("certs", self.folders.certificate))
        if not held and self.id is None:
            raise self.fault("auth", "expected certs or pubkeys, or an id that a certificate in x509 has; found none")
        if not held:
            held = [each for each in self.folders.own if self._has(each)]
        if not held:
            raise self.fault("id", f"no certificate in x509 or pkcs12 with a private key has the identity {self.id}")
        if self.method.sizes:
            self.note("auth", "the size of our own key is not looked at")
        identity = self.id or (self._subject(held[0]) if len(held) == 1 else None)
        return [self._certificate(each) for each in held], identity

    def _certificate(self, held: Held) -> Any:
        from fynx_scapy.ike.credentials.certificates import Certificate

        try:
            key = self.folders.key(held.parsed.spki, f"the certificate {held.parsed.text}")
            chain = [each.certificate for each in self.folders.chain(held)]
            return Certificate(held.certificate, key, chain, schemes=self.method.schemes)
        except ConfigError as error:
            raise self.fault("certs", f"{printable(str(held.path), LONGEST)}: {error}") from None

    def _raw_key(self) -> Any:
        from fynx_scapy.ike.credentials.certificates import RawKey

        if "certs" in self.values or self._files["certs"]:
            self.note("certs" if "certs" in self.values else "pubkeys", "pubkeys are taken, and no certificates")
        first, *more = self.values["pubkeys"] or [""]
        if more:
            self.note("pubkeys", f"the first of {1 + len(more)} is taken, as strongSwan does")
        try:
            path, public = self.folders.public_key(first)
            return RawKey(self.folders.key(public, f"the public key {path}"), schemes=self.method.schemes)
        except ConfigError as error:
            raise self.fault("pubkeys", str(error)) from None

    def _has(self, held: Held) -> bool:
        from fynx_scapy.pki import own

        return self.id is not None and own.has(held.certificate, self.id.type, self.id.data)

    @staticmethod
    def _subject(held: Held) -> Identity | None:
        """The subject, which is the identity where none is configured; None for a certificate without one."""
        text = Identity(IdType.ID_DER_ASN1_DN, held.parsed.subject)
        return text if len(held.parsed.subject) > 2 else None

    def theirs(self, ocsp: bool | None) -> dict[str, Any]:
        """The fields of `IkeConfig` that say how the peer proves who it is, other than by a pre-shared key."""
        from fynx_scapy.ike.credentials.certificates import Certificates

        if self.method.chain_limited:
            self.note("auth", "the hashes are taken for AUTH; those that authorities sign with are not limited by it")
        if "pubkeys" in self.values:
            return {"remote_auth": self._raw_keys()}
        anchors = self.anchors()
        from fynx_scapy.pki.trust import Trust

        revocation = self.values.get("revocation", "if-known")
        if revocation is None:
            revocation = "if-known"
            self.note("revocation", "ifuri is not supported: what is known to be revoked is refused, as with relaxed")
        fields: dict[str, Any] = {"crls": self.folders.crls, "revocation": revocation}
        for kind, bits in self.method.sizes:
            fields["minimum_rsa_bits" if kind == "RSA" else "minimum_ec_bits"] = bits
        known = self.folders.known
        try:
            return {
                "trust": Trust([each.certificate for each in anchors], **fields),
                "remote_auth": Certificates(schemes=self.method.schemes, known=known, ocsp=ocsp),
            }
        except ConfigError as error:
            raise self.fault("auth", str(error)) from None

    def _raw_keys(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        from fynx_scapy.ike.credentials.certificates import RawKeys
        from fynx_scapy.pki import loading

        kinds: dict[str, Any] = {"RSA": rsa.RSAPublicKey, "ECDSA": ec.EllipticCurvePublicKey}
        for name in ("certs", "cacerts", "ca_id", "revocation"):
            if name in self.values:
                self.note(name, "it is left out beside pubkeys: a key is known, or it is not")
        try:
            found = [self.folders.public_key(name) for name in self.values["pubkeys"]]
            for path, public in found:
                key: Any = loading.load_public_key(public)
                for kind, bits in self.method.sizes:
                    if isinstance(key, kinds[kind]) and key.key_size < bits:
                        raise ConfigError(f"{path}: expected a key of at least {bits} bits, found {key.key_size}")
            return RawKeys(*(public for _, public in found), schemes=self.method.schemes)
        except ConfigError as error:
            raise self.fault("pubkeys", str(error)) from None

    def anchors(self) -> list[Held]:
        """What we trust, for the certificates of the peer."""
        pinned = list(self._named("certs", self.folders.certificate))
        limits = list(self._named("cacerts", self.folders.authority)) + self._called()
        if pinned:
            if limits:
                self.note(
                    "cacerts" if "cacerts" in self.values else "certs",
                    "it is left out beside certs, which are trusted themselves",
                )
            if self.values.get("revocation") == "required":
                self.note("revocation", "nobody is asked whether the certificates in certs are revoked")
            return pinned
        if not limits:
            if not self.folders.roots:
                why = "found none: the chain of the peer would have no anchor"
                raise self.fault(
                    "auth", f"expected an authority in x509ca or authorities, or cacerts, certs or pubkeys; {why}"
                )
            return self.folders.roots
        roots = {each.parsed.der for each in (*self.folders.roots, *limits) if each.parsed.self_issued}
        for each in limits:
            if each.parsed.self_issued:
                continue
            chain = self.folders.chain(each)
            if not chain or chain[-1].parsed.der not in roots:
                above = chain[-1].parsed if chain else each.parsed
                raise self.fault(
                    "cacerts", f"{each.path}: its chain has no anchor: no root in x509ca has issued {above.text}"
                )
            if self.values.get("revocation") == "required":
                self.note("revocation", f"{each.parsed.text} is trusted itself: nobody is asked whether it is revoked")
        return limits

    def _called(self) -> list[Held]:
        """The authority of ``ca_id``, which must be here."""
        wanted = self.values.get("ca_id")
        if wanted is None:
            return []
        from fynx_scapy.pki import own

        found = [each for each in self.folders.authorities if own.has(each.certificate, wanted.type, wanted.data)]
        if not found:
            raise self.fault("ca_id", f"no authority in x509ca or authorities is called {wanted}")
        return found

    def _named(self, kind: str, load: Any) -> Iterator[Held]:
        for name in self.values.get(kind, ()):
            try:
                yield load(name)
            except ConfigError as error:
                raise self.fault(kind, str(error)) from None
        for place, owner, file in self._files[kind]:
            try:
                yield load(file)
            except ConfigError as error:
                raise LeftOut(f"{place}: {owner}: {error}") from None

    def note(self, name: str, text: str) -> None:
        """A line about one key."""
        value = next((value for key, value in self._section.values.items() if key.lower() == name), None)
        self._notes.lines.append(f"{value.place if value else self.place}: {self.owner}.{name}: {text}")

    def fault(self, name: str, text: str) -> LeftOut:
        """The error about one key, or the section where it is not there."""
        value = next((value for key, value in self._section.values.items() if key.lower() == name), None)
        return LeftOut(f"{value.place if value else self.place}: {self.owner}.{name}: {text}")
