# SPDX-License-Identifier: GPL-2.0-or-later
"""Every payload, from the octets in its RFC to fields and back."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.eap import EAP, EAP_MD5
from scapy.packet import Packet

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod, CpAttribute, NotifyType, PayloadType
from fynx_scapy.layers.ikev2 import (
    AuthMethodAnnouncement,
    ConfigurationAttribute,
    EncryptedTrafficSelector,
    FCTrafficSelector,
    GroupKeyBag,
    GroupKeyBagAttributeField,
    GsaAttributeField,
    GsaPolicy,
    GwPolicy,
    GwPolicyAttributeField,
    IKEv2,
    IKEv2_AUTH,
    IKEv2_CERT,
    IKEv2_CP,
    IKEv2_Delete,
    IKEv2_EAP,
    IKEv2_GSA,
    IKEv2_GSPM,
    IKEv2_IDg,
    IKEv2_IDi,
    IKEv2_KD,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_PS,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IKEv2_TSr,
    IKEv2_VendorID,
    IPv4TrafficSelector,
    IPv6TrafficSelector,
    MemberKeyBag,
    MemberKeyBagAttributeField,
    Notify_Address4,
    Notify_Address6,
    Notify_Aggfrag,
    Notify_AuthLifetime,
    Notify_AuthMethods,
    Notify_Cookie,
    Notify_Cookie2,
    Notify_HashAlgorithms,
    Notify_Ipcomp,
    Notify_KeMethod,
    Notify_MessageIdSync,
    Notify_NoNats,
    Notify_NoNats6,
    Notify_PasswordMethods,
    Notify_PpkIdentity,
    Notify_PpkIdentityKey,
    Notify_Puzzle,
    Notify_Redirect,
    Notify_RedirectedFrom,
    Notify_Rohc,
    Notify_TicketLifetime,
    Notify_WindowSize,
    RawTrafficSelector,
    RohcAttributeField,
    SecurityLabelTrafficSelector,
    WrappedKey,
    guessed_type,
)
from fynx_scapy.layers.ikev2.cp import CODECS
from fynx_scapy.layers.ikev2.der import algorithm_name, name_octets, name_text

# -- identities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "octets"),
    [
        ("10.0.0.1", 1, "0a000001"),
        ("moon.example", 2, b"moon.example".hex()),
        ("carol@example.org", 3, b"carol@example.org".hex()),
        ("2001:db8::1", 5, "20010db8000000000000000000000001"),
        ("C=CH, CN=moon", 9, "301c310b3009060355040613024348310d300b060355040313046d6f6f6e"),
    ],
)
def test_an_identity_of_each_kind(text: str, kind: int, octets: str) -> None:
    assert guessed_type(text) == kind
    for layer in (
        IKEv2_IDi(ID=text),
        IKEv2_IDi(IDtype=kind, ID=text),
        IKEv2_IDi(IDtype=kind, ID=bytes.fromhex(octets)),
    ):
        assert layer.kind == kind
        assert layer.data.hex() == octets
        assert layer.text == text
        assert layer.body == bytes((kind, 0, 0, 0)) + layer.data
        assert bytes(layer)[4:] == layer.body
    read = IKEv2_IDi(bytes(IKEv2_IDi(ID=text)))
    assert (read.kind, read.text, read.malformed) == (kind, text, None)
    assert text in read.show(dump=True)


def test_identities_without_text() -> None:
    assert (guessed_type(b"\x00\x01"), guessed_type(b""), guessed_type(None)) == (11, 13, 13)
    assert IKEv2_IDi(ID=b"\x00\x01").text == "0001"
    assert bytes(IKEv2_IDg(IDtype="ID_KEY_ID", ID="group 7"))[8:] == b"group 7"
    assert IKEv2_IDi(IDtype="ID_DER_ASN1_GN", ID="8203616263").data == b"\x82\x03abc"


def test_an_address_of_another_size_is_said() -> None:
    layer = IKEv2_IDi(bytes(IKEv2_IDi(IDtype=1, ID=b"abc")))
    assert layer.malformed == "expected an address of 4 octets at offset 8 of the payload, found 3"
    assert layer.ID == b"abc"
    with pytest.raises(ConfigError, match="not an address for ID type ID_IPV4_ADDR"):
        bytes(IKEv2_IDi(IDtype=1, ID="2001:db8::1"))


@pytest.mark.parametrize(
    "text",
    [
        "C=CH, O=Lab, OU=a + CN=moon",
        "O=a\\, b, CN=1\\+1",
        "E=carol@example.org, UID=carol",
        "CN=Zürich, DC=example",
        "1.2.3.4=value",
        "CN=" + "x" * 300,
        "",
    ],
)
def test_distinguished_names(text: str) -> None:
    assert name_text(name_octets(text)) == text


def test_distinguished_names_that_are_none() -> None:
    with pytest.raises(ConfigError, match="expected one such as CN=moon"):
        name_octets("moon, sun")
    for octets in (
        b"",
        b"\x30",
        b"\x30\x05\x31\x00",
        b"\x30\x02\x05\x00",
        b"\x30\x04\x31\x02\x30\x00",
        b"\x30\x89" * 9,
    ):
        with pytest.raises(MalformedError):
            name_text(octets)
    assert IKEv2_IDi(IDtype=9, ID=b"\x30\x05").text == "3005"


# -- AUTH, CERT, EAP ---------------------------------------------------------------------------------------------------


def test_method_14_has_its_algorithm() -> None:
    identifier = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 7427 appendix A.3.2: ecdsa-with-SHA256
    layer = IKEv2_AUTH(auth_type="Digital Signature", load=IKEv2_AUTH.digital_signature(identifier, b"signature"))
    layer = IKEv2_AUTH(bytes(layer))
    assert (layer.algorithm_identifier, layer.signature) == (identifier, b"signature")
    assert layer.algorithm == "ecdsa-with-SHA256"
    assert layer.malformed is None
    assert algorithm_name(bytes.fromhex("300506032b6570")) == "Ed25519"
    assert algorithm_name(bytes.fromhex("300406022a03")) == "1.2.3"
    assert algorithm_name(b"\x30\x09") == "3009"


def test_method_14_without_an_algorithm_is_said() -> None:
    layer = IKEv2_AUTH(bytes(IKEv2_AUTH(auth_type=14, load=b"\xffabc")))
    assert "expected an AlgorithmIdentifier" in (layer.malformed or "")
    assert (layer.algorithm_identifier, layer.algorithm, layer.signature) == (None, None, b"\xffabc")
    psk = IKEv2_AUTH(auth_type=AuthMethod.Shared_Key_Message_Integrity_Code, load=b"mac")
    assert (psk.algorithm_identifier, psk.signature) == (None, b"mac")


def test_hash_and_url() -> None:
    layer = IKEv2_CERT(cert_encoding=12, cert_data=b"h" * 20 + b"http://example.org/c")
    assert (layer.hash, layer.url) == (b"h" * 20, "http://example.org/c")
    assert (IKEv2_CERT(cert_data=b"x").hash, IKEv2_CERT(cert_data=b"x").url) == (None, None)


def test_certificate_as_scapy_has_it() -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moon")])
    day = datetime.datetime(2024, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = builder.serial_number(7).not_valid_before(day).not_valid_after(day).sign(key, hashes.SHA256())
    der = certificate.public_bytes(serialization.Encoding.DER)
    layer = IKEv2_CERT(bytes(IKEv2_CERT(cert_data=der)))
    assert layer.cert_data == der
    assert layer.x509().tbsCertificate.serialNumber.val == 7
    assert bytes(IKEv2_CERT(cert_data=layer.x509()))[5:] == der


def test_eap_is_scapys() -> None:
    request = EAP_MD5(code=1, id=7, value=b"v" * 16)
    layer = IKEv2_EAP(bytes(IKEv2_EAP(eap=request)))
    assert isinstance(layer.eap, EAP)
    assert EAP_MD5 in layer
    assert layer.malformed is None
    assert layer.data == bytes(request)
    assert bytes(IKEv2_EAP(eap="03050004"))[4:] == bytes((3, 5, 0, 4))


@pytest.mark.parametrize("octets", [b"", b"\x01", b"\x01\x02\x00\xff\x01abc", b"\x01\x02\x00\x09\xfe\x00\x00\x01\x02"])
def test_eap_of_another_form_is_kept(octets: bytes) -> None:
    layer = IKEv2_EAP(bytes(IKEv2_EAP(eap=octets)))
    assert bytes(layer)[4:] == octets
    assert layer.data == octets
    assert bool(layer.malformed) == (len(octets) < 4 or octets[3] != len(octets))


def test_payloads_that_a_method_defines() -> None:
    assert bytes(IKEv2_GSPM(load=b"abc")) == b"\0\0\0\7abc"
    assert IKEv2_PS(bytes(IKEv2_PS(load=b"abcde"))).malformed
    assert IKEv2_PS(load=b"abcde").solutions == []


def test_known_vendors_have_names() -> None:
    assert IKEv2_VendorID(vendorID=bytes.fromhex("882fe56d6fd20dbc2251613b2ebe5beb")).vendor == "strongSwan"
    assert IKEv2_VendorID(vendorID="Openswan").vendor == "Openswan"
    assert IKEv2_VendorID(vendorID=b"\x00\x01").vendor is None
    assert (IKEv2() / IKEv2_VendorID(vendorID="Openswan")).summary().endswith("{V(Openswan)}")


# -- SA, Delete --------------------------------------------------------------------------------------------------------


def test_counts_and_marks_that_lie_are_said() -> None:
    transforms = [IKEv2_Transform(), IKEv2_Transform(next_payload=3)]
    octets = bytes(IKEv2_SA(prop=[IKEv2_Proposal(next_payload=2, trans_nb=5, trans=transforms)]))
    layer = IKEv2_SA(octets)
    assert layer.malformed is not None
    for part in ("expected 5 transforms, found 2", "octet of a transform is wrong", "octet of a proposal is wrong"):
        assert part in layer.malformed
        assert part in layer.show(dump=True)
        assert part in layer.copy().show(dump=True)
    assert bytes(layer) == octets
    assert IKEv2_SA(bytes(IKEv2_SA(prop=[IKEv2_Proposal(), IKEv2_Proposal()]))).malformed is None


def test_reserved_octets_are_fields() -> None:
    octets = bytes(IKEv2_SA(prop=IKEv2_Proposal(flags=7, trans=[IKEv2_Transform(flags=8, res2=9)])))
    layer = IKEv2_SA(octets)
    assert (layer.prop[0].flags, layer.prop[0].trans[0].flags, layer.prop[0].trans[0].res2) == (7, 8, 9)
    assert layer.malformed is None


@pytest.mark.parametrize(
    ("attribute", "octets"),
    [
        ({"value": 256}, "800e0100"),
        ({"value": 256, "AF": 0}, "000e00020100"),
        ({"value": 0x10000}, "000e0003010000"),
        ({"type": 1, "value": b"\x01\x02", "AF": 1}, "80010102"),
        ({"type": 1, "value": b""}, "00010000"),
        ({"type": 1, "value": b"ab", "length": 9}, "000100096162"),
    ],
)
def test_transform_attributes(attribute: dict[str, Any], octets: str) -> None:
    assert bytes(IKEv2_TransformAttribute(**attribute)).hex() == octets


def test_an_attribute_that_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="does not fit into two octets"):
        bytes(IKEv2_TransformAttribute(AF=1, value=0x10000))


def test_delete_of_each_kind() -> None:
    assert bytes(IKEv2_Delete(proto="IKE")).hex() == "0000000801000000"
    layer = IKEv2_Delete(bytes(IKEv2_Delete(proto="ESP", SPI=["c0ffee01", b"abcd"])))
    assert [bytes.fromhex("c0ffee01"), b"abcd"] == layer.SPI
    assert layer.SPInum == 2
    wrong = (IKEv2() / IKEv2_Delete(proto="ESP", SPInum=3, SPI=[b"abcd"])).do_build()
    seen = IKEv2(wrong)
    assert "expected 3 SPIs of 4 octets, found 4 octets at offset 36" in seen.payload.error
    assert seen.payload.payload_type == PayloadType.D
    assert bytes(seen) == wrong


# -- traffic selectors -------------------------------------------------------------------------------------------------


def test_selectors_of_every_type() -> None:
    selectors = [
        IPv4TrafficSelector(starting_address_v4="10.0.0.0", ending_address_v4="10.0.0.255", IP_protocol_ID=6),
        IPv6TrafficSelector(starting_address_v6="2001:db8::", ending_address_v6="2001:db8::ff"),
        FCTrafficSelector(starting_address_FC=0x010203, ending_address_FC=0xFFFFFF),
        SecurityLabelTrafficSelector(label=b"secret"),
        RawTrafficSelector(TS_type=200, load=b"any"),
    ]
    layer = IKEv2_TSi(bytes(IKEv2_TSi(traffic_selector=selectors)))
    assert layer.number_of_TSs == 5
    assert [type(selector) for selector in layer.traffic_selector] == [type(selector) for selector in selectors]
    assert [selector.length for selector in layer.traffic_selector] == [16, 40, 16, 10, 7]
    assert layer.traffic_selector[0].starting_address_v4 == "10.0.0.0"
    assert layer.traffic_selector[2].starting_address_FC == 0x010203
    assert layer.traffic_selector[3].label == b"secret"
    assert layer.traffic_selector[4].load == b"any"
    assert EncryptedTrafficSelector is FCTrafficSelector


def test_a_number_of_selectors_that_lies_is_said() -> None:
    layer = IKEv2_TSr(bytes(IKEv2_TSr(number_of_TSs=3, traffic_selector=[IPv4TrafficSelector()])))
    assert layer.malformed == "expected 3 selectors (offset 4 of the payload), found 1"


# -- notifies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "octets"),
    [
        ("INVALID_KE_PAYLOAD", Notify_KeMethod(group="CURVE25519"), "001f"),
        ("SET_WINDOW_SIZE", Notify_WindowSize(size=5), "00000005"),
        ("IPCOMP_SUPPORTED", Notify_Ipcomp(cpi=0x1234), "123402"),
        ("COOKIE", Notify_Cookie(cookie="c0ffee"), "c0ffee"),
        ("ADDITIONAL_IP4_ADDRESS", Notify_Address4(address="192.0.2.1"), "c0000201"),
        ("ADDITIONAL_IP6_ADDRESS", Notify_Address6(address="2001:db8::1"), "20010db8000000000000000000000001"),
        ("NO_NATS_ALLOWED", Notify_NoNats(source="1.2.3.4", destination="5.6.7.8"), "010203040506070801f401f4"),
        ("AUTH_LIFETIME", Notify_AuthLifetime(lifetime=3600), "00000e10"),
        ("REDIRECT", Notify_Redirect(gw_id="192.0.2.1", nonce=bytes(16)), "0104c0000201" + "00" * 16),
        ("REDIRECTED_FROM", Notify_RedirectedFrom(gw_id_type=3, gw_id="gw.example"), "030a" + b"gw.example".hex()),
        ("TICKET_LT_OPAQUE", Notify_TicketLifetime(lifetime=60, ticket=b"t"), "0000003c74"),
        ("IKEV2_MESSAGE_ID_SYNC", Notify_MessageIdSync(nonce=b"abcd", expected_send=5), "616263640000000500000000"),
        ("SIGNATURE_HASH_ALGORITHMS", Notify_HashAlgorithms(hashes=["SHA2_256", 3]), "00020003"),
        ("PUZZLE", Notify_Puzzle(prf="PRF_HMAC_SHA2_256", difficulty=20), "000514"),
        ("PPK_IDENTITY", Notify_PpkIdentity(ppk_id=b"ppk"), "0270706b"),
        ("PPK_IDENTITY_KEY", Notify_PpkIdentityKey(ppk_id=b"p", confirmation=b"12345678"), "02703132333435363738"),
        ("COOKIE2", Notify_Cookie2(cookie="c0ffee00c0ffee00"), "c0ffee00c0ffee00"),
        ("SECURE_PASSWORD_METHODS", Notify_PasswordMethods(methods=["PACE", 3]), "00010003"),
        ("USE_AGGFRAG", Notify_Aggfrag(flags=3), "03"),
        ("ROHC_SUPPORTED", Notify_Rohc(attributes=[RohcAttributeField(type="MRRU", value=1500)]), "800505dc"),
        (
            "SUPPORTED_AUTH_METHODS",
            Notify_AuthMethods(methods=[AuthMethodAnnouncement(method=2), AuthMethodAnnouncement(data=b"\0\x30\0")]),
            "0202" + "050e003000",
        ),
    ],
)
def test_structured_notifies(kind: str, data: Packet, octets: str) -> None:
    layer = IKEv2_Notify(type=kind, notify=data)
    assert bytes(layer)[8:].hex() == octets
    assert bytes(layer) == bytes(IKEv2_Notify(type=kind, notify=bytes.fromhex(octets)))
    read = IKEv2_Notify(bytes(layer))
    assert type(read.notify) is type(data)
    assert bytes(read.notify).hex() == octets
    assert read.malformed is None
    assert type(data) in read


def test_addresses_of_both_families_in_one_notify() -> None:
    layer = IKEv2_Notify(type="NO_NATS_ALLOWED", notify=Notify_NoNats6(source="2001:db8::1"))
    assert isinstance(IKEv2_Notify(bytes(layer)).notify, Notify_NoNats6)


@pytest.mark.parametrize("kind", sorted(NotifyType))
def test_data_of_any_form_is_kept_for_every_type(kind: int) -> None:
    for octets in (b"", b"x", b"some other octets, which are quite a lot of them"):
        layer = IKEv2_Notify(bytes(IKEv2_Notify(type=kind, notify=octets)))
        assert bytes(layer.notify) == octets
        assert bytes(layer)[8:] == octets


def test_data_that_does_not_fit_is_said() -> None:
    layer = IKEv2_Notify(bytes(IKEv2_Notify(type="INVALID_KE_PAYLOAD", proto=3, SPI="c0ffee01", notify=b"x")))
    assert layer.notify == b"x"
    assert "expected at least 2 octets, found 1 at offset 13 of the payload" in (layer.malformed or "")


def test_notify_with_an_spi() -> None:
    octets = bytes(IKEv2_Notify(proto="ESP", type="REKEY_SA", SPI="c0ffee01"))
    assert octets.hex() == "0000000c03044009c0ffee01"
    read = IKEv2_Notify(octets)
    assert (read.SPI, read.SPIsize, bytes(read.notify)) == (bytes.fromhex("c0ffee01"), 4, b"")


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "octets"),
    [
        ("INTERNAL_IP4_ADDRESS", "10.0.0.1", "0a000001"),
        ("INTERNAL_IP4_SUBNET", "10.1.0.0/16", "0a010000ffff0000"),
        ("INTERNAL_IP6_ADDRESS", "2001:db8::1/64", "20010db800000000000000000000000140"),
        ("INTERNAL_IP6_DNS", "2001:db8::53", "20010db8000000000000000000000053"),
        ("INTERNAL_IP6_SUBNET", "2001:db8::/32", "20010db800000000000000000000000020"),
        ("APPLICATION_VERSION", "a client", b"a client".hex()),
        ("INTERNAL_DNS_DOMAIN", "example.org", b"example.org".hex()),
        ("SUPPORTED_ATTRIBUTES", "INTERNAL_IP4_ADDRESS, 300", "0001012c"),
        ("HOME_AGENT_ADDRESS", "c0ffee", "c0ffee"),
    ],
)
def test_attributes_as_text(kind: str, text: str, octets: str) -> None:
    attribute = ConfigurationAttribute(type=kind, value=text)
    assert bytes(attribute)[4:].hex() == octets
    read = IKEv2_CP(bytes(IKEv2_CP(attributes=[attribute]))).attributes[0]
    assert read.value == (text if read.type in CODECS else bytes.fromhex(octets))
    assert bytes(read) == bytes(attribute)


@pytest.mark.parametrize("kind", sorted(CpAttribute))
def test_values_of_any_form_are_kept_for_every_attribute(kind: int) -> None:
    for octets in (b"", b"\xff", b"\x0a\x00\x00\x01", bytes(range(8)), bytes(17), b"\xc3\x28" * 20):
        attribute = ConfigurationAttribute(type=kind, value=octets)
        read = IKEv2_CP(bytes(IKEv2_CP(CFGType="CFG_REPLY", attributes=[attribute]))).attributes[0]
        assert bytes(read)[4:] == octets


@pytest.mark.parametrize("value", ["10.0.0.300", "2001:db8::1", "moon"])
def test_an_attribute_value_of_another_kind(value: str) -> None:
    with pytest.raises(ConfigError, match="is not a value of INTERNAL_IP4_ADDRESS"):
        bytes(ConfigurationAttribute(type="INTERNAL_IP4_ADDRESS", value=value))


# -- group keys --------------------------------------------------------------------------------------------------------


def test_group_policies() -> None:
    policies = [
        GwPolicy(attributes=[GwPolicyAttributeField(type="GWP_ATD", value=5)]),
        GsaPolicy(
            proto="GIKE_UPDATE",
            SPI=b"s" * 16,
            traffic_selector=[IPv4TrafficSelector(), IPv4TrafficSelector()],
            trans=[IKEv2_Transform(key_length=128), IKEv2_Transform(transform_type="GCAUTH", transform_id=1)],
            attributes=[
                GsaAttributeField(type="GSA_KEY_LIFETIME", value=3600),
                GsaAttributeField(type="GSA_NEXT_SPI", value=b"n" * 16),
            ],
        ),
    ]
    octets = bytes(IKEv2_GSA(policies=policies))
    read = IKEv2_GSA(octets)
    assert read.malformed is None
    assert bytes(read) == octets
    wide, rekey = read.policies
    assert (type(wide), wide.attributes[0].value) == (GwPolicy, 5)
    assert (type(rekey), rekey.SPIsize, len(rekey.traffic_selector), len(rekey.trans)) == (GsaPolicy, 16, 2, 2)
    assert [attribute.number for attribute in rekey.attributes[:1]] == [3600]
    assert bytes(rekey.attributes[0]).hex() == "0001000400000e10"


def test_key_bags() -> None:
    key = WrappedKey(key_id=0, kwk_id=1, encrypted_key=b"k" * 24)
    bags = [
        MemberKeyBag(attributes=[MemberKeyBagAttributeField(type="WRAP_KEY", value=key)]),
        GroupKeyBag(SPI=b"abcd", attributes=[GroupKeyBagAttributeField(value=key)]),
    ]
    octets = bytes(IKEv2_KD(key_bags=bags))
    member, group = IKEv2_KD(octets).key_bags
    assert (type(member), type(group), group.SPI) == (MemberKeyBag, GroupKeyBag, b"abcd")
    assert WrappedKey(group.attributes[0].value).encrypted_key == b"k" * 24
    assert bytes(IKEv2_KD(octets)) == octets
