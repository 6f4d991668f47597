# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks a host: follows cookies, puzzles and INVALID_KE_PAYLOAD, keeps to the ceilings, and tells silence from loss.

Whether a host accepts a proposal can be asked without leaving anything behind: the proposal also offers a decoy, a key
exchange method that nobody has, and the KE payload is the decoy's. A host that accepts the proposal asks for a method
of its own (INVALID_KE_PAYLOAD, RFC 7296 section 1.2) and keeps no state; one that does not answers NO_PROPOSAL_CHOSEN.
Where that does not work, the request is a real one, and each acceptance leaves a half-open IKE SA.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.iana import NotifyType, Prf
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, FLAGS, HEADER_SIZE, VERSION, VERSION_2
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.catalogue import ENCR, KE, NOBODYS, Box
from fynx_scapy.scan.limits import ScanLimits
from fynx_scapy.scan.line import Line
from fynx_scapy.scan.memo import Memo
from fynx_scapy.scan.request import (
    Request,
    decoy_payload,
    groups_of,
    ke_payload,
    nonce_payload,
    sa_payload,
    with_decoy,
)
from fynx_scapy.scan.search import Reply
from fynx_scapy.text import counted

_PAUSE = 10.0
_ODD = 20
"""How many different odd answers are counted."""
_QUICKEST, _SLOWEST = 0.25, 2.0
"""The bounds of the first wait for an answer, in seconds."""


class Stopped(Exception):  # noqa: N818 -- the name says what happened
    """A scan ends early: the host stopped answering, or a ceiling was reached. It never leaves `Scan`."""


@dataclass(slots=True)
class Puzzled:
    """The puzzles that a host has posed."""

    posed: int = 0
    solved: int = 0
    hardest: int = 0


class Asker:
    """Asks the host at the end of ``line``, and remembers in ``memo`` what it answered."""

    def __init__(self, line: Line, limits: ScanLimits, memo: Memo, told: Callable[[str], object] | None = None) -> None:
        self.line, self.limits, self.memo = line, limits, memo
        self.told = told or (lambda text: None)
        self.decoy: int | None = None
        """The key exchange method that nobody has, if the host answers questions with it as it should."""
        self.control: Callable[[], Answer] | None = None
        """A request that the host has answered before: whether it still does."""
        self.questions = self.cookies = self.silent = self.retries = self.echoes = 0
        """How many questions were asked, cookies followed, questions met with silence, requests sent again, and echoes
        of our requests."""
        self.puzzles = Puzzled()
        self.odd: Counter[str] = Counter()
        """Answers to questions that are neither an acceptance nor NO_PROPOSAL_CHOSEN, in words."""
        self._asked: dict[str, Reply] = {}
        self._opened: deque[float] = deque(maxlen=1000)
        self._spis: set[bytes] = set()
        self._groups_first = False
        """Whether the host asks for a key exchange method before it looks at the rest of a proposal."""
        self._surprised = False
        """Whether the host accepted a request that it should not have: then any may leave something there."""
        self._next, self._began = 0.0, line.now
        self._trip: float | None = None

    @property
    def left(self) -> int:
        """How many half-open IKE SAs were left at the host."""
        return len(self._spis)

    # Requests

    def exchange(
        self, key: str, request: Request, *, tries: int | None = None, natt: bool = False, keep: bool = True
    ) -> Answer:
        """Send a request, with the cookie that the host asks for, and return the answer.

        An answer that ``memo`` has is returned at once. The kind COOKIE means that there were too many cookies.
        """
        known = self.memo.get(key) if keep else None
        if known is not None:
            return Answer.read(known)
        cookie, solution, answer = b"", b"", Answer()
        for _ in range(self.limits.cookies + 1):
            if request.may_open or request.suspect or self._surprised:
                self._make_room()
            answer = self._send(request.octets(cookie, solution), request.spi, tries, natt=natt)
            if answer.kind is not Kind.COOKIE:
                break
            self.cookies += 1
            wanted = answer.notify(NotifyType.COOKIE)
            cookie = bytes(wanted.notify or b"") if wanted is not None else b""
            if not 0 < len(cookie) <= 64:
                answer.kind, answer.fault = Kind.MALFORMED, f"a cookie of {counted(len(cookie), 'octet')}"
                break
            solution = self._solution(answer, cookie)
        opened = answer.opens and request.spi not in self._spis
        if opened:
            self._spis.add(request.spi)
            self._surprised = self._surprised or not request.may_open
        if opened or (request.suspect and answer.kind is Kind.SILENCE):
            self._opened.append(self.line.now)
        if keep and answer.kind not in (Kind.SILENCE, Kind.COOKIE):
            self.memo.put(key, answer.wire)
        return answer

    def _send(self, data: bytes, spi: bytes, tries: int | None = None, *, natt: bool = False) -> Answer:
        """Send a request until an answer comes. A malformed one counts only if no other comes."""
        worst: Answer | None = None
        first = self.line.now
        wait = self.limits.timeout if self._trip is None else min(max(6 * self._trip, _QUICKEST), _SLOWEST)
        for attempt in range(tries or self.limits.tries):
            self._pace()
            self.retries += attempt > 0
            self.line.send(data, natt=natt)
            end = self.line.now + wait * 2**attempt
            for _ in range(8):
                wire = self.line.wait(lambda wire: self._answers(wire, data, spi), max(end - self.line.now, 0.0))
                if wire is None:
                    break
                answer = Answer.read(wire, self.line.now - first)
                if answer.kind is not Kind.MALFORMED:
                    self._measure(answer.seconds)
                    return answer
                worst = answer
            if self.line.refused:
                break
        self._trip = None  # it may be slower now
        return worst or Answer()

    def _answers(self, wire: bytes, data: bytes, spi: bytes) -> bool:
        """Whether a message may be the answer to ``data``: a response of IKEv2, or anything of IKEv1, but no echo."""
        if wire == data:
            self.echoes += 1
            return False
        if len(wire) < HEADER_SIZE or wire[:8] != spi:
            return False
        return wire[VERSION] < VERSION_2 or bool(wire[FLAGS] & FLAG_RESPONSE)

    def _measure(self, seconds: float) -> None:
        self._trip = seconds if self._trip is None else 0.8 * self._trip + 0.2 * seconds

    def _pace(self) -> None:
        """Wait until the next datagram may be sent. Stopped when none may."""
        if self.line.sent >= self.limits.datagrams:
            raise Stopped(f"the ceiling of {counted(self.limits.datagrams, 'datagram')} was reached")
        if self.line.now - self._began >= self.limits.duration:
            raise Stopped(f"the ceiling of {self.limits.duration:.0f} seconds was reached")
        self.line.pause(self._next - self.line.now)
        self._next = self.line.now + 1 / self.limits.rate

    def _make_room(self) -> None:
        """Wait until the host has forgotten enough half-open IKE SAs of ours."""
        while self._opened and self._opened[0] + self.limits.half_open_lifetime <= self.line.now:
            self._opened.popleft()
        if len(self._opened) >= self.limits.half_open:
            seconds = self._opened.popleft() + self.limits.half_open_lifetime - self.line.now
            if seconds >= 1:
                self.told(f"waiting {seconds:.0f} seconds, until the host has forgotten a half-open IKE SA")
            self.line.pause(seconds)

    def _solution(self, answer: Answer, cookie: bytes) -> bytes:
        """The solution of the puzzle in an answer (RFC 8019 section 7.1.2); empty when there is none, or too hard."""
        posed = answer.notify(NotifyType.PUZZLE)
        data = bytes(posed.notify or b"") if posed is not None else b""
        if len(data) != 3:
            return b""
        self.puzzles.posed += 1
        self.puzzles.hardest = max(self.puzzles.hardest, data[2])
        number = int.from_bytes(data[:2])
        if puzzles.KEYS << data[2] > self.limits.puzzle_effort or number not in _OUR_PRFS:
            return b""
        solved = puzzles.solve(number, data[2], cookie, 2 * self.limits.puzzle_effort)
        self.puzzles.solved += solved is not None
        return solved[0] if solved is not None else b""

    # Questions

    def ask(self, offer: Sequence[Box]) -> Reply:
        """Whether the host accepts one of these proposals. Stopped when it no longer answers anything."""
        key = question_key(offer, self.decoy)
        if key in self._asked:
            return self._asked[key]
        answer = self._question(key, offer)
        pause = _PAUSE
        for _ in range(self.limits.pauses):
            if answer.kind is not Kind.SILENCE or self._alive():
                break
            self.told(f"the host has stopped answering: pausing for {pause:.0f} seconds")
            self.line.pause(pause)
            self.line.forget_errors()
            pause *= 2
            answer = self._question(key, offer)
        else:
            if answer.kind is Kind.SILENCE and not self._alive():
                raise Stopped(f"the host at {self.line.remote} stopped answering")
        self.questions += 1
        reply = self._reply(answer, offer)
        self._asked[key] = reply
        return reply

    def _alive(self) -> bool:
        return self.control is not None and self.control().kind is not Kind.SILENCE

    def _reply(self, answer: Answer, offer: Sequence[Box]) -> Reply:
        if answer.kind is Kind.ACCEPTED or (answer.group in groups_of(offer) and not self._groups_first):
            return Reply(True, answer.chosen)
        if answer.kind is Kind.SILENCE:
            self.silent += 1
        elif answer.kind is Kind.COOKIE:
            raise Stopped(f"the host asked for {counted(self.limits.cookies + 1, 'cookie')} in a row")
        elif not answer.has_notify(NotifyType.NO_PROPOSAL_CHOSEN) and len(self.odd) < _ODD:
            self.odd["a malformed message" if answer.kind is Kind.MALFORMED else answer.text] += 1
        return Reply(False)

    def _question(self, key: str, offer: Sequence[Box]) -> Answer:
        answer, group = self.exchange(key, self.request(offer)), None
        for _ in range(self.limits.groups):
            if not self._groups_first or answer.group in (group, None) or answer.group not in groups_of(offer):
                break
            group = answer.group
            answer = self.exchange(f"{key} {group}", self.request(offer, group))
        return answer

    def request(self, offer: Sequence[Box], group: int | None = None) -> Request:
        """The request for a question: with the decoy's KE payload, or with a real one, of ``group`` if given."""
        if self.decoy is not None and group is None:
            sa, ke = sa_payload(with_decoy(offer, self.decoy)), decoy_payload(self.decoy, self.line.randomness)
        else:
            groups = groups_of(offer)
            sa = sa_payload(offer)
            ke = ke_payload(groups[0] if group is None else group, self.line.randomness)
        announced = (NotifyType.USE_PPK, NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED, NotifyType.USE_PPK_INT)
        payloads = [sa, ke, nonce_payload(self.line.randomness), *map(notify, announced)]
        return Request(payloads, self.line.new_spi(), may_open=self.decoy is None or group is not None)

    def find_decoy(self, point: Sequence[Transform], decoys: Sequence[int]) -> None:
        """Find a decoy: offered beside the accepted combination ``point``, it makes the host ask for that one's group.

        Alone it must be refused, and so must that with a cipher that nobody has. Without any, questions are real
        requests.
        """
        box = tuple((transform,) for transform in point)
        group = next(transform.id for transform in point if transform.type == KE)
        for decoy in decoys:
            self.decoy = None
            alone = tuple((Transform(KE, decoy),) if each[0].type == KE else each for each in box)
            request = self.request([alone], decoy)
            request.payloads[1] = decoy_payload(decoy, self.line.randomness)
            refused = self.exchange(f"decoy {decoy} alone", request)
            self.decoy = decoy
            if refused.kind in (Kind.REFUSED, Kind.SILENCE):
                answer = self.exchange(f"decoy {decoy}", self.request([box]))
                if answer.group == group and self.looks_further(decoy, box):
                    return
        self.decoy = None

    def looks_further(self, decoy: int, box: Box) -> bool:
        """Whether the host looks at the ciphers of a proposal before it asks for a key exchange method."""
        nobodys = tuple((Transform(ENCR, NOBODYS),) if each[0].type == ENCR else each for each in box)
        answer = self.exchange(f"decoy {decoy} without a cipher", self.request([nobodys]))
        self._groups_first = answer.kind is Kind.OTHER_GROUP
        return answer.kind in (Kind.REFUSED, Kind.SILENCE)

    @property
    def words(self) -> list[str]:
        """What was met on the way, in words."""
        words = [f"{counted(self.cookies, 'cookie')} followed"] if self.cookies else []
        if self.puzzles.posed:
            posed, solved, bits = self.puzzles.posed, self.puzzles.solved, self.puzzles.hardest
            words.append(f"{solved} of {counted(posed, 'puzzle')} solved, the hardest of {bits} bits")
        if self.silent:
            words.append(f"{counted(self.silent, 'question')} met with silence, taken as refused")
        for text, count in self.odd.items():
            words.append(f"{counted(count, 'question')} answered with {text}, taken as refused")
        return words


_OUR_PRFS = frozenset(int(each) for each in Prf if each not in (Prf.PRF_HMAC_TIGER, Prf.PRF_HMAC_STREEBOG_512))


def question_key(offer: Sequence[Box], decoy: int | None) -> str:
    """The name of a question, the same in every scan."""
    boxes = [
        ",".join(
            f"{int(value.type)}.{value.id}" + (f"/{value.key_length}" if value.key_length else "")
            for values in box
            for value in values
        )
        for box in offer
    ]
    return f"ask {decoy or 'real'} " + "+".join(boxes)
