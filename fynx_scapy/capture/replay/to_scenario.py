# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a recorded conversation as a scenario: a file that runs on its own, reads like scenarios/, and can be edited.

It has steps and configuration, but no octets. The recording's pre-shared key is not in it.
"""

from __future__ import annotations

import json
import keyword
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fynx_scapy.capture.follow.exchanges import (
    AUTH,
    CREATE_CHILD,
    DELETE_CHILD,
    DELETE_IKE,
    INFORMATIONAL,
    INIT,
    REKEY_CHILD,
    REKEY_IKE,
)
from fynx_scapy.capture.replay import configs
from fynx_scapy.capture.replay.recording import Recording, Step
from fynx_scapy.errors import CaptureError
from fynx_scapy.iana import ExchangeType, name_of
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import IKEv2_Notify

PSK = "replayed"
WIDTH = 115

_CALLS = {
    INIT: "s.sa_init()",
    AUTH: "s.auth()",
    REKEY_CHILD: "s.rekey_child()",
    REKEY_IKE: "s.rekey_ike()",
    DELETE_CHILD: "s.delete(s.child)",
    DELETE_IKE: "s.delete()",
    INFORMATIONAL: "s.liveness()",
}
_FOLLOWS = {REKEY_CHILD: DELETE_CHILD, REKEY_IKE: DELETE_IKE}
"""Exchanges that the engine starts by itself after a step."""

_HEAD = '''# SPDX-License-Identifier: GPL-2.0-or-later
"""{title}"""

from __future__ import annotations

from fynx_scapy import ChildConfig, IkeConfig, PeerFields, SessionFields
from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import Run, expect, play, scenario
from fynx_scapy.layers import ikev2

'''


def write(recording: Recording, name: str, source: str) -> str:
    """The text of the file ``NAME.py``. ``source`` names the capture that it is from.

    Raises CaptureError if the IKE SA was not established, if an end signed AUTH (a file without private keys cannot),
    or if a configuration cannot express the conversation.
    """
    if not recording.established:
        raise CaptureError(f"{source}: expected a conversation whose IKE SA was established, found one that was not")
    for message in [each for step in recording.of(AUTH) for each in (step.request, step.response)]:
        if message is not None and configs.signs(message):
            raise CaptureError(
                f"{source}, packet {message.numbers[0]}: expected AUTH by a pre-shared key, found a signature: a "
                "scenario has no private key to sign with. Replay the capture itself, with --cert, --key and --ca"
            )
    ours = configs.initiator(recording, PSK)
    peer: dict[str, Any] = dict(configs.responder(recording, ours))
    lines = ["CONFIG = IkeConfig(", f'    auth="{PSK}",', f"    local_id={_identity(ours.local_id)},"]
    if ours.remote_id is not None:
        lines.append(f"    remote_id={_identity(ours.remote_id)},")
    lines += _list("proposals", map(str, ours.proposals))
    lines += [f"    ke={ours.ke},", f"    nonce_size={ours.nonce_size},", f"    fragmentation={ours.fragmentation},"]
    lines += [*_children("children", ours.children, "    "), ")", "", "PEER = PeerFields("]
    lines += _list("proposals", map(str, peer["proposals"]))
    lines += _children("children", peer["children"], "    ")
    lines += [f"    childless={peer['childless']},"]
    if "local_id" in peer:
        lines.append(f"    local_id={_identity(peer['local_id'])},")
    if "cookie_threshold" in peer:
        lines.append(f"    cookie_threshold={peer['cookie_threshold']},")
    lines += [")", "", ""]
    title = _one_line(f"Replay of a conversation in {source}.")
    function = name if name.isidentifier() and not keyword.iskeyword(name) else "recorded"
    lines += [
        '@scenario("RFC 7296 section 1.2", live=True)',
        f"def {function}(run: Run) -> None:",
        f'    """{title}"""',
    ]
    addresses = f', "local": "{recording.initiator}", "remote": "{recording.responder}"'
    if recording.initiator == recording.responder:
        addresses = ""
    lines.append(f'    embedded: SessionFields = {{"peer": PEER{addresses}}}')
    lines += ["    s = run.session(config=CONFIG, embedded=embedded)", *_steps(recording)]
    lines += ["", "    expect(s.events).has(IkeSaEstablished)", "", "", 'if __name__ == "__main__":']
    lines += [f"    play({function})", ""]
    text = _HEAD.format(title=title) + "\n".join(lines)
    return text if " ChildConfig(" in text else text.replace("import ChildConfig, ", "import ")


def _steps(recording: Recording) -> Iterator[str]:
    automatic: Counter[str] = Counter()
    begun = False
    for step in recording.steps:
        number = step.request.numbers[0]
        if not step.ours:
            yield from ("", *_comment(f"packet {number}, a request of the peer: {step.request.title}"))
            continue
        if step.kind == INIT and begun:
            yield from _comment(f"packet {number}, a retry: {step.request.title}")
            continue
        begun = True
        yield ""
        yield from _comment(f"packet {number}: {step.request.title}  -->")
        if step.response is not None:
            yield from _comment(f"<--  {step.response.title}")
        if automatic[step.kind]:
            automatic[step.kind] -= 1
            yield "    # The engine has sent this by itself."
            continue
        automatic[_FOLLOWS.get(step.kind, "")] += 1
        yield from _call(recording, step)


def _call(recording: Recording, step: Step) -> Iterator[str]:
    if step.kind == CREATE_CHILD:
        *lines, _ = _child(configs.child(recording, step), "        ")
        yield from ("    answer = s.create_child(", *lines, "        )", "    )")
    elif step.kind in _CALLS:
        yield f"    answer = {_CALLS[step.kind]}"
    else:
        yield "    # A session has no such step."
        return
    yield f'    expect(answer).exchange("{name_of(ExchangeType, int(step.request.header.exch_type))}").response()'
    final = recording.of(INIT)[-1].response if step.kind == INIT else step.response
    payloads = final.payloads if final else ()
    layers = dict.fromkeys(type(p).__name__ for p in payloads if not isinstance(p, IKEv2_Notify))
    for layer in layers if step.kind != INFORMATIONAL else ():
        yield f"    expect(answer).has(ikev2.{layer})"


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(_one_line(text), WIDTH - 6):
        yield f"    # {line}"


def _one_line(text: str) -> str:
    """The text in printable characters, without anything that ends a docstring."""
    return "".join(c if c.isprintable() and c not in '"\\' else "?" for c in text)


def _list(name: str, texts: Iterator[str], indent: str = "    ") -> list[str]:
    return [f"{indent}{name}=[", *(f"{indent}    {json.dumps(text)}," for text in texts), f"{indent}],"]


def _children(name: str, children: tuple[ChildConfig, ...], indent: str) -> list[str]:
    if not children:
        return [f"{indent}{name}=(),"]
    return [f"{indent}{name}=(", *(line for each in children for line in _child(each, indent + "    ")), f"{indent}),"]


def _child(child: ChildConfig, indent: str) -> Iterator[str]:
    yield f"{indent}ChildConfig("
    inner = indent + "    "
    yield from _list("proposals", map(str, child.proposals), inner)
    yield from _list("local_ts", map(_selector, child.local_ts), inner)
    yield from _list("remote_ts", map(_selector, child.remote_ts), inner)
    yield f'{inner}mode="{child.mode}",'
    yield f"{inner}accept_tfc={child.accept_tfc},"
    yield f"{inner}fragments={child.fragments},"
    yield f"{indent}),"


def _identity(identity: Identity) -> str:
    if Identity.of(str(identity)) != identity:
        raise CaptureError(f"the identity {identity} cannot be written as text")
    return json.dumps(str(identity))


def _selector(selector: Selector) -> str:
    if Selector.of(str(selector)) != selector:
        raise CaptureError(f"the traffic selector {selector} cannot be written as text")
    return str(selector)
