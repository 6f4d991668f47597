# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket (vici) of a charon: commands, and the SAs that it reports."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from fynx_scapy.errors import LabError
from fynx_scapy.lab.peer import PeerChildSa, PeerIkeSa
from fynx_scapy.text import printable

_PATIENCE = 10.0
_ADVICE = {
    "peer not responding": "; something on our side has to answer: fynx lab exec -- fynx serve …",
    "due to existing duplicate": "; it still has this tunnel, which our side left without a Delete: start the lab anew",
}
"""What to do about a Child SA that was not set up, by the last line of charon's log."""


class Charon:
    """The charon that ``connect`` reaches. LabError when it refuses a command; OSError when nothing listens there."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect

    @classmethod
    def at(cls, path: Path) -> Self:
        """The charon that listens at a path on this machine."""
        return cls(functools.partial(_connected, path))

    @property
    def version(self) -> str:
        """The version that charon reports: ``5.9.8``."""
        with self._vici() as vici:
            return _text(vici.version()["version"])

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that it has loaded."""
        with self._vici() as vici:
            return frozenset(map(_text, vici.stats()["plugins"]))

    def do(self, command: str, what: Mapping[str, Any]) -> None:
        """Have charon ``initiate``, ``terminate`` or ``rekey``, without waiting for the result."""
        with self._vici() as vici:
            if command == "rekey":
                vici.rekey(what)
            else:
                for _ in getattr(vici, command)({**what, "timeout": -1, "loglevel": -1}):
                    pass

    def initiate(self, connection: str, child: str, *, wait: float = 8.0) -> Iterator[str]:
        """Have charon set up a Child SA; gives the lines of its log meanwhile.

        LabError when there is none within ``wait`` seconds.
        """
        what = {"ike": connection, "child": child, "timeout": int(wait * 1000), "loglevel": 1}
        told = ""
        try:
            with self._vici() as vici:
                for line in vici.initiate(what):
                    yield (told := _text(line.get("msg", b"")))
        except LabError as error:
            advice = next((advice for words, advice in _ADVICE.items() if words in told), "")
            raise LabError(f"{error}{advice}") from None

    def end_all(self) -> None:
        """Terminate every IKE SA, whatever its state, without waiting for its peer."""
        with self._vici() as vici:
            for entry in list(vici.list_sas()):
                for sa in entry.values():
                    with contextlib.suppress(_vici_module().exception.CommandException):  # it has ended by itself
                        for _ in vici.terminate({"ike-id": sa["uniqueid"], "force": "yes", "loglevel": -1}):
                            pass

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs, including those that are being replaced."""
        with self._vici() as vici:
            return [_ike_sa(name, sa) for entry in vici.list_sas() for name, sa in entry.items()]

    @contextlib.contextmanager
    def _vici(self) -> Iterator[Any]:
        vici = _vici_module()
        with contextlib.closing(self._connect()) as control:
            control.settimeout(_PATIENCE)
            try:
                yield vici.Session(control)
            except vici.exception.CommandException as error:
                raise LabError(f"strongSwan refused: {error}") from None


def _connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    try:
        made.connect(str(path))
    except OSError:
        made.close()
        raise
    return made


def _vici_module() -> Any:
    try:
        import vici
        import vici.exception
    except ImportError:
        raise LabError("the Python package vici is missing; install it: pip install 'fynx-scapy[lab]'") from None
    return vici


def _text(value: bytes | str) -> str:
    # It may contain identities, which come from charon's peers.
    return printable(value)


def _plain(value: Any) -> Any:
    """A vici message with its octets decoded."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_text(item) for item in value] if isinstance(value, list) else _text(value)


def _ike_sa(name: str, message: Mapping[str, Any]) -> PeerIkeSa:
    sa = _plain(message)
    return PeerIkeSa(
        name=name,
        spi_i=bytes.fromhex(sa["initiator-spi"]),
        spi_r=bytes.fromhex(sa["responder-spi"]),
        initiator=sa.get("initiator") == "yes",
        established=sa["state"] == "ESTABLISHED",
        state=sa["state"],
        ike="-".join(_suite(sa, "encr", "integ", "prf", "dh")),
        local=f"{sa['local-host']}:{sa['local-port']}",
        remote=f"{sa['remote-host']}:{sa['remote-port']}",
        remote_id=sa.get("remote-id", ""),
        children=tuple(map(_child_sa, sa.get("child-sas", {}).values())),
    )


def _child_sa(child: Mapping[str, Any]) -> PeerChildSa:
    return PeerChildSa(
        name=child["name"],
        state=child["state"],
        mode=child["mode"],
        encap=child.get("encap") == "yes",
        spi_in=int(child.get("spi-in", "0"), 16),
        spi_out=int(child.get("spi-out", "0"), 16),
        esp="-".join(_suite(child, "encr", "integ")),
        esn=child.get("esn") == "1",
        bytes_in=int(child.get("bytes-in", 0)),
        bytes_out=int(child.get("bytes-out", 0)),
        packets_in=int(child.get("packets-in", 0)),
        packets_out=int(child.get("packets-out", 0)),
        local_ts=tuple(child.get("local-ts", ())),
        remote_ts=tuple(child.get("remote-ts", ())),
    )


def _suite(sa: Mapping[str, Any], *kinds: str) -> Iterator[str]:
    """The transforms in strongSwan's long names: ``AES_GCM_16-128``, ``PRF_HMAC_SHA2_256``, …"""
    for kind in kinds:
        name = sa.get(f"{kind}-group" if kind == "dh" else f"{kind}-alg")
        if name:
            yield name + (f":{sa[f'{kind}-keysize']}" if sa.get(f"{kind}-keysize") else "")
