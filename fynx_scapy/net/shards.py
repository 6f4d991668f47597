# SPDX-License-Identifier: GPL-2.0-or-later
"""Several processes that serve the same ports, each with a share of the SAs, so that more than one core works.

The supervisor opens the sockets, as many for each port as there are workers, and keeps them: a worker that ends and is
started again finds its own. The kernel gives each packet to the worker whose SPI it has (`steering`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self

from fynx_scapy.checks import check_values, flag, kind, whole
from fynx_scapy.errors import FynxError, LocalError, TransportError, UnexpectedError
from fynx_scapy.ike.basics.share import Share
from fynx_scapy.ike.config import EndpointConfig, address
from fynx_scapy.ike.message import Address
from fynx_scapy.net import steering
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.sockets import EspPort, OpenSocket, UdpPort

Work = Callable[..., object]

_CHECKS = {
    "config": kind(EndpointConfig),
    "workers": whole(1, 1024, "workers"),
    "native": flag(),
    "offload": flag(),
}
QUICKLY, QUICK_ENDS = 5.0, 3
"""A worker that ends so many times in a row within so many seconds of its start is not started again."""
STOPPING = 10.0
"""How many seconds a worker has to delete its SAs before it is killed."""


class Shards:
    """A group of workers for the same addresses and ports, in the process that starts them.

    >>> def serve(shard: Shard) -> None:
    ...     asyncio.run(answer(shard))    # a server on AioNetwork(shard=shard), with shard.hosts and shard.config
    >>>
    >>> with Shards("192.0.2.1", workers=4) as shards:
    ...     shards.start(serve)
    ...     while shards.wait():
    ...         pass

    ``host`` is an IP address or several, ``config`` that of the endpoints. ``native`` also opens IP protocol 50, if
    allowed; otherwise ``refused`` says why there is none. TransportError when a port cannot be opened.
    """

    def __init__(
        self,
        host: str | Sequence[str],
        config: EndpointConfig | None = None,
        *,
        workers: int,
        open_socket: OpenSocket = socket.socket,
        native: bool = True,
        offload: bool = True,
    ) -> None:
        settings = config or EndpointConfig()
        check_values("Shards", _CHECKS, config=settings, workers=workers, native=native, offload=offload)
        self.hosts = tuple(address(text).host for text in ([host] if isinstance(host, str) else host))
        self.refused = ""
        self.restarts: Counter[int] = Counter()
        """How often each worker was started again."""
        self.shards: tuple[Shard, ...] = ()
        self._open_socket, self._workers, self._offload = open_socket, workers, offload
        self._processes: dict[int, tuple[BaseProcess, float]] = {}
        self._told: dict[int, Connection] = {}
        """From each worker: the error that has ended it, if there is one."""
        self._quick: Counter[int] = Counter()
        self._work: tuple[Work, tuple[Any, ...]] | None = None
        with contextlib.ExitStack() as undone:
            self._open(settings, native, undone)
            self._undone = undone.pop_all()

    # Sockets

    def _open(self, config: EndpointConfig, native: bool, undone: contextlib.ExitStack) -> None:
        bound: list[dict[tuple[int, Address], socket.socket]] = [{} for _ in range(self._workers)]
        numbers = {}
        for wanted in dict.fromkeys((config.port, config.natt_port)):
            number = wanted
            for host in self.hosts:
                number = self._open_port(host, number, config, bound, undone)
            numbers[wanted] = number
        for host in self.hosts if native else ():
            self._open_native(host, bound, undone)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in bound]
        for pair in pairs:
            for sock in pair:
                sock.setblocking(False)
                undone.callback(sock.close)
        config = config.replace(port=numbers[config.port], natt_port=numbers[config.natt_port])
        self.shards = tuple(
            Shard(
                Share(number, self._workers),
                config.replace(spi_share=(number, self._workers)),
                self.hosts,
                self._offload,
                sockets,
                pairs[number][0],
                tuple(to for _, to in pairs),
            )
            for number, sockets in enumerate(bound)
        )

    def _open_port(
        self,
        host: str,
        number: int,
        config: EndpointConfig,
        bound: list[dict[tuple[int, Address], socket.socket]],
        undone: contextlib.ExitStack,
    ) -> int:
        """Open a port for each worker. The first alone takes the port, so that one which others use is in use."""
        always = config.marker_always
        for place, sockets in enumerate(bound):
            opened = self._sharing if place else self._open_socket
            port = UdpPort(host, number, opened, marker_always=always, offload=self._offload)
            undone.callback(port.close)
            port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sockets[socket.SOCK_DGRAM, port.address] = port.socket
            number = port.address.port
        if len(bound) > 1:
            program = steering.udp_program(len(bound), number, v6=port.v6, marker_always=always)
            steering.steer(port.socket, program)
        return number

    def _sharing(self, family: int, kind: int, protocol: int) -> socket.socket:
        sock = self._open_socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return sock

    def _open_native(
        self, host: str, bound: list[dict[tuple[int, Address], socket.socket]], undone: contextlib.ExitStack
    ) -> None:
        for place, sockets in enumerate(bound):
            try:
                port = EspPort(host, self._open_socket)
            except TransportError as error:
                self.refused = str(error)
                return
            undone.callback(port.close)
            steering.keep_only(port.socket, steering.esp_filter(place, len(bound), v6=port.v6))
            sockets[socket.SOCK_RAW, port.address] = port.socket

    # Processes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process IDs of the workers that run."""
        return tuple(process.pid or 0 for process, _ in self._processes.values() if process.is_alive())

    def start(self, work: Work, *args: Any) -> None:
        """Start the workers: each calls ``work(shard, *args)`` in a new Python process.

        The function has to be importable, and the arguments picklable. SIGTERM, by which `stop` ends a worker, reaches
        it as KeyboardInterrupt, as Ctrl-C would; under asyncio.run its main task is cancelled.
        """
        if self._work is not None:
            raise LocalError("expected workers that were not started yet")
        self._work = work, args
        for number in range(self._workers):
            self._spawn(number)

    def _spawn(self, number: int) -> None:
        if self._work is not None:
            work, args = self._work
            context = multiprocessing.get_context("spawn")
            told, telling = context.Pipe(duplex=False)
            with telling:
                process = context.Process(
                    target=_run,
                    args=(self.shards[number], telling, work, args),
                    name=f"fynx worker {number}",
                    daemon=True,
                )
                process.start()
            self._processes[number], self._told[number] = (process, time.monotonic()), told

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until a worker ends, and start it again if it has not ended by itself; returns whether any worker runs.

        What has ended a worker is raised here if it is a FynxError, because the next one would meet it too, such as an
        address in use. UnexpectedError when a worker ends again and again at its start.
        """
        running = {process.sentinel: number for number, (process, _) in self._processes.items()}
        for sentinel in multiprocessing.connection.wait(list(running), timeout) if running else ():
            self._ended(running[sentinel])  # type: ignore[index]
        return bool(self._processes)

    def _ended(self, number: int) -> None:
        process, began = self._processes.pop(number)
        process.join()
        code = process.exitcode
        process.close()
        error = self._error(number)
        if error is not None:
            raise error
        if code == 0:
            return
        self._quick[number] = self._quick[number] + 1 if time.monotonic() < began + QUICKLY else 0
        if self._quick[number] >= QUICK_ENDS:
            raise UnexpectedError(
                f"worker {number} has ended {QUICK_ENDS} times right after its start, the last time with status {code}"
            )
        self.restarts[number] += 1
        self._spawn(number)

    def _error(self, number: int) -> FynxError | None:
        """The error that has ended a worker, if there is one."""
        with self._told.pop(number) as told, contextlib.suppress(EOFError, OSError):
            error = told.recv() if told.poll() else None
            return error if isinstance(error, FynxError) else None
        return None

    def signal(self, number: int) -> None:
        """Send a signal to every worker, such as SIGHUP."""
        for pid in self.pids:
            os.kill(pid, number)

    def stop(self, timeout: float = STOPPING) -> None:
        """End the workers: they have ``timeout`` seconds to do so, then they are killed.

        It raises the FynxError that has ended one of them, if `wait` has not raised it.
        """
        end = time.monotonic() + timeout
        for process, _ in self._processes.values():
            process.terminate()
        for process, _ in self._processes.values():
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self._processes.clear()
        self._work = None
        errors = [error for number in list(self._told) if (error := self._error(number)) is not None]
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Close the sockets."""
        self._undone.close()


def _run(shard: Shard, telling: Connection, work: Work, args: tuple[Any, ...]) -> None:
    """The main function of a worker."""
    os.setsid()  # Ctrl-C at the terminal is for the supervisor, who then stops the workers
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    threading.Thread(target=_end_with_supervisor, name="fynx supervisor watch", daemon=True).start()
    try:
        work(shard, *args)
    except KeyboardInterrupt:
        pass
    except FynxError as error:
        telling.send(error)
    finally:  # it ends anyway
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
