"""Bundles of tables in which each entity has its own level and scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.errors import ColumnError, IntegrityError
from pynomaly.model.bundle import Bundle
from tests.feeders import fit, table


@pytest.fixture(scope="module")
def own() -> Bundle:
    return fit(table(3000), training={"calibrate_by": "entity"})


def row(feeder: Any, current: float) -> pd.DataFrame:
    cells = {"time": pd.Timestamp("2026-03-01", tz="UTC"), "feeder": feeder}
    return pd.DataFrame({**cells, "current": [current], "heat": [current / 10]})


def test_a_usual_value_of_another_entity_alerts(own: Bundle) -> None:
    pooled = fit(table(), features={"entities": "pooled"})
    odd = pd.concat([row("middle", 480.0), row("small", 110.0)], ignore_index=True)
    usual = pd.concat([row("large", 480.0), row("middle", 118.0)], ignore_index=True)
    assert own.score(odd)["is_anomaly"].all()
    assert not own.score(usual)["is_anomaly"].any()
    assert not pooled.score(odd)["is_anomaly"].any()


def test_a_row_has_the_same_scores_alone_in_any_batch_and_after_save_and_load(
    own: Bundle, tmp_path: Path
) -> None:
    rows = table(60, seed=5)
    rows.loc[::9, "feeder"] = "never met"
    rows.loc[::13, "feeder"] = None
    whole = own.score(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    pd.testing.assert_frame_equal(own.score(rows.iloc[order]), whole.iloc[order])
    alone = pd.concat([own.score(rows.iloc[[place]]) for place in range(len(rows))])
    pd.testing.assert_frame_equal(alone, whole)
    again = Bundle.load(tmp_path / "own", own.save(tmp_path / "own"))
    pd.testing.assert_frame_equal(again.score(rows), whole)
    assert again.verify_golden() == 0.0
    assert again.facts["entities"]["own"] == 3


def test_the_entity_column_is_needed(own: Bundle) -> None:
    with pytest.raises(ColumnError, match="feeder"):
        own.score(table(3).drop(columns="feeder"))


@pytest.mark.parametrize(
    ("block", "setting"),
    [
        ({"features": {"entities": "own"}}, r"features\.entities: own"),
        ({"training": {"candidates": ["gmm"], "calibrate_by": "entity"}}, r"training\.calibrate_by: entity"),
    ],
)
def test_settings_by_entity_need_the_column_that_names_it(block: dict[str, Any], setting: str) -> None:
    content = {"name": "feeders", "data": {"source": "csv", "path": "rows.csv"}}
    with pytest.raises(ValueError, match=f"{setting} .*data\\.id"):
        config.Pipeline.model_validate(content | {"training": {"candidates": ["gmm"]}} | block)


def test_damaged_baselines_are_refused(own: Bundle, tmp_path: Path) -> None:
    own.save(tmp_path / "own")
    arrays = own.features.baselines.to_arrays()  # type: ignore[union-attr]
    np.savez(tmp_path / "own" / "entities.npz", allow_pickle=False, **(arrays | {"rows": np.zeros(7)}))
    with pytest.raises(IntegrityError):
        Bundle.load(tmp_path / "own", None)


def test_an_explanation_expects_what_is_usual_for_the_entity(own: Bundle) -> None:
    (explained,) = own.explain(row("middle", 480.0).assign(heat=12.0))
    (reason, *_) = explained.reasons
    assert (reason.column, reason.value) == ("current", 480.0)
    assert reason.usual == pytest.approx(120, rel=0.15)  # as its heat says, on a feeder of this size
    assert reason.low == pytest.approx(96, rel=0.1)  # two scales below and above its level
    assert reason.high == pytest.approx(144, rel=0.1)
    (stranger,) = own.explain(row("never met", 4800.0))
    assert stranger.reasons[0].usual != pytest.approx(120, rel=0.15)
    assert stranger.reasons[0].low is None


def test_limits_on_alerts_are_measured_from_the_entity() -> None:
    bundle = fit(table(), alerts={"minimum": {"current": 50.0, "heat": 1e9}})
    odd = pd.concat([row("middle", 300.0), row("small", 60.0)], ignore_index=True)
    scored = bundle.score(odd.assign(heat=[12.0, 2.0]))
    assert scored["is_anomaly"].tolist() == [True, False]
    assert scored["held_back"].iloc[1].startswith("current deviates by 40")


def test_a_wide_entity_takes_no_more_alerts_than_its_share() -> None:
    rows, later = table(3000, wide=4.0), table(6000, seed=9, wide=4.0)
    share = {}
    for by in ("all", "entity"):
        bundle = fit(rows, features={"entities": "pooled"}, training={"calibrate_by": by})
        alerts = later["feeder"][bundle.score(later)["is_anomaly"].to_numpy()]
        share[by] = (alerts == "large").mean()
    assert share["all"] > 0.65
    assert share["entity"] < 0.45


def test_notes_say_what_each_entity_is_measured_by(own: Bundle) -> None:
    notes = " ".join(own.facts["notes"])
    assert "3 entities have their own level and scale" in notes
    assert "p-values by entity: 3 by their own held-out rows" in notes
    renewed = own.recalibrate(table(1200, seed=3), {})
    assert "p-values by entity: 3" in " ".join(renewed.facts["notes"])
    assert renewed.calibration.groups is not None
    few = own.recalibrate(table(600, seed=3), {})
    assert few.calibration.groups is None  # too few an entity for one in a hundred


def test_baselines_are_learned_from_all_rows_where_the_detector_sees_a_sample() -> None:
    bundle = fit(table(4000), training={"max_rows": 120})
    assert bundle.facts["rows"]["fitted"] == 120
    assert bundle.facts["entities"]["rows"] > 2000
