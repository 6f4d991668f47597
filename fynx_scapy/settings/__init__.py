# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations from files: TOML, and swanctl.conf.

>>> settings = Settings.from_file("ipsec.toml")
>>> settings.connection("home").remote
Address(host='192.0.2.1', port=500)
"""

from fynx_scapy.settings.settings import Settings, SettingsFields, connection_of

__all__ = ["Settings", "SettingsFields", "connection_of"]
