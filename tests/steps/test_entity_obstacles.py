"""Rows of entities without their own baseline are counted, and a training says who gets one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pynomaly.steps.obstacles import count_pooled_rows, describe_new_baselines, describe_pooled_rows
from pynomaly.steps.reporting.explain_row import _find_score_limit
from tests.feeders import fit, table


def test_rows_of_entities_without_a_baseline_are_counted_and_said() -> None:
    bundle, rows = fit(table(600)), table(30)
    assert describe_pooled_rows(count_pooled_rows(bundle, rows), 30) == ()
    rows.loc[:5, "feeder"] = ["m7", "m8", "m9", "m7", "m10", None]
    counts = count_pooled_rows(bundle, rows)
    assert counts == {"m7": 2, "m8": 1, "m9": 1, "m10": 1, "": 1}
    (sentence,) = describe_pooled_rows(counts, 30)
    assert sentence.startswith(
        "6 of 30 rows are of entities without their own baseline ('m7', 'm8', 'm9' and 2 more): level and"
    )
    assert not count_pooled_rows(fit(table(600), features={"entities": "pooled"}), rows)


def test_a_training_says_which_entities_get_or_lose_their_own_baseline() -> None:
    rows = table(600)
    before, after = fit(rows[rows["feeder"] != "large"]), fit(rows[rows["feeder"] != "small"])
    assert describe_new_baselines(after, before) == (
        "entities with their own baseline from this training on: 'large'",
        "entities without rows for a baseline in this training: 'small'",
    )
    assert describe_new_baselines(after, after) == describe_new_baselines(after, None) == ()


def test_the_score_that_alerts_is_that_of_the_entity() -> None:
    rows = table(3000, wide=4.0)
    bundle = fit(rows, features={"entities": "pooled"}, training={"calibrate_by": "entity"})
    limits = {}
    for feeder in ("small", "large"):
        row = pd.DataFrame({"feeder": [feeder], "score": [0.0]})
        limit = _find_score_limit(bundle, 0.01, row)
        assert limit is not None
        entity = np.array([feeder], dtype=object)
        assert bundle.calibration.p_values([limit], entity)[0] <= 0.01
        assert bundle.calibration.p_values([np.nextafter(limit, -np.inf)], entity)[0] > 0.01
        limits[feeder] = limit
    assert limits["large"] > limits["small"]
