# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx connect`` and ``fynx serve`` have in common: a network, signals, recordings, metrics, their end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fynx_scapy.commands.credentials import files_of
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import SeveralOutputs, save_keys, writing_octets
from fynx_scapy.commands.options import METRICS, PCAP, POSITIVE, SAVE, STDIO, Decorator, log_options
from fynx_scapy.commands.screen import PERIOD, Screen
from fynx_scapy.errors import AuthenticationError, FynxError, PeerError, SessionClosed
from fynx_scapy.iana import AuthMethod

if TYPE_CHECKING:
    from fynx_scapy import IpsecSession
    from fynx_scapy.net.aio import AioNetwork
    from fynx_scapy.net.recorder import Recorder
    from fynx_scapy.net.shard import Shard

T = TypeVar("T")
DESCRIPTORS = 1 << 14
"""The file descriptors that we ask the system for: TLS connections of EAP may then be as many as half-open IKE SAs."""
_BY_PEER = (PeerError, AuthenticationError, SessionClosed)


class Stopped(Exception):  # noqa: N818 -- nothing has gone wrong
    """Somebody asked the program to stop."""


class Failed(click.ClickException):
    """An error that ends the program: its text, what to do about it, and its code."""

    exit_code = 2
    """When nothing could be set up: misuse, what the system refuses, nobody who answers."""


class Refused(Failed):
    """The same for what the peer refused or ended."""

    exit_code = 1


def failed(error: FynxError) -> Failed:
    """The error that ends the program."""
    return (Refused if isinstance(error, _BY_PEER) else Failed)(told(error))


def told(error: FynxError, *, advice: bool = True) -> str:
    """One line: what happened, what to do, and the code."""
    text = " ".join(str(error).split()).rstrip(".")
    end = "" if text.endswith("?") else "."
    return f"{text}{end} {error.advice} [{error.code}]" if advice else f"{text} [{error.code}]"


def running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of a program that runs for long. Their values go to `Running`."""
    options: list[Decorator] = [
        click.option("--duration", type=POSITIVE, metavar="SECONDS", help="End after this time."),
        click.option("-q", "--quiet", is_flag=True, help="Print no line for what happens, only the summary."),
        click.option("--no-offload", is_flag=True, help="Send and receive each ESP packet by a call of its own."),
        PCAP,
        SAVE,
        METRICS,
        log_options(),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class Running:
    """A network in the running event loop, with what the options ask for around it.

    Ctrl-C, SIGTERM, and SIGHUP of a terminal that goes away, ask it to stop: `stopped` is set. The second one
    interrupts the way down.
    """

    def __init__(self, screen: Screen, given: Mapping[str, Any], shard: Shard | None = None) -> None:
        self.screen, self._shard = screen, shard
        self.stopped = asyncio.Event()
        self.interrupted = False
        """Whether a signal has stopped it, not ``--duration``."""
        self.duration: float | None = given["duration"]
        self._given = given
        self._recorder: Recorder | None = None

    async def __aenter__(self) -> Running:
        from fynx_scapy.net.aio import AioNetwork

        async with contextlib.AsyncExitStack() as opened:
            opened.enter_context(more_descriptors())
            self.network: AioNetwork = await opened.enter_async_context(
                AioNetwork(offload=not self._given["no_offload"], shard=self._shard)
            )
            await self._begin(opened)
            self._ended = opened.pop_all()
        return self

    async def __aexit__(self, *details: Any) -> None:
        await self._ended.__aexit__(*details)

    async def _begin(self, opened: contextlib.AsyncExitStack) -> None:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def stop() -> None:
            if self.interrupted:
                main.cancel()
            self.interrupted = True
            self.stopped.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
            opened.callback(loop.remove_signal_handler, number)
        if self.duration is not None:
            opened.callback(loop.call_later(self.duration, self.stopped.set).cancel)
        if self._given["pcap"] is not None or self._given["save"] is not None:
            from fynx_scapy.net.recorder import Recorder

            self._recorder = Recorder()
            self._recorder.watch(self.network, self._given["name"])
        level = self._given["log_level"] or ("info" if self._given["log_json"] else None)
        if level is not None:
            from fynx_scapy.observe import EventLog

            opened.enter_context(EventLog(self.network, level=level, json=self._given["log_json"]))
        if self._given["metrics"] is not None:
            await self._serve_metrics(opened, *self._given["metrics"])

    async def _serve_metrics(self, opened: contextlib.AsyncExitStack, host: str, port: int) -> None:
        from fynx_scapy.observe import Metrics, MetricsServer

        metrics = opened.enter_context(Metrics(self.network))
        server = await opened.enter_async_context(MetricsServer(metrics.snapshot, host, port))
        self.screen.line(f"metrics at http://{server.address}/metrics")

    # -- while it runs

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which is cancelled if somebody asks the program to stop: Stopped."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.stopped.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Stopped
            return task.result()
        finally:
            for each in (task, stop):
                if not each.done():
                    each.cancel()
                    await asyncio.gather(each, return_exceptions=True)

    @contextmanager
    def shown(self, status: Callable[[], str]) -> Iterator[None]:
        """Show a status line inside this context."""
        with self.screen.status(status) as refresh:

            async def keep() -> None:
                while True:
                    refresh()
                    await asyncio.sleep(PERIOD)

            task = asyncio.ensure_future(keep())
            try:
                yield
            finally:
                task.cancel()

    # -- its end

    def written(self) -> int:
        """Write the recordings. Returns the exit status that an error among them asks for, else 0."""
        outputs = SeveralOutputs()
        pcap, save = self._given["pcap"], self._given["save"]
        if self._recorder is not None:
            with outputs.each():
                if pcap is not None:
                    with writing_octets(pcap, secret=True) as file:
                        self._recorder.write_capture(file)
                folder = save if save is not None or str(pcap) == STDIO else _beside(pcap)
                if folder is not None:
                    save_keys(self._recorder.keys(), folder)
        return outputs.status


@contextmanager
def more_descriptors() -> Iterator[None]:
    """Inside this context, raise the soft limit of file descriptors to `DESCRIPTORS`, or to the hard limit if lower.

    It is often 1,024, for programs that use select(2), which we do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        yield
        return
    with contextlib.suppress(OSError, ValueError):  # the system may forbid it
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _beside(pcap: Path) -> Path:
    """The folder of keys beside a capture."""
    from fynx_scapy.keylog import KeyLog

    return KeyLog.folder_for(pcap)


def inputs(given: Mapping[str, Any]) -> list[Path]:
    """The files that the options name for reading."""
    return [*files_of(given), *([given["config"]] if given["config"] is not None else [])]


@contextmanager
def telling() -> Iterator[None]:
    """End the program with one line for an error: what happened, what to do, and the code."""
    try:
        yield
    except FynxError as error:
        raise failed(error) from None


def ends_with(main: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run a program to its end, and exit with its status; 130 after Ctrl-C before it has done anything."""
    with telling():
        try:
            sys.exit(asyncio.run(main()))
        except (KeyboardInterrupt, asyncio.CancelledError):
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)


def named(session: IpsecSession) -> str:
    """Who is connected with whom, what proves it but for a pre-shared key, and the Child SAs."""
    from fynx_scapy.ike.extensions import PostQuantumKey

    proof, ppk = session.sa.peer_proof, session.sa.of(PostQuantumKey).key
    shared = proof is None or proof.method == AuthMethod.Shared_Key_Message_Integrity_Code
    said = proof is not None and (not shared or bool(proof.rounds) or proof.by.startswith("EAP-"))
    by = [proof.by] if proof is not None and said else []
    if session.sa.config.ppk:  # who has one wants to know whether it counts
        by.append(f"PPK {ppk}" if ppk is not None else "without a PPK")
    proven = f" ({'; '.join(by)})" if by else ""
    parts = [f"{session.local_id} > {session.remote_id}{proven}, {session.local} > {session.remote}"]
    if session.addresses:
        parts.append(f"inner address {', '.join(session.addresses)}")
    for child in session.children:
        sides = (", ".join(map(str, side)) for side in (child.local_ts, child.remote_ts))
        parts.append(f"{child.config.name}: {' === '.join(sides)}, {child.suite}")
    return "; ".join(parts)
