"""Why a row scores as it does: parts by column of the frame, the same in any batch, within a budget."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.errors import ColumnError, DataError, ModelError
from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.expected import predict_expected_cells
from pynomaly.model.explanation.explain import explain_alerts
from pynomaly.model.sketch.sketch import Sketch
from tests import naive
from tests.model.tables import fit, table

NEW = table(60, seed=9)
DETECTORS = ["iforest", "gmm", "lof", "ecod", "auto"]


def odd() -> pd.DataFrame:
    """Ordinary rows with one odd cell each."""
    rows = NEW.iloc[[0, 1, 2]].copy()
    rows.iloc[0, 1], rows.iloc[1, 2], rows.iloc[2, 3] = 60.0, 400.0, "never seen"
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_parts_go_back_to_columns_and_sum_to_the_score(name: str) -> None:
    bundle = fit(name)
    explanations = bundle.explain(odd())
    np.testing.assert_allclose([one.score for one in explanations], bundle.score(odd())["score"], rtol=1e-9)
    for one in explanations:
        assert list(one.parts) == ["pressure", "flow", "kind"]
        assert one.base + sum(one.parts.values()) == pytest.approx(one.score)
        weights = [max(reason.part, reason.fall) for reason in one.reasons]
        assert weights == sorted(weights, reverse=True)
        assert min(weights, default=1.0) > 0
        assert all(one.parts[reason.column] == reason.part for reason in one.reasons)
        assert sum(reason.share for reason in one.reasons) == pytest.approx(1.0)
        assert one.additive == (name != "lof")
    assert explanations[0].reasons[0].column == "pressure"
    assert explanations[0].reasons[0].value == 60.0
    assert explanations[1].reasons[0].column == "flow"
    json.dumps([one.to_dict() for one in explanations], allow_nan=False)


@pytest.mark.parametrize("name", ["gmm", "lof", "ecod"])
def test_a_category_never_seen_is_named(name: str) -> None:
    (reason,) = fit(name).explain(odd().iloc[[2]], top=1)[0].reasons
    assert (reason.column, reason.value, reason.usual) == ("kind", "never seen", "gear")


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_an_explanation_belongs_to_its_row(name: str, tmp_path: Path) -> None:
    bundle = fit(name)
    whole = bundle.explain(NEW.iloc[:9])
    order = [4, 2, 7, 0]
    assert bundle.explain(NEW.iloc[order]) == tuple(whole[place] for place in order)
    assert bundle.explain(NEW.iloc[[5]]) == (whole[5],)
    assert Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b")).explain(NEW.iloc[:9]) == whole


@pytest.mark.slow
@pytest.mark.parametrize("method", ["occlusion", "shap", "lime"])
def test_other_methods_may_be_asked_for(method: str) -> None:
    bundle = fit("gmm")
    explanations = bundle.explain(odd(), method=method)
    assert {one.method for one in explanations} == {method}
    assert [one.reasons[0].column for one in explanations] == ["pressure", "flow", "kind"]
    assert bundle.explain(odd().iloc[[1]], method=method) == (explanations[1],)
    for one, score in zip(explanations, bundle.score(odd())["score"], strict=True):
        assert one.score == pytest.approx(score)
        assert one.additive == (method == "shap")


@pytest.mark.slow
def test_shapley_values_are_those_of_subsets_written_out() -> None:
    bundle = fit("knn")
    rows = odd().iloc[[0]]
    (one,) = bundle.explain(rows, method="shap")
    held = bundle.contract.conform(rows)
    usual = predict_expected_cells(held, bundle.sketch)

    def value(known: frozenset[int]) -> float:
        names = list(held)
        shown = {name: (held if at in known else usual)[name].to_numpy() for at, name in enumerate(names)}
        return float(bundle.raw_scores(pd.DataFrame(shown))[0])

    np.testing.assert_allclose(list(one.parts.values()), naive.shapley_values(value, 3), rtol=1e-6, atol=1e-9)
    assert one.base == pytest.approx(value(frozenset()))


def test_more_columns_than_can_be_counted_out_are_sampled_and_still_sum() -> None:
    rng = np.random.default_rng(0)
    rows = table().drop(columns="kind").assign(**{f"x{i}": rng.normal(size=400) for i in range(12)})
    bundle = fit("hbos", rows)
    (one,) = bundle.explain(rows.iloc[[0]].assign(x3=40.0), method="shap")
    assert one.reasons[0].column == "x3"
    own = bundle.explain(rows.iloc[[0]].assign(x3=40.0))[0]
    for name, part in own.parts.items():  # columns of a histogram do not know of each other
        assert one.parts[name] == pytest.approx(part, abs=1e-9)


def test_a_method_that_is_not_there_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = fit("hbos")
    for name in ("shap", "lime"):
        monkeypatch.setitem(sys.modules, name, None)
    for method in ("shap", "lime"):
        with pytest.raises(ModelError, match=r"pynomaly-mlops\[explain\]"):
            bundle.explain(odd(), method=method)
    with pytest.raises(DataError, match="did you mean 'shap'"):
        bundle.explain(odd(), method="shapp")


def test_a_fall_is_what_hiding_the_column_does() -> None:
    bundle = fit("gmm")
    row = odd().iloc[[0]]
    reason = bundle.explain(row)[0].reasons[0]
    hidden = bundle.score(row.assign(pressure=reason.usual))["score"].iloc[0]
    assert reason.fall == pytest.approx(bundle.score(row)["score"].iloc[0] - hidden)


def test_columns_that_go_wrong_together_are_named_though_each_is_as_the_others_have_it() -> None:
    bundle = fit("mahalanobis")
    one = bundle.explain(NEW.iloc[[0]].assign(pressure=5 + 2 * 8.0, flow=100 - 10 * 8.0))[0]
    assert {reason.column for reason in one.reasons[:2]} == {"pressure", "flow"}


def test_calendar_and_missing_cells_are_part_of_their_columns() -> None:
    bundle = fit("gmm", features={"calendar": True, "missing": "indicate"})
    rows = NEW.iloc[[0]].assign(flow=np.nan)
    (one,) = bundle.explain(rows, top=4)
    assert list(one.parts) == ["pressure", "flow", "kind", "time"]
    assert one.score == pytest.approx(float(bundle.score(rows)["score"].iloc[0]))
    flow = next(reason for reason in one.reasons if reason.column == "flow")
    assert flow.value is None
    assert flow.usual is not None


def test_a_row_that_refuses_missing_cells_is_still_explained() -> None:
    rows = table().dropna().reset_index(drop=True)
    one = fit("knn", rows, features={"missing": "reject"}).explain(rows.iloc[[3]])[0]
    assert np.isfinite(list(one.parts.values())).all()


def test_features_of_the_past_name_the_column_they_came_from() -> None:
    rows = table().drop(columns="kind")
    for name in ("change", "level", "spread"):
        rows[f"flow:{name}"] = np.random.default_rng(len(name)).normal(size=len(rows))
    bundle = fit("ecod", rows)
    reason = bundle.explain(rows.iloc[[0]].assign(**{"flow:change": 50.0}))[0].reasons[0]
    assert (reason.column, reason.source) == ("flow:change", "flow")
    assert bundle.explain(rows.iloc[[0]].assign(pressure=99.0))[0].reasons[0].source == "pressure"


def test_only_alerts_are_explained_and_only_so_many() -> None:
    bundle = fit()
    rows = pd.concat([NEW.iloc[:5], odd(), NEW.iloc[5:9]], ignore_index=True)
    scored = bundle.score(rows).assign(is_anomaly=[False] * 5 + [True] * 3 + [False] * 4)
    explanations, left_out = explain_alerts(bundle, rows, scored, top=1, most=2)
    assert left_out == 1
    highest = sorted(range(5, 8), key=lambda place: -scored["score"].iloc[place])[:2]
    assert sorted(explanations) == sorted(highest)
    assert all(len(one.reasons) <= 1 for one in explanations.values())
    quiet = scored.assign(is_anomaly=False)
    assert explain_alerts(bundle, rows, quiet) == ({}, 0)
    assert explain_alerts(bundle, rows, scored, most=0) == ({}, 3)


def test_what_cannot_be_scored_cannot_be_explained(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="no rows to explain"):
        bundle.explain(NEW.iloc[:0])
    with pytest.raises(ColumnError, match="pressure"):
        bundle.explain(NEW.drop(columns="pressure"))
    with pytest.raises(DataError, match="top is -1"):
        bundle.explain(NEW.iloc[:1], top=-1)


# --- what is expected ----------------------------------------------------------------------------------


def sketched(rows: pd.DataFrame) -> Sketch:
    return Sketch.of(rows[["pressure", "flow", "kind"]])


def test_a_number_is_expected_where_the_rest_of_its_row_puts_it() -> None:
    rows = table(4000).drop(columns=["time", "anomaly"])
    expected = predict_expected_cells(rows, sketched(rows))
    known = rows["flow"].notna().to_numpy()
    slope, height = np.polyfit(rows["flow"][known], rows["pressure"][known], 1)
    np.testing.assert_allclose(expected["pressure"][known], slope * rows["flow"][known] + height, atol=0.35)
    hidden = rows.assign(pressure=1e6)  # the cell itself has no say
    pd.testing.assert_series_equal(
        predict_expected_cells(hidden, sketched(rows))["pressure"], expected["pressure"]
    )
    assert set(expected["kind"]) == {"gear"}
    assert not expected.isna().to_numpy().any()


def test_expectations_stay_within_what_was_seen_and_belong_to_their_row() -> None:
    rows = table(500).drop(columns=["time", "anomaly"])
    reference = sketched(rows)
    wild = rows.iloc[:20].assign(flow=1e300)
    expected = predict_expected_cells(wild, reference)
    assert expected["pressure"].between(rows["pressure"].min(), rows["pressure"].max()).all()
    for place in range(0, 20, 5):
        pd.testing.assert_frame_equal(
            predict_expected_cells(wild.iloc[[place]], reference), expected.iloc[[place]]
        )


def test_a_column_without_values_is_expected_to_have_none() -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [np.nan] * 3})
    assert predict_expected_cells(rows, Sketch.of(rows))["b"].isna().all()


def test_scores_that_known_anomalies_taught_are_occluded() -> None:
    bundle = fit("knn")

    class Taught:
        used = True

        def score(self, numbers: np.ndarray, scores: np.ndarray) -> np.ndarray:
            return scores + 100.0 * (numbers[:, 0] > 0)  # the first number is the pressure

    object.__setattr__(bundle, "reranking", Taught())
    rows = NEW[NEW["pressure"] > 8].iloc[[0]].assign(flow=130.0)
    one = bundle.explain(rows)[0]
    assert one.method == "occlusion"
    assert not one.additive
    assert one.reasons[0].column == "pressure"
    assert one.reasons[0].part > 90
