"""The files for Prometheus and Grafana: each expression parses, and asks for numbers that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry

from flows.cli import app
from pynomaly.serving.exporter import METRIC_PREFIX
from pynomaly.serving.web import _ServerMetrics
from pynomaly.steps.operations.pipeline_metrics import GAUGES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments" / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_SCRAPES = {"job", "instance"}


def exported() -> dict[str, set[str]]:
    """Every number that is there, with its labels."""
    labels_of = {METRIC_PREFIX + name: {"pipeline", *labels} for name, (labels, _) in GAUGES.items()}
    labels_of |= {
        f"{METRIC_PREFIX}up": {"pipeline"},
        f"{METRIC_PREFIX}read_seconds": {"pipeline"},
        **OF_PROMETHEUS,
    }
    registry: CollectorRegistry = _ServerMetrics().registry
    for metric, names in registry._collector_to_names.items():
        labels = set(getattr(metric, "_labelnames", ()))
        for name in names:
            labels_of[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return labels_of


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a parsed expression."""
    if isinstance(node, promql.VectorSelector):
        yield node
    elif isinstance(node, promql.MatrixSelector):
        yield node.vector_selector
    for part in ("lhs", "rhs", "expr", "param"):
        if getattr(node, part, None) is not None:
            yield from selectors(getattr(node, part))
    for argument in getattr(node, "args", ()):
        yield from selectors(argument)


def known(expression: str) -> int:
    """How many selectors an expression has; each names a number, and labels that it has."""
    there, count = exported(), 0
    for selector in selectors(promql.parse(expression)):
        assert selector.name in there, f"{selector.name} is not exported"
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= there[selector.name] | OF_SCRAPES, f"{selector.name} has no {asked}"
        count += 1
    return count


def filled(expression: str) -> str:
    return expression.replace("$pipeline", ".*").replace("$__all", ".*")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_asks_for_what_is_there_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert known(rule["expr"]) >= 1
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "5m"))
    summary = rule["annotations"]["summary"]
    there = set().union(*(exported()[s.name] for s in selectors(promql.parse(rule["expr"])))) | OF_SCRAPES
    assert set(re.findall(r"\$labels\.(\w+)", summary)) <= there
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert set(re.findall(r"`pynomaly (\w+)", summary)) <= commands


def test_a_number_that_nobody_exports_is_noticed() -> None:
    with pytest.raises(AssertionError, match="not exported"):
        known("pynomaly_pipeline_made_up > 0")
    with pytest.raises(AssertionError, match="has no"):
        known('pynomaly_pipeline_up{colour="red"} == 0')


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: str(panel["title"]))
def test_a_panel_asks_for_what_is_there(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert known(filled(target["expr"])) >= 1
        there = set().union(*(exported()[s.name] for s in selectors(promql.parse(filled(target["expr"])))))
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= there | OF_SCRAPES
        assert target["datasource"]["uid"] == "${datasource}"


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_scrapes_go_where_the_commands_listen_by_default() -> None:
    import inspect

    from flows.cli.serving import metrics, serve

    settings = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert settings["rule_files"] == ["alerts.yaml"]
    asked = {
        job["job_name"]: job["static_configs"][0]["targets"][0].rpartition(":")[2]
        for job in settings["scrape_configs"]
    }
    port = {
        name: inspect.signature(command).parameters["port"].default
        for name, command in (("pynomaly", metrics), ("pynomaly-serving", serve))
    }
    assert asked == {name: str(value) for name, value in port.items()}


def test_the_page_lists_every_number() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    for name, (labels, meaning) in GAUGES.items():
        shown = ", ".join(f"`{label}`" for label in labels)
        assert f"| `{METRIC_PREFIX}{name}` | {shown} | {meaning} |" in page, name
    for rule in RULES:
        assert f"`{rule['alert']}`" in page
