# SPDX-License-Identifier: GPL-2.0-or-later
"""The options about EAP, of clients and of gateways, and the credentials that they make."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from fynx_scapy.checks import read_secret
from fynx_scapy.commands.certificates import READ
from fynx_scapy.commands.options import Decorator, read_psk, warn_exposed
from fynx_scapy.errors import ConfigError
from fynx_scapy.text import LONGEST, printable


class _Method(NamedTuple):
    """What a method is told by options: what it needs, and what it may have besides."""

    client: tuple[str, ...]
    also: tuple[str, ...]
    gateway: tuple[str, ...]
    tls: bool = False


_PASSWORD = _Method(("eap-user", "eap-password-file"), ("eap-identity",), ("eap-users",))
_AKA = _Method(("eap-user", "eap-password-file"), ("eap-only",), ("eap-users",))
_METHODS: Mapping[str, _Method] = {
    "mschapv2": _PASSWORD,
    "md5": _PASSWORD,
    "tls": _Method(
        ("cert", "eap-ca"), ("eap-identity", "eap-server", "eap-only", "chain", "key", "passphrase-file"),
        ("cert", "ca"), tls=True,
    ),
    "ttls": _Method(
        ("eap-user", "eap-password-file", "eap-ca"), ("eap-identity", "eap-inner", "eap-server", "eap-only"),
        ("cert", "eap-users"), tls=True,
    ),
    "aka": _AKA,
    "aka-prime": _AKA,
}  # fmt: skip
_TOGETHER = ("mschapv2", "md5")
_INNER = ("eap-mschapv2", "eap-md5", "mschapv2", "pap")

_METHOD: Decorator = click.option(
    "--eap", "eaps", multiple=True, type=click.Choice(list(_METHODS)),
    help="Authenticate by this EAP method. Repeatable for mschapv2 and md5: either of them, best first.",
)  # fmt: skip
_ONLY: Decorator = click.option(
    "--eap-only", is_flag=True, help="Let EAP authenticate the gateway too, without a certificate in IKE (RFC 5998)."
)
EAP_PASSWORD: Decorator = click.option(
    "--eap-password", metavar="TEXT",
    help="The password: text, or hex digits after 0x. Safer in a file: --eap-password-file.",
)  # fmt: skip
EAP_CLIENT: tuple[Decorator, ...] = (
    _METHOD,
    click.option("--eap-user", metavar="NAME", help="The user name for EAP; with aka the identity of the USIM."),
    click.option(
        "--eap-password-file", type=READ, metavar="PATH",
        help="Read the user's password from this file, written like --psk-file; with aka K:OPC:SQN of the USIM.",
    ),
    EAP_PASSWORD,
    click.option(
        "--eap-identity", metavar="ID",
        help="Answer this to the request for an identity; default: the user, with ttls 'anonymous'.",
    ),
    click.option(
        "--eap-inner", type=click.Choice(_INNER),
        help="How the password goes through ttls; default: eap-mschapv2.",
    ),
    click.option(
        "--eap-ca", "eap_cas", multiple=True, type=READ, metavar="FILE",
        help="Trust these certificates for the server of tls and ttls; default: those of --ca. Repeatable.",
    ),
    click.option("--eap-server", metavar="ID", help="Whom the certificate of the server of tls and ttls has to name."),
    _ONLY,
)  # fmt: skip
"""The options of a client. Their values go to `eap_of`."""
_USERS: Decorator = click.option(
    "--eap-users", type=READ, metavar="FILE",
    help="Authenticate clients by EAP: the users of this file, NAME:PASSWORD on a line; with aka NAME:K:OPC:SQN.",
)  # fmt: skip
EAP_GATEWAY: tuple[Decorator, ...] = (
    click.option(
        "--eap", "eaps", multiple=True, type=click.Choice(list(_METHODS)),
        help="Authenticate clients by this EAP method. Repeatable for mschapv2 and md5: either of them, best first.",
    ),
    _USERS,
    click.option("--eap-only", is_flag=True, help="Leave out our certificate for clients that want it so (RFC 5998)."),
)  # fmt: skip
"""The options of a gateway."""
EAP_EITHER: tuple[Decorator, ...] = (*EAP_CLIENT, _USERS)
"""Those of a command that is a client or, with --eap-users, a gateway."""

EAP_WORDS = {
    "eap": "eaps", "eap-user": "eap_user", "eap-password-file": "eap_password_file", "eap-password": "eap_password",
    "eap-identity": "eap_identity", "eap-inner": "eap_inner", "eap-ca": "eap_cas", "eap-server": "eap_server",
    "eap-only": "eap_only", "eap-users": "eap_users",
}  # fmt: skip
"""Each option, and the name of its value. A command may have some of them only."""
EAP_FILES = {word: EAP_WORDS[word] for word in ("eap-password-file", "eap-ca", "eap-users")}
"""Those with files."""
_OTHERS = {
    "cert": "cert", "ca": "cas", "chain": "chains", "key": "key", "passphrase-file": "passphrase_file",
    "ocsp": "ocsps", "revocation": "revocation", "crl": "crls",
}  # fmt: skip

_ROUNDS = "a certificate and then EAP (RFC 4739) are an array in a TOML file for connect or serve --config"
"""What options do not say: which file says it."""


def is_gateway(given: Mapping[str, Any]) -> bool:
    """Whether these options make us the gateway: they name its users, or the command has no option for a client."""
    return given.get("eap_users") is not None or "eap_user" not in given


def check_role(given: Mapping[str, Any], roles: Collection[str]) -> None:
    """UsageError for a role that we cannot have with these options; no roles are the usual ones."""
    if not given.get("eaps"):
        return
    if is_gateway(given) and set(roles) != {"responder"}:
        raise click.UsageError("--eap-users makes us the gateway, to which clients connect: give --role responder")
    if not is_gateway(given) and roles and set(roles) != {"initiator"}:
        raise click.UsageError("--eap makes us a client, which connects: leave out --role, or give --role initiator")


def check_eap(given: Mapping[str, Any]) -> None:
    """UsageError for options about EAP that do not go together, or lack another one."""
    if empty := next((word for word, name in EAP_WORDS.items() if given.get(name) == ""), None):
        raise click.UsageError(f"expected text after --{empty}, found none")  # else it would count as left out
    used = [word for word, name in EAP_WORDS.items() if given.get(name)]
    methods = list(dict.fromkeys(given.get("eaps", ())))
    if not methods:
        if used:
            raise click.UsageError(f"--{used[0]} is about --eap, which is missing")
        return
    if len(methods) > 1 and (alone := next((each for each in methods if each not in _TOGETHER), None)):
        raise click.UsageError(f"--eap {alone} does not go with another method: only {' and '.join(_TOGETHER)} do")
    name = methods[0]
    method, gateway = _METHODS[name], is_gateway(given)
    if given.get("eap_password") and given.get("eap_password_file"):
        raise click.UsageError("--eap-password and --eap-password-file say the same: leave out one of them")
    needed = method.gateway if gateway else method.client
    for word in needed:
        if not _value(given, word):
            raise click.UsageError(f"--eap {name} needs --{word}{_else(word)}")
    also = [word for word in method.also if word == "eap-only"] if gateway else method.also
    taken = {"eap", *needed, *also, *(["eap-password"] if "eap-password-file" in needed else [])}
    other = "ca" if gateway else "cert"
    for word in [*used, *([other] if given[_OTHERS[other]] else [])]:
        if word not in taken:
            whose = "of a gateway" if gateway else "of a client"
            rounds = f"; {_ROUNDS}" if word == other else ""
            raise click.UsageError(f"--{word} says nothing about --eap {name} {whose}: leave it out{rounds}")
    for word in ("ocsp", "revocation") if gateway else ():
        if given[_OTHERS[word]]:
            raise click.UsageError(f"--{word} does not go with --eap {name}: TLS takes revocation lists alone (--crl)")


def _value(given: Mapping[str, Any], word: str) -> Any:
    """What an option says, or the one that stands for it."""
    if word == "eap-ca":
        return given.get("eap_cas") or given["cas"]
    if word == "eap-password-file":
        return given.get("eap_password_file") or given.get("eap_password")
    return given.get(EAP_WORDS.get(word) or _OTHERS[word])


def _else(word: str) -> str:
    return {"eap-ca": ", or --ca", "eap-password-file": ", which has the secret"}.get(word, "")


def values_of(given: Mapping[str, Any]) -> dict[str, str]:
    """With which words the errors about a value begin, and the option that has it."""
    users = given.get("eap_users")
    path = given.get("eap_password_file") if users is None else users
    word = "eap-password" if path is None else "eap-password-file" if users is None else "eap-users"
    secret = f"--{word}" + ("" if path is None else f" {printable(str(path), LONGEST)}")
    identity = "eap-identity" if given.get("eap_identity") else "eap-user"
    return {
        r"usim: |password: |expected a password of at most ": secret,
        r"expected server to be ": "--eap-server",
        r"expected an EAP identity ": f"--{identity}",
        r"expected an identity of at most ": "--eap-user",
        r"expected a certificate and a key that TLS takes": "--cert",
    }


def client_of(given: Mapping[str, Any]) -> Any:
    """The credential of a client. ConfigError for what its files have, UsageError for a file without a secret."""
    from fynx_scapy.settings.eap import CLIENTS

    name = given["eaps"][0]
    fields: dict[str, Any] = {"eap": given["eaps"] if name in _TOGETHER else name}
    if "eap-user" in _METHODS[name].client:
        path, typed = given["eap_password_file"], given["eap_password"]
        secret = read_psk(path, "a password") if path is not None else read_secret(typed, "--eap-password")
        fields |= {"user": given["eap_user"], "usim" if name.startswith("aka") else "password": secret}
    for field in ("identity", "inner", "server", "only"):
        if given[f"eap_{field}"]:
            fields[field] = given[f"eap_{field}"]
    if _METHODS[name].tls:
        own = given["eap_cas"]
        fields |= _trusted(own or given["cas"], () if own else given["crls"])
    if "cert" in _METHODS[name].client:
        fields |= _certified(given)
    kind: Any = CLIENTS[name]
    return _made(kind, fields, given)


def users_of(given: Mapping[str, Any]) -> Any:
    """The credential of a gateway that says who its users are. ConfigError for what its files have."""
    from fynx_scapy.settings.eap import GATEWAYS

    name = given["eaps"][0]
    fields: dict[str, Any] = {"eap": given["eaps"] if name in _TOGETHER else name}
    fields |= {"only": True} if given["eap_only"] else {}
    if given["eap_users"] is not None:
        fields["users_file"] = str(given["eap_users"])
    if "ca" in _METHODS[name].gateway:
        fields |= _trusted(given["cas"], given["crls"])
    if "cert" in _METHODS[name].gateway:
        fields |= _certified(given)
    kind: Any = GATEWAYS[name]
    return _made(kind, fields, given)


def _made(kind: Any, fields: dict[str, Any], given: Mapping[str, Any]) -> Any:
    with naming_key(given):
        made = kind(**fields).credential()
    keys = key_files(given) if "cert" in fields else ()
    warn_exposed(given.get("eap_password_file"), given.get("eap_users"), *keys)
    return made


def key_files(given: Mapping[str, Any]) -> tuple[Path | None, ...]:
    """The files that have the private key of --cert, and its passphrase."""
    return given["key"] or given["cert"], given["passphrase_file"]


def _trusted(cas: Collection[Any], crls: Collection[Any]) -> dict[str, Any]:
    return {"ca": tuple(map(str, cas)), "crl": tuple(map(str, crls))}


def _certified(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"cert": str(given["cert"]), "chain": tuple(map(str, given["chains"]))}
    return found | {name: str(given[name]) for name in ("key", "passphrase_file") if given[name] is not None}


@contextmanager
def naming_key(given: Mapping[str, Any]) -> Iterator[None]:
    """Adds the option to the error of a certificate whose key is in another file."""
    try:
        yield
    except ConfigError as error:
        if given["key"] is None and "expected a private key" in str(error):
            raise click.UsageError(f"{error}; if it is in another file, give --key") from None
        raise
