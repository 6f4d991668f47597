# SPDX-License-Identifier: GPL-2.0-or-later
"""Generates pages of docs/ and the ledger of requirements from the code: ``scripts/docs``.

Each ladder is a run of its exchange in memory. The table of payloads comes from `rules`, the diagram from the table
that the engine checks each state change against, the errors from their classes and from `reasons`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Unpack

import fynx_scapy.bench.figures
import fynx_scapy.harness.cases  # noqa: F401 -- the errors of both are listed too
from fynx_scapy import PeerFields, Session
from fynx_scapy.errors import CertificateError, PeerError, SessionClosed
from fynx_scapy.failures import kinds
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.ike.basics.states import TRANSITIONS, State
from fynx_scapy.ike.core.registry import responders
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.followup_ke import StateNotFound
from fynx_scapy.ike.exchanges.ike_auth import ChildlessAuth, IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.wire.rules import Rule
from fynx_scapy.ladder import Ladder
from fynx_scapy.reasons import CERTIFICATES, ENDINGS, REFUSALS
from tools import faults_page, ledger
from tools.cases_page import cases
from tools.ledger import requirements
from tools.schema_page import report_json
from tools.settings_page import NOTE, settings
from tools.signatures_page import signatures

DOCS = Path(__file__).resolve().parent.parent / "docs"


def session(**peer: Unpack[PeerFields]) -> Session:
    """A session in which the seed determines every octet."""
    return Session(psk="secret", seed=1, peer=peer)


def up(**peer: Any) -> Session:
    """The same with an IKE SA and a Child SA."""
    s = session(**peer)
    s.sa_init()
    s.auth()
    return s


def steps(s: Session, *do: Callable[[], Any]) -> Session:
    """Run these steps in the session, until nothing is outstanding."""
    for each in do:
        each()
        s.network.run()
    return s


# Each exchange: what is shown, and the session that shows it with how many of its events came before


def _sa_init() -> Iterator[tuple[str, Session, int]]:
    yield "Two messages (section 1.2)", steps(s := session(), s.sa_init), 0
    yield (
        "A responder under load asks for a cookie (section 2.6)",
        steps(s := session(cookie_threshold=0), s.sa_init),
        0,
    )
    s = session(puzzle_levels=((0, 9),))
    yield "… and poses a puzzle (RFC 8019 section 7.1)", steps(s, s.sa_init), 0
    s = Session(
        psk="secret",
        seed=1,
        proposals="aes128gcm16-prfsha256-x25519-ecp256",
        peer={"proposals": "aes128gcm16-prfsha256-ecp256"},
    )
    yield "The responder wants another key exchange method (section 1.3)", steps(s, s.sa_init), 0


def _auth() -> Iterator[tuple[str, Session, int]]:
    s = session()
    s.sa_init()
    yield "Authentication, and the first Child SA (section 1.2)", s, len(s.events)
    s.auth()
    s = session(puzzle_levels=((0, 9),), puzzle_auth_difficulty=9)
    s.sa_init()
    yield "With the solution of a puzzle, before SK (RFC 8019 section 7.2)", s, len(s.events)
    s.auth()
    s = session(psk="another secret")
    s.sa_init()
    yield "The pre-shared keys differ (section 2.21.2)", s, len(s.events)
    s.sa.start(IkeAuth(s.sa))
    s.network.run()


def _childless() -> Iterator[tuple[str, Session, int]]:
    s = session(childless=True)
    s.sa_init()
    s.sa.config = s.sa.config.replace(children=())
    yield "Authentication alone (RFC 6023)", s, len(s.events)
    s.sa.start(IkeAuth(s.sa))
    s.network.run()


def _create_child() -> Iterator[tuple[str, Session, int]]:
    s = up()
    yield "A further Child SA (section 1.3.1)", s, len(s.events)
    steps(s, s.sa.create_child)


def _rekey_child() -> Iterator[tuple[str, Session, int]]:
    s = up()
    yield "A Child SA is replaced, and the old one deleted (sections 1.3.3 and 2.8)", s, len(s.events)
    steps(s, lambda: s.sa.rekey_child(s.child))
    s = up()
    yield "Both ends replace it at the same time; the lowest nonce decides (section 2.8.1)", s, len(s.events)
    theirs = s.peer_sa
    assert theirs is not None
    theirs.endpoint.now = s.network.now
    s.sa.rekey_child(s.child)
    theirs.rekey_child(next(iter(theirs.children.values())))
    s.network.run()


def _rekey_ike() -> Iterator[tuple[str, Session, int]]:
    s = up()
    yield "The IKE SA is replaced, and the old one deleted (sections 1.3.2 and 2.18)", s, len(s.events)
    steps(s, s.sa.rekey)


def _informational() -> Iterator[tuple[str, Session, int]]:
    s = up()
    yield "Does the peer live (section 2.4)", s, len(s.events)
    s.liveness()
    s = up()
    yield "A Child SA is deleted (section 1.4.1)", s, len(s.events)
    s.delete(s.child)
    s = up()
    yield "The IKE SA is deleted (section 1.4.1)", s, len(s.events)
    s.delete()
    s = up()
    yield "The answer is lost, and given again (section 2.1)", s, len(s.events)
    lost: list[Any] = []

    def lose(message: Any, datagrams: list[Any], attempt: int) -> list[Any]:
        lost.append(message)
        return datagrams if len(lost) > 1 else []

    s.peer.taps.add("datagrams", lose)
    s.liveness()


def _followup_ke() -> Iterator[tuple[str, Session, int]]:
    s = up()
    yield "It goes on with nothing that the responder knows", s, len(s.events)
    s.sa.start(Custom(s.sa, ExchangeType.IKE_FOLLOWUP_KE, notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, b"forgotten")))
    s.network.run()


RUNS: dict[type[Exchange], Callable[[], Iterator[tuple[str, Session, int]]]] = {
    IkeSaInit: _sa_init,
    IkeAuth: _auth,
    ChildlessAuth: _childless,
    CreateChild: _create_child,
    RekeyChild: _rekey_child,
    RekeyIke: _rekey_ike,
    Informational: _informational,
    StateNotFound: _followup_ke,
}


def _runs(cls: type[Exchange]) -> Iterator[tuple[str, Session, int]]:
    """The runs that show an exchange. An exchange without one is started directly."""
    if cls in RUNS:
        yield from RUNS[cls]()
        return
    s = up()
    yield (inspect.getdoc(cls) or cls.__name__).partition("\n")[0].rstrip("."), s, len(s.events)
    # An exchange that only responds gets a hand-made request.
    s.sa.start(cls(s.sa) if cls.initiate is not Exchange.initiate else Custom(s.sa, cls.exchange_type))
    s.network.run()


def _name(cls: type[Exchange]) -> str:
    found = (inspect.getdoc(inspect.getmodule(cls)) or "").partition("\n")[0].partition(": ")[2]
    if not found or cls.__base__ in RUNS:
        # The class docstring, if the file has more than one class.
        found = (inspect.getdoc(cls) or cls.__name__).partition("\n")[0]
    return f"{name_of(ExchangeType, cls.exchange_type)}: {found}".rstrip(".")


def _pictures(cls: type[Exchange]) -> list[str]:
    # Listed first, so that each run is complete before it is drawn.
    return [
        f"### {title}\n\n```text\n{_drawn(Ladder(s.events[before:], ('initiator', 'responder')))}\n```\n"
        for title, s, before in list(_runs(cls))
    ]


def _drawn(ladder: Ladder) -> str:
    """The ladder with its ESP SPIs numbered, so that it does not depend on earlier ladders."""
    names: dict[str, str] = {}
    return re.sub(
        r"(?<=Child SA )(in )?[0-9a-f]{8}(, out [0-9a-f]{8})?",
        lambda found: re.sub(r"[0-9a-f]{8}", lambda spi: names.setdefault(spi[0], f"{len(names) + 1:08x}"), found[0]),
        str(ladder),
    )


def _count(count: tuple[int, int]) -> str:
    least, most = count
    if least == most:
        return str(least)
    return f"{least} or more" if most == 255 else f"{least} to {most}"


def _rows(cls: type[Exchange]) -> Iterator[str]:
    types = [cls.exchange_type if row.exchange_type is None else row.exchange_type for row in cls.rules]
    for at, (kind, both) in enumerate(zip(types, cls.rules, strict=True)):
        title = f"{name_of(ExchangeType, kind)}, `{cls.__name__}`"
        title += f", round {types[:at].count(kind)}" * (types.count(kind) > 1)
        yield _row(f"{title}: request", both.request)
        yield _row(f"{title}: response", both.response)


def _row(title: str, rule: Rule) -> str:
    payloads = ", ".join(f"{PayloadType.notation(kind)} {_count(count)}" for kind, count in rule.payloads.items())
    where, alone = "inside" if rule.encrypted else "outside", "yes" if rule.notifies_alone else ""
    return f"| {title} | {where} | {payloads} | {alone} |"


def exchanges() -> str:
    """docs/exchanges.md."""
    others = [cls for cls in responders() if cls not in RUNS and cls.__module__.startswith("fynx_scapy.")]
    parts = [
        "# The exchanges\n",
        f"{NOTE}\n",
        "Every ladder below is a run in memory, every row of the table one that messages are held against.\nSections "
        "are RFC 7296's where no other is named.\n",
        "## Payloads\n",
        "| message | SK | payloads, at least and at most | a Notify alone will do |\n| --- | --- | --- | --- |\n"
        + "\n".join(row for cls in [*RUNS, *others] for row in _rows(cls))
        + "\n",
    ]
    for cls in [*RUNS, *others]:
        parts += [f"## {_name(cls)}\n", *_pictures(cls)]
    return "\n".join(parts)


def states() -> str:
    """docs/states.md."""
    parts = [
        "# The states of an IKE SA\n",
        f"{NOTE}\n",
        "What is in flight is an exchange, never a state, so that there are few.\nEach change is held against the "
        "table below; sections are RFC 7296's.\n",
        "```mermaid\nstateDiagram-v2\n    [*] --> CONNECTING",
        *(f"    {old.name} --> {new.name}" for old, new in TRANSITIONS),
        "    CLOSED --> [*]\n```\n",
        "| from | to | by |\n| --- | --- | --- |",
        *(f"| {old.name} | {new.name} | {why} |" for (old, new), why in TRANSITIONS.items()),
        "",
        "| state | what holds |\n| --- | --- |",
        *(f"| {state.name} | {meaning} |" for state, meaning in _meanings().items()),
        "",
    ]
    return "\n".join(parts)


def _meanings() -> dict[State, str]:
    """The line below each member in the source."""
    lines = inspect.getsource(State).splitlines()
    return {state: lines[at + 1].strip(' ".') for state in State for at in _line(lines, state)}


def _line(lines: list[str], state: State) -> list[int]:
    return [at for at, line in enumerate(lines) if line.strip().startswith(f"{state.name} =")]


def codes() -> Iterator[tuple[str, bool, str, str, str]]:
    """Every code of an error: the code, whether a retry may help, its class, what it means, what to do."""
    rows = {PeerError: REFUSALS.values(), SessionClosed: ENDINGS.values(), CertificateError: CERTIFICATES.values()}
    for kind in dict.fromkeys(kinds()):
        if not kind.__module__.startswith("fynx_scapy.") or "code" not in vars(kind):
            continue  # one of a user, or one that shares the code of its base class
        meaning = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
        yield kind.code, kind.retryable, kind.__name__, meaning, kind.advice
        for row in rows.get(kind, ()):
            yield row.code, row.retryable, kind.__name__, row.meaning, row.advice


def errors() -> str:
    """docs/errors.md."""
    parts = [
        "# Errors\n",
        f"{NOTE}\n",
        "Every error is a `FynxError` of `fynx_scapy.errors`, and its `code` is stable. What follows the dot says\n"
        "more: `peer.no-proposal-chosen` is a `peer`. `retryable` says whether the same step may succeed later\n"
        "although nobody changes anything. `context` has the SPIs, the exchange, the message ID, what was expected\n"
        "and what was found; `as_dict()` is all of it, ready for JSON. `error_of` of `fynx_scapy.failures` makes the\n"
        "error that an event stands for. Metrics and logs have the same codes.\n",
        "| code | class | retry | what it means | what to do |\n| --- | --- | --- | --- | --- |",
        *(
            f"| `{code}` | {kind} | {'yes' * retry} | {meaning} | {advice} |"
            for code, retry, kind, meaning, advice in sorted(codes())
        ),
        "",
    ]
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "exchanges.md": exchanges,
    "states.md": states,
    "errors.md": errors,
    "settings.md": settings,
    "report-json.md": report_json,
    "cases.md": cases,
    "requirements.md": requirements,
    "faults.md": faults_page.current,
    "signatures.md": signatures,
}

if __name__ == "__main__":
    (ledger.HARNESS / "marked.json").write_text(ledger.list_of_tests())
    ledger.COVERED.write_text(ledger.covered_txt())
    print(ledger.summary())
    for name, write in PAGES.items():
        (DOCS / name).write_text(write())
