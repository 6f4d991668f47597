# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a client, Carol, and a gateway, Bob, for tests of EAP's configuration."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy.pki.making import Authority

HUSH = "hush-hush-1234"
IMSI = "0232010000000000@example"
K, OPC = "465b5ce8b199b49faa5f0a2ee238a6bc", "cd63cb71954a9f4e48a5994e37a02baf"


def make(folder: Path) -> Path:
    """root.crt; gw.crt and carol.crt, each with its key; password, usim, users, subscribers, and files to refuse."""
    root = Authority.root("CN=root", seed="root")
    root.issue("CN=gw", ["gw.example"], "ecdsa-p256", seed="gw").write(folder, "gw")
    root.issue("CN=carol", ["carol@example.org"], "ecdsa-p256", seed="carol").write(folder, "carol")
    (folder / "root.crt").write_bytes(root.cert.public_bytes(Encoding.PEM))
    for name, text in {
        "password": f"{HUSH}\n",
        "usim": f"{K}:{OPC}:32\n",
        "users": f"# who may connect\n\ncarol:{HUSH}\ndave:hush:with a colon\n",
        "subscribers": f"{IMSI}:{K}:{OPC}\n",
        "psk": "a key of both\n",
        "empty": "\n",
        "two": f"carol:{HUSH}\ncarol:hush\n",
        "no-colon": "carol hush\n",
        "no-name": f"carol:{HUSH}\n:hush\n",
        "no-password": "carol:\n",
        "blank": "carol: hush\n",
        "blank-name": "carol :hush\n",
        "comments": "# nobody\n",
        "bell": "carol:hush-hush\ndav\ae:hush\n",
        "tab": "carol:hu\tsh\n",
        "old-mac": "carol:hush\rdave:hush\r",
        "long-name": f"{'x' * 65531}:hush\n",
        "long-imsi": f"{'1' * 1017}:{K}:{OPC}\n",
        "short-key": f"{IMSI}:{K[1:]}:{OPC}\n",
        "large-sqn": f"{IMSI}:{K}:{OPC}:{1 << 48}\n",
        "long": f"{IMSI}:{K}:{OPC}:1:2\n",
    }.items():
        (folder / name).write_text(text, newline="")
    (folder / "binary").write_bytes(b"carol:\xff\xfe\n")
    for path in folder.iterdir():
        path.chmod(0o600)
    return folder
