# SPDX-License-Identifier: GPL-2.0-or-later
"""pyshark reads the messages of negative cases as we do: exchanges, payloads, notifies, and every length."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy import scenarios
from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.eap import tls
from fynx_scapy.harness import run
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.keylog import IKE_TABLE
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_SA
from fynx_scapy.layers.ikev2.eap.aka import AKA_PRIME_TYPE, AKA_TYPE
from fynx_scapy.net import Recorder

pytestmark = pytest.mark.slow

FIELDS = ("exchangetype", "length", "typepayload", "payloadlength", "notify.msgtype")
READ_IN_WHOLE = {tls.TYPE, tls.TTLS, AKA_TYPE, AKA_PRIME_TYPE}
PROPOSAL, TRANSFORM = 2, 3
"""What Wireshark calls the type of a proposal and of a transform: their Last Substruc (RFC 7296 section 3.3)."""


# pyshark leaves its event loop and its pipes to the garbage collector, so it runs in a process of its own.
READ = """
import asyncio, json, os, sys
import pyshark

path, *names = sys.argv[1:]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
found = {}
with pyshark.FileCapture(path, display_filter="isakmp", eventloop=loop, keep_packets=False) as packets:
    for packet in packets:
        fields = {name: packet.isakmp.get_field(name) for name in names}
        values = {name: [each.showname for each in field.all_fields] if field else [] for name, field in fields.items()}
        values["malformed"] = [layer.layer_name for layer in packet.layers if "malformed" in layer.layer_name]
        found[int(packet.number)] = values
    print(json.dumps(found), flush=True)
    os._exit(0)  # it may take tshark's end for a crash
"""


def read(path: Path, configuration: Path) -> dict[int, dict[str, list[str]]]:
    """What pyshark says of each IKE message: packet number -> field -> its values as shown."""
    done = subprocess.run(
        [sys.executable, "-c", READ, path, *FIELDS],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(configuration)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {int(number): values for number, values in json.loads(done.stdout).items()}


def numbers(shown: Iterable[str]) -> list[int]:
    """The number in brackets of ``Payload: Nonce (40)``."""
    return [int(number) for each in shown for number in re.findall(r"\((\d+)\)", each)[:1]]


def sizes(shown: Iterable[str]) -> list[int]:
    """The number at the end of ``Payload length: 36``."""
    return [int(each.rpartition(": ")[2]) for each in shown]


def structures(layers: Sequence[Packet]) -> Iterator[tuple[int, int]]:
    """The type and the length of each payload, and of each proposal and transform in it."""
    for layer in layers:
        yield int(layer.payload_type), int.from_bytes(layer.octets()[2:4])
        for proposal in (layer.prop or []) if isinstance(layer, IKEv2_SA) else []:
            yield PROPOSAL, len(bytes(proposal))
            for transform in proposal.trans or []:
                yield TRANSFORM, len(bytes(transform))


def ours(message: Any) -> list[Packet]:
    """The payloads as tshark shows them: SK, and what is inside it. What is in fragments is compared nowhere."""
    sealed = [layer for layer in message.payloads if layer.payload_type in (PayloadType.SK, PayloadType.SKF)]
    if fragment(message):
        return list(message.payloads)
    return [*sealed, *(layer for layer in message.layers if layer not in sealed)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, dict[str, list[str]]]]:
    """Each message of a sample of the catalogue, as we and as pyshark read it."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    folder = tmp_path_factory.mktemp("pyshark")
    (folder / "wireshark").mkdir()
    recorder = Recorder()
    jobs = [(each, role) for each in scenarios.chosen(["negative/*"]) for role in each.roles]
    for scenario, role in jobs[::12]:
        run(scenario, seed=1, role=role, watch=recorder.watch)
    recorder.save_capture(folder / "run.pcapng")
    recorder.keys().save(folder / "keys")
    # Wireshark takes it from the folder of its configuration. The table of ESP may have ciphers that it does not know.
    shutil.copy(folder / "keys" / IKE_TABLE, folder / "wireshark" / IKE_TABLE)
    theirs = read(folder / "run.pcapng", folder / "wireshark")
    with Capture(folder / "run.pcapng", KeyLog.load(folder / "keys" / "keys.json")) as capture:
        found = [(message, theirs[message.number]) for message in capture.messages if message.number in theirs]
        left_out = [message for message in capture.messages if message.number not in theirs]
    # To tshark a wrong length is no IKE, and neither is a marker on port 500.
    assert [message for message in left_out if not message.errors and message.dport != 500] == []
    assert len(left_out) < 5
    return found


def clean(both: Sequence[tuple[Any, dict[str, list[str]]]]) -> list[tuple[Any, dict[str, list[str]]]]:
    """The messages that tshark knows and has opened: version 2, and neither it nor we found a fault in them."""
    known = [(message, shown) for message, shown in both if shown["exchangetype"] and not faulty(message, shown)]
    opened = [(message, shown) for message, shown in known if not unopened(message, shown)]
    assert len(known) - len(opened) < 10  # a few where somebody on the path has changed IKE_SA_INIT
    return opened


def unopened(message: Any, shown: dict[str, list[str]]) -> bool:
    """Whether only we see what is inside SK."""
    return numbers(shown["typepayload"]) == [PayloadType.SK] and len(ours(message)) > 1


def fragment(message: Any) -> bool:
    """Whether it is a fragment (RFC 7383). One message may have hundreds, which are all refused with it."""
    return any(layer.payload_type == PayloadType.SKF for layer in message.payloads)


def eap_types(message: Any) -> set[int]:
    """The types of its EAP packets."""
    return {octet for layer in message.layers if layer.payload_type == PayloadType.EAP for octet in layer.octets()[8:9]}


def faulty(message: Any, shown: dict[str, list[str]]) -> bool:
    return bool(shown["malformed"] or message.errors)


def test_most_messages_can_be_compared(both) -> None:
    """The others are malformed on purpose. Where tshark finds a fault, so do we.

    But not for over 200 payloads, proposals and transforms, in what says that it is IKEv1, and in certificates and the
    data of TLS and AKA inside EAP, which tshark reads in whole.
    """
    whole = [(message, shown) for message, shown in both if not fragment(message)]
    assert len(clean(whole)) > 0.9 * len(whole) > 500
    doubtful = [
        message
        for message, shown in both
        if shown["malformed"]
        and max(len(shown["typepayload"]), len(list(structures(message.layers)))) < 200
        and shown["exchangetype"]
        and PayloadType.CERT not in numbers(shown["typepayload"])
    ]
    strange = [message for message in doubtful if not message.errors and "IKEv1" not in repr(message)]
    assert [message for message in strange if not eap_types(message) & READ_IN_WHOLE] == []


def test_payloads_and_lengths_are_equal(both) -> None:
    for message, shown in clean(both):
        mine = list(structures(ours(message)))
        if any(kind == PayloadType.SKF for kind, _ in mine):
            assert PayloadType.SKF in numbers(shown["typepayload"])
            assert mine[-1][1] in sizes(shown["payloadlength"])
            continue
        assert sorted(numbers(shown["typepayload"])) == sorted(kind for kind, _ in mine), message
        assert sorted(sizes(shown["payloadlength"])) == sorted(size for _, size in mine), message


def test_exchanges_and_their_lengths_are_equal(both) -> None:
    for message, shown in clean(both):
        (exchange,), (length,) = shown["exchangetype"], sizes(shown["length"])
        number = int(message.opened.header.exch_type)
        assert numbers([exchange]) == [number]
        if "Unknown" not in exchange:
            assert exchange == f"Exchange type: {name_of(ExchangeType, number)} ({number})"
        assert length == message.opened.header.length


def test_notifies_are_equal(both) -> None:
    names = 0
    for message, shown in clean(both):
        if any(layer.payload_type == PayloadType.SKF for layer in message.payloads):
            continue
        mine = sorted(int(layer.type) for layer in message.layers if isinstance(layer, IKEv2_Notify))
        assert sorted(numbers(shown["notify.msgtype"])) == mine, message
        for each in shown["notify.msgtype"]:
            (number,) = numbers([each])
            if number in set(NotifyType) and not any(word in each for word in ("RESERVED", "Private", "Unknown")):
                assert each == f"Notify Message Type: {name_of(NotifyType, number)} ({number})"
                names += 1
    assert names > 500
