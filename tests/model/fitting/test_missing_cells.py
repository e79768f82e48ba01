"""Every policy for missing cells under every detector: finite scores, no silent normal, a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.detectors import TABULAR, make_detector
from pynomaly.detectors.contract.subject import make_far_rows, make_normal_rows
from pynomaly.errors import DataError
from pynomaly.model.features import FeatureEncoder

POLICIES = ("impute", "indicate")
# A column that never varied has no split in a tree, and in a network weights that nobody trained.
BLIND = ("iforest", "deepsvdd")


def with_kinds(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    kinds = np.random.default_rng(seed).choice(["a", "b", "c"], len(rows), p=[0.5, 0.3, 0.2])
    return rows.assign(kind=pd.Series(kinds, dtype=object, index=rows.index))


def with_holes(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    numbers = rows.drop(columns="kind")
    return rows.assign(**numbers.mask(rng.random(numbers.shape) < share).to_dict("series"))


REFERENCE = with_holes(with_kinds(make_normal_rows(400), 0), 0.03)
NORMAL = with_kinds(make_normal_rows(60, seed=1), 1)
FAR = with_kinds(make_far_rows(10), 2).assign(flow=np.nan)  # one cell missing, the others far out
ODD = NORMAL.iloc[:10].assign(kind="never seen").reset_index(drop=True)
EMPTY = NORMAL.iloc[:1].assign(**dict.fromkeys(NORMAL.columns[:-1], np.nan))
ROWS = pd.concat([NORMAL, FAR, ODD, EMPTY], ignore_index=True)


@dataclass(frozen=True)
class Path:
    """What a bundle does between a frame and a score."""

    features: FeatureEncoder
    scores: np.ndarray


@pytest.fixture(scope="module")
def paths() -> dict[tuple[str, str], Path]:
    scores = {}
    for policy in POLICIES:
        features = FeatureEncoder.fit(REFERENCE, None, config.Features(missing=policy))
        numbers, rows = features.transform(REFERENCE), features.transform(ROWS)
        for name in TABULAR:
            scores[name, policy] = Path(features, make_detector(name, seed=3).fit(numbers).score(rows))
    return scores


PAIRS = [(name, policy) for name in TABULAR for policy in POLICIES]
each_pair = pytest.mark.parametrize(("name", "policy"), PAIRS, ids=[f"{n}:{p}" for n, p in PAIRS])


@pytest.mark.slow
@each_pair
def test_no_score_is_missing(paths: dict[tuple[str, str], Path], name: str, policy: str) -> None:
    assert np.isfinite(paths[name, policy].scores).all()


@pytest.mark.slow
@each_pair
def test_a_missing_cell_hides_no_outlier(paths: dict[tuple[str, str], Path], name: str, policy: str) -> None:
    scores = paths[name, policy].scores
    assert (scores[60:70, None] > scores[:60]).mean() >= 0.97


@pytest.mark.slow
@each_pair
def test_an_unseen_category_does_not_lower_a_score(
    paths: dict[tuple[str, str], Path], name: str, policy: str
) -> None:
    scores = paths[name, policy].scores
    known, unseen = scores[:10], scores[70:80]
    if name in BLIND:
        assert np.median(unseen) >= np.quantile(scores[:60], 0.1)  # not taken for the most normal, at least
    else:
        assert (unseen > known).mean() >= 0.9
    if name == "rare":
        assert np.median(unseen) > np.quantile(scores[:60], 0.95)


@pytest.mark.parametrize("policy", POLICIES)
def test_touched_rows_are_counted(policy: str) -> None:
    features = FeatureEncoder.fit(REFERENCE, None, config.Features(missing=policy))
    assert features.count_unusual_rows(NORMAL) == 0
    assert features.count_unusual_rows(ROWS) == 10 + 10 + 1
    assert features.count_unusual_cells(ROWS)["flow"] == 11


@pytest.mark.slow
def test_rejected_rows_are_named_whatever_the_detector() -> None:
    whole = with_kinds(make_normal_rows(400), 0)
    features = FeatureEncoder.fit(whole, None, config.Features(missing="reject"))
    with pytest.raises(DataError, match="column 'flow' has 10 missing cells, the first at row 0"):
        features.transform(FAR)
    with pytest.raises(DataError, match="missing"):
        FeatureEncoder.fit(REFERENCE, None, config.Features(missing="reject"))
    numbers, rows = features.transform(whole), features.transform(NORMAL)
    for name in TABULAR:
        assert np.isfinite(make_detector(name, seed=3).fit(numbers).score(rows)).all()
