# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx lab matrix`` where a peer does not take a configuration, without a peer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from fynx_scapy.cli import main
from fynx_scapy.errors import LabError
from fynx_scapy.lab import trial_runner


def test_it_goes_on_after_a_peer_that_does_not_take_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object, **__: object) -> NoReturn:
        raise LabError("the peer wants another key")

    monkeypatch.setattr(trial_runner, "installed", lambda *_: "1")
    monkeypatch.setattr(trial_runner, "run_trial", refused)
    words = ["lab", "matrix", "psk_handshake", "transport_mode", "--peer", "strongswan", "--role", "responder", "--to"]
    done = CliRunner().invoke(main, [*words, str(tmp_path / "m")], catch_exceptions=False)
    assert "ERROR strongswan-psk_handshake-responder: the peer wants another key" in done.output
    assert "0 of 1 PASS, 1 ERROR" in done.output
    assert "the peer wants another key" in (tmp_path / "m/index.html").read_text()
    told = json.loads((tmp_path / "m/matrix.json").read_text())["unable"]
    assert [(each["scenario"], each["lacks"], each["why"]) for each in told] == [
        ("transport_mode", "transport", ""),
        ("psk_handshake", "", "the peer wants another key"),
    ]
    assert done.exit_code == 1
