"""What cannot work is said wherever people look: training, status, doctor, and scored rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import ColumnError
from pynomaly.steps.operations.health import check_installation
from pynomaly.steps.promotion import promote as promoting
from pynomaly.steps.reporting.overview import describe_status
from pynomaly.steps.scoring.score_file import score_file
from tests.machines import make_machines
from tests.steps.conftest import learn, plan

Make = Callable[..., Pipeline]


@pytest.mark.slow
def test_a_version_that_cannot_alert_and_learned_the_truth_says_so_everywhere(
    pipeline: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        promoting,
        "check_gate",
        lambda *_: promoting.GateResult(True, (), {}),  # tested elsewhere
    )
    rows = make_machines(28)
    rows["outcome"] = rows["anomaly"]
    settings = pipeline(table=rows, alerts={"quantile": 1e-9})
    registered, _ = learn(settings, plan(settings))
    suspect = next(note for note in registered.notes if note.startswith("suspect: 'outcome' alone"))
    mute = next(note for note in registered.notes if note.startswith("cannot alert: "))
    assert {suspect, mute} <= set(describe_status(settings)["obstacles"])
    warned = [check.fact for check in check_installation(settings, settings.home) if check.state == "warning"]
    assert {suspect, mute} <= set(warned)

    file, output = tmp_path / "new.csv", tmp_path / "scores.csv"
    rows.head(100).assign(heat=-9999).to_csv(file, index=False)
    warnings = score_file(settings, file, output).warnings
    assert mute in warnings
    assert any('set data.missing_values: ["-9999"]' in warning for warning in warnings)
    rows.drop(columns="outcome").head(100).to_csv(file, index=False)
    with pytest.raises(
        ColumnError, match=r"missing column 'outcome', a feature of the champion.*data\.ignore"
    ):
        score_file(settings, file, output)
