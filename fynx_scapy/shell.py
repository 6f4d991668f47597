# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell: IPython with Scapy's names, ours, and magics for the most common tasks."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.capture import Capture
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.session import Session

BANNER = f"""\
fynx-scapy {__version__}: IKEv2 and ESP at the Scapy prompt (sr1, ls, IP, …). TAB completes, object? explains.
s = Session(psk="secret"); s.connect(); s.ping(); s.sas()    step by step; Session("192.0.2.1") is a live peer
s.request("INFORMATIONAL", IKEv2_Notify(type="INITIAL_CONTACT"))    anything you like; s.save("run.pcapng") keeps it
c = Capture("run.pcapng", KeyLog(secrets=["5f0c…"])); c.conversations; c.messages[3].show(); c.to_pandas()
%ladder s    %ladder c.conversations[0]    %decrypt run.pcapng KEYS    %tb after an error    example() is a finished one
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
    """The names that are defined at the prompt: Scapy's, and then ours, which win."""
    import scapy.all

    import fynx_scapy
    from fynx_scapy import capture, errors, events, harness, iana, net, taps
    from fynx_scapy.harness import cases, verbs
    from fynx_scapy.layers import esp, ikev2

    defined = {name: value for name, value in vars(scapy.all).items() if not name.startswith("_")}
    for module in (events, harness, capture, net, ikev2, esp, fynx_scapy):
        defined |= {name: getattr(module, name) for name in module.__all__}
    defined |= {
        name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, FynxError)
    }
    modules = {
        "cases": cases,
        "verbs": verbs,
        "errors": errors,
        "events": events,
        "iana": iana,
        "taps": taps,
        "fynx_scapy": fynx_scapy,
    }
    return defined | modules | {"example": example}


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
    prompt = config.TerminalInteractiveShell
    prompt.confirm_exit = prompt.enable_tip = False
    prompt.autoawait, prompt.loop_runner = True, "asyncio"
    shell: Any = InteractiveShellEmbed(config=config, banner1=banner, user_ns=namespace)  # type: ignore[no-untyped-call]
    magics = Magics(shell.user_ns)
    for magic in (magics.ladder, magics.decrypt):
        shell.register_magic_function(magic, "line", magic.__name__)
    shell.set_custom_exc((FynxError,), _one_line)
    if not shell.simple_prompt:
        # Clients and servers go on while the prompt waits: it runs in the event loop in which commands are awaited.
        shell.enable_gui("asyncio")
    shell()


def _one_line(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show an error of ours on one line; ``%tb`` shows the whole traceback."""
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    print(f"{kind.__name__}: {error}", file=sys.stderr)


class Magics:
    """The line magics. A FynxError is printed as one line, without a traceback."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def ladder(self, line: str) -> Any:
        """%ladder [WHAT]: draw the ladder of a session, a conversation or a capture (default: ``s``, else ``c``).

        WHAT is a name or an expression, such as ``c.conversations[1]``.
        """
        text = line.strip() or next((default for default in ("s", "c") if default in self._namespace), "s")
        try:
            drawable: Any = eval(text, self._namespace)  # the user's own expression, at the user's own prompt
        except NameError:
            drawable = None
        except (AttributeError, LookupError, SyntaxError, TypeError, FynxError) as error:
            print(f"%ladder {text}: {type(error).__name__}: {error}")
            return None
        if not callable(getattr(drawable, "ladder", None)):
            several = isinstance(drawable, list | tuple) and any(hasattr(item, "ladder") for item in drawable)
            hint = f"; it has {len(drawable)}: write %ladder {text}[0]" if several else ""
            print(f"expected the name of a session, a conversation or a capture, found {text!r}{hint}")
            return None
        return _printing_errors(drawable.ladder)

    def decrypt(self, line: str) -> Any:
        """%decrypt FILE [KEYS]: open a capture as ``c``, with the keys in KEYS or beside the capture."""
        try:
            words = [str(Path(word).expanduser()) for word in shlex.split(line)]
        except (ValueError, RuntimeError) as error:
            print(f"expected %decrypt FILE [KEYS], found {line!r}: {error}")
            return None
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
