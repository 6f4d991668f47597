# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``connections`` of swanctl.conf: what can be expressed becomes an `IkeConfig`, the rest is named."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.settings.swanctl.children import Children
from fynx_scapy.settings.swanctl.keys import AUTH, CONNECTION, LeftOut, Notes
from fynx_scapy.settings.swanctl.lifetimes import ike_lifetime
from fynx_scapy.settings.swanctl.pools import read_reply
from fynx_scapy.settings.swanctl.secrets import Secret, key_for, peers
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.settings.swanctl.values import ANY, identity
from fynx_scapy.text import LONGEST, printable

IKE_PORT = 500


class Connection:
    """One connection: its values, and the configurations that it becomes.

    LeftOut if it would be wrong without something that we do not have.
    """

    def __init__(self, section: Section, secrets: Sequence[Secret], pools: Section | None, notes: Notes) -> None:
        self.name = section.name
        self.owner = f"connections.{printable(section.name, LONGEST)}"
        self._section, self._secrets, self._pools, self._notes = section, secrets, pools, notes
        self._values = notes.values(section, CONNECTION, self.owner)
        self._children: Sequence[Section] = ()
        self._ends: dict[str, dict[str, Any]] = {}
        for name, inner in section.sections.items():
            self._inner(name, inner)
        self.local: Sequence[str] = self._local()
        """The local IP addresses; none for any."""
        self.port: int = self._values.get("local_port", 0) or IKE_PORT
        """The local port for IKE."""

    def _inner(self, name: str, section: Section) -> None:
        end = next((end for end in ("local", "remote") if name.lower().startswith(end)), "")
        owner = f"{self.owner}.{printable(name, LONGEST)}"
        if end in self._ends:
            raise LeftOut(f"{section.place}: {owner}: several rounds of authentication (RFC 4739) are not supported")
        if end:
            self._ends[end] = self._notes.values(section, AUTH, owner)
            if self._ends[end].get("auth", "pubkey").lower() != "psk":
                place = section.values["auth"].place if "auth" in section.values else section.place
                found = shown(self._ends[end].get("auth"))
                raise LeftOut(f"{place}: {owner}.auth: expected psk (no certificates, no EAP), found {found}")
            for inner in section.sections.values():
                self._notes.lines.append(f"{inner.place}: {owner}.{inner.name} is left out: it is about certificates")
        elif name.lower() == "children":
            self._children = tuple(section.sections.values())
        else:
            raise LeftOut(f"{section.place}: {owner}: unknown section; those here are local, remote and children")

    def _local(self) -> Sequence[str]:
        found = []
        for item in self._values.get("local_addrs", ()):
            if item.startswith(ANY) or item in ("0.0.0.0", "::"):
                return ()
            try:
                found.append(str(ipaddress.ip_address(item)))
            except ValueError:
                why = f"expected IP addresses or {ANY} (no names, networks or ranges)"
                raise self._fault("local_addrs", why) from None
        return found

    def configs(self) -> dict[str, IkeConfig]:
        """The configurations by name: one, or one for each peer that has a key of its own."""
        for end in ("local", "remote"):
            if end not in self._ends:
                raise LeftOut(f"{self._section.place}: {self.owner}: expected a section {end} with auth = psk")
        local, remote, common = self._local_id(), self._ends["remote"].get("id"), self._common()
        try:
            if remote is not None or not (known := peers(self._secrets, local)):
                return {self.name: self._config(self._secrets, common, local, remote)}
            configs = {f"{self.name}/{peer}": self._config(self._secrets, common, local, peer) for peer in known}
            general = [secret for secret in self._secrets if not peers([secret], local)]
            return configs | ({self.name: self._config(general, common, local, None)} if general else {})
        except ConfigError as error:
            raise LeftOut(f"{self._section.place}: {self.owner}: {error}") from None

    def _config(
        self, secrets: Sequence[Secret], common: Mapping[str, Any], local: Identity, remote: Identity | None
    ) -> IkeConfig:
        key = key_for(secrets, local, remote)
        if key is None:
            raise LeftOut(f"{self._section.place}: {self.owner}: no secret is for {local} and {remote or 'any peer'}")
        return IkeConfig(auth=key, local_id=local, remote_id=remote, **common)

    def _common(self) -> dict[str, Any]:
        values = self._values
        fields: dict[str, Any] = {}
        try:
            fields["lifetime"], fields["reauthenticate_after"] = ike_lifetime(values)
        except ConfigError as error:
            raise self._fault("rekey_time", str(error)) from None
        host = values.get("remote_addrs")
        if host is not None:
            fields["remote"] = Address(host, values.get("remote_port", 0) or IKE_PORT)
        if "proposals" in values:
            fields["proposals"] = values["proposals"]
        if "vips" in values:
            fields["cp_request"] = self._checked("vips", lambda: ConfigRequest(addresses=values["vips"]))
        if "pools" in values:
            read = partial(read_reply, values["pools"], self._pools, self._notes)
            fields["cp_reply"] = self._checked("pools", read)
        fields["force_encapsulation"] = values.get("encap", False)
        fields["fragmentation"] = self._choice("fragmentation", True, "our long messages are sent in fragments too")
        fields["childless"] = self._choice("childless", True, "IKE_AUTH sets up the first Child SA too")
        fields["initial_contact"] = self._choice("unique", True, "IKE SAs are replaced after INITIAL_CONTACT only")
        dynamic = {"local": self._dynamic_local(), "remote": self._dynamic_remote(fields.get("cp_reply"))}
        children = Children(self._children, self.owner, dynamic, self._notes)
        if self._children and not children.configs:
            raise LeftOut(f"{self._section.place}: {self.owner}: no Child SA of it is left")
        fields["children"] = children.configs
        action = children.dpd_action or "clear"
        fields["dpd"] = DeadPeerDetection(interval=values.get("dpd_delay") or None, action=action)
        return fields

    def _dynamic_local(self) -> Sequence[str]:
        """What ``dynamic`` stands for in local_ts: the address that is assigned to us, or that of our host."""
        if "vips" in self._values:
            return list(dict.fromkeys("::/0" if ":" in vip else "0.0.0.0/0" for vip in self._values["vips"]))
        return self.local

    def _dynamic_remote(self, reply: ConfigReply | None) -> Sequence[str]:
        """What ``dynamic`` stands for in remote_ts: the address that we assign, or that of the peer."""
        if reply is not None:
            return list(dict.fromkeys("0.0.0.0/0" if pool.version == 4 else "::/0" for pool in reply.pool))
        host = self._values.get("remote_addrs")
        return [] if host is None else [host]

    def _choice(self, name: str, usual: bool, otherwise: str) -> bool:
        """A setting with more values than we have; ``otherwise`` says what we do instead."""
        value = self._values.get(name, usual)
        if value is None:
            written = self._section.values[name]
            self._notes.add(written, f"{self.owner}.{name}", f"{written.text} is not supported: {otherwise}")
        return usual if value is None else value

    def _local_id(self) -> Identity:
        """Our identity; without one it is our address, as with strongSwan."""
        found: Identity | None = self._ends["local"].get("id")
        if found is None and len(self.local) == 1:
            found = identity(self.local[0])
        if found is None:
            raise LeftOut(f"{self._section.place}: {self.owner}.local: expected an id, or one address in local_addrs")
        return found

    def _checked(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ConfigError as error:
            raise self._fault(name, str(error)) from None

    def _fault(self, name: str, text: str) -> LeftOut:
        value = self._section.values.get(name)
        return LeftOut(f"{value.place if value else self._section.place}: {self.owner}.{name}: {text}")
