# SPDX-License-Identifier: GPL-2.0-or-later
"""The templates of all pages. Apart from the pages, so that one of them does not import what another one shows."""

from __future__ import annotations

import functools
from typing import Any

import jinja2
from markupsafe import Markup

from fynx_scapy.text import printable_lines


def _shown(value: Any) -> Any:
    """A value as printable text; markup stays markup."""
    if isinstance(value, Markup):
        return Markup(printable_lines(value))
    return printable_lines(value) if isinstance(value, str) else value


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of all pages. They escape every value and make it printable."""
    return jinja2.Environment(
        finalize=_shown,
        loader=jinja2.PackageLoader("fynx_scapy.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
