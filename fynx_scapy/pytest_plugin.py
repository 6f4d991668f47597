# SPDX-License-Identifier: GPL-2.0-or-later
"""A plugin for pytest: sessions, networks, labs and scenarios in the tests of other projects.

def test_handshake(session):
    session.connect()
    assert session.ping()

It imports nothing but pytest until a test asks for one of its fixtures. ``pytest -p no:fynx`` leaves it out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fynx_scapy.pytest_arguments import arguments
from fynx_scapy.pytest_cases import MANIFESTS, CaseRun, Manifests, fynx_cases
from fynx_scapy.pytest_state import FAILED, SEEN, TARGET, UNREACHABLE, add_options, save, seen, target_of
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy import Endpoint, IkeConfig, IkeSa, Session
    from fynx_scapy.harness import Run, Target
    from fynx_scapy.harness.subject import Subject
    from fynx_scapy.lab import Lab
    from fynx_scapy.net import Network

__all__ = ["CaseRun", "EndpointPair", "fynx_cases"]

MARKER = (
    "fynx(**arguments): arguments of the fixtures: those of Session for session; initiator= and responder=, "
    "fields of IkeConfig, for endpoint_pair; fields of PeerConfig for lab"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the options. UsageError for a target or a manifest that cannot be one."""
    config.addinivalue_line("markers", MARKER)
    config.stash[MANIFESTS] = Manifests.of_options(config)
    target = target_of(config)
    if target is not None:
        config.stash[TARGET] = target


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say with which peer the tests run."""
    target = config.stash.get(TARGET, None)
    return [] if target is None else [f"fynx: target {printable(target.address)}"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """End a run that is distributed (pytest-xdist) before it begins when the target does not answer: workers cannot."""
    target = session.config.stash.get(TARGET, None)
    if target is not None and session.config.pluginmanager.hasplugin("dsession"):
        from fynx_scapy.harness import Contact

        _reach(target, Contact(target, None).make)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Check the names in manifests. Workers leave that to the process that distributes."""
    if not hasattr(session.config, "workerinput") and not session.config.pluginmanager.hasplugin("dsession"):
        session.config.stash[MANIFESTS].check(item.nodeid for item in session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """The same, of what a worker has collected."""
    node.config.stash[MANIFESTS].check(ids)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the rows of manifests that fitted no test."""
    reports = [report for each in terminalreporter.stats.values() for report in each]
    left = config.stash[MANIFESTS].left(reports)
    if left:
        terminalreporter.section("fynx manifests")
        for words in left:
            terminalreporter.line(printable(words))


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


def _reach(target: Target, make: Callable[[], object]) -> None:
    """Call what reaches the target. Ends pytest when it does not answer."""
    from fynx_scapy.errors import TransportError
    from fynx_scapy.harness import Unreached

    try:
        make()
    except (Unreached, TransportError) as error:
        pytest.exit(f"no answer to IKE_SA_INIT from {printable(target.address)}: {error}", returncode=UNREACHABLE)


@pytest.fixture(scope="session")
def fynx_subject(pytestconfig: pytest.Config) -> Iterator[Subject | None]:
    """What is known of the target, None without one.

    It has a sane conversation before the first test that asks for it, and at the end.
    """
    target = pytestconfig.stash.get(TARGET, None)
    if target is None:
        yield None
        return
    from fynx_scapy.harness.subject import Subject

    subject = Subject(target, patience=pytestconfig.getoption("--fynx-patience"))
    _reach(target, subject.meet)
    pytestconfig.stash[MANIFESTS].recognise(subject)
    yield subject
    if not subject.dead:
        subject.examine("the last test")
        if subject.dead:
            pytest.fail(subject.dead, pytrace=False)


@pytest.fixture
def fynx_run(request: pytest.FixtureRequest, fynx_subject: Subject | None) -> Iterator[Run]:
    """The argument of a scenario: it makes sessions, with the target or an embedded peer, and ends them afterwards.

    The target must still answer after the test.
    """
    from fynx_scapy.harness import Run

    if fynx_subject is not None and fynx_subject.dead:
        pytest.skip(fynx_subject.dead)
    config = request.config
    made = Run(
        request.node.nodeid,
        config.getoption("--fynx-seed"),
        seen(request.node).watch,
        config.stash.get(TARGET, None),
        contact=fynx_subject.contact if fynx_subject is not None else None,
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
    from fynx_scapy.errors import ConfigError, OutOfReach

    given = arguments(request, "session")
    if "network" in request.fixturenames:
        given["network"] = request.getfixturevalue("network")
    try:
        return fynx_run.session(**given)
    except OutOfReach as error:
        pytest.skip(f"not with a live peer: {error}")
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


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
    from fynx_scapy.errors import ConfigError

    given = arguments(request, "endpoint_pair")
    seed = request.config.getoption("--fynx-seed")
    shared: dict[str, Any] = {"auth": "fynx"}
    ours = shared | {"local_id": "alice", "remote_id": "bob", "remote": Address("192.0.2.2", 500)}
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",))
    theirs = shared | {"local_id": "bob", "remote_id": "alice", "children": (child,)}
    try:
        answering = IkeConfig(**(theirs | given.get("responder", {})))
        asking = IkeConfig(**(ours | given.get("initiator", {})))
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    alice = Endpoint("192.0.2.1", randomness=SeededRandomness(f"{seed} alice"))
    bob = Endpoint("192.0.2.2", [answering], randomness=SeededRandomness(f"{seed} bob"))
    network.add(alice, "initiator")
    network.add(bob, "responder", echo=True)
    return EndpointPair(network, alice, bob, asking)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with strongSwan at the other site. The marker ``fynx`` has fields of its `PeerConfig`.

    The test is skipped where no lab can be made: it needs root and the peer's packages. With CI set, that is an error.
    """
    from fynx_scapy.errors import ConfigError, LabError
    from fynx_scapy.lab import Lab, PeerConfig

    try:
        made = Lab(PeerConfig(**arguments(request, "lab")))
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    except LabError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no lab here: {error}")
    with made:
        yield made


@pytest.fixture
def fynx_case(request: pytest.FixtureRequest, fynx_subject: Subject | None) -> Iterator[CaseRun]:
    """A scenario or case in a role. Its requirements are properties of the test in JUnit XML."""
    if not hasattr(request, "param"):
        pytest.fail("expected @fynx_cases(...) on a test that takes fynx_case, found none", pytrace=False)
    scenario, role, asked = request.param
    ids = " ".join(needed.id for needed in scenario.requirements)
    request.node.user_properties += [("role", role.value), ("source", scenario.source), ("requirements", ids)]
    yield CaseRun(scenario, role, request.node, fynx_subject, asked)
    save(request.node)
