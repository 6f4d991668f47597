# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses scenarios: by name, topic, pattern, suite, file and folder."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.loading import load_file, load_folder
from fynx_scapy.harness.scenario import HARMFUL, Scenario
from fynx_scapy.text import printable

SUITE = "suite:"
Known = Mapping[str, Scenario]
Tell = Callable[[str], object]


def by_name(scenarios: Iterable[Scenario]) -> dict[str, Scenario]:
    """The scenarios by name, each once. ConfigError when two have one name."""
    found: dict[str, Scenario] = {}
    for each in scenarios:
        other = found.setdefault(each.name, each)
        if other.module != each.module:
            places = " and ".join(printable(scenario.file) for scenario in (other, each))
            raise ConfigError(f"two scenarios have the name {each.name}: {places}")
    return found


def unknown(name: str, known: Known) -> ConfigError:
    """The error for a name that no scenario has, with the nearest one."""
    near = difflib.get_close_matches(name, [*known, *_topics(known)], n=1, cutoff=0.4)
    return ConfigError(f"there is no scenario {name!r}{f'; did you mean {near[0]}?' if near else ''}")


def asked_for(scenario: Scenario, words: Iterable[str]) -> bool:
    """Whether one of ``words`` names a harmful scenario itself, its file or its suite, and not only a topic of many."""
    named = {scenario.name, scenario.path, *(f"{SUITE}{suite}" for suite in scenario.suites & HARMFUL)}
    return any(word in named or Path(word).suffix == ".py" for word in words)


def choose(
    words: Sequence[str],
    tell: Tell,
    folders: Sequence[Path],
    ours: Callable[[], Known],
    load: Callable[[str], Scenario],
) -> list[Scenario]:
    """The scenarios that ``words`` name: `fynx_scapy.scenarios.chosen`. ``load`` finds one of ours by its name."""
    given = by_name(scenario for folder in folders for scenario in _of_folder(folder, tell))
    if not words:
        return list((given if folders else ours()).values())
    choice = _Choice(given, ours, load, tell)
    return list(by_name(scenario for word in words for scenario in choice.of(word)).values())


def _of_folder(folder: Path, tell: Tell) -> list[Scenario]:
    found = load_folder(folder)
    for other in found.others:
        tell(f"{printable(str(other))} was not run: it has no scenario")
    return found.scenarios


def _topics(known: Known) -> set[str]:
    """All topics, and the folders above them."""
    topics = {scenario.topic for scenario in known.values() if scenario.topic}
    return topics | {str(parent) for topic in topics for parent in Path(topic).parents} - {"."}


class _Choice:
    """What words mean. ``given`` are the scenarios of the user's folders."""

    def __init__(self, given: Known, ours: Callable[[], Known], load: Callable[[str], Scenario], tell: Tell) -> None:
        self._given, self._ours, self._load, self._tell = given, ours, load, tell

    @property
    def _known(self) -> list[Scenario]:
        return [*self._given.values(), *self._ours().values()]

    def _matching(self, fits: Callable[[Scenario], bool]) -> list[Scenario]:
        """The user's scenarios that fit; ours, if none of them does."""
        return [each for each in self._given.values() if fits(each)] or [
            each for each in self._ours().values() if fits(each)
        ]

    def of(self, word: str) -> list[Scenario]:
        """The scenarios that a word names. ConfigError when there are none."""
        if not word:
            raise ConfigError("expected the name of a scenario, found an empty one")
        if word in self._given:
            return [self._given[word]]
        if Path(word).suffix == ".py":
            return load_file(Path(word))
        if word.startswith(SUITE):
            return self._suite(word.removeprefix(SUITE))
        if any(char in word for char in "*?["):
            return self._pattern(word)
        return self._plain(word)

    def _suite(self, suite: str) -> list[Scenario]:
        found = self._matching(lambda scenario: suite in scenario.suites)
        if not found:
            suites = sorted({suite for scenario in self._known for suite in scenario.suites})
            near = difflib.get_close_matches(suite, suites, n=1, cutoff=0.4)
            hint = f"; did you mean {SUITE}{near[0]}?" if near else f"; there are {', '.join(suites) or 'none'}"
            raise ConfigError(f"no scenario is in a suite {suite!r}{hint}")
        return found

    def _pattern(self, pattern: str) -> list[Scenario]:
        found = self._matching(
            lambda scenario: any(fnmatch.fnmatchcase(text, pattern) for text in (scenario.name, scenario.path))
        )
        if not found:
            topics = _topics({each.name: each for each in self._known})
            patterns = [*(f"{topic}/*" for topic in topics), *(each.path for each in self._known)]
            near = difflib.get_close_matches(pattern, patterns, n=1)
            raise ConfigError(f"no scenario has a name like {pattern!r}{f'; did you mean {near[0]}?' if near else ''}")
        return found

    def _plain(self, word: str) -> list[Scenario]:
        """A name with or without its topic, a topic, or a folder of files."""
        topic, _, name = word.rstrip("/").rpartition("/")
        path = Path(word)
        try:
            found = self._load(name)
        except ConfigError:
            found = None
        if found is not None and topic in ("", found.topic):
            return [found]
        whole = word.rstrip("/")
        if within := [each for each in self._known if each.topic == whole or each.topic.startswith(f"{whole}/")]:
            return within
        if path.is_dir():
            return _of_folder(path, self._tell)
        if os.sep in word and topic not in _topics(self._ours()):
            raise ConfigError(f"{printable(word)}: expected a Python file or a folder of scenarios, found neither")
        if path.with_suffix(".py").is_file():
            raise ConfigError(f"there is no scenario {word!r}; did you mean the file {printable(word)}.py?")
        raise unknown(name, {each.name: each for each in self._known})
