# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for what both ends authenticate with, in every command that does so, and the credentials they make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fynx_scapy.commands.certificates import READ, passphrase_file, secret_of
from fynx_scapy.commands.eap import (
    EAP_FILES,
    EAP_WORDS,
    check_eap,
    client_of,
    is_gateway,
    key_files,
    naming_key,
    users_of,
    values_of,
)
from fynx_scapy.commands.options import Decorator, psk_file, read_psk, warn_exposed
from fynx_scapy.commands.origins import naming

BESIDE_PSK: tuple[Decorator, ...] = (
    click.option(
        "--cert", type=READ, metavar="FILE",
        help="Authenticate with this certificate: PEM, DER, or PKCS#12 with its key. Further ones are its chain.",
    ),
    click.option(
        "--chain", "chains", multiple=True, type=READ, metavar="FILE",
        help="Send these certificates too, which lead from --cert to what the peer trusts. Repeatable.",
    ),
    click.option("--key", type=READ, metavar="FILE", help="The private key of --cert; default: the one in that file."),
    passphrase_file("Open the private key"),
    click.option(
        "--ca", "cas", multiple=True, type=READ, metavar="FILE",
        help="Trust these certificates: the peer's must lead to one of them. Repeatable.",
    ),
    click.option(
        "--crl", "crls", multiple=True, type=READ, metavar="FILE",
        help="Refuse what this list revokes. Repeatable. Nothing is fetched.",
    ),
    click.option(
        "--ocsp", "ocsps", multiple=True, type=READ, metavar="FILE",
        help="Refuse what this OCSP response (DER) says is revoked. Repeatable. Nothing is fetched.",
    ),
    click.option(
        "--revocation", type=click.Choice(["if-known", "required", "off"]),
        help="Refuse what is known to be revoked (if-known, the default), or also what nobody vouches for.",
    ),
    click.option(
        "--ppk-file", type=READ, metavar="PATH",
        help="Use the post-quantum pre-shared key (RFC 8784) in this file, beside the rest. Written like --psk-file.",
    ),
    click.option("--ppk-id", metavar="ID", help="The PPK_ID of that key: text, or hex digits after 0x."),
    click.option("--ppk-required", is_flag=True, help="Set up no IKE SA without that key."),
)  # fmt: skip
"""The options without --psk-file."""
CREDENTIALS: tuple[Decorator, ...] = (psk_file("FYNX_PSK_FILE"), *BESIDE_PSK)
"""The options, but for those about EAP, which a command has besides. Their values go to `credentials_of`."""
FLAGS = ("ppk-required", "eap-only")
"""The options without a value."""
_WORDS = {
    "cert": "cert", "chain": "chains", "key": "key", "passphrase-file": "passphrase_file", "ca": "cas", "crl": "crls",
    "ocsp": "ocsps", "revocation": "revocation", "ppk-file": "ppk_file", "ppk-id": "ppk_id",
    "ppk-required": "ppk_required", **EAP_WORDS,
}  # fmt: skip
"""Each option but --psk-file, and the name of its value."""
_NAMES = ("psk_file", *_WORDS.values())
_FILES = {
    "psk-file": "psk_file",
    **{word: _WORDS[word] for word in ("cert", "chain", "key", "passphrase-file", "ca", "crl", "ocsp", "ppk-file")},
    **EAP_FILES,
}
"""The options with files."""


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """Take the values of the options out of the arguments of a command."""
    return {name: given.pop(name) for name in _NAMES if name in given}


def words_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were used, with their values, for a command line that has them again: files, never secrets."""
    values = {"psk-file": given["psk_file"]} | {word: given.get(name) for word, name in _WORDS.items()}
    if values.pop("eap-password"):
        values["eap-password-file"] = "FILE"
    return {word: value for word, value in values.items() if value not in (None, False, ())}


def files_of(given: Mapping[str, Any]) -> list[Path]:
    """The files that the options name."""
    return [path for name in _FILES.values() for path in _paths(given.get(name))]


def _paths(value: Any) -> list[Path]:
    return [path for path in (value if isinstance(value, tuple) else (value,)) if path is not None]


def _surrounding() -> bool:
    """Whether the environment names the key, which may be meant for another peer."""
    context = click.get_current_context(silent=True)
    return context is not None and context.get_parameter_source("psk_file") is ParameterSource.ENVIRONMENT


def used(given: Mapping[str, Any]) -> list[str]:
    """The options that were given on the command line. A key that the environment names is there for others, too."""
    context = click.get_current_context(silent=True)  # none where a worker or SIGHUP reads the file again
    typed = context is not None and context.get_parameter_source("psk_file") is ParameterSource.COMMANDLINE
    found = [word for word, name in _WORDS.items() if given.get(name)]
    return found + (["psk-file"] if typed else [])


def credentials_of(given: Mapping[str, Any], or_else: str = "") -> dict[str, Any]:
    """The arguments of an `IkeConfig` about credentials: ``auth``, ``remote_auth``, ``trust``, ``ppk``, …

    ``or_else`` is an option that says the same. UsageError for options that do not go together, ConfigError for files
    that do not.
    """
    cert, cas, ppk = given["cert"], given["cas"], given["ppk_file"]
    for option, value, other, needed in (
        ("--chain", given["chains"], "--cert", cert),
        ("--key", given["key"], "--cert", cert),
        ("--passphrase-file", given["passphrase_file"], "--cert", cert),
        ("--crl", given["crls"], "--ca", cas),
        ("--ocsp", given["ocsps"], "--ca", cas),
        ("--revocation", given["revocation"], "--ca", cas),
        ("--ppk-id", given["ppk_id"], "--ppk-file", ppk),
        ("--ppk-required", given["ppk_required"], "--ppk-file", ppk),
        ("--ppk-file", ppk, "--ppk-id", given["ppk_id"]),
    ):
        if value and not needed:
            raise click.UsageError(f"{option} is about {other}, which is missing")
    check_eap(given)
    with naming({word: _paths(given.get(name)) for word, name in _FILES.items()}, values_of(given)):
        if not given.get("eaps"):
            made = _plain(given, or_else)
        elif is_gateway(given):
            made = _gateway(given)
        else:
            made = _client(given)
        if ppk is not None:
            from fynx_scapy.ike.config import Ppk

            made["ppk"] = Ppk(read_psk(ppk, "a post-quantum pre-shared key"), given["ppk_id"])
            made["ppk_required"] = given["ppk_required"]
            warn_exposed(ppk)
    return made


def _plain(given: Mapping[str, Any], or_else: str) -> dict[str, Any]:
    """Without EAP."""
    psk, cert, cas = given["psk_file"], given["cert"], given["cas"]
    if cert is None and psk is None:
        raise click.UsageError(
            "expected the peer's key: give --psk-file, or set FYNX_PSK_FILE in the environment; or give --cert and "
            f"--ca{f', or {or_else}' if or_else else ''}"
        )
    if cert is not None and not cas and (psk is None or _surrounding()):
        raise click.UsageError(
            "expected --ca beside --cert: it says whose certificates the peer may have (or --psk-file, for a peer with "
            "a pre-shared key)"
        )
    if cert is not None and cas and "psk-file" in used(given):
        raise click.UsageError(
            "--cert, --ca and --psk-file: we authenticate with one of --cert and --psk-file, the peer with one of --ca "
            "and --psk-file; leave out one of them"
        )
    made: dict[str, Any] = {}
    if cert is not None:
        made["auth"] = _certificate(given)
    if psk is not None and (cert is None or not cas):
        made["remote_auth" if "auth" in made else "auth"] = _psk(psk)
    return made | _trust(given)


def _client(given: Mapping[str, Any]) -> dict[str, Any]:
    """A client by EAP, and what verifies the gateway."""
    psk, cas = given["psk_file"], given["cas"]
    if psk is not None and _surrounding():
        psk = None
    if psk is not None and cas:
        raise click.UsageError("--ca and --psk-file: the gateway authenticates with one of them; leave out the other")
    if psk is None and not cas and not given["eap_only"]:
        raise click.UsageError(
            "expected --ca beside --eap: it says whose certificate the gateway may have (or --psk-file, for one with a "
            "pre-shared key, or --eap-only, for one without either)"
        )
    made = {"auth": client_of(given)}
    return made | ({"remote_auth": _psk(psk)} if psk is not None else _trust(given))


def _gateway(given: Mapping[str, Any]) -> dict[str, Any]:
    """A gateway whose clients authenticate by EAP."""
    psk, cert = given["psk_file"], given["cert"]
    if cert is not None and "psk-file" in used(given):
        raise click.UsageError("--cert and --psk-file: a gateway authenticates with one of them; leave out the other")
    if cert is None and psk is None:
        raise click.UsageError(
            "expected --cert beside --eap: a gateway authenticates with a certificate (or --psk-file, for one with a "
            "pre-shared key)"
        )
    return {"auth": _psk(psk) if cert is None else _certificate(given), "remote_auth": users_of(given)}


def _psk(path: Path) -> Any:
    from fynx_scapy.ike.config import Psk

    made = Psk(read_psk(path))
    warn_exposed(path)
    return made


def _trust(given: Mapping[str, Any]) -> dict[str, Any]:
    """Whom we trust to certify the peer, if anybody."""
    if not given["cas"]:
        return {}
    from fynx_scapy.pki.trust import Trust

    revocation = given["revocation"] or "if-known"
    return {
        "trust": Trust(list(given["cas"]), crls=list(given["crls"]), ocsp=list(given["ocsps"]), revocation=revocation)
    }


def _certificate(given: Mapping[str, Any]) -> Any:
    from fynx_scapy.ike.credentials.certificates import Certificate

    passphrase = secret_of(given["passphrase_file"])
    with naming_key(given):
        made = Certificate(given["cert"], given["key"], list(given["chains"]), passphrase=passphrase)
    warn_exposed(*key_files(given))
    return made
