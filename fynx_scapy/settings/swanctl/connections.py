# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``connections`` of swanctl.conf: what can be expressed becomes an `IkeConfig`, the rest is named."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.settings.swanctl.authentication import End
from fynx_scapy.settings.swanctl.children import Children
from fynx_scapy.settings.swanctl.eap import client_fields, gateway_fields, is_client
from fynx_scapy.settings.swanctl.folders import Folders
from fynx_scapy.settings.swanctl.keys import CONNECTION, LeftOut, Notes
from fynx_scapy.settings.swanctl.lifetimes import ike_lifetime
from fynx_scapy.settings.swanctl.pools import read_reply
from fynx_scapy.settings.swanctl.ppks import ppk_fields
from fynx_scapy.settings.swanctl.rounds import in_order, round_fields
from fynx_scapy.settings.swanctl.secrets import Secret, Secrets, key_for, peers
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.settings.swanctl.values import ANY, identity
from fynx_scapy.text import LONGEST, printable

IKE_PORT = 500


class Connection:
    """One connection: its values, and the configurations that it becomes.

    LeftOut if it would be wrong without something that we do not have.
    """

    def __init__(
        self, section: Section, secrets: Secrets, folders: Folders, pools: Section | None, notes: Notes
    ) -> None:
        self.name = section.name
        self.owner = f"connections.{printable(section.name, LONGEST)}"
        self._section, self._secrets, self._folders = section, secrets, folders
        self._pools, self._notes = pools, notes
        self._values = notes.values(section, CONNECTION, self.owner)
        self._children: Sequence[Section] = ()
        self._ends: dict[str, list[End]] = {"local": [], "remote": []}
        for name, inner in section.sections.items():
            self._inner(name, inner)
        self.local: Sequence[str] = self._local()
        """The local IP addresses; none for any."""
        self.port: int = self._values.get("local_port", 0) or IKE_PORT
        """The local port for IKE."""

    def _inner(self, name: str, section: Section) -> None:
        end = next((end for end in ("local", "remote") if name.lower().startswith(end)), "")
        owner = f"{self.owner}.{printable(name, LONGEST)}"
        if end:
            self._ends[end].append(End(end, section, owner, self._folders, self._notes))
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
        for end, found in self._ends.items():
            if not found:
                raise LeftOut(f"{self._section.place}: {self.owner}: expected a section {end}")
        (mine, *further), (theirs, *more), common = *map(in_order, self._ends.values()), self._common()
        if further or more:
            return {self.name: self._by_rounds([mine, *further], [theirs, *more], common)}
        if mine.method.eap or theirs.method.eap:
            return {self.name: self._by_eap(mine, theirs, common)}
        auth: Any = None
        common["local_id"] = mine.id
        if not mine.method.psk:
            auth, common["local_id"] = mine.own()
        if common["local_id"] is None and not isinstance(auth, list):
            common["local_id"] = self._address()
        if not theirs.method.psk:
            common |= theirs.theirs(self._asks())
        remote, secrets = theirs.id, self._secrets.ike
        try:
            if auth is not None and not theirs.method.psk:
                return {self.name: IkeConfig(auth=auth, remote_id=remote, **common)}
            local = common["local_id"] or auth[0].identities[0]
            if remote is not None or not (known := peers(secrets, local)):
                return {self.name: self._config(secrets, common, auth, local, remote)}
            configs = {f"{self.name}/{peer}": self._config(secrets, common, auth, local, peer) for peer in known}
            general = [secret for secret in secrets if not peers([secret], local)]
            return configs | ({self.name: self._config(general, common, auth, local, None)} if general else {})
        except ConfigError as error:
            raise LeftOut(f"{self._section.place}: {self.owner}: {error}") from None

    def _by_eap(self, mine: End, theirs: End, common: Mapping[str, Any]) -> IkeConfig:
        """A configuration in which the client authenticates by EAP: we, or the peer."""
        if is_client(mine, theirs, initiates="remote" in common):
            fields = client_fields(mine, theirs, self._secrets, self._asks())
        else:
            fields = gateway_fields(mine, theirs, self._secrets, self._address) | self._limit(common)
            if fields["local_id"] is None and not isinstance(fields["auth"], list):
                fields["local_id"] = self._address()
        return self._made(common, fields)

    def _by_rounds(self, mine: Sequence[End], theirs: Sequence[End], common: Mapping[str, Any]) -> IkeConfig:
        """A configuration with several rounds of an end (RFC 4739)."""
        fields = round_fields(mine, theirs, self._secrets, self._asks(), self._address)
        return self._made(common, fields | (self._limit(common) if any(end.method.eap for end in theirs) else {}))

    @staticmethod
    def _limit(common: Mapping[str, Any]) -> dict[str, Any]:
        """As strongSwan does, which cannot ask clients of EAP to authenticate again, and tells them to (RFC 4478)."""
        after = common.get("reauthenticate_after")
        return {} if after is None else {"auth_lifetime": int(after)}

    def _made(self, common: Mapping[str, Any], fields: Mapping[str, Any]) -> IkeConfig:
        try:
            return IkeConfig(**(dict(common) | dict(fields)))
        except ConfigError as error:
            raise LeftOut(f"{self._section.place}: {self.owner}: {error}") from None

    def _asks(self) -> bool | None:
        """Whether we ask for OCSP responses; None for the usual."""
        return self._values["ocsp"] in ("request", "both") if "ocsp" in self._values else None

    def _config(
        self, secrets: Sequence[Secret], common: Mapping[str, Any], auth: Any, local: Identity, remote: Identity | None
    ) -> IkeConfig:
        """A configuration in which an end has a pre-shared key: ``auth`` is what we have instead, None for the key."""
        key = key_for(secrets, local, remote)
        if key is None:
            raise LeftOut(f"{self._section.place}: {self.owner}: no secret is for {local} and {remote or 'any peer'}")
        fields = {"auth": key} if auth is None else {"auth": auth, "remote_auth": key}
        return IkeConfig(remote_id=remote, **fields, **common)

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
        if "send_cert" in values:
            fields["send_certificates"] = values["send_cert"]
        fields["certificate_requests"] = values.get("send_certreq", True)
        if values.get("ocsp") in ("reply", "both"):
            written = self._section.values["ocsp"]
            self._notes.add(written, f"{self.owner}.ocsp", "we have no OCSP response to reply with: none is fetched")
        fields |= self._ppks()
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

    def _ppks(self) -> dict[str, Any]:
        name = "ppk_required" if self._values.get("ppk_required") else "ppk_id"
        fields, note = self._checked(name, lambda: ppk_fields(self._values, self._secrets.ppk))
        if note:
            place = self._section.values["ppk_id"].place if "ppk_id" in self._section.values else self._section.place
            self._notes.lines.append(f"{place}: {self.owner}.ppk_id: {note}")
        return dict(fields)

    def _address(self) -> Identity | None:
        """Our address, which is our identity where none is configured, as with strongSwan."""
        if len(self.local) == 1:
            return identity(self.local[0])
        raise LeftOut(f"{self._section.place}: {self.owner}.local: expected an id, or one address in local_addrs")

    def _checked(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ConfigError as error:
            raise self._fault(name, str(error)) from None

    def _fault(self, name: str, text: str) -> LeftOut:
        value = self._section.values.get(name)
        return LeftOut(f"{value.place if value else self._section.place}: {self.owner}.{name}: {text}")
