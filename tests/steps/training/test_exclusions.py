"""What no model learns as normal, by cause; the champion's alerts, up to the cap that tells a new regime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pynomaly.config import Pipeline, Training
from pynomaly.data.incidents import Incident, warn_unmatched
from pynomaly.data.window import Window
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry
from pynomaly.steps.training.exclusions import find_reference_champion
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import PreparedReference, prepare_reference
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

Make = Callable[..., Pipeline]

LATER = datetime(2026, 1, 26, tzinfo=UTC)
BOUND = {"exclude_alerts": 0.003}  # to a histogram all that is far off is alike, here at .0017


def far_off(settings: Pipeline, rows: int) -> None:
    """Turn `rows` unlabelled hours of machine a, from 20 January on, into something never seen."""
    frame = pd.read_csv(settings.data.path)
    there = frame.index[(frame["machine"] == "a") & (frame["time"] >= "2026-01-12")][:rows]
    frame.loc[there, ["heat", "power", "noise"]] = [400.0, -300.0, 90.0]
    frame.loc[there, "anomaly"] = 0
    frame.to_csv(settings.data.path, index=False)


def learned(prepared: PreparedReference) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(prepared.path / f"{name}.parquet") for name in ("fit", "calibration")])


@pytest.mark.parametrize("value", [0, -0.1, 0.5, 1])
def test_the_bound_cannot_be_switched_off_by_a_number(value: float) -> None:
    with pytest.raises(ValidationError, match="exclude_alerts"):
        Training.model_validate({"candidates": ["hbos"], "exclude_alerts": value})


def test_the_champions_alerts_are_not_learned_and_are_counted(pipeline: Make) -> None:
    settings = pipeline(training=BOUND)
    start_with_champion(settings)
    far_off(settings, 20)
    planned = plan(settings, LATER, "manual")
    prepared = prepare_reference(settings, planned.window, LATER, planned.candidates, planned.asked)
    assert pd.read_parquet(prepared.path / "fit.parquet")["heat"].max() < 400
    # Among the held-out scores, as many as of normal rows are expected stay: 0.003 of 940.
    assert (learned(prepared)["heat"] == 400).sum() <= 3
    assert 20 <= prepared.alerted_rows <= 40
    assert prepared.labelled_rows > 0
    assert f"left out: {prepared.alerted_rows}" in prepared.alerts_said
    assert any("Rows that v1 alerts on" in reason for reason in planned.decision.reasons)
    # Held-out rows are judged whatever the champion says of them.
    judged = pd.read_parquet(prepared.path / "judged.parquet")
    labelled = pd.read_csv(settings.data.path).assign(time=lambda f: pd.to_datetime(f["time"]))
    window = planned.window
    assert window is not None
    inside = labelled["time"].between(judged["time"].min(), window.end, inclusive="left")
    assert len(judged) == inside.sum()
    fitted = fit_candidate(settings, prepared, planned.candidates[0], "hbos")
    facts = Bundle.load(Path(fitted.folder), fitted.sha256).facts
    assert facts["alerted_rows"] == prepared.alerted_rows
    assert facts["labelled_rows"] == prepared.labelled_rows


@pytest.mark.slow
def test_switched_off_in_so_many_words_they_are_learned(pipeline: Make) -> None:
    settings = pipeline(training={"exclude_alerts": None})
    start_with_champion(settings)
    far_off(settings, 20)
    planned = plan(settings, LATER, "manual")
    prepared = prepare_reference(settings, planned.window, LATER, planned.candidates, planned.asked)
    assert prepared.alerted_rows == 0
    assert learned(prepared)["heat"].max() == 400


def test_a_new_regime_is_learned_and_said(pipeline: Make) -> None:
    settings = pipeline(training=BOUND)
    start_with_champion(settings)
    far_off(settings, 150)
    planned = plan(settings, LATER, "manual")
    prepared = prepare_reference(settings, planned.window, LATER, planned.candidates, planned.asked)
    assert prepared.alerted_rows == 0
    assert (learned(prepared)["heat"] == 400).sum() > 100
    assert "a change of regime" in prepared.alerts_said
    assert any("a change of regime" in reason for reason in planned.decision.reasons)


@pytest.mark.slow
def test_asked_again_it_is_one_training_and_another_champion_is_another(pipeline: Make) -> None:
    settings = pipeline()
    planned = plan(settings)
    first = prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)
    learn(settings, planned)
    assert find_reference_champion(settings, planned.asked) is None  # the champion is what this request made
    assert (
        prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked).key
        == first.key
    )
    other = find_reference_champion(settings, "another request")
    assert other is not None
    assert (
        other.version
        == Registry.open(settings.tracking_uri, settings.home).resolve_alias("machines", "champion").version
    )
    assert (
        prepare_reference(settings, planned.window, MOMENT, planned.candidates, "another request").key
        != first.key
    )


def test_a_champion_that_cannot_score_the_reference_excludes_nothing_and_says_so(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    frame = pd.read_csv(settings.data.path).rename(columns={"noise": "hum"})
    frame.to_csv(settings.data.path, index=False)
    prepared = prepare_reference(settings, plan(settings, LATER, "manual").window, LATER)
    assert prepared.alerted_rows == 0
    assert "cannot score the reference" in prepared.alerts_said


def test_an_entity_that_no_row_has_is_a_warning(pipeline: Make, tmp_path: Path) -> None:
    (tmp_path / "incidents.yaml").write_text("- {start: 2026-01-06, end: 2026-01-08, entity: aa}\n")
    settings = pipeline(data={"incidents": "incidents.yaml", "timezone": "UTC"})
    assert any("entity 'aa' matches no row" in reason for reason in plan(settings).decision.reasons)
    window = Window(MOMENT, LATER)
    frame = pd.DataFrame({"machine": np.array(["a", "b"])})
    assert warn_unmatched(settings.data, frame, (Incident(window, "b"), Incident(window))) == ()
