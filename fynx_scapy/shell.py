# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell: IPython with layers, sessions and captures imported, and two magics for the most common tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.capture import Capture, IPsecSession, KeyLog, rdpcap
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.session import Session

BANNER = f"""\
fynx-scapy {__version__}: IKEv2 and ESP at the prompt. TAB completes, object? explains; example() is a session.
s = Session(psk="secret"); s.sa_init().show(); s.auth(); s.ping()    step by step; Session("192.0.2.1") is a live peer
s.rekey_child(); s.request("INFORMATIONAL", IKEv2_Notify(type="INITIAL_CONTACT"))    send anything you like
c = Capture("run.pcapng", KeyLog(secrets=["5f0c…"])); c.conversations; c.messages[3].show(); c.to_pandas()
%ladder s    %ladder c    %decrypt run.pcapng KEYS
"""


def example(seed: int = 1) -> Session:
    """A finished session with an embedded peer: a handshake, a ping, a rekey of both SAs and a delete."""
    s = Session(psk="secret", local_id="alice", remote_id="bob", seed=seed)
    s.connect()
    s.ping()
    s.rekey_child()
    s.rekey_ike()
    s.delete()
    return s


def names() -> dict[str, Any]:
    """The names that are defined at the prompt."""
    import scapy.all
    from scapy.layers.inet import ICMP, IP, UDP
    from scapy.layers.inet6 import IPv6

    import fynx_scapy
    from fynx_scapy.layers import esp, ikev2

    defined: dict[str, Any] = {"conf": scapy.all.conf, "IP": IP, "IPv6": IPv6, "UDP": UDP, "ICMP": ICMP}
    for module in (ikev2, esp):
        defined |= {name: getattr(module, name) for name in module.__all__}
    defined |= {name: getattr(fynx_scapy, name) for name in fynx_scapy.__all__}
    defined |= {"Capture": Capture, "KeyLog": KeyLog, "rdpcap": rdpcap, "IPsecSession": IPsecSession}
    return defined | {"Session": Session, "example": example}


def start(capture: Capture | str | None = None, keys: str | None = None) -> None:
    """Open the shell, with ``capture`` as ``c``. Raises ConfigError without IPython, CaptureError for a bad capture."""
    try:
        from IPython.terminal.embed import InteractiveShellEmbed
        from traitlets.config import Config
    except ImportError:
        raise ConfigError("the shell needs IPython; install it with: pip install 'fynx-scapy[shell]'") from None
    namespace, banner = names(), BANNER
    if capture is not None:
        namespace["c"] = opened(capture, keys) if isinstance(capture, str) else capture
        banner += f"c = {namespace['c']!r}\n"
    config = Config()
    config.HistoryManager.hist_file = ":memory:"  # the user may type secrets
    config.TerminalInteractiveShell.confirm_exit = config.TerminalInteractiveShell.enable_tip = False
    shell: Any = InteractiveShellEmbed(config=config, banner1=banner, user_ns=namespace)  # type: ignore[no-untyped-call]
    magics = Magics(shell.user_ns)
    shell.register_magic_function(magics.ladder, "line", "ladder")
    shell.register_magic_function(magics.decrypt, "line", "decrypt")
    shell()


class Magics:
    """The line magics. A FynxError is printed as one line, without a traceback."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def ladder(self, line: str) -> Any:
        """%ladder [NAME]: draw the ladder of a session, a conversation or a capture (default: ``s``, else ``c``)."""
        name = line.strip() or next((default for default in ("s", "c") if default in self._namespace), "s")
        drawable: Any = self._namespace.get(name)
        if not hasattr(drawable, "ladder"):
            print(f"expected the name of a session, a conversation or a capture, found {name!r}")
            return None
        return _printing_errors(drawable.ladder)

    def decrypt(self, line: str) -> Any:
        """%decrypt FILE [KEYS]: open a capture as ``c``, with the keys in KEYS or beside the capture."""
        words = line.split()
        if not 1 <= len(words) <= 2:
            print(f"expected %decrypt FILE [KEYS], found {len(words)} words")
            return None
        capture = _printing_errors(lambda: opened(*words))
        if capture is not None:
            self._namespace["c"] = capture
        return capture


def opened(path: str, keys: str | None = None) -> Capture:
    """A capture with its messages decrypted. Raises CaptureError when it cannot be read."""
    capture = Capture(path, keys)
    capture.follow()
    return capture


def _printing_errors(act: Callable[[], Any]) -> Any:
    """Call ``act`` and return its result. Print a FynxError and return None."""
    try:
        return act()
    except FynxError as error:
        print(error)
        return None
