# SPDX-License-Identifier: GPL-2.0-or-later
"""The registries against IANA's own file."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from fynx_scapy import iana
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import (
    Encr,
    ExchangeType,
    IanaRegistry,
    KeMethod,
    NotifyType,
    PayloadType,
    TransformType,
    lookup,
    name_of,
)
from tests.shared import shared

NAMESPACE = "{http://www.iana.org/assignments}"
SOURCES = {  # the class, and the registries of IANA's file that it holds
    "ExchangeType": ("ikev2-parameters-1",),
    "PayloadType": ("ikev2-parameters-2",),
    "TransformType": ("ikev2-parameters-3",),
    "TransformAttributeType": ("ikev2-parameters-4",),
    "Encr": ("ikev2-parameters-5",),
    "Prf": ("ikev2-parameters-6",),
    "Integ": ("ikev2-parameters-7",),
    "KeMethod": ("ikev2-parameters-8",),
    "SequenceNumbers": ("ikev2-parameters-9",),
    "KeyWrap": ("key-wrap-algorithm-transform-ids",),
    "GroupControllerAuth": ("group-controller-authentication-method-transform-ids",),
    "IdType": ("ikev2-parameters-10",),
    "CertEncoding": ("ikev2-parameters-11",),
    "AuthMethod": ("ikev2-parameters-12",),
    "NotifyType": ("ikev2-parameters-14", "ikev2-parameters-16"),
    "IpcompTransform": ("ikev2-parameters-17",),
    "ProtocolId": ("ikev2-parameters-18",),
    "TsType": ("ikev2-parameters-19",),
    "CpType": ("ikev2-parameters-20",),
    "CpAttribute": ("ikev2-parameters-21",),
    "GatewayIdType": ("ikev2-parameters-22",),
    "RohcAttribute": ("ikev2-parameters-23",),
    "SecurePasswordMethod": ("secure-password-methods",),
    "HashAlgorithm": ("hash-algorithms",),
    "PpkIdType": ("ikev2-post-quantum-preshared-key-id-types",),
    "GsaAttribute": ("gsa-attributes",),
    "GwPolicyAttribute": ("group-wide-policy-attributes",),
    "GroupKeyBagAttribute": ("group-key-bag-attributes",),
    "MemberKeyBagAttribute": ("member-key-bag-attributes",),
}
REGISTRIES = [value for _, value in inspect.getmembers(iana, inspect.isclass) if issubclass(value, IanaRegistry)]


def registered(*identifiers: str) -> dict[int, tuple[str, bool]]:
    """Number -> (name, deprecated) as IANA's file has it."""
    root = ElementTree.parse(shared("rfc/iana-ikev2-parameters.xml")).getroot()
    rows = {}
    for registry in root.iter(NAMESPACE + "registry"):
        if registry.get("id") not in identifiers:
            continue
        for record in registry.findall(NAMESPACE + "record"):
            value = record.findtext(NAMESPACE + "value", "")
            description = record.find(NAMESPACE + "description")
            status = record.find(NAMESPACE + "status")
            assert description is not None
            # SAg shares the row of SA, behind a line break
            name = " ".join((description.text or "").split())
            if not value.isdecimal() or re.match("reserved|unassigned|private", name, re.IGNORECASE):
                continue
            deprecated = "DEPRECATED" in name or (status is not None and "DEPRECATED" in "".join(status.itertext()))
            rows[int(value)] = (name.removesuffix(" (DEPRECATED)"), deprecated)
    return rows


@pytest.mark.parametrize("name", SOURCES)
def test_every_registration_is_there_under_its_name(name: str) -> None:
    ours = {member.value: (member.title, member.deprecated) for member in getattr(iana, name)}
    assert ours == registered(*SOURCES[name])


def test_every_registry_of_the_file_is_compared() -> None:
    root = ElementTree.parse(shared("rfc/iana-ikev2-parameters.xml")).getroot()
    identifiers = {r.get("id") for r in root.iter(NAMESPACE + "registry") if r.find(NAMESPACE + "record") is not None}
    assert {one for several in SOURCES.values() for one in several} == identifiers
    assert set(SOURCES) == {registry.__name__ for registry in REGISTRIES if registry is not IanaRegistry}


def test_members_of_transform_types_are_called_as_iana_calls_them() -> None:
    for registry in (ExchangeType, iana.Encr, iana.Prf, iana.Integ, NotifyType, iana.CpAttribute, iana.IdType):
        assert [member.name for member in registry] == [member.title for member in registry]


def test_payload_types_are_called_by_their_notation() -> None:
    root = ElementTree.parse(shared("rfc/iana-ikev2-parameters.xml")).getroot()
    (registry,) = (r for r in root.iter(NAMESPACE + "registry") if r.get("id") == "ikev2-parameters-2")
    notations = {}
    for record in registry.findall(NAMESPACE + "record"):
        notation = record.find(NAMESPACE + "notation")
        if notation is not None and (notation.text or "").strip():
            notations[int(record.findtext(NAMESPACE + "value", ""))] = (notation.text or "").strip()
    assert notations.pop(40) == "Ni, Nr"
    assert {number: PayloadType.notation(number) for number in notations} == notations
    assert PayloadType.notation(40) == "Nonce"
    assert PayloadType.notation(200) == "UNKNOWN-200"


def test_names() -> None:
    assert name_of(ExchangeType, 34) == "IKE_SA_INIT"
    assert name_of(ExchangeType, 99) == "UNKNOWN-99"
    assert name_of(TransformType, 5) == "SN"
    assert TransformType["ESN"] is TransformType.SN
    assert KeMethod.CURVE25519.title == "Curve25519"
    assert NotifyType.STATE_NOT_FOUND.is_error
    assert not NotifyType.INITIAL_CONTACT.is_error
    assert Encr.ENCR_DES.deprecated
    assert not Encr.ENCR_AES_CBC.deprecated


@pytest.mark.parametrize(
    ("registry", "name", "number"),
    [
        (Encr, "ENCR_AES_CBC", 12),
        (Encr, "encr-aes-cbc", 12),
        (Encr, "AES_CBC", 12),
        (Encr, 12, 12),
        (Encr, 4711, 4711),
        (Encr, "4711", 4711),
        (Encr, "0x14", 20),
        (Encr, Encr.ENCR_3DES, 3),
        (KeMethod, "curve25519", 31),
        (KeMethod, "256-bit random ECP group", 19),
        (NotifyType, "COOKIE", 16390),
        (TransformType, "esn", 5),
        (iana.AuthMethod, "Digital Signature", 14),
        (iana.CertEncoding, "X.509 Certificate - Signature", 4),
    ],
)
def test_lookup(registry: type[IanaRegistry], name: str | int, number: int) -> None:
    found = lookup(registry, name)
    assert found == number
    assert type(found) is int


def test_lookup_of_every_member_and_title() -> None:
    for registry in REGISTRIES:
        for key, member in registry.__members__.items():
            assert lookup(registry, key) == lookup(registry, member.title) == member


def test_lookup_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'INVALID_SYNTACKS' is not a known NotifyType; did you mean INVALID_SYNTAX"):
        lookup(NotifyType, "INVALID_SYNTACKS")
    with pytest.raises(ConfigError, match="expected one of IKE, AH, ESP"):
        lookup(iana.ProtocolId, "zzz")


def test_import_is_light() -> None:
    code = "import sys, fynx_scapy.iana; print([n for n in ('scapy', 'cryptography', 'rich') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
