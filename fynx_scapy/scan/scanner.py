# SPDX-License-Identifier: GPL-2.0-or-later
"""Scans one host: what is asked, in which order. Each step adds to the result, so an early end loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from fynx_scapy.capture.audit.profiles import PROFILES
from fynx_scapy.checks import one_of
from fynx_scapy.crypto.transforms import Transform, keyword
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, Timeout
from fynx_scapy.harness.reachability import Unreached
from fynx_scapy.iana import KeMethod, PayloadType, ProtocolId
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.scan import behaviour, ikev1
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.asker import Asker, Stopped
from fynx_scapy.scan.catalogue import COMMON, COMMON_GROUPS, INTEG, KE, NOBODYS, Box, ike_shapes
from fynx_scapy.scan.esp import EspAsker, back_off, ike_proposals
from fynx_scapy.scan.limits import ScanLimits
from fynx_scapy.scan.line import Line
from fynx_scapy.scan.memo import Memo
from fynx_scapy.scan.portrait import Portrait
from fynx_scapy.scan.request import DECOYS, Request, announcements
from fynx_scapy.scan.result import ScanResult
from fynx_scapy.scan.search import Point, Search, inside
from fynx_scapy.session import Session
from fynx_scapy.text import counted

ROUNDS = 2
"""With how many additional key exchanges proposals are asked for (RFC 9370 allows seven)."""
Authenticate = Callable[[tuple[Proposal, ...]], Session]
_FEW = 4
"""How many combinations of a proposal are tried at a host that keeps a half-open IKE SA for each."""
Told = Callable[[str], object]


def box_of(text: str, groups: tuple[int, ...] = ()) -> Box:
    """A proposal in keywords as a box, with more key exchange methods."""
    transforms = [transform for word in text.split("-") for transform in keyword(word)]
    transforms += [Transform(KE, int(group)) for group in groups]
    kinds = sorted({transform.type for transform in transforms})
    return tuple(tuple(value for value in transforms if value.type == kind) for kind in kinds)


class Scan:
    """A scan of the responder at the end of ``line``.

    ``profile`` of the audit judges what it finds. ``resume`` is a file that keeps the answers: with one of an earlier
    scan of the same host, what was answered is not asked again. ``wrong_requests``: whether to send wrong requests too,
    some of which a host may keep for a while. ``authenticate`` makes a `Session` that offers the proposals that it is
    handed: with it, ESP is asked for too. ``listen``: for how many seconds that session then answers nothing, to see
    when the host repeats a request of its own. ``told`` is called with what is being done. ``result``
    is what was found so far. ConfigError for an unknown profile, and as in `Memo`.
    """

    def __init__(
        self,
        line: Line,
        *,
        limits: ScanLimits | None = None,
        profile: str = "rfc",
        resume: Path | None = None,
        wrong_requests: bool = True,
        authenticate: Authenticate | None = None,
        listen: float = 0.0,
        told: Told | None = None,
    ) -> None:
        if not one_of(*PROFILES).accepts(profile):
            raise ConfigError(f"expected a profile of the audit ({', '.join(PROFILES)}), found {profile!r}")
        self.line, self.told = line, told or (lambda text: None)
        self._memo = Memo(str(line.remote), str(line.local), resume)
        self.asker = Asker(line, limits or ScanLimits(), self._memo, told)
        self.result = ScanResult(str(line.remote), profile, self._memo.local)
        self._began, self._behave = line.now, wrong_requests
        self._authenticate, self._listen = authenticate, listen
        self._esp: EspAsker | None = None
        self._before = len(self._memo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file of answers, and leave the network."""
        self._memo.close()
        self.line.close()

    def run(self) -> ScanResult:
        """Scan the host. Unreached when it answers nothing, neither IKEv2 nor IKEv1."""
        try:
            self._run()
        except Stopped as stop:
            self.result.stopped = str(stop)
        finally:
            self._count()
        return self.result

    def offer(self, proposal: str) -> Answer:
        """Ask one question: how the host answers IKE_SA_INIT with these proposals, separated by commas.

        INVALID_KE_PAYLOAD and cookies are followed. Unreached when no answer comes, Timeout at a ceiling; ConfigError
        as in `Proposal`.
        """
        offer = [_box(each) for each in Proposal.parse_all(proposal, ProtocolId.IKE)]
        try:
            answer = self._accept("offer " + proposal, offer)
        except Stopped as stop:
            raise Timeout(str(stop)) from None
        finally:
            self._count()
        if answer.kind is Kind.SILENCE:
            raise self._unreached()
        return answer

    def _unreached(self) -> Unreached:
        echo = ["it echoes our own messages"] if self.asker.echoes else []
        return Unreached(self.result.target, [*echo, *self.line.causes()])

    def _count(self) -> None:
        asker = self.asker
        self.result.notes += [words for words in asker.words if words not in self.result.notes]
        self.result.counts = {
            "datagrams": self.line.sent,
            "answered_before": self._before,
            "questions": asker.questions,
            "esp_questions": self._esp.questions if self._esp is not None else 0,
            "sent_again": asker.retries,
            "cookies": asker.cookies,
            "puzzles": asker.puzzles.posed,
            "puzzles_solved": asker.puzzles.solved,
            "half_open_left": asker.left,
            "strays": self.line.prober.strays,
            "seconds": round(self.line.now - self._began, 3),
        }

    # The steps

    def _run(self) -> None:
        known = self._first_contact()
        if self.result.first_answer:
            self._enumerate(known)
            self._port_4500()
        self._ikev1()
        if self.result.first_answer and self._authenticate is not None:
            self._behind_authentication(self._authenticate)
        if self.result.first_answer and self._behave:
            self._behaviour()
        if not self.result.first_answer and (self.result.ikev1 is None or not self.result.ikev1.answers):
            raise self._unreached()

    def _first_contact(self) -> Point | None:
        """A request like that of any initiator. Returns the combination that the host chose, if it accepted it."""
        self.told("first contact")
        offer = [box_of(text, COMMON_GROUPS) for text in COMMON]
        answer = self._accept("first contact", offer, announce=True)
        if answer.kind is Kind.REDIRECT:
            self.result.notes.append("redirects to another gateway (RFC 5685); asked without REDIRECT_SUPPORTED")
            answer = self._accept("first contact without redirects", offer)
        if answer.kind is Kind.SILENCE:
            return None
        self.result.first_answer = answer.text
        self.asker.control = lambda: self._accept("", [self._nothing()], keep=False)
        if answer.kind is Kind.ACCEPTED:
            return self._take_portrait(answer)
        if answer.kind is Kind.COOKIE:
            raise Stopped(f"the host asked for more than {self.asker.limits.cookies} cookies in a row")
        return None

    @staticmethod
    def _nothing() -> Box:
        """A proposal that nobody accepts: with a cipher of the private-use range that is in no list of names."""
        (encr, *rest) = box_of(COMMON[0], (KeMethod.CURVE25519,))
        return ((Transform(encr[0].type, NOBODYS),), *rest)

    def _take_portrait(self, answer: Answer) -> Point | None:
        where = Address(*_split(self.result.local))
        self.result.portrait = Portrait.of(answer, where, self.line.remote)
        chosen = sorted(answer.chosen, key=lambda transform: transform.type)
        point = tuple(transform for transform in chosen if transform.id or transform.type not in (INTEG, KE))
        return point if any(inside(point, shape.box) for shape in ike_shapes()) else None

    def _accept(self, key: str, offer: list[Box], *, announce: bool = False, keep: bool = True) -> Answer:
        """The answer to a real request, with the key exchange method that the host asks for."""
        asker, group = self.asker, None
        decoy, asker.decoy = asker.decoy, None
        try:
            for _ in range(asker.limits.groups + 1):
                request = asker.request(offer, group)
                if announce:
                    self._announce(request)
                request.may_open = True
                answer = asker.exchange(f"{key} {group or ''}", request, keep=keep)
                if answer.group is None or answer.group == group:
                    break
                group = answer.group
                if not any(Transform(KE, group) in values for box in offer for values in box):
                    break  # it asks for a method that was not offered
        finally:
            asker.decoy = decoy
        return answer

    def _announce(self, request: Request) -> None:
        kept = [payload for payload in request.payloads if payload.payload_type != PayloadType.N]
        request.payloads[:] = [*kept, *announcements(request.spi, self.line.local, self.line.remote)]

    def _enumerate(self, known: Point | None) -> None:
        """Find the proposals, without additional key exchanges and with some (RFC 9370)."""
        asker, found = self.asker, self.result.ike
        if known is not None:
            asker.find_decoy(known, DECOYS)
            self._control([(transform,) for transform in known])
        else:
            asker.decoy = DECOYS[0]  # nothing is known that is accepted: half of it cannot be checked
            if not asker.looks_further(DECOYS[0], box_of(COMMON[0], COMMON_GROUPS)):
                asker.decoy = None
        for rounds in range(ROUNDS + 1):
            for shape in ike_shapes(rounds):
                with_more = f" with {counted(rounds, 'additional key exchange')}" if rounds else ""
                self.told(f"which {shape.name} proposals{with_more} it accepts")
                self._search(shape.box, known)
        if known is None and not found.proposals:
            asker.decoy = None
            for shape in ike_shapes():
                self._search(shape.box, None)
        found.complete = True
        if self.result.portrait is None and found.proposals:
            answer = self._accept("first accepted", [found.proposals[0].box], announce=True)
            if answer.kind is Kind.ACCEPTED:
                self._take_portrait(answer)

    def _search(self, box: Box, known: Point | None) -> None:
        checks = self.asker.limits.checks
        # Where each acceptance leaves a half-open IKE SA, a combination costs the host more than it is worth to us.
        search = Search(self.asker.ask, checks=checks if self.asker.decoy is not None else min(checks, _FEW))
        before = list(self.result.ike.proposals)
        try:
            search.run(box, known if known is not None and inside(known, box) else None)
        finally:
            self.result.ike.proposals = [*before, *search.found]
            if self.result.ike.proposals:
                self._control(self._accepted_box())

    def _control(self, box: Sequence[tuple[Transform, ...]]) -> None:
        """From now on, ask whether the host still answers by what it accepts, if that leaves nothing there."""
        if self.asker.decoy is not None:
            self.asker.control = lambda: self.asker.exchange("", self.asker.request([tuple(box)]), keep=False)

    def _accepted_box(self) -> Box:
        """A proposal that is accepted; one that nobody accepts if none is."""
        proposals = self.result.ike.proposals
        return tuple(values[:1] for values in proposals[0].box) if proposals else self._nothing()

    def _port_4500(self) -> None:
        self.told("whether it answers on port 4500")
        request = self.asker.request([self._accepted_box()])
        answer = self.asker.exchange("port 4500", request, tries=2, natt=True)
        self.result.natt_port = answer.kind is not Kind.SILENCE

    def _behaviour(self) -> None:
        """How the host takes retransmissions and wrong requests. It comes last: a host may keep some of these."""
        self.told("how it takes retransmissions and wrong requests")
        box = self._accepted_box()
        if self.result.ike.proposals:
            self.result.retransmission = behaviour.answers_again(self.asker, box)
        for row in behaviour.ROWS:
            self.result.observations += behaviour.observe(self.asker, box, [row])

    def _behind_authentication(self, authenticate: Authenticate) -> None:
        """Which ESP proposals the host accepts, and when it repeats its own requests."""
        self.told("authenticating")
        try:
            session = authenticate(ike_proposals(self.result.ike))
        except FynxError as error:
            self.result.notes.append(f"ESP was not asked for: {error}")
            return
        try:
            session.connect()
            if not session.sa.established:
                raise AuthenticationError("the host set up no IKE SA with this key and these identities")
            self._esp = asker = EspAsker(session, self.asker.limits, self.told, decoy=self.asker.decoy)
            self.result.esp = asker.accepted
            asker.run()
            if self._listen:
                self.told(f"answering nothing for {self._listen:.0f} seconds, to see what the host repeats")
                self.result.back_off = back_off(session, self._listen)
        except FynxError as error:
            self.result.notes.append(f"ESP was not asked for: {error}")
        except Stopped as stop:
            self.result.notes.append(f"not everything was asked about ESP: {stop}")
        finally:
            self.result.notes += [f"left at the host: {words}" for words in session.leave().left]

    def _ikev1(self) -> None:
        self.told("whether it answers IKEv1")
        spi = self.line.new_spi()
        request = Request([], spi, change=lambda octets: ikev1.main_mode(spi), may_open=True)
        answer = self.asker.exchange("ikev1", request, tries=2)
        self.result.ikev1 = ikev1.read(answer)


def _box(proposal: Proposal) -> Box:
    kinds = sorted({transform.type for transform in proposal.transforms})
    return tuple(tuple(proposal.of_type(kind)) for kind in kinds)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port) if port.isdecimal() else 0
