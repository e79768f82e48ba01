"""Steps of the demo: train, monitor until the data shift, retrain until one is shown to be better, roll back.

Each step runs the real flows on the bundled fleet; only the dates are simulated. Called by
:mod:`flows.demo.run_demo`, which shows progress: a step is yielded before it runs, and returns one line about
its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.monitoring import monitor
from flows.promotion import rollback
from flows.scoring import score
from flows.training import retrain, train
from pynomaly.config import load_pipeline
from pynomaly.data.fleet import SHIFT, START

__all__ = ["DemoRecord", "DemoStep", "generate_fleet_steps", "generate_table_steps"]

# A challenger that must be refused: two trees on eight rows each.
WORSE_CANDIDATE = {"detector": "iforest", "params": "n_estimators=2 max_samples=8"}


@dataclass
class DemoRecord:
    """Results so far, for the tables at the end."""

    trained: list[dict[str, Any]] = field(default_factory=list)
    weeks: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class DemoStep:
    """One step: its title, and the function that runs it and returns one line about the result."""

    title: str
    run: Callable[[], str]


def generate_fleet_steps(config: Path, story: DemoRecord) -> Iterator[DemoStep]:
    """Train, monitor the shift, retrain on the event, refuse a worse challenger, roll back and undo that.

    A retraining soon after the shift has too few independent days to show anything, and is refused; the next
    week's event asks again.
    """
    pipeline = load_pipeline(config)
    first_training = START + pipeline.windows.reference
    yield DemoStep(
        f"train on {START:%d %b} to {first_training:%d %b}",
        lambda: _train_first_model(config, first_training, story),
    )
    end = first_training
    promoted_at: datetime | None = None
    while promoted_at is None or end < promoted_at + 2 * pipeline.windows.monitor:
        start, end = end, end + pipeline.windows.monitor
        note = " (the regime shifts)" if start == SHIFT else ""
        yield DemoStep(
            f"score and judge the week of {start:%d %b}{note}", _make_week_step(config, start, end, story)
        )
        event = story.weeks[-1]["event"]
        if event and promoted_at is None:
            yield DemoStep(
                "the event asks for a retraining", _make_retraining_step(config, end, story, "event", event)
            )
            if story.decisions[-1]["kind"] == "promote":
                promoted_at = end
                yield DemoStep(
                    "a second event at once", _make_retraining_step(config, end, story, "event", event)
                )
                # On the rows the champion was just fitted on; on later rows even this one would be better.
                yield DemoStep(
                    "a person asks for a challenger that is worse",
                    _make_retraining_step(
                        config, end, story, "manual", "shown to be refused", **WORSE_CANDIDATE
                    ),
                )
        if end > SHIFT + 8 * pipeline.windows.monitor:
            break
    if promoted_at is None:
        return  # nobody to go back to
    day_after = end + timedelta(days=1)
    yield DemoStep("roll back", lambda: _roll_back_champion(config, day_after, story))
    yield DemoStep("and take that back", lambda: _roll_back_champion(config, day_after, story))


def generate_table_steps(config: Path, story: DemoRecord) -> Iterator[DemoStep]:
    """Train on a table without time, and score it."""
    yield DemoStep(
        f"{config.stem}: train on a table without time", lambda: _train_first_model(config, None, story)
    )
    yield DemoStep(f"{config.stem}: score it", lambda: _describe_scoring(score(config=str(config))))


def _format_moment(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _train_first_model(config: Path, as_of: datetime | None, story: DemoRecord) -> str:
    result = train(config=str(config), as_of=_format_moment(as_of), reason="first training")
    return _record_training(result, story)


def _record_training(result: dict[str, Any], story: DemoRecord) -> str:
    if not result["trained"]:
        decision = {"kind": "retrain", "subject": "", "outcome": result["decision"]["remedy"]}
        story.decisions.append(decision | {"reasons": result["decision"]["reasons"]})
        return f"not trained: {result['decision']['reasons'][0]}"
    story.decisions.append(result["decision"])
    if result["registered"] is None:
        return f"refused: {'; '.join(result['decision']['reasons'])}"
    story.trained.append(result)
    registered, decision = result["registered"], result["decision"]
    value = registered["value"]
    return (
        f"{registered['detector']} wins ({registered['metric']} {value:.3f} on {registered['rung']}); "
        f"v{registered['version']}: {decision['kind']}, {decision['outcome']}"
    )


def _describe_scoring(result: dict[str, Any]) -> str:
    rows = sum(item["rows"] for item in result["windows"])
    alerts = sum(item["alerts"] for item in result["windows"])
    versions = sorted({item["version"] for item in result["windows"]})
    version_list = ", ".join(f"v{version}" for version in versions)
    return f"{len(result['windows'])} windows, {rows} rows, {alerts} alerts, by {version_list}"


def _make_week_step(config: Path, start: datetime, end: datetime, story: DemoRecord) -> Callable[[], str]:
    def run() -> str:
        scoring_line = _describe_scoring(
            score(config=str(config), start=_format_moment(start), end=_format_moment(end))
        )
        monitoring = monitor(config=str(config), as_of=_format_moment(end))
        verdict, observation = monitoring["degradation"], monitoring["observation"]
        needs_training = verdict["action"] in ("recalibrate", "retrain", "page")
        story.weeks.append(
            {
                "window": f"{start:%d %b}",
                "version": monitoring["version"],
                "state": verdict["state"],
                "drift": monitoring["drift"]["status"],
                "alert_rate": observation["alert_rate"],
                "performance": observation["performance"],
                "action": verdict["action"],
                "event": "; ".join(verdict["reasons"])[:400] if needs_training else "",
            }
        )
        return f"{scoring_line}; {verdict['state']}, data {monitoring['drift']['status']}"

    return run


def _make_retraining_step(
    config: Path, at: datetime, story: DemoRecord, trigger: Any, reason: str, **candidate: str
) -> Callable[[], str]:
    def run() -> str:
        return _record_training(
            retrain(
                config=str(config), as_of=_format_moment(at), trigger=trigger, reason=reason, **candidate
            ),
            story,
        )

    return run


def _roll_back_champion(config: Path, at: datetime, story: DemoRecord) -> str:
    decision = rollback(config=str(config), as_of=_format_moment(at), reason="shown in the demo")
    story.decisions.append(decision)
    return str(decision["reasons"][0])
