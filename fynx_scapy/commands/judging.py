# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx pki show`` and ``fynx pki check``: what files of certificates hold, and whether we accept it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from fynx_scapy.commands.certificates import READ, certificates_of, passphrase_file, secret_of, time_of
from fynx_scapy.commands.opening import misuse, no_routes, writing
from fynx_scapy.commands.options import JSON, OUTPUT
from fynx_scapy.files import read_octets
from fynx_scapy.text import printable


@click.command()
@click.argument("paths", nargs=-1, required=True, type=READ, metavar="FILE...")
@passphrase_file("Open an encrypted key or PKCS #12")
@JSON
@OUTPUT
def show(paths: tuple[Path, ...], passphrase_file: Path | None, as_json: bool, output: Path) -> None:
    """Show what is in each FILE: certificates, CRLs, OCSP responses, keys; PEM, DER, PKCS #7 or PKCS #12.

    Of a private key it shows the kind and hashes of the public half. ``authority`` is the SHA-1 by which CERTREQ names
    a key. --json prints one object per line.
    """
    from fynx_scapy.pki.facts import facts_of

    secret = secret_of(passphrase_file)
    with misuse():
        found = [{"file": str(path)} | facts for path in paths for facts in facts_of(path, secret)]
    with writing(output) as out:
        for facts in found:
            _show(facts, as_json, out)


def _show(facts: dict[str, Any], as_json: bool, out: TextIO) -> None:
    if as_json:
        click.echo(json.dumps(facts), file=out)
        return
    click.echo(f"{printable(facts['file'])}: {facts['kind']}", file=out)
    for name, text in _lines(facts):
        click.echo(f"  {name:18} {text}", file=out)


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if name in ("file", "kind") or value is None or value == []:
            continue
        label = name.replace("_", " ")
        for each in value if isinstance(value, list) else [value]:
            yield label, {True: "yes", False: "no"}.get(each, str(each)) if isinstance(each, bool) else str(each)
            label = ""


@click.command()
@click.argument("leaf", type=READ)
@click.option(
    "--ca",
    "anchors",
    multiple=True,
    required=True,
    type=READ,
    metavar="FILE",
    help="Trust these certificates. Repeatable.",
)
@click.option("--chain", multiple=True, type=READ, metavar="FILE", help="Take intermediates from here. Repeatable.")
@click.option("--crl", "crls", multiple=True, type=READ, metavar="FILE", help="Take CRLs from here. Repeatable.")
@click.option(
    "--ocsp", "responses", multiple=True, type=READ, metavar="FILE", help="Take an OCSP response from here. Repeatable."
)
@click.option(
    "--revocation",
    type=click.Choice(["if-known", "required", "off"]),
    default="if-known",
    show_default=True,
    help="Refuse what is known to be revoked, or also what nobody vouches for.",
)
@click.option("--at", metavar="WHEN", help="Judge at this time instead of now.")
@click.option("--id", "identity", metavar="ID", help="Expect this identity of an ID payload, by the rules of RFC 4945.")
@click.option("--wildcards", is_flag=True, help="Let *.example stand for one label, which RFC 4945 forbids.")
@JSON
def check(
    leaf: Path,
    anchors: tuple[Path, ...],
    chain: tuple[Path, ...],
    crls: tuple[Path, ...],
    responses: tuple[Path, ...],
    revocation: str,
    at: str | None,
    identity: str | None,
    wildcards: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Judge the first certificate of LEAF, as an IKE peer with that certificate would be judged. Nothing is fetched.

    Exit status 0 when it is accepted, 1 when it is refused, 2 for misuse.
    """
    from fynx_scapy.errors import CertificateError
    from fynx_scapy.pki.identity import matches
    from fynx_scapy.pki.judge import judge
    from fynx_scapy.pki.loading import load_crls, load_ocsp
    from fynx_scapy.pki.trust import Trust

    when = None if at is None else time_of("--at", at)
    with misuse():
        trust = Trust(
            certificates_of(anchors),
            crls=[each for path in crls for each in load_crls(path)],
            ocsp=[load_ocsp(path) for path in responses],
            revocation=revocation,
            wildcards=wildcards,
        )
        others = certificates_of(chain)
        wanted = _identity(identity)
    own, *more = _leaf(leaf)
    verdict: dict[str, Any] = {"file": str(leaf)}
    try:
        done = judge(own, [*more, *others], trust, at=when)
        verdict |= {"accepted": True, "chain": list(done.subjects), "verified_by": done.verified_by}
        if wanted is not None:
            verdict["identity"] = matches(own, *wanted, wildcards=wildcards).how
        verdict["notes"] = list(done.notes)
    except CertificateError as error:
        verdict |= {"accepted": False, "code": error.code, "reason": str(error), "advice": error.advice}
    click.echo(json.dumps(verdict) if as_json else "\n".join(_said(verdict)))
    sys.exit(0 if verdict["accepted"] else 1)


def _leaf(path: Path) -> list[Any]:
    """The certificates of a file; one that cannot be read is judged as the octets that it is."""
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.pki.loading import load_certificates

    try:
        return list(load_certificates(path))
    except ConfigError as error:
        octets = _block(path)
        if octets is None:
            raise click.UsageError(str(error)) from None
        return [octets]


def _block(path: Path) -> bytes | None:
    """The octets of the first certificate in PEM, whatever they are."""
    from fynx_scapy.pki.loading import MOST_OCTETS

    text = read_octets(path, MOST_OCTETS)
    found = re.search(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END", text)
    try:
        return None if found is None else base64.b64decode(found[1])
    except binascii.Error:
        return None


def _identity(text: str | None) -> tuple[int, bytes] | None:
    """The type and octets of an ID payload."""
    if text is None:
        return None
    no_routes()
    from fynx_scapy.layers.ikev2.ident import guessed_type, identity_octets

    kind = guessed_type(text)
    return kind, identity_octets(kind, text)


def _said(verdict: dict[str, Any]) -> Iterator[str]:
    name = printable(verdict["file"])
    if not verdict["accepted"]:
        yield f"{name}: refused ({verdict['code']}): {verdict['reason']}"
        yield verdict["advice"]
        return
    yield f"{name}: accepted (judged by {verdict['verified_by']})"
    for number, subject in enumerate(verdict["chain"]):
        yield f"  {'  ' * number}{subject}"
    if "identity" in verdict:
        yield f"  identity: {verdict['identity']}"
    for note in verdict["notes"]:
        yield f"  note: {note}"
