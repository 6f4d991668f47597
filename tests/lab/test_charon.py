# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of charon's answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fynx_scapy.errors import LabError
from fynx_scapy.lab.charon import Charon


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (b"establishing IKE_SA failed, peer not responding", "refused; something on our side has to answer: "),
        (b"not establishing CHILD_SA net{11} due to existing duplicate {9}", "refused; it still has this tunnel"),
        (b"received AUTHENTICATION_FAILED notify error", "refused"),
    ],
)
def test_a_tunnel_that_charon_does_not_set_up_comes_with_advice(
    monkeypatch: pytest.MonkeyPatch, last: bytes, told: str
) -> None:
    @contextmanager
    def refusing(_: Charon) -> Iterator[Any]:
        yield SimpleNamespace(initiate=lambda what: [{"msg": b"initiating"}, {"msg": last}])
        raise LabError("refused")

    monkeypatch.setattr(Charon, "_vici", refusing)
    lines: list[str] = []
    with pytest.raises(LabError) as error:
        lines.extend(Charon.at(Path("vici")).initiate("lab", "net"))
    assert str(error.value).startswith(told)
    assert ("; " in str(error.value)) == ("; " in told)
