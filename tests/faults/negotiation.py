# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the negotiation of algorithms and of traffic selectors."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import MalformedError, PeerError
from fynx_scapy.iana import Encr, NotifyType, PayloadType, TransformType
from fynx_scapy.ike.child import setup
from fynx_scapy.ike.child.setup import ChildRequest
from fynx_scapy.ike.terms import proposals
from fynx_scapy.ike.terms.proposals import ENCR, INTEG, Choice, Offer
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import IKEv2_SA, IKEv2_TSi, IKEv2_TSr
from tests.faults.fault import Faulty, fault

_OF_VARIABLE_KEYS = (Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_AES_GCM_16)

# Algorithms


@fault("sa-negotiation", "7296-2.7-03", "7296-3.3.4-05", "7296-3.3.4-06", "7296-3.3.6-01")
def chooses_what_was_not_offered(bad: Faulty) -> None:
    """Chooses its own first proposal when none of the offered ones is acceptable."""

    def choose(original, offered, policy, **named):
        choice = original(offered, policy, **named)
        if choice is not None or not offered or offered[0].protocol != policy[0].protocol:
            return choice
        without = named.get("without", ())
        first: dict[int, Transform] = {}
        for transform in policy[0].transforms:
            if transform.type not in without:
                first.setdefault(transform.type, transform)
        return Choice(offered[0].number, offered[0].protocol, offered[0].spi, tuple(first.values()))

    bad.swap_function(proposals.choose, choose)


@fault("sa-negotiation", "7296-3.3.6-05", "7296-3.3.1-03", "7296-2.7-04")
def takes_a_choice_that_it_did_not_offer(bad: Faulty) -> None:
    """Takes an answer that chooses something that it did not offer."""

    def check(original, answer, sent, **named):
        try:
            return original(answer, sent, **named)
        except MalformedError:
            if not answer or not sent:
                raise
            first: dict[int, Transform] = {}
            for transform in answer[0].transforms:
                if transform.type not in named.get("without", ()):
                    first.setdefault(transform.type, transform)
            chosen = tuple(first.values())
            return Choice(answer[0].number, answer[0].protocol, answer[0].spi, chosen, own_spi=sent[0].spi)

    bad.swap_function(proposals.check_answer, check)


@fault("sa-negotiation", "7296-3.3.5-05", "7296-2.13-01")
def takes_aes_without_a_key_length(bad: Faulty) -> None:
    """Takes an offer of AES without a Key Length for AES with any key."""

    def parse(original, layer, esp):
        if layer.transform_type == ENCR and layer.transform_id in _OF_VARIABLE_KEYS and not layer.attributes:
            return Transform(TransformType.ENCR, layer.transform_id, 128)
        return original(layer, esp)

    def meet(original, offer, own, without, prefer_ke):
        chosen = original(offer, own, without, prefer_ke)
        if chosen is not None:
            return chosen
        lengths = [t for t in own.transforms if t.type == ENCR and t.key_length]
        for mine in lengths:
            transforms = tuple(
                mine if t.type == ENCR and t.id == mine.id and not offer.layers[t].attributes else t
                for t in offer.transforms
            )
            chosen = original(replace(offer, transforms=transforms), own, without, prefer_ke)
            if chosen is not None:
                return chosen
        return None

    bad.swap_function(proposals._parse_transform, parse)
    bad.swap_function(proposals._meet, meet)


@fault("sa-negotiation", "7296-3.3.6-07")
def ignores_unknown_attributes(bad: Faulty) -> None:
    """Chooses a transform with an attribute that it does not know."""

    def parse(original, layer, esp):
        known = [attribute for attribute in layer.attributes if not proposals._unusable(attribute)]
        if len(known) != len(layer.attributes):
            layer = layer.copy()
            layer.attributes = known
        return original(layer, esp)

    bad.swap_function(proposals._parse_transform, parse)


@fault("sa-negotiation", "7296-3.3-09")
def takes_a_key_length_twice(bad: Faulty) -> None:
    """Chooses a transform with two attributes of one type, and uses the first one."""

    def parse(original, layer, esp):
        if len(layer.attributes) > 1:
            layer = layer.copy()
            layer.attributes = layer.attributes[:1]
        return original(layer, esp)

    bad.swap_function(proposals._parse_transform, parse)


@fault("sa-negotiation", "7296-3.3.6-06")
def ignores_unknown_transform_types(bad: Faulty) -> None:
    """Chooses a proposal with a transform of a type that it does not know."""

    def parse(original, cls, layer):
        offer = original(cls, layer)
        if offer.fault and "transform type" in offer.fault:
            return replace(offer, fault=None)
        return offer

    bad.swap(Offer, "parse", parse)


@fault("sa-negotiation", "7296-3.3.6-07", "7296-3.3.6-06", "7296-2.5-i02")
def refuses_offers_with_anything_unknown(bad: Faulty) -> None:
    """Refuses the whole SA payload when one of its transforms is unknown."""

    def unknown(message):
        transforms = [t for payload in message.all(IKEv2_SA) for p in payload.prop for t in p.trans]
        return any(t.transform_type > 5 or t.transform_id >= 1024 for t in transforms)

    bad.refuse(unknown)


@fault("sa-negotiation", "7296-3.3-07")
def takes_combined_modes_with_integrity(bad: Faulty) -> None:
    """Takes a proposal that has an integrity algorithm beside a combined mode."""

    def choose(original, offered, policy, **named):
        choice = original(offered, policy, **named)
        if choice is not None:
            return choice
        bare = [replace(o, transforms=tuple(t for t in o.transforms if t.type != INTEG)) for o in offered]
        return original(bare, policy, **named)

    bad.swap_function(proposals.choose, choose)


@fault("sa-negotiation", "7296-3.3.5-04")
def takes_a_key_length_of_fixed_ciphers(bad: Faulty) -> None:
    """Chooses a cipher of fixed key length although it was offered with a Key Length."""

    def parse(original, layer, esp):
        transform = original(layer, esp)
        if transform is None and layer.transform_type == ENCR and layer.key_length:
            layer = layer.copy()
            layer.attributes = []
            return original(layer, esp)
        return transform

    bad.swap_function(proposals._parse_transform, parse)


@fault("sa-negotiation", "7296-1.2-i06")
def ignores_a_key_exchange_in_ike_auth(bad: Faulty) -> None:
    """Takes an offer of IKE_AUTH with a key exchange method, and leaves that out."""

    def meet(original, offer, own, without, prefer_ke):
        kept = tuple(t for t in offer.transforms if t.type not in without)
        return original(replace(offer, transforms=kept), own, without, prefer_ke)

    bad.swap_function(proposals._meet, meet)


@fault("sa-negotiation", "7296-2.7-03", "7296-2.21.3-01", "7296-1.3.1-04")
def answers_no_proposal_with_invalid_syntax(bad: Faulty) -> None:
    """Answers proposals that it does not accept with INVALID_SYNTAX."""

    def choose(original, offered, policy, **named):
        choice = original(offered, policy, **named)
        if choice is None:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason="no proposal")
        return choice

    bad.swap_function(proposals.choose, choose)


# Traffic selectors


@fault("ts", "7296-2.9-i04", "7296-2.9-i01")
def answers_with_all_its_selectors(bad: Faulty) -> None:
    """Answers with its own traffic selectors, although they are wider than the offered ones."""

    def narrow(original, offered, policy):
        return tuple(policy) if original(offered, policy) else ()

    bad.swap(setup, "narrow", narrow)


@fault("ts", "7296-2.9-02")
def forgets_the_first_selector(bad: Faulty) -> None:
    """Leaves the initiator's first choice out of its answer when there are others."""

    def narrow(original, offered, policy):
        offered = list(offered)
        return original(offered[1:] or offered, policy)

    bad.swap(setup, "narrow", narrow)


@fault("ts", "7296-2.9-i04", "7296-2.9-04")
def refuses_instead_of_narrowing(bad: Faulty) -> None:
    """Refuses traffic selectors that its policy allows in part."""

    def narrow(original, offered, policy):
        offered = list(offered)
        return original(offered, policy) if all(any(own.covers(ts) for own in policy) for ts in offered) else ()

    bad.swap(setup, "narrow", narrow)


@fault("ts", "7296-2.9-i01")
def refuses_unknown_selector_types(bad: Faulty) -> None:
    """Refuses a message with a traffic selector of an unknown type."""

    def read(original, payload):
        found = original(payload)
        if len(found) < len(payload.traffic_selector):
            raise MalformedError("a traffic selector of an unknown type")
        return found

    bad.swap_function(setup.selectors, read)


@fault("ts", "7296-2.9-i02", "7296-1.2-i03")
def takes_selectors_outside_its_policy(bad: Faulty) -> None:
    """Takes traffic selectors that its policy does not allow."""

    def narrow(original, offered, policy):
        offered = tuple(offered)
        return original(offered, policy) or offered

    bad.swap(setup, "narrow", narrow)


@fault("ts", "7296-3.13.1-04")
def refuses_opaque_ports(bad: Faulty) -> None:
    """Takes the OPAQUE ports of a traffic selector for a mistake."""

    def parse(original, cls, layer):
        found = original(cls, layer)
        if found is not None and found.start_port > found.end_port:
            raise MalformedError("ports that do not rise")
        return found

    bad.swap(Selector, "parse", parse)


@fault("ts", "7296-3.13-i01")
def wants_as_many_selectors_on_either_side(bad: Faulty) -> None:
    """Refuses TSi and TSr with different numbers of traffic selectors."""

    def uneven(message):
        one, other = message.get(IKEv2_TSi), message.get(IKEv2_TSr)
        return one is not None and other is not None and len(one.traffic_selector) != len(other.traffic_selector)

    bad.refuse(uneven)


@fault("ts", "7296-2.9-01")
def offers_no_selectors_of_the_packet(bad: Faulty) -> None:
    """Does not put the addresses of the packet that triggers a Child SA first."""
    bad.swap(ChildRequest, "make", lambda original, cls, sa, config, packet=None: original(cls, sa, config))


@fault("ts", "7296-3.13.1-02", "7296-3.13.1-03")
def sends_65534_for_all_ports(bad: Faulty) -> None:
    """Ends the range of all ports at 65534."""

    def change(payload):
        if payload.payload_type in (PayloadType.TSi, PayloadType.TSr):
            for selector in payload.traffic_selector:
                if selector.end_port == 65535:
                    selector.end_port = 65534

    bad.each_payload(change)


@fault("ts", "7296-2.9-i04", "7296-2.9-i01")
def ignores_ports(bad: Faulty) -> None:
    """Answers an offer of one protocol and port with all protocols and ports."""

    def narrow(original, offered, policy):
        found = original(offered, policy)
        return tuple(dict.fromkeys(replace(ts, protocol=0, start_port=0, end_port=65535) for ts in found))

    bad.swap(setup, "narrow", narrow)
