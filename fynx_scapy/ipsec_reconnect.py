# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets up the session of a client again after the peer was lost, as often and as soon as its policy says."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable

from fynx_scapy.errors import FynxError
from fynx_scapy.ike.events import Reconnecting
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.timeouts import Reconnect
from fynx_scapy.ipsec_session import IpsecSession

Begin = Callable[[], IkeSa]


class Reconnector:
    """The attempts to set up one session again. ``begin`` begins a new IKE SA with its peer."""

    def __init__(self, session: IpsecSession, policy: Reconnect, why: FynxError, begin: Begin) -> None:
        self._session, self._policy, self._begin = session, policy, begin
        self.task = asyncio.get_running_loop().create_task(self._run(why), name=f"reconnect {session!r}")

    async def _run(self, why: FynxError) -> None:
        session = self._session
        lost: FynxError | None = why
        while lost is not None:
            if not await self._restore(lost):
                return
            for config in session.further_children:
                with contextlib.suppress(FynxError):  # an event says why
                    if session.open:
                        await session.set_up_child(config)
            lost = session.lost_because  # by now it may be lost again

    async def _restore(self, why: FynxError) -> bool:
        session, policy = self._session, self._policy
        for attempt in itertools.count():
            if not why.retryable or (policy.attempts is not None and attempt >= policy.attempts):
                break
            # Not all clients of a server at once: it may have been restarted.
            wait = policy.delay(attempt) * session.endpoint.randomness.uniform(0.5, 1.0)
            stamp = session.network.now, session.sa.spi_i, session.sa.spi_r
            session.report(Reconnecting(*stamp, attempt=attempt + 1, wait=wait, code=why.code, reason=str(why)))
            await asyncio.sleep(wait)
            try:
                await session.restore(self._begin)
            except FynxError as error:
                why = error
            else:
                return True
        session.give_up(why)
        return False
