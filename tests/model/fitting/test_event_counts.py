"""A fitted bundle counts the events of its reference, keeps them, and sets its policy by them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.events import count_events
from pynomaly.model.fitting import event_counts
from pynomaly.model.provenance import read_events
from pynomaly.model.row_times import read_row_keys
from pynomaly.model.window_alerts import count_events_again, flag_rows

HOUR = timedelta(hours=1)
ROWS_A_DAY = 192  # two machines, a row each in 15 minutes


def make_rows(persistence: float, days: int, seed: int, start: str = "2026-01-05") -> pd.DataFrame:
    """Draw two columns that follow their own past, for two machines."""
    rng = np.random.default_rng(seed)
    rows = 96 * days
    values = rng.standard_normal((rows, 4))
    for place in range(1, rows):
        values[place] = persistence * values[place - 1] + np.sqrt(1 - persistence**2) * values[place]
    times = pd.date_range(start, periods=rows, freq="15min", tz="UTC")
    machines = [
        pd.DataFrame({"time": times, "machine": name, "heat": values[:, at], "load": values[:, at + 1]})
        for name, at in (("a", 0), ("b", 2))
    ]
    return pd.concat(machines).sort_values(["time", "machine"], ignore_index=True)


def make_pipeline(**blocks: dict[str, object]) -> config.Pipeline:
    content = {
        "name": "machines",
        "data": {"source": "csv", "path": "x.csv", "time": "time", "id": "machine"},
        "training": {"candidates": ["hbos"]},
        "alerts": {"policy": "budget", "per_day": 2},
        "grouping": {"gap": "1h"},
    }
    return config.Pipeline.model_validate(content | blocks)


def fit(frame: pd.DataFrame, pipeline: config.Pipeline) -> Bundle:
    held_out = np.random.default_rng(0).random(len(frame)) < 0.25
    contract = FrameContract.infer(frame, pipeline.data)
    candidate = pipeline.training.candidates[0]
    return Bundle.fit(frame[~held_out], frame[held_out], pipeline, candidate, contract, {})


def test_a_budget_is_held_in_events_by_a_fitted_model_and_survives_its_folder(tmp_path: Path) -> None:
    bundle = fit(make_rows(0.95, 40, 1), make_pipeline())
    new = make_rows(0.95, 200, 2, "2027-01-01")
    keys = read_row_keys(new, bundle.contract)
    assert keys is not None
    scored = bundle.score_window(new)
    assert 0.7 < count_events(keys, scored["is_anomaly"], HOUR) / 200 / 2 < 1.4
    by_row = scored["p_value"] <= 2 / ROWS_A_DAY
    assert count_events(keys, by_row, HOUR) / 200 < 1.2
    (note,) = [note for note in bundle.facts["notes"] if "events" in note]
    assert note.startswith("alerts are events: about 2 a day in normal operation, of ")
    loaded = Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b"))
    assert loaded.policy == bundle.policy
    assert read_events(loaded.facts) == bundle.policy.events


def test_independent_rows_make_the_bundle_of_before(tmp_path: Path) -> None:
    frame = make_rows(0.0, 40, 1)
    bundle, by_row = (fit(frame, make_pipeline(alerts={"policy": "budget", "per_day": 2, "count": count}))
                      for count in ("auto", "rows"))  # fmt: skip
    assert bundle.policy == by_row.policy
    assert bundle.policy.to_dict() == by_row.policy.to_dict()
    assert bundle.facts["notes"] == by_row.facts["notes"]
    assert by_row.facts["events"] is None


def test_too_few_rows_are_counted_as_rows_and_say_so() -> None:
    bundle = fit(make_rows(0.99, 1, 1), make_pipeline())
    assert bundle.policy.events is None
    assert bundle.policy.threshold == pytest.approx(2 / ROWS_A_DAY)
    assert "alerts are counted by row: " in " ".join(bundle.facts["notes"])


def test_a_budget_below_what_was_counted_says_so() -> None:
    pipeline = make_pipeline(alerts={"policy": "budget", "per_day": 0.05})
    bundle = fit(make_rows(0.95, 40, 1), pipeline)
    assert bundle.policy.events is not None
    assert bundle.policy.threshold == pytest.approx(0.05 / ROWS_A_DAY)
    assert "so each row counts as one" in " ".join(bundle.facts["notes"])


def test_a_budget_that_cannot_be_used_up_says_so() -> None:
    bundle = fit(make_rows(0.99, 40, 1), make_pipeline(alerts={"policy": "budget", "per_day": 6}))
    assert bundle.policy.threshold == 0.1
    assert "and no more, as no row above p = 0.1 alerts" in " ".join(bundle.facts["notes"])


def test_p_values_by_entity_are_counted_by_entity() -> None:
    frame = make_rows(0.95, 40, 1)
    frame.loc[frame["machine"] == "b", ["heat", "load"]] *= 5.0  # one wide machine
    training = {"candidates": ["hbos"], "calibrate_by": "entity"}
    pipeline = make_pipeline(training=training, features={"entities": "own"})
    bundle = fit(frame, pipeline)
    assert bundle.calibration.groups is not None
    assert bundle.policy.events is not None
    new = make_rows(0.95, 200, 2, "2027-01-01")
    new.loc[new["machine"] == "b", ["heat", "load"]] *= 5.0
    keys = read_row_keys(new, bundle.contract)
    assert keys is not None
    alerted = bundle.score_window(new)["is_anomaly"].to_numpy()
    assert 0.7 < count_events(keys, alerted, HOUR) / 200 / 2 < 1.4
    for machine in range(2):  # each has about half of them
        own = keys.entities == machine
        assert 0.3 < count_events(keys.take(own), alerted[own], HOUR) / 200 < 1.7


def test_a_bundle_from_before_events_counts_rows_under_any_setting() -> None:
    bundle = fit(make_rows(0.95, 40, 1), make_pipeline())
    old = replace(bundle, facts={name: value for name, value in bundle.facts.items() if name != "events"})
    assert read_events(old.facts) is None
    for count in ("auto", "events"):
        alerts = config.Alerts.model_validate({"policy": "budget", "per_day": 2, "count": count})
        policy = AlertPolicy.from_config(alerts, ROWS_A_DAY, (), read_events(old.facts))
        assert policy.events is None
        assert old.with_policy(policy).policy.threshold == pytest.approx(2 / ROWS_A_DAY)


def test_only_the_newest_rows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "MAX_COUNTED_ROWS", 1000)
    events = read_events(fit(make_rows(0.95, 40, 1), make_pipeline()).facts)
    assert events is not None
    assert events.rows == 1000


def test_recalibrated_rows_are_counted_again() -> None:
    pipeline = make_pipeline()
    bundle = fit(make_rows(0.0, 40, 1), pipeline)
    assert bundle.policy.events is None
    newer = make_rows(0.95, 40, 3, "2026-04-01")
    recalibrated = bundle.recalibrate(newer, {})
    assert read_events(recalibrated.facts) is None  # those of the older rows hold no more
    events = count_events_again(recalibrated, newer, pipeline)
    assert events is not None
    assert events.clustered
    by_row = pipeline.model_copy(update={"alerts": config.Alerts(count="rows")})
    assert count_events_again(recalibrated, newer, by_row) is None


def test_a_window_is_decided_in_any_order_and_alike_from_known_p_values() -> None:
    bundle = fit(make_rows(0.95, 40, 1), make_pipeline(alerts={"policy": "fdr", "fdr": 0.2}))
    assert bundle.policy.events is not None
    window = make_rows(0.95, 1, 5)
    window.loc[60:90, "heat"] += 9.0
    scored = bundle.score_window(window)
    assert 0 < scored["is_anomaly"].sum() < len(window)
    shuffled = window.sample(frac=1.0, random_state=0)
    assert bundle.score_window(shuffled)["is_anomaly"].sort_index().tolist() == scored["is_anomaly"].tolist()
    assert flag_rows(bundle, window, scored["p_value"].to_numpy()).tolist() == scored["is_anomaly"].tolist()
