"""The measurement of the gate draws what it says it draws, and counts right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import dependent_rows, draws, gate
from pynomaly.config import Comparison
from pynomaly.judging.comparison.compare import Rung
from pynomaly.judging.comparison.evaluation import roc_auc
from tests import naive

SETTINGS = Comparison(resamples=200)


@pytest.mark.parametrize("name", list(draws.SETTINGS))
def test_champion_and_challenger_have_the_quality_they_are_said_to(name: str) -> None:
    rng = np.random.default_rng(0)
    pairs = [draws.SETTINGS[name][1](rng, draws.BETTER) for _ in range(150)]
    means = [
        np.mean([roc_auc(draw.truth, scores(draw)) for draw in pairs])
        for scores in (lambda draw: draw.champion, lambda draw: draw.challenger)
    ]
    # Kinds of unequal ease spread the anomalies, which costs both models a little.
    tolerance = 0.03 if "injected" in name else 0.015
    assert means == pytest.approx([draws.EQUAL, draws.BETTER], abs=tolerance)


def test_a_share_stands_with_its_binomial_interval() -> None:
    low, high = naive.clopper_pearson(3, 40, 0.95)
    assert gate.format_share(3, 40) == f"7.5 ({100 * low:.1f}–{100 * high:.1f})"
    assert gate.format_share(0, 0) == "–"


def test_peers_promote_on_what_they_say() -> None:
    truth = np.repeat([1, 0], [30, 300])
    scores = truth + np.random.default_rng(1).normal(size=330)
    tie = gate.judge_draw(draws.ScoreDraw(truth, scores, scores), Rung.LABELS, SETTINGS, 0)
    assert tie == {"ours": False, "higher": False, "tie or higher": True, "threshold": True}
    better = gate.judge_draw(draws.ScoreDraw(truth, -scores, scores + 3 * truth), Rung.LABELS, SETTINGS, 0)
    assert better == dict.fromkeys(gate.GATES, True)
    bad = gate.judge_draw(draws.ScoreDraw(truth, -scores, -scores), Rung.LABELS, SETTINGS, 0)
    assert not bad["threshold"]


def test_every_draw_is_counted_and_the_same_seed_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SETTINGS", {"few": (Rung.LABELS, draws.draw_independent(25, 200))})
    first, again = (gate.simulate_pairs(SETTINGS, 6, seed=3) for _ in range(2))
    assert first == again
    assert [counts.draws for counts in first["few"]] == [6, 6]
    assert gate.render_simulated_table(first).count("| few |") == 1
    six = gate.simulate_best_of_six(SETTINGS, draws.WORSE, 3, seed=0, positives=30)
    assert six.draws == 3
    assert six.promoted["ours"] <= six.promoted["ours, not counting the six"]
    assert gate.merge_counts([six, six]).draws == 6


def test_fits_on_a_table_are_judged_and_checked_on_other_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    rows = np.concatenate([rng.normal(size=(600, 3)), rng.normal(2, 1, size=(60, 3))])
    truth = np.repeat([0, 1], [600, 60])
    np.savez(tmp_path / "fits.npz", X=rows, y=truth)
    np.savez(tmp_path / "few.npz", X=rows[:610], y=truth[:610])
    [(name, X, y)] = list(gate.load_tables(tmp_path, gate.JUDGED_POSITIVES))
    assert name == "fits"
    assert "left out: few, 10 anomalies" in capsys.readouterr().err
    counts_of_fits = gate.measure_table_pairs(X, y, "hbos", SETTINGS, fits=3, seed=0)
    assert [counts.draws for counts in counts_of_fits] == [3, 3, 3]
    for gate_name in gate.GATES:
        assert counts_of_fits[1].promoted[gate_name] <= counts_of_fits[0].promoted[gate_name]
    assert "| hbos | 3 |" in gate.render_tables_table({"hbos": counts_of_fits})


@pytest.mark.slow
def test_dependent_rows_do_not_promote_equal_models() -> None:
    names = ("seasonal, incidents of 6 hours", "two-day memory and incidents")
    chosen = {name: dependent_rows.DEPENDENT[name] for name in names}
    lines, counts = dependent_rows.measure_dependent_rows(SETTINGS, 20, 1, chosen)
    assert [line[0] for line in lines] == list(names)
    false, better = (sum(pair[part].promoted for pair in counts.values()) for part in (0, 1))
    assert false <= 4  # of 40; at five in a hundred as many or more come once in seven hundred times
    assert better > false
    assert all(pair[0].draws == 20 for pair in counts.values())


def test_histories_have_the_incidents_and_the_memory_they_are_drawn_with() -> None:
    setting = dependent_rows.DependentRows(entities=2, shock=1.0)
    frame = setting.draw(np.random.default_rng(0))
    assert len(frame) == 2 * 120 * 48
    assert frame["anomaly"].sum() == 20 * 48
    by_machine = [frame[frame["machine"] == name]["flow"].to_numpy() for name in ("m0", "m1")]
    later = np.corrcoef(by_machine[0][:-12], by_machine[0][12:])[0, 1]
    assert later == pytest.approx(np.exp(-1), abs=0.1)
    assert np.corrcoef(*by_machine)[0, 1] == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
def test_p_values_hold_on_the_rows_after_dependent_ones() -> None:
    row = dependent_rows.measure_p_values("hbos", 6.0, 4, 0)
    assert row[:3] == ["hbos", "6 hours", "4"]
    assert float(row[3].split(" ")[0]) < 0.02
