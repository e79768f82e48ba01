"""An audit drawn for a pair of models decides between them, on record, as soon as the answers suffice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.decision_evidence import PromotionEvidence
from pynomaly.steps.alerting.audit_answers import find_audit, label_audit
from pynomaly.steps.alerting.audit_sample import draw_audit
from pynomaly.steps.promotion.deciding_audit import decide_by_audit, draw_deciding_audit, report_audit
from pynomaly.steps.rejections import count_attempts
from pynomaly.steps.scoring.score_windows import score_window
from tests.steps.conftest import MOMENT, learn, plan, trained

DAY = timedelta(days=1)
END = MOMENT + 14 * DAY
Make = Callable[..., Pipeline]


def start_with_pair(pipeline: Make, champion: str, challenger: str) -> Pipeline:
    """v1 is champion and has scored two weeks that neither v1 nor v2 was fitted on; nobody gave labels."""
    unlabelled = {"label": None, "ignore": ["anomaly"]}
    settings = pipeline(data=unlabelled, training={"candidates": [champion]})
    learn(settings, plan(settings))
    for day in range(14):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))
    settings = pipeline(data=unlabelled, training={"candidates": [challenger]})
    trained(settings, plan(settings, MOMENT, "manual"))
    return settings


def answer(settings: Pipeline, table: Path, rows: slice) -> None:
    """Answer these rows of a table with the truth."""
    frame = pd.read_csv(settings.data.path)
    truth = {(row.machine, pd.Timestamp(row.time)): row.anomaly for row in frame.itertuples()}
    sheet = pd.read_csv(table)
    known = [truth[row.machine, pd.Timestamp(row.time)] for row in sheet.itertuples()]
    sheet["label"] = pd.Series(known, dtype=object).where(np.isin(sheet.index, sheet.index[rows]), "")
    sheet.to_csv(table, index=False)
    label_audit(settings, table, "ann")


@pytest.mark.slow
def test_answers_promote_the_better_model_and_stand_in_the_ledger(pipeline: Make, tmp_path: Path) -> None:
    settings, table = start_with_pair(pipeline, "hbos", "gmm"), tmp_path / "pair.csv"
    drawn = draw_deciding_audit(settings, 200, 60 * DAY, table, "ann", challenger=2, seed=1)
    assert drawn["against"] == {"champion": 1, "challenger": 2}
    assert sum(item["population"] for item in drawn["strata"]) == 14 * 96
    assert not {"score", "champion", "challenger", "stratum", "anomaly"} & set(pd.read_csv(table))
    with Ledger.open(settings.ledger_url) as ledger:
        audits = ledger.answers.list_audits("machines")
        # The draw is on record: a training after it is the second comparison with this champion.
        assert count_attempts(ledger.list_decisions("machines"), audits, END) == 2
        assert audits[-1].content["attempt"] == 1

    answer(settings, table, slice(0, 12))
    early = report_audit(settings)
    assert early["verdict"]["outcome"] == "inconclusive"
    assert "at least" in early["forecast"]
    with pytest.raises(RecordError, match="decides nothing yet: at least"):
        decide_by_audit(settings, END)

    answer(settings, table, slice(0, 200))
    report = report_audit(settings)
    assert report["verdict"]["outcome"] == "superior"
    assert report["more_answers"] == 0
    for side in ("champion", "challenger"):
        precision, alerts = report[side]["average_precision"], report[side]["alerts"]
        assert precision["low"] < precision["value"] < precision["high"]
        assert alerts["recall"]["low"] <= alerts["recall"]["value"] <= alerts["recall"]["high"]
    assert (
        report["challenger"]["average_precision"]["value"] > report["champion"]["average_precision"]["value"]
    )

    # A rule that is moved between two looks moves nothing, and is named.
    moved = pipeline(
        data={"label": None, "ignore": ["anomaly"]},
        comparison={"confidence": 0.6, "metric": "roc_auc"},
        training={"seed": 99},
    )
    again = report_audit(moved)
    assert again["verdict"] == report["verdict"]
    assert report["notes"] == []
    assert "metric average_precision (now roc_auc), confidence 0.95 (now 0.6)" in again["notes"][0]

    decision = decide_by_audit(moved, END, actor="ann")
    assert (decision.kind, decision.version, decision.actor) == ("promote", 2, "ann")
    evidence = PromotionEvidence.of(decision)
    assert evidence.audit is not None
    assert evidence.audit["audit"] == drawn["audit"]
    assert evidence.audit["rule"]["comparison"]["confidence"] == 0.95
    assert evidence.verdict is not None
    assert evidence.verdict["rung"] == "audited"
    assert decide_by_audit(settings, END).seq == decision.seq


@pytest.mark.slow
def test_a_worse_challenger_is_refused_and_the_refusal_is_no_further_attempt(
    pipeline: Make, tmp_path: Path
) -> None:
    settings, table = start_with_pair(pipeline, "gmm", "hbos"), tmp_path / "pair.csv"
    draw_deciding_audit(settings, 200, 60 * DAY, table, "ann", challenger=2, seed=2)
    answer(settings, table, slice(0, 200))
    decision = decide_by_audit(settings, END)
    assert (decision.kind, decision.outcome) == ("refuse", "inferior")
    with Ledger.open(settings.ledger_url) as ledger:
        audits = ledger.answers.list_audits("machines")
        assert count_attempts(ledger.list_decisions("machines"), audits, END) == 2


@pytest.mark.slow
def test_what_cannot_decide_is_refused_by_name(pipeline: Make, tmp_path: Path) -> None:
    settings, table = start_with_pair(pipeline, "hbos", "gmm"), tmp_path / "pair.csv"
    with pytest.raises(RecordError, match=r"no challenger to compare v1 with.*--challenger"):
        draw_deciding_audit(settings, 50, 60 * DAY, table, "ann")
    with pytest.raises(ConfigError, match="v1 is champion"):
        draw_deciding_audit(settings, 50, 60 * DAY, table, "ann", challenger=1)
    with pytest.raises(ConfigError, match="4 or more"):
        draw_deciding_audit(settings, 3, 60 * DAY, table, "ann", challenger=2)
    draw_audit(settings, 50, 60 * DAY, tmp_path / "plain.csv", "ann", seed=1)
    with pytest.raises(RecordError, match="drawn for the alerts, not for a challenger"):
        decide_by_audit(settings, END)
    assert report_audit(settings)["average_precision"] is None  # no answer yet

    # Rows that changed since they were scored are not drawn, and say why where none are left.
    frame = pd.read_csv(settings.data.path)
    frame.assign(noise=frame["noise"] + 1).to_csv(settings.data.path, index=False)
    with pytest.raises(RecordError, match="unchanged since"):
        draw_deciding_audit(settings, 50, 60 * DAY, table, "ann", challenger=2)
    assert find_audit(settings).against is None
    assert not table.exists()
