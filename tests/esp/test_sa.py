# SPDX-License-Identifier: GPL-2.0-or-later
"""OutboundSa and InboundSa: seal and open, for every transform (RFC 4303 section 3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from fynx_scapy import private_use
from fynx_scapy.errors import ConfigError, FynxError, IntegrityError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp import EspParts, InboundSa, OutboundSa
from fynx_scapy.iana import Encr, Integ
from tests.esp.suites import (
    AUTHENTICATED,
    CBC,
    COMBINED,
    GCM,
    IMPLICIT,
    SEPARATE,
    SPI,
    SUITES,
    Suite,
    inbound,
    keys,
    octets,
    outbound,
)

WRAP = 1 << 32
PING = bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP() / b"0123456789")
each_suite = pytest.mark.parametrize("suite", SUITES, ids=str)
each_authenticated = pytest.mark.parametrize("suite", AUTHENTICATED, ids=str)


@pytest.mark.sample(3)
@each_suite
@pytest.mark.parametrize("esn", [False, True])
@pytest.mark.requirements("4303-2.4-i01")
def test_what_is_sealed_opens(suite: Suite, esn: bool) -> None:
    sender, receiver = outbound(suite, esn=esn), inbound(suite, esn=esn)
    for length in (0, 1, 2, 3, 13, 14, 15, 16, 17, 64, 1400):
        payload = octets("payload", length)
        packet = sender.seal(payload, 99)
        assert receiver.open(packet) == (payload, 99)
        assert packet[:4] == SPI.to_bytes(4, "big")
        assert int.from_bytes(packet[4:8], "big") == sender.seq == receiver.highest
        assert (
            len(packet) - 8 - sender.icv_size
        ) % 4 == 0  # section 2.4: "the ICV field is aligned on a 4-byte boundary"
    assert (sender.packets, sender.bytes) == (receiver.packets, receiver.bytes)


@each_suite
@pytest.mark.requirements("4303-2.4-02", "4303-2.4-03", "4303-2.4-i02")
def test_padding_is_one_two_three_and_minimal(suite: Suite) -> None:
    """RFC 4303 section 2.4: 1, 2, 3 ... up to the alignment of the cipher, at least four octets."""
    sender, receiver = outbound(suite), inbound(suite)
    for length in range(20):
        parts = EspParts.take_apart(receiver, sender.seal(bytes(length), 99))
        assert parts.pad_length is not None
        assert parts.padding == bytes(range(1, parts.pad_length + 1))
        assert parts.pad_length < sender.align
        assert (length + parts.pad_length + 2) % max(4, sender.encr.block_size) == 0


@pytest.mark.sample(3)
@each_authenticated
@pytest.mark.parametrize("esn", [False, True])
@pytest.mark.requirements("4303-3.4.4.1-01", "4303-3.4.4.1-05", "4303-3.4.4.2-01", "4303-3.4.3-08", negative=True)
def test_any_changed_bit_is_noticed(suite: Suite, esn: bool) -> None:
    receiver = inbound(suite, esn=esn)
    packet = outbound(suite, esn=esn).seal(PING, 4)
    for at in {*range(4, len(packet), 5), len(packet) - 1}:
        for bit in (0x01, 0x80):
            changed = packet[:at] + bytes((packet[at] ^ bit,)) + packet[at + 1 :]
            with pytest.raises(IntegrityError):
                receiver.open(changed)
    assert (receiver.highest, receiver.packets) == (0, 0)
    assert receiver.integrity_failures == receiver.failures_in_a_row > 0
    assert receiver.open(packet) == (PING, 4)
    assert receiver.failures_in_a_row == 0


@each_suite
def test_cut_or_foreign_octets_raise_only_our_errors(suite: Suite) -> None:
    receiver = inbound(suite)
    packet = outbound(suite).seal(PING, 4)
    for length in range(len(packet)):
        with pytest.raises((MalformedError, IntegrityError)) if suite in AUTHENTICATED else _whatever():
            receiver.open(packet[:length])
    for length in range(0, 120, 7):
        try:
            receiver.open(packet[:8] + octets("noise", length))
        except FynxError:
            continue
        assert suite not in AUTHENTICATED


class _whatever:  # noqa: N801 -- reads as the context that it is
    """Encryption alone opens some octets to something: only our own errors may come out."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        return kind is None or issubclass(kind, MalformedError)


@given(st.binary(max_size=100))
def test_noise_is_refused(data: bytes) -> None:
    receiver = inbound()
    with pytest.raises((MalformedError, IntegrityError, ReplayError)):
        receiver.open(data)
    assert receiver.highest == 0


def test_another_spi_is_not_ours() -> None:
    with pytest.raises(MalformedError, match="0xc0ffee01"):
        inbound().open(outbound(spi=5).seal(PING, 4))


# --- sequence numbers -----------------------------------------------------------------------------------------------


@pytest.mark.requirements("4303-2.2-01", "4303-3.3.3-i01")
def test_the_first_packet_has_number_one_and_they_rise() -> None:
    sender = outbound()
    assert [int.from_bytes(sender.seal(PING, 4)[4:8], "big") for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(("esn", "last"), [(False, 0xFFFF_FFFF), (True, 0xFFFF_FFFF_FFFF_FFFF)])
@pytest.mark.parametrize("suite", [GCM, CBC, *IMPLICIT[:1]], ids=str)
@pytest.mark.requirements("4303-2.2-i01", negative=True)
def test_numbers_never_cycle(suite: Suite, esn: bool, last: int) -> None:
    """Section 3.3.3: no packet "if doing so would cause the sequence number to cycle"."""
    sender = outbound(suite, esn=esn, seq=last - 1)
    packet = sender.seal(PING, 4)
    assert packet[4:8] == b"\xff\xff\xff\xff"
    for _ in range(2):
        with pytest.raises(LocalError, match="used up"):
            sender.seal(PING, 4)
    assert (sender.seq, sender.packets) == (last, 1)
    receiver = inbound(suite, esn=esn, highest=last - 1)
    assert receiver.open(packet) == (PING, 4)


@pytest.mark.requirements("4303-2.2-02")
def test_any_number_can_be_sent_at_any_time() -> None:
    sender, receiver = outbound(), inbound(replay_window=0)
    sent = []
    for seq in (None, 0, None, 0xFFFF_FFFF, 7, None, 0, 0):
        packet = sender.seal(PING, 4, seq=seq)
        sent.append(int.from_bytes(packet[4:8], "big"))
        assert receiver.open(packet) == (PING, 4)
    assert sent == [1, 0, 2, 0xFFFF_FFFF, 7, 3, 0, 0]
    sender.seq = 100
    assert sender.seal(PING, 4)[4:8] == (101).to_bytes(4, "big")


@pytest.mark.parametrize("seq", [-1, WRAP])
def test_numbers_that_do_not_fit(seq: int) -> None:
    sender = outbound()
    with pytest.raises(LocalError):
        sender.seal(PING, 4, seq=seq)
    with pytest.raises(LocalError):
        sender.seq = seq
    with pytest.raises(LocalError):
        outbound(seq=seq)


@pytest.mark.parametrize("suite", [GCM, Suite(Encr.ENCR_AES_CTR, 128, Integ.AUTH_HMAC_SHA2_256_128)], ids=str)
def test_counted_ivs_never_repeat_whatever_numbers_are_sent(suite: Suite) -> None:
    sender = outbound(suite, seq=1000)
    ivs = [sender.seal(PING, 4, seq=seq)[8:16] for seq in (1000, 5, None, None, 5, 0xFFFF_FFFF, None, 1003)]
    sender.seq = 3
    ivs += [sender.seal(PING, 4)[8:16] for _ in range(3)]
    assert len(set(ivs)) == len(ivs)
    assert int.from_bytes(ivs[0], "big") > 1000  # those before belong to the SA's former holder
    fresh = outbound(suite)
    assert [fresh.seal(PING, 4)[8:16] for _ in range(3)] == [bytes((0,) * 7 + (n,)) for n in (1, 2, 3)]


@pytest.mark.parametrize("suite", IMPLICIT, ids=str)
def test_an_implicit_iv_is_the_number_and_never_repeats(suite: Suite) -> None:
    """RFC 8750 section 4; its section 7: it must not be used where a sequence number may come again."""
    sender = outbound(suite, esn=True, seq=WRAP + 6)
    packet = sender.seal(PING, 4)
    explicit = EspParts(PING, 4, seq=WRAP + 7, iv=(WRAP + 7).to_bytes(8, "big")).build(outbound(suite, esn=True))
    assert packet == explicit
    with pytest.raises(LocalError, match="nonce"):
        sender.seal(PING, 4, seq=3)
    with pytest.raises(LocalError, match="nonce"):
        sender.seq = 3


# --- anti-replay ----------------------------------------------------------------------------------------------------


@each_authenticated
@pytest.mark.requirements("4303-3.4.3-01", "4303-3.4.3-05", negative=True)
def test_a_packet_is_delivered_once(suite: Suite) -> None:
    sender, receiver = outbound(suite), inbound(suite)
    packets = [sender.seal(PING, 4) for _ in range(5)]
    for packet in (packets[1], packets[4], packets[0]):
        receiver.open(packet)
        with pytest.raises(ReplayError):
            receiver.open(packet)
    assert receiver.open(packets[2]) == (PING, 4)
    assert (receiver.replays, receiver.packets, receiver.highest) == (3, 4, 5)


@pytest.mark.requirements("4303-3.4.3-08", "4303-3.4.3-i03", negative=True)
def test_a_forged_number_does_not_move_the_window() -> None:
    sender, receiver = outbound(), inbound()
    packets = [sender.seal(PING, 4) for _ in range(3)]
    with pytest.raises(IntegrityError):
        receiver.open(packets[0][:4] + b"\x7f\0\0\0" + packets[0][8:])
    assert receiver.highest == 0
    assert [receiver.open(packet)[1] for packet in packets] == [4, 4, 4]


def test_bad_padding_does_not_reopen_the_window() -> None:
    """The ICV verified, so the number is used: the window moves although the packet is refused."""
    sender, receiver = outbound(), inbound()
    packet = EspParts(PING, 4, padding=b"\0\0\0\0").build(sender)
    with pytest.raises(MalformedError, match="padding"):
        receiver.open(packet)
    with pytest.raises(ReplayError):
        receiver.open(packet)


@pytest.mark.parametrize("size", [1, 32, 64, 500])
@pytest.mark.requirements("4303-3.4.3-i01", negative=True)
def test_window_size_is_configurable(size: int) -> None:
    sender, receiver = outbound(), inbound(replay_window=size)
    packets = [sender.seal(PING, 4) for _ in range(size + 1)]
    receiver.open(packets[-1])
    with pytest.raises(ReplayError):
        receiver.open(packets[0])
    if size > 1:
        assert receiver.open(packets[1])


@pytest.mark.requirements("4303-3.4.3-02", negative=True)
def test_no_anti_replay_without_integrity() -> None:
    """Section 3.4.3: "This service MUST NOT be enabled unless the ESP integrity service also is enabled"."""
    suite = Suite(Encr.ENCR_AES_CBC, 128)
    with pytest.raises(ConfigError, match="needs an integrity algorithm"):
        inbound(suite, replay_window=64)
    receiver, packet = inbound(suite), outbound(suite).seal(PING, 4)
    assert receiver.open(packet) == receiver.open(packet)


# --- extended sequence numbers --------------------------------------------------------------------------------------


@each_suite
@pytest.mark.requirements("4303-2.2.1-01", "4303-3.3.3-i02", "4303-3.4.3-i02")
def test_esn_crosses_two_to_the_32(suite: Suite) -> None:
    sender, receiver = outbound(suite, esn=True, seq=WRAP - 4), inbound(suite, esn=True, highest=WRAP - 4)
    packets = [sender.seal(PING, 4) for _ in range(8)]
    assert sender.seq == WRAP + 4
    order = (0, 1, 4, 3, 2, 6, 5, 7)  # out of order around the wrap
    for at in order:
        assert receiver.open(packets[at]) == (PING, 4)
        assert packets[at][4:8] == ((WRAP - 3 + at) % WRAP).to_bytes(4, "big")
    assert receiver.highest == WRAP + 4
    if suite in AUTHENTICATED:
        with pytest.raises(ReplayError):
            receiver.open(packets[2])


@each_authenticated
@pytest.mark.requirements("4303-3.3.3-i02", "4303-2.2.1-02", negative=True)
def test_the_high_half_is_authenticated(suite: Suite) -> None:
    packet = outbound(suite, esn=True, seq=WRAP).seal(PING, 4)
    with pytest.raises(IntegrityError):
        inbound(suite, esn=True).open(packet)
    with pytest.raises(IntegrityError):
        inbound(suite).open(packet)
    assert inbound(suite, esn=True, highest=WRAP).open(packet) == (PING, 4)


@pytest.mark.requirements("4303-A3-01", negative=True)
def test_lost_upper_half_is_found_again() -> None:
    """RFC 4303 appendix A3.2."""
    sender, receiver = outbound(CBC, esn=True), inbound(CBC, esn=True)
    receiver.open(sender.seal(PING, 4))
    sender.seq = 3 * WRAP + 50
    packet = sender.seal(PING, 4)
    with pytest.raises(IntegrityError):
        receiver.open(packet)
    assert receiver.failures_in_a_row == 1
    with pytest.raises(IntegrityError):
        receiver.resynchronize(packet, limit=2)
    assert receiver.highest == 1
    assert receiver.resynchronize(packet) == (PING, 4)
    assert (receiver.highest, receiver.failures_in_a_row) == (3 * WRAP + 51, 0)
    with pytest.raises(ReplayError):
        receiver.open(packet)
    assert receiver.open(sender.seal(PING, 4)) == (PING, 4)
    with pytest.raises(LocalError):
        inbound().resynchronize(packet)


# --- padding, dummies, traffic flow confidentiality -----------------------------------------------------------------


@pytest.mark.requirements("4303-2.4-04", negative=True)
def test_padding_is_inspected_unless_told_otherwise() -> None:
    packet = EspParts(PING, 4, padding=b"\0\0\0\0").build(outbound())
    receiver = inbound()
    with pytest.raises(MalformedError, match="expected the padding 1, 2, 3"):
        receiver.open(packet)
    assert receiver.malformed == 1
    assert inbound(check_padding=False).open(packet) == (PING, 4)


@pytest.mark.requirements("4303-2.4-02")
def test_the_longest_padding_is_consumed() -> None:
    padding = bytes(range(1, 256))
    assert inbound().open(EspParts(PING, 4, padding=padding).build(outbound())) == (PING, 4)


@pytest.mark.requirements("4303-2.5-i01", negative=True)
def test_a_pad_length_beyond_the_payload_is_malformed() -> None:
    packet = EspParts(b"", 99, padding=b"\x01\x02", pad_length=3).build(outbound())
    with pytest.raises(MalformedError, match="pad length up to 2, found 3"):
        inbound().open(packet)


@each_suite
@pytest.mark.requirements("4303-2.6-01", "4303-2.6-02", "4303-2.6-03", "4303-3.4.4.1-i01")
def test_dummy_packets(suite: Suite) -> None:
    """Section 2.6: next header 59, any content; the receiver takes them without an error."""
    sender, receiver = outbound(suite), inbound(suite)
    assert receiver.open(sender.seal_dummy()) == (b"", 59)
    assert receiver.open(sender.seal_dummy(100)) == (bytes(100), 59)
    assert receiver.open(sender.seal(b"\xff" * 5, 59, tfc_pad=50)) == (b"\xff" * 5 + bytes(50), 59)
    assert (receiver.dummies, receiver.packets) == (3, 3)


@pytest.mark.parametrize(
    ("payload", "next_header"),
    [(PING, 4), (bytes(IPv6() / UDP() / b"abc"), 41), (bytes(UDP() / b"abc"), 17)],
)
@pytest.mark.parametrize("octets_more", [1, 3, 4, 255, 256, 1200])
@pytest.mark.requirements("4303-2.7-01", "4303-2.7-02")
def test_tfc_padding_is_added_and_dropped(payload: bytes, next_header: int, octets_more: int) -> None:
    """Section 2.7: behind a payload that states its own length, which is not changed."""
    sender, receiver = outbound(), inbound()
    packet = sender.seal(payload, next_header, tfc_pad=octets_more)
    assert len(packet) >= len(outbound().seal(payload, next_header)) + octets_more - 3
    parts = EspParts.take_apart(receiver, packet)
    assert (parts.payload, parts.tfc) == (payload, bytes(octets_more))
    assert receiver.open(packet) == (payload, next_header)


@pytest.mark.parametrize(
    ("payload", "next_header"),
    [(bytes(TCP()), 6), (bytes(ICMP()), 1), (PING[:-1], 4), (PING + b"x", 4), (PING, 41), (b"", 4)],
)
def test_tfc_padding_needs_a_length(payload: bytes, next_header: int) -> None:
    with pytest.raises(LocalError, match="contains its length"):
        outbound().seal(payload, next_header, tfc_pad=8)


def test_senseless_arguments() -> None:
    sender = outbound()
    for call in ({"next_header": 256}, {"next_header": -1}, {"next_header": 4, "tfc_pad": -1}):
        with pytest.raises(LocalError):
            sender.seal(PING, **call)
    assert (sender.seq, sender.packets) == (0, 0)


# --- construction ---------------------------------------------------------------------------------------------------


@pytest.mark.sample(3)
@each_suite
@pytest.mark.parametrize("by", [-1, 1])
def test_key_lengths_are_checked_at_once(suite: Suite, by: int) -> None:
    good = keys(suite)
    wrong = [{"key": octets("wrong", good["encr"].key_size + by)}] if good["encr"].key_size else []
    wrong += [{"auth_key": octets("wrong", good["integ"].key_size + by)}] if good["integ"] else []
    assert wrong
    for change in wrong:
        for direction in (outbound, inbound):
            with pytest.raises(ConfigError) as caught:
                direction(suite, **change)
            assert "wrong" not in str(caught.value)
            assert next(iter(change.values())).hex() not in str(caught.value)


def test_combinations_that_cannot_be() -> None:
    integ = keys(CBC)["integ"]
    auth_key = keys(CBC)["auth_key"]
    for suite, change in (
        (GCM, {"integ": integ, "auth_key": auth_key}),
        (GCM, {"auth_key": auth_key}),
        (Suite(Encr.ENCR_AES_CBC, 128), {"auth_key": auth_key}),
        (Suite(Encr.ENCR_NULL), {}),
        (GCM, {"spi": 0}),
        (GCM, {"spi": WRAP}),
        (GCM, {"mode": "beet"}),
    ):
        for direction in (outbound, inbound):
            with pytest.raises(ConfigError):
                direction(suite, **change)
    with pytest.raises(ConfigError, match="unpredictable"):
        outbound(CBC, iv=None)
    assert outbound(GCM, iv=None).seal(PING, 4)


def test_random_ivs_come_from_the_callable_handed_in() -> None:
    asked = []

    def iv(size: int) -> bytes:
        asked.append(size)
        return bytes((len(asked),)) * size

    sender = outbound(CBC, iv=iv)
    assert [sender.seal(PING, 4)[8:24] for _ in range(2)] == [b"\x01" * 16, b"\x02" * 16]
    assert asked == [16, 16]
    with pytest.raises(LocalError, match="16 octets"):
        outbound(CBC, iv=lambda size: b"short").seal(PING, 4)


@each_suite
def test_repr_shows_no_key(suite: Suite) -> None:
    material = keys(suite)
    for sa in (outbound(suite), inbound(suite)):
        for text in (repr(sa), str(sa)):
            for key in (material["key"], material["auth_key"]):
                assert not key or (key.hex() not in text and repr(key)[2:-1] not in text)
            assert "0xc0ffee01" in text


@pytest.mark.parametrize("kind", [OutboundSa, InboundSa])
def test_counters_start_at_zero_and_count_what_the_cipher_saw(kind: type) -> None:
    """RFC 4301 section 4.4.2.1: the bytes to which the cipher is applied, padding included."""
    sender, receiver = outbound(CBC), inbound(CBC)
    receiver.open(sender.seal(bytes(20), 99))
    sa = sender if kind is OutboundSa else receiver
    assert (sa.packets, sa.bytes) == (1, 32)


def test_all_of_the_matrix_is_there() -> None:
    assert len(COMBINED) == 29
    assert {suite.integ for suite in SEPARATE} == {
        Integ.AUTH_HMAC_SHA1_96, Integ.AUTH_AES_XCBC_96, Integ.AUTH_AES_CMAC_96, Integ.AUTH_HMAC_SHA2_256_128,
        Integ.AUTH_HMAC_SHA2_384_192, Integ.AUTH_HMAC_SHA2_512_256, Integ.AUTH_HMAC_MD5_96, Integ.AUTH_HMAC_MD5_128,
        Integ.AUTH_HMAC_SHA1_160, private_use.Integ.AUTH_HMAC_SHA2_256_96, private_use.Integ.AUTH_HMAC_RIPEMD_160_96,
    }  # fmt: skip
