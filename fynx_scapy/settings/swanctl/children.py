# SPDX-License-Identifier: GPL-2.0-or-later
"""The sections ``children`` of swanctl.conf: what can be expressed becomes a `ChildConfig`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.terms.child_config import ChildConfig
from fynx_scapy.settings.swanctl.keys import CHILD, LeftOut, Notes
from fynx_scapy.settings.swanctl.lifetimes import child_lifetime
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.text import LONGEST, printable


class Children:
    """The Child SAs of one connection, and what to do when its peer is dead.

    ``dynamic`` has what that word stands for in local_ts and in remote_ts.
    """

    def __init__(self, sections: Iterable[Section], owner: str, dynamic: Mapping[str, Sequence[str]], notes: Notes):
        self.configs: list[ChildConfig] = []
        self.dpd_action = ""
        self._dynamic, self._notes = dynamic, notes
        for section in sections:
            name = f"{owner}.children.{printable(section.name, LONGEST)}"
            try:
                values = notes.values(section, CHILD, name)
                self.configs.append(self._config(section, values, name))
            except LeftOut as reason:
                notes.lines.append(f"{reason}; the Child SA is left out")
                continue
            action = values.get("dpd_action", self.dpd_action)
            if self.dpd_action and action != self.dpd_action:
                why = f"it is one for all Child SAs of a connection: {self.dpd_action} is taken"
                notes.add(section.values["dpd_action"], f"{name}.dpd_action", why)
            self.dpd_action = self.dpd_action or action

    def _config(self, section: Section, values: Mapping[str, Any], owner: str) -> ChildConfig:
        fields: dict[str, Any] = {"name": section.name, "mode": values.get("mode", "tunnel")}
        if fields["mode"] is None:
            raise LeftOut(f"{section.values['mode'].place}: {owner}.mode: expected tunnel or transport")
        try:
            fields["lifetime"] = child_lifetime(values)
            fields["local_ts"] = self._selectors(values, "local")
            fields["remote_ts"] = self._selectors(values, "remote")
            if "esp_proposals" in values:
                fields["proposals"] = values["esp_proposals"]
            if values.get("replay_window"):
                fields["replay_window"] = values["replay_window"]
            if values.get("tfc_padding", "").isdecimal():
                fields["tfc_length"] = int(values["tfc_padding"])
            config = ChildConfig(**fields)
        except ConfigError as error:
            raise LeftOut(f"{section.place}: {owner}: {error}") from None
        if values.get("replay_window") == 0:
            why = "replay protection cannot be switched off"
            self._notes.add(section.values["replay_window"], f"{owner}.replay_window", why)
        if "tfc_padding" in values and "tfc_length" not in fields:
            self._notes.add(section.values["tfc_padding"], f"{owner}.tfc_padding", "expected a number of octets")
        return config

    def _selectors(self, values: Mapping[str, Any], end: str) -> list[str]:
        found = []
        for item in values.get(f"{end}_ts") or ("dynamic",):
            network, bracket, rest = item.partition("[")
            networks = self._dynamic[end] if network.strip() == "dynamic" else [network]
            if not networks:
                raise ConfigError(f"{end}_ts is dynamic, and there is no address in {end}_addrs to take its place")
            found += [each + bracket + _ports(rest) for each in networks]
        return found


def _ports(text: str) -> str:
    """What stands in the brackets of a selector, without the word ``any``."""
    protocol, _, ports = text.removesuffix("]").partition("/")
    protocol, ports = ("" if part == "any" else part for part in (protocol, ports))
    return f"{protocol or '0'}{'/' if ports else ''}{ports}]" if text else ""
