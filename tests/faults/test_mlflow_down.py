"""MLflow's server is away at the start, at registration and in the middle of it, and comes back.

Nothing is half done while it is away: no version, no training on record, no champion; asked again, the work
goes on from what was fitted. By ``make faults``: its server takes half a minute to start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.machine.servers import find_free_port, run_mlflow_server
from pynomaly.config import Pipeline
from pynomaly.errors import RecordError
from pynomaly.records import figures
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.operations.reconcile import reconcile
from pynomaly.steps.promotion.promote import promote
from pynomaly.steps.training.compare_models import choose_winner, compare_with_champion
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.register import register_training
from tests.steps.conftest import MOMENT, pipeline, plan

pytestmark = pytest.mark.slow

__all__ = ["pipeline"]

LONG = os.environ.get("PYNOMALY_KILLS") == "all"


def count_records(settings: Pipeline) -> tuple[int, int]:
    """Trainings and promotions on record."""
    with Ledger.open(settings.ledger_url) as ledger:
        return len(ledger.list_trainings(settings.name)), len(ledger.list_decisions(settings.name, "promote"))


@pytest.mark.skipif(not LONG, reason="two starts of MLflow's server; run by `make faults`")
@pytest.mark.timeout(1800)
def test_mlflow_away_at_the_start_at_registration_and_in_the_middle(
    pipeline: Callable[..., Pipeline],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    port = find_free_port()
    settings = pipeline(records={"tracking": f"http://127.0.0.1:{port}"})
    with pytest.raises(RecordError, match="MLflow could not"):
        plan(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        assert not ledger.list_decisions(settings.name)

    server = ExitStack()
    with server:
        server.enter_context(run_mlflow_server(tmp_path / "server", port))
        asked = plan(settings)
        prepared = prepare_reference(settings, asked.window, MOMENT, asked.candidates, asked.asked)
        fitted = [fit_candidate(settings, prepared, item, label) for label, item in prepared.labelled()]
        choice = choose_winner(settings, prepared, fitted)
        draw = figures.draw_comparison

        def stop_and_draw(*arguments: object) -> bytes:
            server.close()
            return draw(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(figures, "draw_comparison", stop_and_draw)
            with pytest.raises(RecordError, match="MLflow could not"):
                register_training(settings, prepared, fitted, choice)
        assert count_records(settings) == (0, 0)
        with pytest.raises(RecordError, match="MLflow could not"):
            register_training(settings, prepared, fitted, choice)
        assert count_records(settings) == (0, 0)

    with run_mlflow_server(tmp_path / "server", port):
        registry = Registry.open_for(settings)
        assert registry.list_versions(settings.name) == ()
        registered = register_training(settings, prepared, fitted, choice)
        verdict = compare_with_champion(settings, prepared, fitted[0], choice.among)
        assert promote(settings, registered, verdict, MOMENT).kind == "promote"
        assert (registered.version, registered.new, count_records(settings)) == (1, True, (1, 1))
        result = reconcile(settings, datetime.now(UTC) + timedelta(hours=1))
        client = registry._client
        ended = [run.info.status for run in client.search_runs([registry.ensure_experiment(settings.name)])]
        assert (len(result.runs), ended.count("KILLED"), ended.count("RUNNING")) == (2, 2, 0)
        assert "FINISHED" in ended
