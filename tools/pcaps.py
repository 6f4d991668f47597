# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the captures of pcaps/, their key tables and their README: ``scripts/pcaps``. The lab needs strongSwan."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from fynx_scapy import __version__, scenarios
from fynx_scapy.harness import Role, Verdict
from fynx_scapy.lab.trial_runner import run_trial

PCAPS = Path(__file__).resolve().parent.parent / "pcaps"
BOTH = ("initiator", "responder")

DEMO = ("psk_handshake", "cookie", "invalid_ke", "ts_narrowing", "liveness", "delete_child", "delete_ike")
LIVE = {
    "psk_handshake": BOTH,
    "wrong_psk": ("responder",),
    "ts_unacceptable": ("initiator",),
    "cookie": ("initiator",),
    "invalid_ke": ("initiator",),
    "childless_by_peer": ("responder",),
    "virtual_ip_for_us": ("initiator",),
    "several_children": ("initiator",),
    "rekey_child_pfs_by_peer": ("initiator",),
    "rekey_ike": ("responder",),
    "both_rekey_child": ("initiator",),
    "both_rekey_ike": ("responder",),
    "delete_child_by_peer": ("initiator",),
    "peer_dies": ("initiator",),
    "nat_before_us": ("initiator",),
    "nat_before_peer": ("responder",),
    "fragmentation": ("responder",),
    "ipv6": ("initiator",),
    "own_ports": ("initiator",),
    "suite_chacha20_x448": ("initiator",),
    "suite_cbc256_sha512_ecp521": ("responder",),
    "suite_ccm128_ecp256": ("initiator",),
    "suite_ctr128_sha256_brainpool256": ("responder",),
}
"""The scenarios whose captures are kept, with our roles."""
HEAD = """# Captures

Captures of our own runs, with throw-away keys. `demo` is with the embedded peer, the others are with a real peer in the
lab. `fynx dissect` decrypts each of them without further options, because its keys are beside it: `NAME.keys/` holds
Wireshark's `ikev2_decryption_table` and `esp_sa`, and our `keys.json`, which also has the shared secrets of the key
exchanges. `scripts/pcaps` makes the captures and this page again.

| capture | keys | provenance |
|---|---|---|
"""


def main() -> None:
    """Record all captures. Stops at a scenario that fails."""
    rows = [_demo()]
    for name, roles in LIVE.items():
        made = scenarios.load(name)
        for role in roles:
            outcome = run_trial(made, Role(role))
            if outcome.result.verdict is not Verdict.PASS:
                sys.exit(f"{outcome.name}: {outcome.result.reason}")
            stem = f"{outcome.peer}-{name}-{role}"
            outcome.save_capture(_fresh(stem))
            peer = f"{outcome.peer} {outcome.version}"
            rows.append(
                _row(stem, f"version {__version__}, we as {role} with {peer}: `fynx lab matrix {name} --role {role}`")
            )
            print(stem)
    (PCAPS / "README.md").write_text(HEAD + "\n".join(rows) + "\n")


def _demo() -> str:
    _fresh("demo")
    words = ["run", *DEMO, "--seed", "7", "--pcap", "demo.pcapng"]
    subprocess.run([sys.executable, "-m", "fynx_scapy.cli", *words], cwd=PCAPS, check=True, stdout=subprocess.DEVNULL)
    return _row("demo", f"version {__version__}: `fynx {' '.join(words)}`")


def _fresh(stem: str) -> Path:
    """The path of a capture. An old capture and its keys are removed."""
    shutil.rmtree(PCAPS / f"{stem}.keys", ignore_errors=True)
    path = PCAPS / f"{stem}.pcapng"
    path.unlink(missing_ok=True)
    return path


def _row(stem: str, provenance: str) -> str:
    return f"| `{stem}.pcapng` | `{stem}.keys/` | {provenance} |"


if __name__ == "__main__":
    main()
