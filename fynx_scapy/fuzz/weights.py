# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried next: edits that changed a peer's behaviour are made more often, and their cases are taken up again."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from fynx_scapy.fuzz.behaviour import Signature
from fynx_scapy.fuzz.edits import Edit
from fynx_scapy.fuzz.grammar import Choice
from fynx_scapy.fuzz.steps import Step

Chance = random.Random

GAIN, LOSS = 1.6, 0.985
"""Factors for an edit that brought a new behaviour, and for one that did not."""
LEAST, MOST = 0.15, 12.0
BEHAVIOURS = 20_000
"""How many behaviours are told apart. What is new after that counts as known."""
CORPUS = 400
"""How many cases are kept to start from."""
KEYS = 20_000


class Weights:
    """A weight for each kind of edit in each exchange. It begins with 1."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}
        self.behaviours: dict[Signature, int] = {}
        """How often each behaviour was seen."""
        self.corpus: list[Step] = []

    def weight(self, step: Step, choice: Choice) -> float:
        """The weight of a choice in an exchange."""
        return self.of.get(f"{step.base} {step.at} {choice.key}", 1.0)

    def pick(self, chance: Chance, step: Step, choices: Sequence[Choice]) -> Choice:
        """One of the choices, by their weights."""
        return chance.choices(choices, [self.weight(step, choice) for choice in choices])[0]

    def learn(self, step: Step, keys: Sequence[str], signature: Signature) -> bool:
        """Note what a case showed; returns whether it was new."""
        new = signature not in self.behaviours and len(self.behaviours) < BEHAVIOURS
        if new or signature in self.behaviours:
            self.behaviours[signature] = self.behaviours.get(signature, 0) + 1
        for key in keys:
            name = f"{step.base} {step.at} {key}"
            if name in self.of or len(self.of) < KEYS:
                changed = self.of.get(name, 1.0) * (GAIN if new else LOSS)
                self.of[name] = min(MOST, max(LEAST, changed))
        if new and step.edits:
            self.corpus.append(step)
            if len(self.corpus) > CORPUS:
                # The oldest half is thinned out, so that late finds do not push out every early one.
                del self.corpus[: CORPUS // 2 : 2]
        return new

    def start(self, chance: Chance, base: str, at: str) -> tuple[Edit, ...]:
        """The edits of a case that was new once, in this exchange; none when there is none."""
        fitting = [step for step in self.corpus if step.base == base and step.at == at]
        return chance.choice(fitting).edits if fitting else ()

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return {
            "weights": dict(self.of),
            "behaviours": [[list(signature), count] for signature, count in self.behaviours.items()],
            "corpus": [step.as_dict() for step in self.corpus],
        }

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Weights:
        """The weights of `as_dict`. ConfigError for a corpus that cannot be read."""
        weights = cls()
        weights.of = {str(name): float(value) for name, value in made["weights"].items()}
        weights.behaviours = {tuple(signature): int(count) for signature, count in made["behaviours"]}
        weights.corpus = [Step.from_dict(step) for step in made["corpus"]]
        return weights
