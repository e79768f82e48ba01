import io
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.detectors import TABULAR, saved
from pynomaly.errors import ColumnError, ConfigError, DataError, DetectorError, IntegrityError, ModelError
from pynomaly.model.bundle import SCORE_COLUMNS, Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.dependence.dependence import INDEPENDENT
from pynomaly.model.fitting.golden import GOLDEN_ROWS
from pynomaly.model.seal import LISTING_NAME, seal_folder
from tests.model.dependence.series import draw_series
from tests.model.tables import fit, table

NEW = table(150, seed=9)
SCORE_ELSEWHERE = """
import sys
import pandas as pd
from pathlib import Path
from pynomaly.model.bundle import Bundle
bundle = Bundle.load(Path(sys.argv[1]), sys.argv[2])
rows = pd.read_parquet(sys.argv[3])
print(" ".join(float(score).hex() for score in bundle.score(rows)["score"]))
"""


@pytest.mark.parametrize("detector", ["iforest", "hbos", "knn", "gmm"])
def test_a_score_belongs_to_its_row(detector: str, tmp_path: Path) -> None:
    bundle = fit(detector)
    whole = bundle.score(NEW)
    order = np.random.default_rng(1).permutation(len(NEW))
    pd.testing.assert_frame_equal(bundle.score(NEW.iloc[order]), whole.iloc[order], check_exact=True)
    alone = pd.concat([bundle.score(NEW.iloc[[i]]) for i in range(0, len(NEW), 5)])
    pd.testing.assert_frame_equal(alone, whole.iloc[::5], check_exact=True)
    loaded = Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b"))
    pd.testing.assert_frame_equal(loaded.score(NEW), whole, check_exact=True)


def test_another_process_gives_the_same_bits(
    shipped: tuple[Path, str], bundle: Bundle, tmp_path: Path
) -> None:
    NEW.to_parquet(tmp_path / "rows.parquet")
    command = [
        sys.executable,
        "-c",
        SCORE_ELSEWHERE,
        str(shipped[0]),
        shipped[1],
        str(tmp_path / "rows.parquet"),
    ]
    scores = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert [float.fromhex(score) for score in scores] == bundle.score(NEW)["score"].tolist()


def test_score_has_its_columns_and_index(bundle: Bundle) -> None:
    rows = NEW.iloc[5:9].set_index(pd.Index(list("wxyz")))
    scored = bundle.score(rows)
    assert tuple(scored.columns) == SCORE_COLUMNS
    assert scored.index.tolist() == list("wxyz")
    assert scored["is_anomaly"].dtype == bool
    assert scored["score"].dtype == np.float64


def test_columns_are_found_by_name(bundle: Bundle) -> None:
    shuffled = NEW[["kind", "flow", "pressure"]].assign(extra="ignored")
    pd.testing.assert_frame_equal(bundle.score(shuffled), bundle.score(NEW), check_exact=True)


def test_missing_column_is_named(bundle: Bundle) -> None:
    with pytest.raises(ColumnError, match=r"'pressure'.*did you mean 'presure'"):
        bundle.score(NEW.rename(columns={"pressure": "presure"}))


def test_no_rows_are_refused(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="no rows to score"):
        bundle.score(NEW.iloc[:0])


@pytest.mark.parametrize("detector", ["iforest", "knn", "gmm"])
def test_outliers_score_higher(detector: str) -> None:
    bundle = fit(detector)
    odd = NEW.iloc[[0]].assign(pressure=60.0, flow=500.0)
    scored = bundle.score(pd.concat([odd, NEW]))
    assert scored["score"].iloc[0] >= scored["score"].iloc[1:].quantile(0.97)
    assert scored["p_value"].iloc[0] <= 0.05


@pytest.mark.parametrize("detector", ["knn", "gmm"])
def test_unseen_category_scores_higher(detector: str) -> None:
    bundle = fit(detector)
    same = NEW.iloc[[0, 0]].assign(kind=["gear", "never seen"])
    usual, unseen = bundle.score(same)["score"]
    assert unseen > usual


def test_labels_are_never_used(tmp_path: Path) -> None:
    rows = table()
    flipped = rows.assign(anomaly=1.0 - rows["anomaly"])
    assert fit(rows=rows).save(tmp_path / "a") == fit(rows=flipped).save(tmp_path / "b")


def test_save_and_load_keep_everything(bundle: Bundle, shipped: tuple[Path, str], tmp_path: Path) -> None:
    loaded = Bundle.load(*shipped)
    for name in ("contract", "features", "policy", "sketch", "facts"):
        assert getattr(loaded, name) == getattr(bundle, name), name
    pd.testing.assert_frame_equal(loaded.golden, bundle.golden, check_exact=True)
    np.testing.assert_array_equal(loaded.golden_scores, bundle.golden_scores)
    np.testing.assert_array_equal(loaded.calibration.scores, bundle.calibration.scores)
    assert loaded.save(tmp_path / "again") == shipped[1]


def test_facts_say_where_the_model_comes_from(bundle: Bundle) -> None:
    assert bundle.facts["key"] == "k1"
    assert bundle.facts["rows"] == {"given": 280, "fitted": 280, "calibration": 120}
    assert {"python", "numpy", "scikit-learn", "pyod"} <= bundle.facts["versions"].keys()


def test_golden_rows_score_as_recorded(bundle: Bundle, shipped: tuple[Path, str]) -> None:
    assert len(bundle.golden) == GOLDEN_ROWS
    assert bundle.verify_golden() == 0.0
    assert Bundle.load(*shipped).verify_golden() == 0.0


@pytest.mark.parametrize("shift", [1e-6, -1e-6, np.nan])
def test_golden_rows_that_score_differently_are_an_error(bundle: Bundle, shift: float) -> None:
    scores = bundle.golden_scores.copy()
    scores[3] += shift
    with pytest.raises(ModelError, match="golden row 3 scores"):
        replace(bundle, golden_scores=scores).verify_golden()


def test_a_bundle_without_golden_rows_is_not_verified(bundle: Bundle) -> None:
    empty = replace(bundle, golden=bundle.golden.iloc[:0], golden_scores=bundle.golden_scores[:0])
    with pytest.raises(ModelError, match="no golden rows"):
        empty.verify_golden()


# What was saved cannot be changed.


def copied(shipped: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped[0], tmp_path / "copy"))


@pytest.mark.parametrize(
    "name",
    [
        LISTING_NAME,
        "model.json",
        "sketch.json",
        "calibration.npz",
        "golden.npz",
        "detector/*.json",
        "detector/*.npz",
    ],
)
def test_a_changed_byte_anywhere_is_refused_before_parsing(
    name: str, shipped: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(shipped, tmp_path)
    file = next(folder.glob(name))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    def parsed(*_: Any, **__: Any) -> None:
        raise AssertionError("parsed before it was verified")

    monkeypatch.setattr("pynomaly.model.bundle.read_parts", parsed)
    monkeypatch.setattr(np, "load", parsed)
    monkeypatch.setattr("pynomaly.model.bundle_files.load_detector", parsed)
    with pytest.raises(IntegrityError):
        Bundle.load(folder, shipped[1])
    with pytest.raises(IntegrityError):
        Bundle.load(folder, None)


def test_extra_missing_and_linked_files_are_refused(shipped: tuple[Path, str], tmp_path: Path) -> None:
    folder = copied(shipped, tmp_path)
    (folder / "detector" / "model.pkl").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"detector/model\.pkl is not part of the bundle"):
        Bundle.load(folder, shipped[1])
    (folder / "detector" / "model.pkl").unlink()
    (folder / "sketch.json").unlink()
    with pytest.raises(IntegrityError, match=r"sketch\.json is missing"):
        Bundle.load(folder, shipped[1])
    (folder / "sketch.json").symlink_to(shipped[0] / "sketch.json")
    with pytest.raises(IntegrityError, match="link"):
        Bundle.load(folder, shipped[1])


class Sentinel:
    """Writes a file if it is ever unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["calibration.npz", "golden.npz", "detector/*.npz", "detector/*.json"])
@pytest.mark.parametrize("kind", ["array", "pickle"])
@pytest.mark.parametrize("sealed_again", [True, False])
def test_nothing_is_ever_unpickled(
    name: str, kind: str, sealed_again: bool, shipped: tuple[Path, str], tmp_path: Path
) -> None:
    folder, sha256 = copied(shipped, tmp_path), shipped[1]
    ran = tmp_path / "ran"
    trap = Sentinel(str(ran))
    with next(folder.glob(name)).open("wb") as file:
        if kind == "array":
            keys = np.load(next(shipped[0].glob(name))).files if name.endswith("npz") else ["scores"]
            np.savez(file, **{key: np.array([trap], dtype=object) for key in keys})  # type: ignore[arg-type]
        else:
            pickle.dump(trap, file)
    if sealed_again:  # somebody who controls even the recorded hash
        (folder / LISTING_NAME).unlink()
        sha256 = seal_folder(folder)
    with pytest.raises(IntegrityError):
        Bundle.load(folder, sha256)
    assert not ran.exists()
    pickle.load(io.BytesIO(pickle.dumps(trap))).close()
    assert ran.exists()  # the sentinel does work


def test_a_detector_the_catalogue_does_not_know_is_refused(shipped: tuple[Path, str], tmp_path: Path) -> None:
    folder = copied(shipped, tmp_path)
    facts, arrays = saved.read_detector_files(folder / "detector")
    saved.write_detector_files(folder / "detector", facts | {"name": "os"}, arrays)
    (folder / LISTING_NAME).unlink()
    with pytest.raises((IntegrityError, DetectorError), match="os"):
        Bundle.load(folder, seal_folder(folder))


def test_save_wants_a_new_folder(bundle: Bundle, shipped: tuple[Path, str]) -> None:
    with pytest.raises(ModelError, match="not empty"):
        bundle.save(shipped[0])


def test_facts_must_be_plain_and_finite(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json cannot be written"):
        replace(bundle, facts={"auc": float("nan")}).save(tmp_path / "a")
    with pytest.raises(ModelError, match=r"model\.json cannot be written"):
        replace(bundle, facts={"at": Path()}).save(tmp_path / "b")


# How it is fitted.


def test_the_same_rows_and_seed_give_the_same_bundle(shipped: tuple[Path, str], tmp_path: Path) -> None:
    assert fit().save(tmp_path / "b") == shipped[1]


def test_the_seed_reaches_the_detector() -> None:
    assert fit(training={"seed": 7}).detector.seed == 7


def test_more_rows_than_allowed_are_sampled_and_said() -> None:
    bundle = fit(training={"max_rows": 100})
    assert bundle.facts["rows"]["fitted"] == 100
    assert "fitted on 100 of 280 rows, sampled by seed" in bundle.facts["notes"]


def test_constant_scores_flag_nothing_and_say_so() -> None:
    rows = table().assign(pressure=1.0, flow=2.0, kind="gear")
    bundle = fit("hbos", rows)
    scored = bundle.score(NEW)
    assert not bundle.calibration.computable
    assert not scored["is_anomaly"].any()
    assert any("not computable" in note for note in bundle.facts["notes"])


def test_budget_is_spread_over_the_rows_of_a_day() -> None:
    bundle = fit(alerts={"policy": "budget", "per_day": 7.2})
    assert bundle.policy.threshold == pytest.approx(0.05)  # 144 rows a day
    with pytest.raises(ConfigError, match="needs rows per day"):
        fit(rows=table().drop(columns="time"), data={"time": None}, alerts={"policy": "budget"})


def test_calendar_features_travel_with_the_golden_rows(tmp_path: Path) -> None:
    bundle = fit(features={"calendar": True})
    loaded = Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b"))
    assert loaded.golden.columns[0] == "time"
    assert loaded.verify_golden() == 0.0
    as_text = NEW.assign(time=NEW["time"].map(lambda moment: moment.isoformat()))
    pd.testing.assert_frame_equal(loaded.score(as_text), bundle.score(NEW), check_exact=True)
    with pytest.raises(ColumnError, match="'time'"):
        loaded.score(NEW.drop(columns="time"))


def test_rejecting_missing_cells_names_the_column() -> None:
    with pytest.raises(DataError, match="'flow'"):
        fit(features={"missing": "reject"})


def test_unknown_parameter_is_refused() -> None:
    bundle_of = config.Candidate(detector="iforest", params={"trees": 10})
    rows = table()
    with pytest.raises(DetectorError, match="trees"):
        Bundle.fit(rows, rows, *_settings(rows, bundle_of))


def _settings(rows: pd.DataFrame, candidate: config.Candidate) -> tuple[Any, ...]:
    from pynomaly.data.frame import FrameContract
    from tests.model.tables import pipeline

    settings = pipeline()
    return settings, candidate, FrameContract.infer(rows, settings.data), {}


# What can change without a refit.


def test_another_policy_changes_alerts_alone(bundle: Bundle) -> None:
    before, after = bundle.score(NEW), bundle.with_policy(AlertPolicy("quantile", 0.4)).score(NEW)
    assert after["is_anomaly"].sum() > before["is_anomaly"].sum()
    pd.testing.assert_frame_equal(after[["score", "p_value"]], before[["score", "p_value"]], check_exact=True)


@pytest.mark.parametrize("kind", ["budget", "cost", "fdr", "quantile"])
def test_every_policy_leaves_scores_alone(kind: str, bundle: Bundle, tmp_path: Path) -> None:
    alerts = config.Alerts.model_validate({"policy": kind, "per_day": 3})
    changed = bundle.with_policy(AlertPolicy.from_config(alerts, bundle.policy.rows_per_day))
    loaded = Bundle.load(tmp_path / "b", changed.save(tmp_path / "b"))
    assert loaded.policy == changed.policy
    same = [name for name in SCORE_COLUMNS if name != "is_anomaly"]
    for scored in (loaded.score(NEW), loaded.score_window(NEW)):
        pd.testing.assert_frame_equal(scored[same], bundle.score(NEW)[same], check_exact=True)


def test_fdr_is_decided_for_a_window_and_scores_are_not(bundle: Bundle) -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="fdr", fdr=0.3), bundle.policy.rows_per_day)
    fdr = bundle.with_policy(policy)
    odd = NEW.iloc[:30].assign(pressure=60.0, flow=500.0)
    window = pd.concat([odd, NEW.iloc[30:]])
    decided = fdr.score_window(window)
    by_hand = policy.flag_window(decided["p_value"], bundle.calibration.resolution)
    assert decided["is_anomaly"].tolist() == by_hand.tolist()
    assert decided["is_anomaly"].iloc[:30].mean() > 0.9
    assert fdr.score(window)["is_anomaly"].tolist() == policy.alerts(decided["p_value"]).tolist()
    pd.testing.assert_frame_equal(fdr.score_window(odd.iloc[[0]]), fdr.score(odd.iloc[[0]]), check_exact=True)


@pytest.mark.parametrize("detector", ["knn", "gmm"])
def test_an_extrapolated_row_is_marked_and_is_itself(detector: str) -> None:
    bundle = fit(detector)
    assert bundle.calibration.tail, bundle.calibration.tail.reason
    odd = NEW.iloc[:20].assign(pressure=np.linspace(15, 90, 20))
    whole = bundle.score(pd.concat([NEW, odd]))
    marked = whole["extrapolated"].to_numpy()
    assert marked[-20:].any()
    assert ((whole["p_value"] < bundle.calibration.resolution) == marked).all()
    alone = pd.concat([bundle.score(odd.iloc[[i]]) for i in range(20)])
    pd.testing.assert_frame_equal(alone, whole.iloc[-20:], check_exact=True)
    counted = fit(detector, training={"tail": "none"}).score(odd)
    assert not counted["extrapolated"].any()
    assert (counted["p_value"] >= whole["p_value"].iloc[-20:]).all()


def test_a_bundle_from_before_tails_and_fdr_loads(shipped: tuple[Path, str], tmp_path: Path) -> None:
    folder = copied(shipped, tmp_path)
    content = json.loads((folder / "model.json").read_text())
    for name in ("level", "extrapolate"):
        del content["policy"][name]
    for name in ("method", "tail"):
        del content["calibration"][name]
    (folder / "model.json").write_text(json.dumps(content))
    (folder / LISTING_NAME).unlink()
    old = Bundle.load(folder, seal_folder(folder))
    assert not old.calibration.tail
    assert old.calibration.method == "split"
    assert old.policy.level is None


def test_recalibration_keeps_the_choice_of_a_tail() -> None:
    bundle = fit("knn", training={"tail": "none"})
    assert not bundle.recalibrate(NEW, {}).calibration.tail
    assert fit("knn").recalibrate(NEW, {}).calibration.tail


def test_rarity_counts_rows_of_a_day(bundle: Bundle) -> None:
    scored = bundle.score(NEW)
    assert bundle.policy.rows_per_day == pytest.approx(144)
    assert ((scored["p_value"] * 144 > 1) == (scored["rarity"] == "usual")).all()
    timeless = fit(rows=table().drop(columns="time"), data={"time": None})
    assert set(timeless.score(NEW)["rarity"]) == {"not_computable"}


def test_recalibration_changes_p_values_alone(bundle: Bundle) -> None:
    shifted = NEW.assign(pressure=NEW["pressure"] + 8)
    again = bundle.recalibrate(shifted, {"recalibrated": "2026-06-01"})
    assert again.score(shifted)["p_value"].mean() > bundle.score(shifted)["p_value"].mean()
    assert again.facts["recalibrated"] == "2026-06-01"
    assert again.facts["rows"]["calibration"] == len(shifted)
    assert again.verify_golden() == 0.0
    scores = bundle.score(shifted)["score"]
    assert again.score(shifted)["score"].tolist() == scores.tolist()
    np.testing.assert_array_equal(again.calibration.scores, Calibration.fit(scores).scores)


@pytest.mark.slow
def test_every_detector_ships(tmp_path: Path) -> None:
    cheap = [name for name in TABULAR if name != "autoencoder"]
    for name in cheap:
        bundle = fit(name)
        loaded = Bundle.load(tmp_path / name, bundle.save(tmp_path / name))
        assert loaded.verify_golden() <= 1e-12, name
        assert json.loads((tmp_path / name / "model.json").read_text())["facts"]["key"] == "k1"


def test_the_dependence_of_held_out_rows_travels_with_the_model(tmp_path: Path) -> None:
    rows = table(1500)
    level = draw_series(np.random.default_rng(0), 1500, 12)
    bundle = fit("hbos", rows.assign(pressure=level, flow=level**3))
    assert bundle.dependence.is_dependent
    assert Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b")).dependence == bundle.dependence
    assert not fit("hbos").dependence.is_dependent
    content = json.loads((tmp_path / "b" / "model.json").read_text())
    del content["dependence"]  # as older versions wrote it
    (tmp_path / "b" / "model.json").write_text(json.dumps(content))
    (tmp_path / "b" / LISTING_NAME).unlink()
    assert Bundle.load(tmp_path / "b", seal_folder(tmp_path / "b")).dependence == INDEPENDENT
