# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx follow``: from secrets to tables, its exit status, and no secret ever echoed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.cli import main
from fynx_scapy.keylog import KeyLog
from tests.capture.following import least
from tests.shared import shared

NAME = "psk-gcm128-pfs-x25519"


def options(name: str) -> list[str]:
    keys = least(shared("captures/lab") / f"{name}.keys.json")
    given = [f"--secret={secret.hex()}" for secret in keys.secrets] + [f"--ppk=0x{ppk.hex()}" for ppk in keys.ppk]
    return given + [f"--psk={psk.decode()}" for psk in keys.psk]


def capture(tmp_path: Path, name: str) -> str:
    """A copy without tables beside it."""
    path = tmp_path / f"{name}.pcap"
    path.write_bytes((shared("captures/lab") / path.name).read_bytes())
    return str(path)


def test_from_secrets_to_tables_that_wireshark_takes(tmp_path: Path) -> None:
    arguments = ["follow", capture(tmp_path, NAME), *options(NAME), "--save", str(tmp_path / "keys")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "12 of 12 protected messages decrypted\n22 of 22 ESP packets decrypted\n" in result.output
    assert result.output.count("AUTH of") == result.output.count(": verified (PSK 1 of 1)") == 2
    assert "keys from rekey of the IKE SA, rekeys " in result.output
    lab = shared("captures/lab")
    for table in ("esp_sa", "ikev2_decryption_table"):
        assert set((tmp_path / "keys" / table).read_text().splitlines()) == set(
            (lab / f"{NAME}.{table}").read_text().splitlines()
        )
    assert KeyLog.load(tmp_path / "keys").warnings == []


def test_secrets_in_a_file(tmp_path: Path) -> None:
    keys = least(shared("captures/lab") / f"{NAME}.keys.json")
    keys.write(tmp_path / "mine.secrets")
    result = CliRunner().invoke(main, ["follow", capture(tmp_path, NAME), "--keys", str(tmp_path / "mine.secrets")])
    assert result.exit_code == 0
    assert "22 of 22 ESP packets decrypted" in result.output


def test_a_bad_auth_is_exit_status_one(tmp_path: Path) -> None:
    name = "psk-auth-failed"
    secrets = [option for option in options(name) if option.startswith("--secret")]
    result = CliRunner().invoke(main, ["follow", capture(tmp_path, name), *secrets, "--psk", "the wrong one"])
    assert result.exit_code == 1
    assert "BAD (the known secret does not give this AUTH)" in result.output


def test_without_secrets_nothing_opens_and_that_is_no_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["follow", capture(tmp_path, NAME)])
    assert result.exit_code == 0
    assert "no secret fits" in result.output
    assert "0 of 12 protected messages decrypted" in result.output


def test_a_rekeyed_ike_sa_that_was_never_used_is_not_called_a_misfit() -> None:
    pcap = Path(__file__).parents[2] / "pcaps" / "strongswan-fragmentation-responder.pcapng"
    output = CliRunner().invoke(main, ["follow", str(pcap)]).output
    assert "no message to try a secret on, rekeys " in " ".join(output.split())
    assert "no secret fits" not in output


@pytest.mark.parametrize("option", ["--secret", "--private", "--msk", "--sk-d"])
def test_a_value_that_cannot_be_read_is_misuse_and_not_echoed(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(main, ["follow", capture(tmp_path, NAME), option, "c0ffee-xyzzy"])
    assert result.exit_code == 2
    assert "is not hexadecimal (12 characters)" in result.output
    assert "xyzzy" not in result.output


@pytest.mark.parametrize("form", ["option", "file", "stdin", "keys"])
def test_the_password_of_eap(tmp_path: Path, form: str) -> None:
    name, password = "eap-mschapv2-vip", "Ar3etTnp"
    (tmp_path / "secret").write_text(f"{password}\n")
    (tmp_path / "keys").write_text(f"eap_password {password}\n")
    given = {
        "option": ["--eap-password", password],
        "file": ["--eap-password-file", str(tmp_path / "secret")],
        "stdin": ["--eap-password-file", "-"],
        "keys": ["--keys", str(tmp_path / "keys")],
    }[form]
    secrets = least(shared("captures/lab") / f"{name}.keys.json").secrets
    arguments = ["follow", capture(tmp_path, name), *(f"--secret={secret.hex()}" for secret in secrets), *given]
    result = CliRunner().invoke(main, arguments, input=password)
    assert (result.exit_code, result.output.count("verified (EAP-MSCHAPv2, password 1 of 1)")) == (0, 2), result.output
    assert password not in result.output
    certificates = [line for line in result.output.splitlines() if ": certificate of" in line]
    assert len({line.partition(": ")[2] for line in certificates}) == len(certificates) > 0  # each once, where it is
    result = CliRunner().invoke(main, [*arguments[:-2], "--eap-password", "Xyzzy9"])
    assert result.output.count("the known password does not give the response of EAP-MSCHAPv2") == 2
    assert "Xyzzy9" not in result.output


def test_no_secret_is_echoed(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["follow", capture(tmp_path, "psk-ppk"), *options("psk-ppk")])
    assert result.exit_code == 0
    for option in options("psk-ppk"):
        assert option.partition("=")[2] not in result.output
