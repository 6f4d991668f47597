# SPDX-License-Identifier: GPL-2.0-or-later
"""The policies of the audit where no lab capture goes: what is broken, at the edges of their tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fynx_scapy.capture.audit import PROFILES, Audit, Severity, Status, judge
from fynx_scapy.capture.audit.facts import ConversationFacts
from fynx_scapy.capture.transcript.facts import SeenProposal, SeenTransform
from fynx_scapy.commands.options import PROFILES as NAMES
from fynx_scapy.iana import Encr, KeMethod, Prf, TransformType
from tests.capture.test_audit import audited

LAB = "psk-gcm256-ecp384"
HOUR = 3600.0


def changed(profile: str, **fields: Any) -> Audit:
    """The judgement on a lab capture whose conversation has other facts."""
    facts = audited(LAB).facts
    return judge(replace(facts, conversations=(replace(facts.conversations[0], **fields),)), PROFILES[profile])


def conversation() -> ConversationFacts:
    return audited(LAB).facts.conversations[0]


def other(proposal: SeenProposal | None, *transforms: SeenTransform) -> SeenProposal:
    """A proposal with these transforms instead of its own of the same types."""
    assert proposal is not None
    kinds = {each.kind for each in transforms}
    kept = (each for each in proposal.transforms if each.kind not in kinds)
    return replace(proposal, transforms=(*kept, *transforms))


def statuses(found: Audit, rule: str) -> set[Status]:
    return {each.status for each in found.find(rule)}


def test_commands_know_every_profile() -> None:
    assert set(NAMES) == set(PROFILES)


@pytest.mark.parametrize(
    ("profile", "ike", "child"), [("bsi", 24, 4), ("niap", 24, 8)]
)  # BSI TR-02102-3 section 3.4; FCS_IPSEC_EXT.1.7
def test_lifetimes(profile: str, ike: int, child: int) -> None:
    def lived(hours: float, rule: str) -> set[Status]:
        sas = tuple(
            replace(sa, ended=replace(sa.ended, time=(sa.made or 0) + hours * HOUR)) if sa.ended else sa
            for sa in conversation().ike_sas
        )
        children = tuple(
            replace(sa, ended=replace(sa.ended, time=(sa.made or 0) + hours * HOUR)) if sa.ended else sa
            for sa in conversation().children
        )
        return statuses(changed(profile, ike_sas=sas, children=children), rule)

    assert lived(ike - 0.01, "ike.lifetime") == {Status.OK}
    assert lived(ike + 0.01, "ike.lifetime") == {Status.WEAK}
    assert lived(child - 0.01, "child.lifetime") == {Status.OK}
    assert lived(child + 0.01, "child.lifetime") == {Status.WEAK}
    endless = tuple(replace(sa, ended=None) for sa in conversation().children)
    last = max(sa.made or 0 for sa in endless)
    assert statuses(changed(profile, children=endless), "child.lifetime") == {Status.UNKNOWN}
    assert Status.WEAK in statuses(changed(profile, children=endless, last=last + 25 * HOUR), "child.lifetime")


def test_a_child_sa_is_no_stronger_than_its_ike_sa() -> None:
    weaker = SeenTransform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128)
    sas = tuple(replace(sa, chosen=other(sa.chosen, weaker)) for sa in conversation().ike_sas)
    found = changed("niap", ike_sas=sas).find("child.strength")
    assert {(each.status, each.severity) for each in found} == {(Status.WEAK, Severity.MEDIUM)}
    assert statuses(changed("niap"), "child.strength") == {Status.OK}


def test_a_child_sa_has_the_group_of_its_ike_sa() -> None:
    group = SeenTransform(TransformType.KE, KeMethod.MODP_3072)
    children = tuple(
        replace(each, chosen=other(each.chosen, group)) for each in conversation().children if each.chosen is not None
    )
    assert statuses(changed("cnsa1", children=children), "child.group") == {Status.FORBIDDEN}
    assert statuses(changed("cnsa1"), "child.group") == {Status.OK}
    assert not changed("bsi", children=children).find("child.group")


def test_the_output_of_a_prf_is_as_long_as_the_key() -> None:
    short = SeenTransform(TransformType.PRF, Prf.PRF_AES128_CMAC)
    sas = tuple(replace(sa, chosen=other(sa.chosen, short)) for sa in conversation().ike_sas)
    assert statuses(changed("bsi", ike_sas=sas), "ike.output") == {Status.WEAK}
    assert not changed("bsi").find("ike.output")


def test_ikev1_is_one_finding_with_its_hosts() -> None:
    facts = audited(LAB).facts
    old = replace(facts.conversations[0], version=1)
    several = tuple(replace(old, number=at + 1, initiator=f"192.0.2.{at}") for at in range(20))
    (found,) = judge(replace(facts, conversations=several), PROFILES["bsi"]).find("ikev1")
    assert (found.title, found.count, str(found.source)) == (
        "IKEv1 seen in 20 conversations", 20, "RFC 9395, section 3",
    )  # fmt: skip
    assert found.subject.startswith("192.0.2.0 with 10.9.0.2, ")
    assert found.subject.endswith("and 12 more pairs")
    assert "makes no statement about IKEv1" in found.explanation


@pytest.mark.parametrize(
    ("profile", "key", "status"),
    [
        ("bsi", "RSA-2999", Status.WEAK),
        ("bsi", "RSA-3000", Status.OK),
        ("bsi", "ECDSA-brainpoolP384r1", Status.OK),
        ("niap", "RSA-3071", Status.WEAK),
        ("niap", "ECDSA-secp521r1", Status.OK),
        ("nist", "RSA-2048", Status.WEAK),
        ("nist", "Ed448", Status.UNKNOWN),
        ("cnsa1", "ECDSA-secp521r1", Status.FORBIDDEN),
        ("cnsa1", "RSA-4096", Status.OK),
        ("cnsa2", "RSA-4096", Status.UNKNOWN),
        ("rfc", "RSA-1024", Status.WEAK),
        ("rfc", "RSA-2560", Status.OK),
    ],
)
def test_keys(profile: str, key: str, status: Status) -> None:
    verdict = PROFILES[profile].key(key)
    assert verdict is not None
    assert verdict.grade.status is status


@pytest.mark.parametrize(
    ("profile", "name", "key", "status"),
    [
        ("bsi", "RSASSA-PSS with SHA384", "RSA-4096", Status.OK),
        ("bsi", "ecdsa-with-SHA384", "ECDSA-brainpoolP384r1", Status.OK),
        ("bsi", "ecdsa-with-SHA384", "ECDSA-brainpoolP256r1", Status.WEAK),
        ("bsi", "ecdsa-with-SHA384", "", Status.UNKNOWN),
        ("bsi", "1.2.3.4", "RSA-4096", Status.UNKNOWN),
        ("niap", "sha1WithRSAEncryption", "RSA-3072", Status.FORBIDDEN),
        ("nist", "ecdsa-with-SHA1", "ECDSA-secp256r1", Status.WEAK),
        ("cnsa1", "ecdsa-with-SHA384", "ECDSA-secp384r1", Status.OK),
        ("cnsa1", "ecdsa-with-SHA384", "ECDSA-secp521r1", Status.FORBIDDEN),
        ("cnsa1", "sha384WithRSAEncryption", "RSA-3072", Status.OK),
        ("rfc", "RSASSA-PSS with SHA1", "RSA-2048", Status.FORBIDDEN),
    ],
)
def test_signatures(profile: str, name: str, key: str, status: Status) -> None:
    assert PROFILES[profile].signature(name, key).grade.status is status


def test_every_row_names_its_document_with_a_date_or_version() -> None:
    for name in ("bsi", "niap", "nist", "cnsa1"):
        profile = PROFILES[name]
        sources = {str(table.source) for table in (*profile.tables.values(), profile.methods)}
        sources |= {str(row.source) for row in profile.signatures}
        assert all("20" in each.partition(",")[0] or "2025-01" in each for each in sources), sources
        if name == "nist":
            assert all("secondary" in each for each in sources)
