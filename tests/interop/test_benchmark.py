# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison with a live peer measures what it says."""

from __future__ import annotations

import pytest

from benchmarks import live


@pytest.mark.usefixtures("strongswan")
def test_a_live_handshake_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(live, "ROUNDS", 3)
    live.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "strongSwan 5" in lines[1] or "strongSwan 6" in lines[1]
    assert all(0 < float(number) < 10_000 for line in lines[1:] for number in line.split()[-2:])
