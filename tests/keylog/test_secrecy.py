# SPDX-License-Identifier: GPL-2.0-or-later
"""No warning repeats what stands in a key file: with columns swapped, or a line in the wrong place, it may be a key."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.keylog import KeyLog
from tests.keylog.test_formats import XFRM, full
from tests.keylog.test_gateways import IKE_LINES, VPP
from tests.keylog.test_mixed import CHARON, PLUTO, SECRET, TABLE

DOCUMENT = {
    "format": "fynx-scapy keys 1",
    "ike": [],
    "esp": [{
        "spi": "00001234", "src": "192.0.2.1", "dst": "192.0.2.2", "encr": {"id": 12, "key_length": 128, "name": "x"},
        "key": "00" * 16, "integ": None, "auth_key": "", "esn": False, "unchecked_icv": 0,
    }],
    "psk": ["6162"],
}  # fmt: skip
IKE_ROW = (
    f'0102030405060708,1112131415161718,{"11" * 32},{"22" * 32},"AES-CBC-256 [RFC3602]",'
    f'{"33" * 32},{"44" * 32},"HMAC_SHA2_256_128 [RFC4868]"'
)
TEXTS = {
    "esp_sa": TABLE,
    "ikev2_decryption_table": IKE_ROW,
    "ikev1_decryption_table": "0102030405060708,00112233",
    "keys.json": json.dumps(DOCUMENT, indent=1),
    "charon.log": "\n".join(CHARON),
    "pluto.log": "\n".join(PLUTO),
    "iked.log": "spi=0x0102030405060708: ikev2_sa_keys: S with 16 bytes\n01020304 05060708 11121314 15161718\n"
    "ikev2_sa_keys: SK_ei with 4 bytes\n00112233\n",
    "tcpdump": f"{SECRET}\n{IKE_LINES}",
    "xfrm_state": XFRM,
    "setkey": "192.0.2.1 192.0.2.2\n\tesp mode=tunnel spi=4660(0x1234) reqid=1\n\tE: rijndael-cbc 00112233\n"
    "add 192.0.2.1 192.0.2.2 esp 0x1234 -E rijndael-cbc 0x00112233 -A hmac-sha1 0x0011 ;\n",
    "vpp": VPP,
    "fortigate": "name=lab ver=2 serial=1 192.0.2.1:0->192.0.2.2:0\n  dec: spi=00001234 esp=aes key=2 0011\n"
    "       ah=sha256 key=2 0011\n  id/spi: 2 0102030405060708/1112131415161718\n  proposal: aes256-sha256\n"
    "  SK_ei: 0011-2233\n",
    "secrets": 'secret 0x00112233\npsk "lab psk"\nppk 0s/w==\nmsk 0011\neap_password "lab"\n',
    "tlskeys": f"# TLS\nCLIENT_RANDOM {'11' * 32} {'22' * 48}\nSERVER_HANDSHAKE_TRAFFIC_SECRET {'11' * 32} 22\n",
    "sk": "SPI_i: 0102030405060708\nencr=AES_CBC_256\nSK_ei = 0011\nSK_er: 2233\n",
}
# neither a part of our texts nor of the files' paths
KEYS = st.one_of(
    st.text(alphabet="cdef5789", min_size=12, max_size=64).map(lambda text: "c5" + text),
    st.text(alphabet="XQJZkvwxyz!$%&/+_", min_size=8, max_size=40).map(lambda text: "Zq" + text),
)


@given(data=st.data(), key=KEYS, name=st.sampled_from(sorted(TEXTS)), named=st.booleans())
def test_a_key_in_any_place_is_in_no_warning(data: st.DataObject, key: str, name: str, named: bool) -> None:
    from fynx_scapy.keylog import FORMATS

    text = TEXTS[name]
    places = [at for at in range(1, len(text)) if text[at - 1].isalnum() != text[at].isalnum()] or [len(text)]
    at = data.draw(st.sampled_from(places))
    end = data.draw(st.sampled_from([at, *[place for place in places if place > at][:3]]))
    log = KeyLog()
    log.parse(text[:at] + key + text[end:], "here", FORMATS[name] if named else None)
    for warning in log.warnings:
        assert key not in warning
        assert key.casefold() not in warning.casefold()


@given(data=st.data(), key=KEYS, name=st.sampled_from(["esp_sa", "ikev2_decryption_table"]))
def test_swapped_columns_show_no_key(data: st.DataObject, key: str, name: str) -> None:
    columns = data.draw(st.permutations(TEXTS[name].split(",")))
    columns[data.draw(st.integers(0, len(columns) - 1))] = key
    log = KeyLog()
    log.parse(",".join(columns), "here")
    assert len(log.warnings) <= 1
    assert not any(value in warning for warning in log.warnings for value in (key, "11" * 32, "0102030405060708"))


def test_every_format_is_tried() -> None:
    from fynx_scapy.keylog import FORMATS

    assert set(TEXTS) == set(FORMATS)


def test_what_the_examples_hold_is_read(tmp_path: Path) -> None:
    log = KeyLog()
    for name in ("esp_sa", "ikev2_decryption_table", "charon.log", "pluto.log", "tcpdump", "xfrm_state", "vpp"):
        log.parse(TEXTS[name], name)
    assert log.warnings == []
    assert len(full().ike) == 2
