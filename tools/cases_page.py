# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes docs/cases.md: verbs, outcomes and bases from the code, and libreswan's impairments beside our verbs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from fynx_scapy.harness import cases as words
from fynx_scapy.harness import verbs
from fynx_scapy.harness.cases.base import BASES
from fynx_scapy.iana import ExchangeType, name_of
from tools.settings_page import NOTE

KINDS = {
    "Fields": "fields",
    "Payloads": "payloads",
    "What two ends agree on": "offers",
    "Signatures in AUTH": "signatures",
    "EAP": "eap",
    "Octets": "octets",
    "How SK is sealed": "protection",
    "Datagrams": "datagrams",
    "ESP packets": "esp",
}
"""What the verbs of a module of `fynx_scapy.harness.verbs` are about."""
STAGES = {  # the tap stage of a verb, in words
    "payloads": "layers", "plaintext": "inside SK", "wire": "wire", "datagrams": "datagrams", "parts": "ESP fields",
}  # fmt: skip

OUTCOMES = (
    "answered", "refused", "silent", "dropped", "accepted", "alive", "carries", "deletes", "no_sa", "no_child",
    "new_sa_unused", "new_child_unused", "gives_up", "goes_on", "retries", "asks_again", "taken", "backs_off",
    "answers_alike", "chooses", "chooses_nothing", "sends", "never", "no_complaint", "delivered", "discarded",
    "eap_fails", "eap_says", "not_proven", "proves_itself", "eap_ends_within", "survives", "either", "both", "judged",
)  # fmt: skip

IMPAIRMENTS = (
    ("bad-ikev2-auth-xchg", "set_header(exch_type=37)", "auth", "response"),
    ("child-key-length-attribute:omit", "without_key_length()", "create_child", "request"),
    ("child-key-length-attribute:duplicate", "add_attribute(14, 128)", "create_child", "request"),
    ("child-key-length-attribute:N", "set_transforms('ENCR', 20, 999)", "create_child", "request"),
    ("ike-key-length-attribute:omit", "without_key_length()", "init", "request"),
    ("ike-key-length-attribute:duplicate", "add_attribute(14, 128)", "init", "request"),
    ("corrupt-encrypted", "flip_icv()", "liveness", "request"),
    ("drop-i2", "lose_all()", "auth", "request"),
    ("send-no-ikev2-auth", "lose_all()", "auth", "request"),
    ("drop-incoming, drop-outgoing", "lose()", "liveness", "response"),
    ("ike-initiator-spi", "set_header(init_SPI=bytes(8))", "init", "request"),
    ("ike-responder-spi", "set_header(resp_SPI=bytes(8))", "liveness", "request"),
    ("v2-proposal-integ:omit", "drop_transforms('INTEG')", "init", "request"),
    ("v2-proposal-integ:allow-none", "add_transform('INTEG', 0)", "create_child", "request"),
    ("v2-proposal-dh:omit", "drop_transforms('KE')", "init", "request"),
    ("v2-proposal-dh:allow-none", "set_transforms('KE', 0)", "rekey_ike", "request"),
    ("ikev2-add-ike-transform", "add_transform(200, 1)", "init", "request"),
    ("ikev2-add-child-transform", "add_transform(200, 1)", "create_child", "request"),
    ("jacob-two-two", "send_again(1)", "liveness", "request"),
    ("ke-payload:omit", "drop('KE')", "init", "request"),
    ("ke-payload:empty", "ke_value('empty')", "init", "request"),
    ("ke-payload:duplicate", "duplicate('KE')", "init", "request"),
    ("ke-payload:N", "ke_value('ones')", "init", "request"),
    ("major-version-bump", "set_header(version=0x30)", "init", "request"),
    ("minor-version-bump", "set_header(version=0x21)", "init", "request"),
    ("omit-hash-notify", "drop('N(SIGNATURE_HASH_ALGORITHMS)')", "init", "request"),
    ("rekey-initiate-supernet, rekey-respond-supernet", "selectors('TSr', '0.0.0.0/0')", "rekey_child", "request"),
    ("rekey-initiate-subnet, rekey-respond-subnet", "selectors('TSr', '10.2.0.9')", "rekey_child", "request"),
    ("replay-duplicates", "send_again(1)", "create_child", "request"),
    ("replay-forward, replay-backward, replay-encrypted", "replay(1)", "liveness", "request"),
    ("send-bogus-dcookie", "insert_notify('COOKIE', bytes(20), at=0)", "init", "request"),
    ("send-bogus-isakmp-flag", "flip_flags(0x80)", "init", "request"),
    ("send-bogus-payload-flag", "reserved_bits()", "auth", "request"),
    ("send-no-idr", "drop('IDr')", "auth", "request"),
    ("send-nonzero-reserved", "reserved_everywhere()", "init", "request"),
    ("send-nonzero-reserved-id", "set_field('IDi.res2', 0xFFFFFF)", "auth", "request"),
    ("add-unknown-v2-payload-to, …-to-sk", "insert_unknown()", "auth", "request"),
    ("unknown-v2-payload-critical", "insert_unknown(critical=True)", "auth", "request"),
    ("force-v2-auth-method", "auth_method('Digital_Signature')", "auth", "request"),
    ("omit-v2-ike-auth-child", "drop('SA', 'TSi', 'TSr')", "auth", "request"),
    ("send-keepalive", "octets_instead(b'\\xff')", "esp", "packet"),
)  # fmt: skip
"""libreswan's name (ipsec whack --impair, from its lib/libswan/impair.c), and what does the same here, with where."""

NOT_HERE = (
    ("bust-mi2, bust-mr2, drop-xauth-r0, ikev1-…, send-no-main-r2, send-no-xauth-r0, v1-…", "they are IKEv1's"),
    ("initiate-v2-liveness, event-v2-rekey, event-v2-reauth, event-v2-liveness, event-sa-replace, trigger",
     "steps: `s.liveness()`, `s.rekey_child()`, `s.rekey_ike()`, and the peer's driver"),
    ("suppress-retransmits, delete-on-retransmit, timeout-on-retransmit", "a setting of ours: `Retransmission`"),
    ("childless-ikev2-supported, ignore-hash-notify, ignore-v2-ike-auth-child, send-no-delete, revival, sa-creation",
     "what the daemon does, not a message: a configuration of ours, or a step that is not taken"),
    ("allow-dns-insecure, allow-null-none, emitting, force-fips, log-rate-limit, proposal-parser, send-key-size-check, "
     "event-check-crls, tcp-…", "checks that the daemon switches off; here every field may be anything"),
    ("send-pkcs7-thingie", "needs certificates"),
)  # fmt: skip

INTRO = """# Negative cases

A case is a row: which message of ours is changed, by which verbs, and what the peer must do then.

```python
# mine.py
from fynx_scapy.harness.cases import Case, alive, answered, cases, no_sa
from fynx_scapy.harness.verbs import drop, insert_unknown

cases(__name__, [
    Case("no_nonce", base="init", do=drop("Ni"), then=no_sa(), source="RFC 7296 section 1.2"),
    Case("unknown_payload", base="create_child", do=insert_unknown(critical=True, at=0),
         then=answered("UNSUPPORTED_CRITICAL_PAYLOAD", b"\\xc8") & alive(), requirements=("7296-2.5-08",)),
])
```

`fynx run mine.py` plays them with an embedded peer, `fynx run mine.py --target HOST` with a live one; the catalogue
is `fynx run negative`. Each row runs in every role that its message allows: a changed request of IKE_SA_INIT
needs us as the initiator, a changed response as the responder, and what is sent in an IKE SA is sent from either end.

| part | what it says |
| --- | --- |
| `base` | the [base conversation](#base-conversations): how we come to the message, and who begins its exchange |
| `at` | which message of ours: `request`, `packet` (ESP), `IKE_SA_INIT request round 2`, `response with TLS start` |
| `do` | [verbs](#verbs), in their order; `+` adds one. What they need that is not there makes the case an ERROR |
| `then` | an [outcome](#outcomes); `\\|` is "or", `&` is "and" |
| `requirements`, `source` | the sentences that it checks (`fynx list --rfc`), or the RFC section; one of the two |
| `severity` | `low`, `medium`, `high` or `critical` |
| `sign` | `sent`: AUTH covers what was sent. `before`: it covers what would have been sent, as if changed on the path |
| `ours`, `peer`, `endpoint` | arguments of our session; how the embedded peer differs; our endpoint's configuration |
| `auth`, `tune` | how both ends authenticate: `clients("eap-tls")`, `gateways("eap-tls")`; what our end changes then |
| `roles`, `suites`, `what` | where the row does not say it: the roles, suites such as `cve`, one sentence |

A case whose message was never sent, or in which a verb made no difference, is an ERROR: it has shown nothing.
With a live peer, whose configuration may be the reason, it is a SKIP. Where a
row does not do, a function does: `@case(...)` registers one like `@scenario`, with roles, severity and suites.
[testing.md](testing.md#a-case-of-your-own) has one, a verb and an outcome of one's own, and verbs at a prompt.

With `clients(…)` we are the client whose EAP packets are changed, with `gateways(…)` the gateway: by `eap-md5`,
`eap-mschapv2`, `eap-tls`, `eap-ttls`, `eap-aka` or `eap-aka-prime`. `base` is `auth`, and `at` has the packet's name as
ladders have it (`fynx run mine.py --ladders`):

```python
# eap_mine.py
from fynx_scapy.harness.cases import Case, cases, clients, eap_fails, gateways, not_proven
from fynx_scapy.harness.verbs import eap_code, eap_cut

cases(__name__, [
    Case("short_response", base="auth", auth=clients("eap-mschapv2"), at="request with MSCHAPv2 Response",
         do=eap_cut(30), then=eap_fails(), source="RFC 2759 section 4"),
    Case("code_of_a_failure", base="auth", auth=gateways("eap-md5"), at="response with MD5",
         do=eap_code(4), then=not_proven(), source="RFC 3748 section 4"),
])
```

Verbs that change the wire or datagrams change the first transmission only. The retransmission is honest, so that
`dropped()` can tell a message that was dropped from one that was lost. Those whose name ends with `_for_good`, and
those of layers, change all transmissions.
"""


OWN_BASE = """A base of your own is a `Base`: `start` is our step, `provoke` has the peer begin the same exchange,
`prepare` comes before. This one changes what follows a rekey of the IKE SA:

```python
from fynx_scapy.harness.cases import Base, Case, alive, answered, cases
from fynx_scapy.harness.verbs import insert_unknown
from fynx_scapy.iana import ExchangeType


def rekeyed(run, s):
    run.establish(s)
    s.rekey_ike()


AFTER_REKEY = Base(
    name="after_rekey", exchange=ExchangeType.INFORMATIONAL, prepare=rekeyed,
    start=lambda s, timeout: s.liveness(timeout=timeout), provoke=lambda peer: peer.liveness(),
)
cases(__name__, [
    Case("critical_after_rekey", base=AFTER_REKEY, do=insert_unknown(critical=True),
         then=answered("UNSUPPORTED_CRITICAL_PAYLOAD") & alive(), requirements=("7296-2.5-08",)),
])
```
"""


def _signature(verb: Callable[..., Any]) -> str:
    text = str(inspect.signature(verb))
    text = re.sub(r"(?:fynx_scapy|scapy)[\w.]*\.", "", text)
    return re.sub(r"\) -> .*", ")", text).replace("'", "").replace("|", "\\|")


def _rows() -> Iterator[str]:
    for title, module in KINDS.items():
        yield f"\n### {title}\n\n| verb | stage | |\n| --- | --- | --- |"
        for name, verb in sorted(verbs.VERBS.items()):
            if verb.__module__ == f"{verbs.__name__}.{module}":
                stage = STAGES[getattr(verb, "stage", "payloads")]
                yield f"| `{name}{_signature(verb)}` | {stage} | {_first(verb)} |"


def _first(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].replace("|", "\\|")


def cases() -> str:
    """docs/cases.md."""
    lines = [INTRO.replace("# Negative cases\n", f"# Negative cases\n\n{NOTE}\n", 1), "## Base conversations\n"]
    lines += ["| base | exchange | both ends may begin it |", "| --- | --- | --- |"]
    for base in BASES.values():
        exchange = name_of(ExchangeType, base.exchange) if base.exchange else "ESP"
        lines.append(f"| `{base.name}` | {exchange} | {'yes' if base.established else 'the initiator does'} |")
    lines += ["", *OWN_BASE.splitlines(), "", "## Outcomes\n", "| outcome | |", "| --- | --- |"]
    lines += [f"| `{name}{_signature(getattr(words, name))}` | {_first(getattr(words, name))} |" for name in OUTCOMES]
    lines += ["", "## Verbs", *_rows(), "", "## libreswan's impairments\n"]
    lines += ["| `--impair` | here | base, message |", "| --- | --- | --- |"]
    lines += [f"| {name} | `{verb}` | `{base}`, {at} |" for name, verb, base, at in IMPAIRMENTS]
    lines += ["", "| not here | why |", "| --- | --- |"]
    lines += [f"| {names} | {why} |" for names, why in NOT_HERE]
    return "\n".join(lines) + "\n"
