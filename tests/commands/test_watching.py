# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of logs and metrics."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from fynx_scapy.cli import main
from fynx_scapy.commands.options import METRICS


def run(*words: str):
    return CliRunner().invoke(main, ["run", *words])


def test_a_run_is_logged_where_that_is_asked_for():
    done = run("psk_handshake", "--log-level", "info")
    lines = done.stderr.splitlines()
    assert done.exit_code == 0
    assert any(" event=ike_sa_established host=initiator " in line for line in lines)
    assert all(line.startswith("timestamp=") and "session=psk_handshake" in line for line in lines)


def test_json_alone_is_a_log_at_level_info():
    done = run("psk_handshake", "--log-json")
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert {entry["level"] for entry in entries} == {"info"}
    assert {entry["session"] for entry in entries} == {"psk_handshake"}


def test_without_the_options_nothing_is_logged():
    assert run("psk_handshake").stderr == ""


def test_a_level_that_is_none_is_misuse():
    done = run("psk_handshake", "--log-level", "loud")
    assert done.exit_code == 2
    assert "'loud' is not one of 'debug', 'info', 'warning', 'error'" in done.stderr


@click.command()
@METRICS
def serving(metrics: tuple[str, int] | None) -> None:
    click.echo(repr(metrics))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_where_metrics_are_served(given, found):
    assert CliRunner().invoke(serving, ["--metrics", given]).output == f"{found!r}\n"


@pytest.mark.parametrize("given", ["", "here:9464", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:-1", "::"])
def test_what_is_no_address_is_misuse(given):
    done = CliRunner().invoke(serving, ["--metrics", given])
    assert done.exit_code == 2
    assert "expected a" in done.output
