# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx pki``: throw-away authorities for tests, and a look at certificates, CRLs, OCSP responses and keys."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.certificates import (
    FORCE,
    READ,
    authority_of,
    authority_options,
    certificates_of,
    changes_of,
    deviations,
    key_option,
    misused,
    passphrase_file,
    save,
    secret_of,
    time_of,
)
from fynx_scapy.commands.judging import check, show
from fynx_scapy.commands.options import JSON, OUTPUT_NEEDED, STDIO, Folder
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.pki.making import Authority, Issued

STATUSES = ("good", "revoked", "unknown")


@click.group()
def pki() -> None:
    """Make throw-away certificates for tests, good ones and bad ones; show and judge those of others.

    What it makes is for tests. Nothing is ever fetched from a network.
    """


# -- make -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Folder:
    """The files that are to be written into a folder."""

    place: Path
    passphrase: bytes | None
    outputs: dict[Path, bytes] = field(default_factory=dict)
    secrets: list[Path] = field(default_factory=list)
    about: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, octets: bytes, text: str, verdict: str = "") -> None:
        """One file, and what it is."""
        self.outputs[self.place / name] = octets
        self.about.append({"file": name, "what": text} | ({"verdict": verdict} if verdict else {}))

    def issued(self, name: str, issued: Issued, text: str, verdict: str = "") -> None:
        """A certificate, with its key and its chain."""
        from fynx_scapy.pki.making.issued import pem

        self.add(f"{name}.crt", issued.pem, text, verdict)
        self.outputs[self.place / f"{name}.key"] = issued.key_pem(self.passphrase)
        self.secrets.append(self.place / f"{name}.key")
        if issued.issuers:
            self.outputs[self.place / f"{name}.chain.crt"] = b"".join(
                pem("CERTIFICATE", each) for each in issued.issuers
            )


@pki.command()
@click.argument("folder", type=Folder())
@click.option(
    "--gateway",
    "gateways",
    multiple=True,
    metavar="NAME",
    default=["gateway.example"],
    show_default=True,
    help="Name the gateway so: a host name, an address, a name with @, or K=V,… Repeatable.",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    default=["client.example"],
    show_default=True,
    help="Name the client so. Repeatable.",
)
@key_option()
@click.option(
    "--bad", is_flag=True, help="Also make FOLDER/bad: certificates that have to be refused, named after their fault."
)
@click.option("--at", metavar="WHEN", help="Let everything be valid around this time instead of now.")
@click.option(
    "--seed",
    metavar="TEXT",
    help="Make the same each time, but for RSA keys and ML-DSA signatures. Anybody can make these keys.",
)
@passphrase_file("Encrypt the keys")
@FORCE
@JSON
def make(
    folder: Path,
    gateways: tuple[str, ...],
    clients: tuple[str, ...],
    key: str,
    bad: bool,
    at: str | None,
    seed: str | None,
    passphrase_file: Path | None,
    force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Make an authority for tests in FOLDER: root, intermediate, gateway and client, with CRLs and OCSP responses.

    For each NAME there are NAME.crt, NAME.key and NAME.chain.crt (the intermediates), all PEM; root.crt is the one to
    trust. Each certificate is valid for a year.
    """
    from fynx_scapy.pki.making import Authority
    from fynx_scapy.pki.making.issued import pem

    found = _Folder(folder, secret_of(passphrase_file))
    with misused():
        root = Authority.root(key=key, seed=seed, at=None if at is None else time_of("--at", at))
        middle = root.intermediate(key=key)
        found.issued("root", root, "the root: trust this one")
        found.issued("intermediate", middle, "the intermediate authority, which issued the others")
        for role, names in (("gateway", gateways), ("client", clients)):
            issued = middle.issue(f"C=CH, O=fynx, CN={role}", names, key)
            found.issued(role, issued, f"the {role}: {', '.join(names)}")
            found.add(f"{role}.ocsp", middle.ocsp(issued), f"an OCSP response that says good of the {role}")
        found.add("intermediate.ocsp", root.ocsp(middle), "an OCSP response that says good of the intermediate")
        found.add("root.crl", pem("X509 CRL", root.crl()), "the root's CRL, which revokes nothing")
        found.add("intermediate.crl", pem("X509 CRL", middle.crl()), "the intermediate's CRL, which revokes nothing")
        if bad:
            _add_bad(found, middle, gateways, key)
    save(found.outputs, found.secrets, force=force)
    if seed is not None:
        click.echo("warning: anybody who knows the seed can make these keys", err=True)
    _told(found, as_json)


def _add_bad(found: _Folder, middle: Authority, names: tuple[str, ...], key: str) -> None:
    from fynx_scapy.pki.making.faults import made
    from fynx_scapy.pki.making.issued import pem

    for fault, one in made(middle, "C=CH, O=fynx, CN=gateway", names, key):
        found.issued(f"bad/{fault.name}", one.issued, fault.text, f"certificate.{fault.code}")
        for number, crl in enumerate(one.crls):
            name = f"bad/{fault.name}.crl" if not number else f"bad/{fault.name}.above.crl"
            found.outputs[found.place / name] = pem("X509 CRL", crl)
        for response in one.ocsp:
            found.outputs[found.place / f"bad/{fault.name}.ocsp"] = response


def _told(found: _Folder, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"folder": str(found.place), "files": found.about}, indent=1))
        return
    width = max(len(each["file"]) for each in found.about)
    for each in found.about:
        verdict = f" ({each['verdict']})" if "verdict" in each else ""
        click.echo(f"{each['file']:{width}}  {printable(each['what'], 200)}{verdict}")


# -- issue, crl, ocsp -------------------------------------------------------------------------------------------------


@pki.command()
@click.argument("subject")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@authority_options
@key_option()
@click.option("--authority", is_flag=True, help="Make an authority instead of an end entity; it has no NAMEs.")
@click.option("--days", type=click.IntRange(1, 36500), metavar="N", help="Let it be valid for N days from now.")
@deviations("expired, wrong_key, eku=ipsecIKE,serverAuth, path_length=0")
@OUTPUT_NEEDED
@click.option("--encrypt", type=READ, metavar="PATH", help="Encrypt the new key with the passphrase in this file.")
@FORCE
def issue(
    subject: str,
    names: tuple[str, ...],
    ca: Path,
    ca_key: Path,
    chain: tuple[Path, ...],
    passphrase_file: Path | None,
    key: str,
    authority: bool,
    days: int | None,
    changes: tuple[str, ...],
    output: Path,
    encrypt: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Issue a certificate to SUBJECT, such as 'C=CH, O=Lab, CN=gw', with NAMEs in its subjectAltName.

    The form of a NAME says its type: gw.example, 192.0.2.1, a@b.example, C=CH,CN=gw. With a type in front (dns:,
    email:, ip:, dn:, uri:, rid:) it is taken as it is, whatever it holds.

    --output names the certificate, PATH.crt. Its key goes into PATH.key, the intermediates into PATH.chain.crt.
    """
    from fynx_scapy.pki.making import Changes

    if str(output) == STDIO:
        raise click.UsageError("--output cannot be - (stdout), because several files are written: name the certificate")
    if authority and names:
        raise click.UsageError("expected --authority or NAMEs, found both: an authority has no subjectAltName")
    given = changes_of(Changes, changes)
    if days is not None:
        given.setdefault("not_after", datetime.now(UTC) + timedelta(days=days))
    with misused():
        signer = authority_of(ca, ca_key, chain, passphrase_file)
        made = signer.intermediate(subject, key, **given) if authority else signer.issue(subject, names, key, **given)
        found = _Folder(output.parent, secret_of(encrypt))
        found.issued(output.name.removesuffix(".crt"), made, str(made))
    save(found.outputs, found.secrets, force=force)
    _told(found, as_json=False)


@pki.command()
@authority_options
@click.option(
    "--revoke",
    "revoked",
    multiple=True,
    metavar="FILE|SERIAL[:REASON]",
    help="Revoke this certificate, by its file or its serial number in hex; REASON: keyCompromise, … Repeatable.",
)
@deviations("expired, wrong_key, number=7, delta")
@OUTPUT_NEEDED
@FORCE
def crl(
    ca: Path,
    ca_key: Path,
    chain: tuple[Path, ...],
    passphrase_file: Path | None,
    revoked: tuple[str, ...],
    changes: tuple[str, ...],
    output: Path,
    force: bool,
) -> None:  # fmt: skip
    """Make a CRL of an authority, in PEM."""
    from fynx_scapy.pki.making.issued import pem
    from fynx_scapy.pki.making.statuses import CrlChanges

    given = changes_of(CrlChanges, changes)
    with misused():
        signer = authority_of(ca, ca_key, chain, passphrase_file)
        made = pem("X509 CRL", signer.crl(map(_revoked, revoked), **given))
    save({output: made}, force=force)


def _revoked(text: str) -> Any:
    """The serial number of ``FILE`` or ``SERIAL``, and the reason after a colon."""
    name, colon, reason = (text, "", "") if Path(text).exists() else text.rpartition(":")
    name = name if colon else text
    if Path(name).exists():
        serial = certificates_of([Path(name)])[0].serial_number
    else:
        try:
            serial = int(name.removeprefix("0x"), 16)
        except ValueError:
            told = printable(name, 60)
            raise click.UsageError(f"--revoke takes a file or a serial number in hex, found '{told}'") from None
    return (serial, reason) if colon else serial


@pki.command()
@click.argument("certificate", type=READ)
@authority_options
@click.option("--status", type=click.Choice(STATUSES), default="good", show_default=True, help="Say this of it.")
@deviations("expired, wrong_key, delegated, wrong_id")
@OUTPUT_NEEDED
@FORCE
def ocsp(
    certificate: Path,
    ca: Path,
    ca_key: Path,
    chain: tuple[Path, ...],
    passphrase_file: Path | None,
    status: str,
    changes: tuple[str, ...],
    output: Path,
    force: bool,
) -> None:  # fmt: skip
    """Make an OCSP response about CERTIFICATE, in DER.

    Its authority signs it, or with --change delegated a responder of its own.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from fynx_scapy.pki.making import Issued
    from fynx_scapy.pki.making.statuses import OcspChanges

    given = changes_of(OcspChanges, changes)
    with misused():
        signer = authority_of(ca, ca_key, chain, passphrase_file)
        about = Issued(der=certificates_of([certificate])[0].public_bytes(Encoding.DER), key=signer.key)
        made = signer.ocsp(about, status, **given)
    save({output: made}, force=force)


pki.add_command(show)
pki.add_command(check)
