# SPDX-License-Identifier: GPL-2.0-or-later
"""A plugin for pytest: sessions, networks, labs and scenarios in the tests of other projects.

def test_handshake(session):
    session.connect()
    assert session.ping()

It imports nothing but pytest until a test asks for one of its fixtures. ``pytest -p no:fynx`` leaves it out.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fynx_scapy.pytest_state import FAILED, SEEN, TARGET, UNREACHABLE, add_options, save, seen, target_of
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy import Endpoint, IkeConfig, IkeSa, Session
    from fynx_scapy.harness import Contact, Result, Role, Run, Scenario, Target
    from fynx_scapy.lab import Lab
    from fynx_scapy.net import Network

MARKER = (
    "fynx(**arguments): arguments of the fixtures: those of Session for session; initiator= and responder=, "
    "fields of IkeConfig, for endpoint_pair; fields of PeerConfig for lab"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the options. UsageError for a target that cannot be one."""
    config.addinivalue_line("markers", MARKER)
    target = target_of(config)
    if target is not None:
        config.stash[TARGET] = target


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say with which peer the tests run."""
    target = config.stash.get(TARGET, None)
    return [] if target is None else [f"fynx: target {printable(target.address)}"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ladders of a test that failed, and remember that it did."""
    report = yield
    if report.failed and SEEN in item.stash:
        item.stash[FAILED] = True
        if report.when == "call":
            report.sections += [(f"ladder: {name}", text) for name, text in item.stash[SEEN].ladders()]
    return report


# -- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The live peer of ``--fynx-target``. A test that asks for it is skipped without one."""
    found = pytestconfig.stash.get(TARGET, None)
    if found is None:
        pytest.skip("it needs a live peer: --fynx-target HOST")
    return found


@pytest.fixture(scope="session")
def fynx_contact(pytestconfig: pytest.Config) -> Contact | None:
    """What is known of the target, which must answer before the first test; None without one."""
    target = pytestconfig.stash.get(TARGET, None)
    if target is None:
        return None
    from fynx_scapy.errors import TransportError
    from fynx_scapy.harness import Contact, Unreached

    contact = Contact(target, None)
    try:
        contact.make()
    except (Unreached, TransportError) as error:
        pytest.exit(f"no answer to IKE_SA_INIT from {printable(target.address)}: {error}", returncode=UNREACHABLE)
    return contact


@pytest.fixture
def fynx_run(request: pytest.FixtureRequest, fynx_contact: Contact | None) -> Iterator[Run]:
    """The argument of a scenario: it makes sessions, with the target or an embedded peer, and ends them afterwards.

    The target must still answer after the test.
    """
    from fynx_scapy.harness import Run

    config = request.config
    made = Run(
        request.node.nodeid,
        config.getoption("--fynx-seed"),
        seen(request.node).watch,
        config.stash.get(TARGET, None),
        contact=fynx_contact,
    )
    try:
        yield made
    finally:
        made.close()
        save(request.node)
    made.confirm()


@pytest.fixture
def session(request: pytest.FixtureRequest, fynx_run: Run) -> Session:
    """A `Session` that has sent nothing yet, with the target or an embedded peer.

    The marker ``fynx`` has its arguments. A test with arguments that a live peer cannot be asked for is skipped there.
    """
    from fynx_scapy.errors import OutOfReach

    given = _marked(request)
    if "network" in request.fixturenames:
        given["network"] = request.getfixturevalue("network")
    try:
        return fynx_run.session(**given)
    except OutOfReach as error:
        pytest.skip(f"not with a live peer: {error}")


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """A network in memory, with virtual time."""
    from fynx_scapy.net import Network

    made = Network(seed=f"{request.config.getoption('--fynx-seed')} {request.node.nodeid}")
    remove = seen(request.node).watch(made, request.node.nodeid)
    yield made
    remove()
    save(request.node)


@dataclass(frozen=True, slots=True)
class EndpointPair:
    """Two endpoints on a network in memory: Alice, the initiator, and Bob, the responder."""

    network: Network
    initiator: Endpoint
    responder: Endpoint
    config: IkeConfig
    """The initiator's configuration."""

    def connect(self, config: IkeConfig | None = None) -> IkeSa:
        """Set up an IKE SA with its Child SA, and let time pass until all is quiet. Returns the initiator's."""
        sa = self.initiator.connect(config or self.config, self.network.now)
        self.network.run()
        return sa


@pytest.fixture
def endpoint_pair(request: pytest.FixtureRequest, network: Network) -> EndpointPair:
    """Two endpoints that share a key, not connected yet. ``fynx(initiator={...}, responder={...})`` changes them."""
    from fynx_scapy import Address, ChildConfig, Endpoint, IkeConfig, SeededRandomness

    given = _marked(request, pair=True)
    seed = request.config.getoption("--fynx-seed")
    shared: dict[str, Any] = {"auth": "fynx"}
    ours = shared | {"local_id": "alice", "remote_id": "bob", "remote": Address("192.0.2.2", 500)}
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",))
    theirs = shared | {"local_id": "bob", "remote_id": "alice", "children": (child,)}
    answering = IkeConfig(**(theirs | given.get("responder", {})))
    alice = Endpoint("192.0.2.1", randomness=SeededRandomness(f"{seed} alice"))
    bob = Endpoint("192.0.2.2", [answering], randomness=SeededRandomness(f"{seed} bob"))
    network.add(alice, "initiator")
    network.add(bob, "responder", echo=True)
    return EndpointPair(network, alice, bob, IkeConfig(**(ours | given.get("initiator", {}))))


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with strongSwan at the other site. The marker ``fynx`` has fields of its `PeerConfig`.

    The test is skipped where no lab can be made: it needs root and the peer's packages. With CI set, that is an error.
    """
    from fynx_scapy.errors import LabError
    from fynx_scapy.lab import Lab, PeerConfig

    try:
        made = Lab(PeerConfig(**_marked(request)))
    except LabError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no lab here: {error}")
    with made:
        yield made


def _marked(request: pytest.FixtureRequest, *, pair: bool = False) -> dict[str, Any]:
    """The arguments of the marker ``fynx``, the nearest first. ``pair``: those of endpoint_pair, else the others."""
    found: dict[str, Any] = {}
    for mark in request.node.iter_markers("fynx"):
        if mark.args:
            pytest.fail(f"expected arguments by name for @pytest.mark.fynx, found {mark.args[0]!r}", pytrace=False)
        found = mark.kwargs | found
    return {name: value for name, value in found.items() if (name in ("initiator", "responder")) is pair}


# -- scenarios and cases ----------------------------------------------------------------------------------------------


def fynx_cases(*chosen: str | Scenario | Iterable[Scenario], roles: Iterable[Role | str] = ()) -> pytest.MarkDecorator:
    """Parametrise a test by scenarios and cases, in each of their roles; it takes the fixture ``fynx_case``.

    @fynx_cases("negative/header/*", "suite:cve")
    def test_peer(fynx_case):
        fynx_case.check()

    ``chosen`` are words as of ``fynx run``, scenarios, or lists of them; ``roles`` are the only roles to run.
    CollectError when a word names nothing.
    """
    from fynx_scapy import scenarios
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness import Role, Scenario

    found: dict[str, Scenario] = {}
    try:
        wanted = {Role(role) for role in roles} or set(Role)
        for each in chosen:
            some: Iterable[Scenario] = scenarios.chosen([each]) if isinstance(each, str) else ()
            some = [each] if isinstance(each, Scenario) else some or each  # type: ignore[assignment]
            found |= {scenario.name: scenario for scenario in some}
    except (ConfigError, ValueError) as error:
        raise pytest.Collector.CollectError(f"fynx_cases: {error}") from None
    runs = [(scenario, role) for scenario in found.values() for role in scenario.roles if role in wanted]
    if not runs:
        raise pytest.Collector.CollectError("fynx_cases: expected at least one scenario with these roles, found none")
    return pytest.mark.parametrize(
        "fynx_case", runs, indirect=True, ids=[f"{each.name}-{role.value}" for each, role in runs]
    )


@dataclass(slots=True)
class CaseRun:
    """A scenario or case in a role, for the test that `fynx_cases` parametrises."""

    scenario: Scenario
    role: Role
    _item: pytest.Item
    _contact: Contact | None

    def run(self) -> Result:
        """Run it, with the target or an embedded peer, and return its result, whatever the verdict."""
        from fynx_scapy import harness

        config = self._item.config
        return harness.run(
            self.scenario,
            seed=config.getoption("--fynx-seed"),
            watch=seen(self._item).watch,
            target=config.stash.get(TARGET, None),
            contact=self._contact,
            role=self.role,
        )

    def check(self) -> Result:
        """Run it, and give the test its verdict: FAIL, XPASS and ERROR fail, SKIP skips, XFAIL is expected."""
        result = self.run()
        told = f"{result.verdict.value}: {result.reason}" + (f"\n> {result.step}" if result.step else "")
        match result.verdict.value:
            case "PASS":
                return result
            case "SKIP" | "NOT RUN":
                pytest.skip(result.reason)
            case "XFAIL":
                pytest.xfail(result.reason)
        sentences = [f"{each}:\n  {each.sentence}" for each in self.scenario.requirements]
        pytest.fail("\n".join([told, f"{self.scenario.title} ({self.scenario.source})", *sentences]), pytrace=False)


@pytest.fixture
def fynx_case(request: pytest.FixtureRequest, fynx_contact: Contact | None) -> Iterator[CaseRun]:
    """A scenario or case in a role. Its requirements are properties of the test in JUnit XML."""
    if not hasattr(request, "param"):
        pytest.fail("expected @fynx_cases(...) on a test that takes fynx_case, found none", pytrace=False)
    scenario, role = request.param
    ids = " ".join(needed.id for needed in scenario.requirements)
    request.node.user_properties += [("role", role.value), ("source", scenario.source), ("requirements", ids)]
    yield CaseRun(scenario, role, request.node, fynx_contact)
    save(request.node)
