# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the templates of the reports are found, and the rules that they are rendered by."""

from __future__ import annotations

import functools

import jinja2


@functools.cache
def environment() -> jinja2.Environment:
    """The environment of every report: HTML is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("fynx_scapy.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
