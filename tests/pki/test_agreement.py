# SPDX-License-Identifier: GPL-2.0-or-later
"""Our walk and cryptography's verifier give the same verdict on every chain that the verifier knows.

The verifier gets all certificates here, and not only the path that the walk found.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.x509 import verification
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki import verifier
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.trust import Trust
from tests.examples import examples
from tests.pki.made import DAY, NOW, Made, general, key, make, san, usage

STRICTER = ("without keyCertSign", "in the keyUsage of")
"""What the walk refuses and the verifier, with our policy, leaves to it."""
TREES = [(), ("example",), ("gw.example",), ("other",), ("10.0.0.0/8",), ("b.example",), ("example", "10.1.0.0/16")]
NAMES = [
    (),
    ("gw.example",),
    ("gw.other",),
    ("10.1.1.1",),
    ("192.0.2.1", "gw.example"),
    ("2001:db8::1",),
    ("a@b.example",),
]


@dataclass(frozen=True)
class Plan:
    """One certificate of a chain."""

    kind: str = "p256"
    path_length: int | None = None
    fault: str = ""
    names: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chain:
    """A chain from the anchor to the leaf, and the order in which the intermediates are sent."""

    plans: list[Plan]
    reverse: bool = False

    def make(self) -> list[Made]:
        made: list[Made] = []
        for number, plan in enumerate(self.plans):
            leaf = number == len(self.plans) - 1
            extensions: list[tuple[x509.ExtensionType, bool]] = []
            if plan.names and leaf:
                extensions.append((san(*plan.names), False))
            if (plan.permitted or plan.excluded) and not leaf:
                trees = [[general(each) for each in side] or None for side in (plan.permitted, plan.excluded)]
                extensions.append((x509.NameConstraints(*trees), True))
            if plan.fault == "critical":
                unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
                extensions.append((unknown, True))
            made.append(
                make(
                    f"certificate {number}",
                    made[-1] if made else None,
                    key_kind=plan.kind,
                    number=0 if plan.kind == "rsa2048" else number,  # such a key takes long to make
                    ca=not leaf and plan.fault != "no authority",
                    path_length=None if leaf else plan.path_length,
                    constraints=plan.fault != "no basicConstraints",
                    key_usage=usage("crl_sign") if plan.fault == "usage" else None,
                    extensions=extensions,
                    since=NOW + DAY if plan.fault == "early" else NOW - DAY,
                    until=NOW - DAY / 2 if plan.fault == "late" else NOW + 2 * DAY,
                    signed_by=key("p256", 99) if plan.fault == "signature" else None,
                )
            )
        return made


FAULTS = ["", "", "", "", "", "early", "late", "critical", "signature", "no authority", "no basicConstraints", "usage"]
PLANS = st.builds(
    Plan,
    kind=st.sampled_from(["p256", "p384", "p521", "rsa2048", "mldsa44"]),
    path_length=st.sampled_from([None, None, None, 0, 1, 2]),
    fault=st.sampled_from(FAULTS),
    names=st.sampled_from(NAMES),
    permitted=st.sampled_from([*TREES[:1] * 6, *TREES]),
    excluded=st.sampled_from([*TREES[:1] * 12, *TREES]),
)


def walked(made: list[Made], sent: list[Made], monkeypatch: pytest.MonkeyPatch) -> str:
    """The walk's verdict alone: empty if it accepts, else its text."""
    with monkeypatch.context() as patched:
        patched.setattr(verifier, "knows", lambda path: False)
        try:
            judge(made[-1].certificate, [each.certificate for each in sent], Trust(made[0].certificate, at=NOW))
        except CertificateError as error:
            return f"{error.fault}: {error}"
    return ""


def verified(made: list[Made], sent: list[Made]) -> str:
    """The verifier's verdict on all certificates."""
    everything = verification.ExtensionPolicy.permit_all()
    authority = everything.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    builder = verification.PolicyBuilder().store(verification.Store([made[0].certificate])).time(NOW)
    judging = builder.extension_policies(ca_policy=authority, ee_policy=everything).build_client_verifier()
    try:
        judging.verify(made[-1].certificate, [each.certificate for each in sent])
    except verification.VerificationError as error:
        return str(error)
    return ""


@pytest.mark.requirements("5280-6-01")
@settings(max_examples=examples(60))
@given(st.builds(Chain, st.lists(PLANS, min_size=2, max_size=5), st.booleans()))
def test_both_give_the_same_verdict(chain: Chain) -> None:
    made = chain.make()
    sent = made[1:-1][:: -1 if chain.reverse else 1]
    ours, theirs = walked(made, sent, pytest.MonkeyPatch()), verified(made, sent)
    if not any(text in ours for text in STRICTER):
        assert bool(ours) == bool(theirs), (ours, theirs)


# What each fault is called: the table has every one, so that the property above has something to compare.
@pytest.mark.parametrize(
    ("plans", "code"),
    [
        ([Plan(), Plan(), Plan(names=("gw.example",))], ""),
        ([Plan(kind="rsa2048"), Plan(kind="mldsa44"), Plan(kind="p521")], ""),
        ([Plan(), Plan(fault="late"), Plan()], "expired"),
        ([Plan(fault="late"), Plan()], "expired"),
        ([Plan(), Plan(fault="early")], "not-yet-valid"),
        ([Plan(), Plan(fault="critical"), Plan()], "critical-extension"),
        ([Plan(), Plan(fault="signature"), Plan()], "signature"),
        ([Plan(), Plan(fault="no authority"), Plan()], "not-a-ca"),
        ([Plan(), Plan(fault="no basicConstraints"), Plan()], "not-a-ca"),
        ([Plan(path_length=0), Plan(), Plan()], "path-length"),
        ([Plan(path_length=1), Plan(), Plan()], ""),
        ([Plan(), Plan(permitted=("example",)), Plan(names=("gw.example",))], ""),
        ([Plan(), Plan(permitted=("example",)), Plan(names=("gw.other",))], "name-constraints"),
        ([Plan(permitted=("10.0.0.0/8",)), Plan(names=("10.1.1.1",))], ""),
        ([Plan(permitted=("10.0.0.0/8",)), Plan(names=("2001:db8::1",))], "name-constraints"),
        ([Plan(excluded=("gw.example",)), Plan(), Plan(names=("gw.example",))], "name-constraints"),
        ([Plan(permitted=("b.example",)), Plan(names=("a@b.example",))], ""),
    ],
)
def test_each_fault_by_its_code(plans: list[Plan], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Chain(plans).make()
    ours = walked(made, made[1:-1], monkeypatch)
    assert (ours.partition(":")[0], bool(verified(made, made[1:-1]))) == (code, bool(code))
