# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard for Grafana asks for metrics and labels that exist, and shows every metric that there is."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.observe import Kind
from fynx_scapy.observe.metrics import ALL

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).resolve().parents[2] / "docs/grafana.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES: list[str] = [target["expr"] for panel in PANELS for target in panel["targets"]]
METRICS = {metric.name: metric for metric in ALL}
OF_PROMETHEUS = {"job", "le"}


def asked(query: str) -> dict[str, str]:
    """The metrics of a query, each with the text between its braces."""
    found = re.findall(r"(fynx_\w+)\{(.*?)\}", query)
    assert len(found) == query.count("fynx_"), query
    return dict(found)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_exist(query):
    for name, selector in asked(query).items():
        metric = METRICS[name.removesuffix("_bucket")]
        assert name.endswith("_bucket") == (metric.kind is Kind.HISTOGRAM)
        labels = set(re.findall(r"(\w+)(?:=~|!=|=)\"", selector))
        labels |= {label for group in re.findall(r"by \((.*?)\)", query) for label in group.split(", ")}
        assert labels - OF_PROMETHEUS <= set(metric.labels)
        assert 'job=~"$job"' in selector
        # A counter says something by its rate alone, but for those that should never rise.
        rate = f"rate({name}" in query
        assert rate == (metric.kind is not Kind.GAUGE) or name == "fynx_internal_errors_total"


def test_every_metric_has_its_place():
    shown = {name.removesuffix("_bucket") for query in QUERIES for name in asked(query)}
    assert shown == METRICS.keys() - {"fynx_info"}  # which the list of jobs asks for
    assert "fynx_info" in json.dumps(DASHBOARD["templating"])


def test_legends_name_labels_that_their_query_keeps():
    for target in (target for panel in PANELS for target in panel["targets"]):
        kept = {label for group in re.findall(r"by \((.*?)\)", target["expr"]) for label in group.split(", ")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == kept - {"le"}


def test_panels_do_not_cover_each_other():
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS}) == len(PANELS)
    for one, other in itertools.combinations((panel["gridPos"] for panel in PANELS), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
        assert one["x"] + one["w"] <= 24
