"""Known anomalies in the model that ships: they move scores, never the p-values of rows they stood beside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import IntegrityError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.fitting.known_anomalies import KnownAnomalies, learn_reranking
from pynomaly.model.seal import LISTING_NAME, seal_folder
from tests.model.tables import pipeline, table


def usual(rows: int, seed: int = 0) -> pd.DataFrame:
    return table(rows, seed).assign(anomaly=0.0)


def anomalies(rows: int, seed: int = 7) -> pd.DataFrame:
    """Usual in each column, with the wrong sign beside each other, but only where pressure is low."""
    rng = np.random.default_rng(seed)
    load = -np.abs(rng.normal(size=rows)) - 0.5
    return table(rows, seed).assign(pressure=5 + 2 * load, flow=100 + 10 * load, anomaly=1.0)


def fit(known: KnownAnomalies | None, detector: str = "iforest", rows: int = 600, **blocks: Any) -> Bundle:
    frame, settings = usual(rows), pipeline(**blocks)
    cut = round(0.6 * rows)
    contract = FrameContract.infer(frame, settings.data)
    candidate = config.Candidate(detector=detector)
    return Bundle.fit(frame.iloc[:cut], frame.iloc[cut:], settings, candidate, contract, {"key": "k"}, known)


def make_anomalies(rows: int, incidents: int | None = None) -> KnownAnomalies:
    return KnownAnomalies(anomalies(rows), np.arange(rows) % (incidents or rows))


REJECT = {"features": {"missing": "reject"}}
NEW = pd.concat([usual(150, seed=3), anomalies(50, seed=4)], ignore_index=True)


@pytest.fixture(scope="module")
def plain() -> Bundle:
    return fit(None, "hbos")


@pytest.fixture(scope="module")
def taught() -> Bundle:
    return fit(make_anomalies(60), "hbos")


@pytest.fixture
def shipped_taught(taught: Bundle, tmp_path: Path) -> tuple[Path, str]:
    return tmp_path / "bundle", taught.save(tmp_path / "bundle")


def caught(bundle: Bundle) -> float:
    """Share of new anomalies of the kind that was known, at one alert in fifty."""
    return float((bundle.score(NEW)["p_value"].to_numpy()[150:] <= 0.02).mean())


@pytest.mark.slow
def test_anomalies_like_the_known_ones_are_found_and_the_facts_say_what_it_gained(
    plain: Bundle, taught: Bundle
) -> None:
    assert taught.reranking is not None
    assert caught(taught) > caught(plain) + 0.3
    facts = taught.facts["known_anomalies"]
    assert facts["used"]
    assert facts["known"] == 60
    assert facts["after"] > facts["before"] + facts["error"]
    note = next(note for note in taught.facts["notes"] if "known anomalies" in note)
    assert f"from {facts['before']:.3f} to {facts['after']:.3f}" in note
    assert plain.facts["known_anomalies"] is None


def test_p_values_come_from_rows_the_trees_never_saw(taught: Bundle) -> None:
    assert taught.facts["rows"]["calibration"] == 120  # of 240 held out; the others taught
    assert len(taught.calibration.scores) == 120
    fresh = taught.score(usual(4000, seed=11))["p_value"].to_numpy()
    for level in (0.05, 0.1, 0.3):
        assert (fresh <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 120)


def test_a_row_scores_the_same_alone_in_any_batch_and_after_loading(
    taught: Bundle, shipped_taught: tuple[Path, str], tmp_path: Path
) -> None:
    whole = taught.score(NEW)
    order = np.random.default_rng(1).permutation(len(NEW))
    pd.testing.assert_frame_equal(taught.score(NEW.iloc[order]), whole.iloc[order], check_exact=True)
    alone = pd.concat([taught.score(NEW.iloc[[i]]) for i in range(0, len(NEW), 7)])
    pd.testing.assert_frame_equal(alone, whole.iloc[::7], check_exact=True)
    loaded = Bundle.load(*shipped_taught)
    pd.testing.assert_frame_equal(loaded.score(NEW), whole, check_exact=True)
    assert loaded.verify_golden() == 0.0
    assert loaded.save(tmp_path / "again") == shipped_taught[1]


def test_the_same_rows_and_seed_give_the_same_files(shipped_taught: tuple[Path, str], tmp_path: Path) -> None:
    assert fit(make_anomalies(60), "hbos").save(tmp_path / "b") == shipped_taught[1]


def test_new_p_values_and_another_policy_keep_what_was_taught(taught: Bundle) -> None:
    again = taught.recalibrate(usual(300, seed=5), {})
    other = again.with_policy(AlertPolicy("quantile", 0.2))
    for bundle in (again, other):
        assert bundle.raw_scores(NEW).tolist() == taught.raw_scores(NEW).tolist()
        assert any("known anomalies teach" in note for note in bundle.facts["notes"])


@pytest.mark.parametrize(
    ("known", "blocks", "why"),
    [
        (make_anomalies(19), {}, "19 known anomalies are fewer than the 20"),
        (make_anomalies(60, incidents=4), {}, "60 known anomalies lie in 4 blocks"),
        (make_anomalies(60), {"training": {"known_anomalies": "leave_out"}}, "known_anomalies is leave_out"),
        (
            KnownAnomalies(anomalies(60).assign(flow=np.nan), np.arange(60)),
            REJECT,
            "cannot be turned into numbers",
        ),
        (KnownAnomalies(usual(60, seed=8), np.arange(60)), {}, "no more than chance explains"),
    ],
    ids=["few", "four incidents", "left out", "missing cells", "chance"],
)
def test_what_cannot_teach_is_left_out_with_the_reason(
    known: KnownAnomalies, blocks: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "features" in blocks:  # the usual rows have none missing then
        complete = usual(600).fillna({"flow": 100.0})
        monkeypatch.setattr("tests.model.fitting.test_known_anomalies.usual", lambda rows, seed=0: complete)
    bundle, without = fit(known, "gmm", **blocks), fit(None, "gmm", **blocks)
    assert bundle.reranking is None
    facts = bundle.facts["known_anomalies"]
    assert not facts["used"]
    assert why in facts["why"]
    assert any(why in note for note in bundle.facts["notes"])
    rows = NEW.fillna({"flow": 100.0})
    pd.testing.assert_frame_equal(bundle.score(rows), without.score(rows), check_exact=True)


def test_few_held_out_rows_cannot_both_teach_and_calibrate() -> None:
    rng = np.random.default_rng(0)
    held, odd = rng.normal(size=(39, 2)), rng.normal(size=(30, 2)) + 4
    learned = learn_reranking(held, held[:, 0], odd, odd[:, 0])
    assert learned.reranking is None
    assert "39 held-out rows are too few" in learned.facts["why"]
    assert learned.calibrating.all()


def test_out_of_fold_scores_can_be_taught_too() -> None:
    bundle = fit(make_anomalies(60), "loda", rows=300, training={"calibrate": "cross"})
    assert bundle.calibration.method == "cross"
    assert bundle.reranking is not None
    assert len(bundle.calibration.scores) == 150
    assert bundle.verify_golden() == 0.0


def test_a_bundle_from_before_there_was_reranking_loads(plain: Bundle, tmp_path: Path) -> None:
    plain.save(tmp_path / "b")
    content = json.loads((tmp_path / "b" / "model.json").read_text())
    del content["reranking"], content["facts"]["known_anomalies"]
    (tmp_path / "b" / "model.json").write_text(json.dumps(content))
    (tmp_path / "b" / LISTING_NAME).unlink()
    old = Bundle.load(tmp_path / "b", seal_folder(tmp_path / "b"))
    assert old.raw_scores(NEW).tolist() == plain.raw_scores(NEW).tolist()
    assert not any("known" in note for note in old.recalibrate(usual(300), {}).facts["notes"])


def test_a_changed_byte_of_the_trees_is_refused(shipped_taught: tuple[Path, str]) -> None:
    folder, sha256 = shipped_taught
    content = bytearray((folder / "reranking.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "reranking.npz").write_bytes(bytes(content))
    with pytest.raises(IntegrityError):
        Bundle.load(folder, sha256)


@pytest.mark.parametrize("broken", ["left", "feature", "levels", "starts", "gone"])
def test_trees_that_lead_astray_are_refused_even_where_they_are_sealed(
    broken: str, shipped_taught: tuple[Path, str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(shipped_taught[0], tmp_path / "copy"))
    with np.load(folder / "reranking.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    if broken == "gone":
        (folder / "reranking.npz").unlink()
    else:
        arrays[broken] = arrays[broken] + 10**9
        np.savez(folder / "reranking.npz", allow_pickle=False, **arrays)
    (folder / LISTING_NAME).unlink()
    with pytest.raises(IntegrityError):
        Bundle.load(folder, seal_folder(folder))
