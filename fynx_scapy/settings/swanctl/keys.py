# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys of swanctl.conf: how the value of each is read, and why some cannot be expressed here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.settings.swanctl.auth_words import method
from fynx_scapy.settings.swanctl.sections import Section, Value
from fynx_scapy.settings.swanctl.values import (
    NO,
    YES,
    Read,
    flag,
    host,
    identity,
    items,
    number,
    octets,
    one_of,
    seconds,
)
from fynx_scapy.text import LONGEST, printable


class LeftOut(Exception):  # noqa: N818 -- what happens to the section
    """A section has a setting without which it would be wrong, and which we do not have."""


@dataclass(frozen=True, slots=True)
class Key:
    """How one key is read. Without ``read`` the key is one that we do not have."""

    read: Read | None = None
    why: str = ""
    """Why we do not have it."""
    harmless: tuple[str, ...] = ()
    """The values with which it asks for nothing that we do not do."""
    needed: bool = False
    """Whether the section would be wrong without it."""


Keys = Mapping[str, Key]
IGNORED = Key(read=str)
"""A key without a meaning for IKEv2."""


def _lacks(why: str, *harmless: str, needed: bool = False) -> Key:
    return Key(None, why, harmless, needed)


_TOKEN = "keys and certificates are read from files, not from tokens"
_NOT_FETCHED = "nothing is fetched: put CRLs into the folder x509crl"
_KERNEL = "it is about the kernel's policies, and there are none here"
_NOT_OURS = "which connections are set up, and when, is decided by the program that uses this configuration"
_ZERO = ("0", "0s")

CONNECTION: Keys = {
    "version": Key(one_of({"0": 2, "2": 2})),
    "local_addrs": Key(items),
    "remote_addrs": Key(host),
    "local_port": Key(number),
    "remote_port": Key(number),
    "proposals": Key(str),
    "vips": Key(items),
    "pools": Key(items),
    "encap": Key(flag),
    "dpd_delay": Key(seconds),
    "fragmentation": Key(one_of({"yes": True, "force": True, "no": False, "accept": None})),
    "childless": Key(one_of({"allow": True, "never": False, "force": None, "prefer": None})),
    "unique": Key(one_of({"no": True, "never": False, "replace": None, "keep": None})),
    "reauth_time": Key(seconds),
    "rekey_time": Key(seconds),
    "over_time": Key(seconds),
    "rand_time": Key(seconds),
    "aggressive": IGNORED,
    "pull": IGNORED,
    "dpd_timeout": IGNORED,
    "send_certreq": Key(flag),
    "send_cert": Key(one_of({"ifasked": "asked", "always": "always", "never": "never"})),
    "ocsp": Key(one_of({word: word for word in ("reply", "request", "both", "never")})),
    "ppk_id": Key(identity),
    "ppk_required": Key(flag),
    "mobike": _lacks("MOBIKE (RFC 4555) is not supported", *NO),
    "dscp": _lacks("IKE messages are sent without a DSCP", "000000"),
    "keyingtries": _lacks("how often to try again is decided by the program that uses this configuration", "1"),
    "if_id_in": _lacks(_KERNEL, *_ZERO),
    "if_id_out": _lacks(_KERNEL, *_ZERO),
    "mediation": _lacks("the mediation extension is not supported", *NO, needed=True),
    "mediated_by": _lacks("the mediation extension is not supported", needed=True),
    "mediation_peer": _lacks("the mediation extension is not supported", needed=True),
}

AUTH: Keys = {
    "auth": Key(method),
    "id": Key(identity),
    "round": Key(number),
    "revocation": Key(one_of({"strict": "required", "ifuri": None, "relaxed": "if-known"})),
    "certs": Key(items),
    "cacerts": Key(items),
    "pubkeys": Key(items),
    "ca_id": Key(identity),
    "cert_policy": _lacks("policies of certificates are not looked at", needed=True),
    "groups": _lacks("attribute certificates, which say who is in a group, are not supported", needed=True),
    "eap_id": Key(identity),
    "aaa_id": Key(identity),
    "xauth_id": IGNORED,
}

CHILD: Keys = {
    "esp_proposals": Key(str),
    "local_ts": Key(items),
    "remote_ts": Key(items),
    "mode": Key(
        one_of({"tunnel": "tunnel", "transport": "transport"} | dict.fromkeys(("beet", "pass", "drop"), None))
    ),
    "rekey_time": Key(seconds),
    "life_time": Key(seconds),
    "rand_time": Key(seconds),
    "rekey_bytes": Key(octets),
    "life_bytes": Key(octets),
    "rand_bytes": Key(octets),
    "rekey_packets": Key(number),
    "life_packets": Key(number),
    "rand_packets": Key(number),
    "dpd_action": Key(
        one_of({"clear": "clear", "none": "clear", "restart": "restart", "start": "restart"}
               | dict.fromkeys(("trap", "route", "hold"), "hold"))
    ),
    "start_action": _lacks(_NOT_OURS, "none"),
    "close_action": _lacks(_NOT_OURS, "none"),
    "replay_window": Key(number),
    "tfc_padding": Key(str),
    "ah_proposals": _lacks("AH is not supported", needed=True),
    "sha256_96": _lacks("write sha256_96 in esp_proposals instead of sha256", *NO, needed=True),
    "ipcomp": _lacks("IPComp is not supported", *NO),
    "inactivity": _lacks("a Child SA is not closed because it is idle", *_ZERO),
    "label": _lacks("security labels are not supported", needed=True),
    "label_mode": _lacks("security labels are not supported", "system"),
    "updown": _lacks("no script is called"),
    "hostaccess": IGNORED,
    "policies": _lacks(_KERNEL, *YES),
    "policies_fwd_out": _lacks(_KERNEL, *NO),
    "reqid": _lacks(_KERNEL, *_ZERO),
    "priority": _lacks(_KERNEL, *_ZERO),
    "interface": _lacks(_KERNEL, needed=True),
    "hw_offload": _lacks("ESP is not offloaded to hardware", "no", "auto"),
    "copy_df": _lacks("the system decides about the DF bit of the outer header", *YES),
    "copy_ecn": _lacks("ECN is copied as RFC 6040 says", *YES),
    "copy_dscp": _lacks("the DSCP is copied to the outer header", "out"),
    **{
        name: _lacks(_KERNEL, "0", "0/0x00000000")
        for name in ("mark_in", "mark_out", "set_mark_in", "set_mark_out", "if_id_in", "if_id_out")
    },
    "mark_in_sa": _lacks(_KERNEL, *NO),
    "per_cpu_sas": _lacks("one Child SA per CPU (RFC 9611) is not supported", *NO),
    "encap": IGNORED,
}  # fmt: skip

POOL: Keys = {
    "addrs": Key(items),
    "dns": Key(items),
    "nbns": Key(items),
    "dhcp": Key(items),
    "netmask": Key(items),
    "subnet": Key(items),
    "server": _lacks("the attribute is not in IANA's registry"),
    "split_include": _lacks("Cisco's attributes are not supported: use subnet"),
    "split_exclude": _lacks("Cisco's attributes are not supported"),
}

CERTIFICATE: Keys = {
    "file": Key(str),
    "handle": _lacks(_TOKEN, needed=True),
    "slot": _lacks(_TOKEN, needed=True),
    "module": _lacks(_TOKEN, needed=True),
}

AUTHORITY: Keys = {
    "cacert": Key(str),
    **CERTIFICATE,
    "crl_uris": _lacks(_NOT_FETCHED),
    "ocsp_uris": _lacks("nothing is fetched, and no OCSP responder is asked"),
    "cert_uri_base": _lacks("certificates are sent, not their URLs"),
}

SECRET: Keys = {"secret": Key(str)}
PASSPHRASE: Keys = {"file": Key(str)}


class Notes:
    """What the reader has to say of a file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def values(self, section: Section, keys: Keys, owner: str, *, free: bool = False) -> dict[str, Any]:
        """The values of a section, as their keys read them. A line for each key that we do not have.

        LeftOut for an unknown key (unless ``free``: then it is returned as text), a value that is wrong, and a key
        without which the section would be wrong. ``owner`` is the name of the section with those around it.
        """
        found = {}
        for name, value in section.values.items():
            assert value.text is not None
            key = keys.get(name.lower(), IGNORED if free else None)
            place = f"{value.place}: {owner}.{printable(name, LONGEST)}"
            if key is None:
                raise LeftOut(f"{place}: unknown key; {_meant(name, keys)}")
            if key.read is not None:
                try:
                    found[name.lower()] = key.read(value.text)
                except ConfigError as error:
                    raise LeftOut(f"{place}: {error}") from None
            elif value.text.lower() not in key.harmless:
                if key.needed:
                    raise LeftOut(f"{place}: {key.why}")
                self.lines.append(f"{place} is left out: {key.why}")
        return found

    def add(self, value: Value, owner: str, why: str) -> None:
        """A line about one value that is not taken as it stands."""
        self.lines.append(f"{value.place}: {owner}: {why}")


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, 1)
    return f"did you mean {near[0]!r}?" if near else "strongSwan discards a connection with such a key"
