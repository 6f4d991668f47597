# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of docs/migration.md work, and the names in it exist."""

from __future__ import annotations

import pathlib
import re

import pytest

from fynx_scapy.layers import ikev2

PAGE = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "migration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run() -> None:
    names: dict[str, object] = {}
    exec("from scapy.all import *\nfrom fynx_scapy.layers.ikev2 import *", names)
    for example in EXAMPLES:
        exec(example, names)
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\b((?:IKEv2_|Notify_)\w+|\w+TrafficSelector|ConfigurationAttribute)\b", PAGE)))
)
def test_the_names_are_there(name: str) -> None:
    assert name in ikev2.__all__


def test_every_class_of_scapys_layer_is_there() -> None:
    import scapy.contrib

    source = pathlib.Path(scapy.contrib.__path__[0], "ikev2.py").read_text(encoding="utf-8")
    for name in re.findall(r"^class ((?:IKEv2|\w+TrafficSelector|TrafficSelector|Configuration)\w*)\(", source, re.M):
        if name != "IKEv2_Key_Length_Attribute":  # a field, not a layer
            assert name in ikev2.__all__, name
