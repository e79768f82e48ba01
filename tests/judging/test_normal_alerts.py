"""Alerts that fail to come: far fewer than promised, and by more than chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pynomaly import config
from pynomaly.judging.comparison.compare import judge_by_catches
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.verdict import Verdict, VerdictOutcome
from pynomaly.judging.normal_alerts import NormalAlerts, explain_rare_alerts


@pytest.mark.parametrize("alerts", range(8))
@pytest.mark.parametrize("expected", [1.0, 6.8, 7.0, 20.0, 24.0])
def test_alerts_are_rare_by_the_poisson_tail_and_the_factor(alerts: int, expected: float) -> None:
    chance = sum(math.exp(-expected) * expected**count / math.factorial(count) for count in range(alerts + 1))
    windows = [NormalAlerts(100, alerts, expected / 2), NormalAlerts(100, 0, expected / 2)]
    assert bool(explain_rare_alerts(windows, 3.0, 0.001)) == (3 * alerts <= expected and chance < 0.001)


def test_alerts_that_come_together_are_weaker_evidence() -> None:
    assert explain_rare_alerts([NormalAlerts(1000, 0, 10.0)], 3.0, 0.001)
    assert not explain_rare_alerts([NormalAlerts(1000, 0, 10.0, together=2.0)], 3.0, 0.001)
    assert not explain_rare_alerts([], 3.0, 0.001)


@pytest.mark.parametrize(
    ("old", "new", "lost", "false", "difference", "promotes"),
    [
        (0, 5, 0, 0, 0.0, True),
        (0, 4, 0, 0, 0.1, False),  # four of four are one in sixteen by chance
        (2, 7, 0, 0, 0.1, True),
        (2, 6, 0, 0, 0.1, False),
        (1, 7, 1, 0, 0.1, True),
        (1, 6, 1, 0, 0.1, False),  # six of seven changes
        (3, 8, 0, 0, 0.1, False),  # not three times as many
        (0, 8, 0, 0, -0.01, False),  # it ranks worse
        (0, 8, 0, 3, 0.1, True),
        (0, 8, 0, 4, 0.1, False),  # it breaks the promise itself
    ],
)
def test_a_silent_champion_is_replaced_by_what_catches_incidents(
    old: int, new: int, lost: int, false: int, difference: float, promotes: bool
) -> None:
    truth = np.repeat([1, 0], [32, 100])
    blocks = np.concatenate([np.repeat(np.arange(8), 4), np.arange(8, 108)])
    flags = np.zeros((2, 132), dtype=bool)
    flags[0, : 4 * old : 4] = flags[1, 4 * lost : 4 * (lost + new) : 4] = flags[1, 32 : 32 + false] = True
    nan = math.nan
    verdict = Verdict(
        VerdictOutcome.INCONCLUSIVE, Rung.LABELS, "average_precision", "old", "new", 0.5, 0.5 + difference,
        difference, nan, nan, 0.95, nan, nan, 132, 32, ("a tie",),
    )  # fmt: skip
    evidence = Evidence(truth, blocks)
    result = judge_by_catches(verdict, evidence, (flags[0], flags[1]), 0.01, 3.0, config.Comparison())
    assert result.promotes == promotes
