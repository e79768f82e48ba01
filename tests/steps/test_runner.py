"""Work spread over a real cluster gives what one process gives; a killed worker costs its part."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import LocalCluster

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.errors import ConfigError, DataError
from pynomaly.steps import runner as spreading
from pynomaly.steps.replay.replay import replay
from pynomaly.steps.runner import run_parts
from pynomaly.steps.scoring.score_file import score_file
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import prepare_reference
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, learn, plan
from tests.steps.replay.test_replay import END, START, without_seconds
from tests.steps.spreading import mark, refuse

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # distributed's own sockets, at its close
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Three workers, each a process that is started again when it dies."""
    with LocalCluster(n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as started:
        yield started
        spreading._get_client(started.scheduler_address, 0).close()
        spreading._get_client.cache_clear()


@pytest.fixture
def on_cluster(cluster: LocalCluster, tmp_path: Path) -> Pipeline:
    settings = make_small_settings(runner={"kind": "dask", "address": cluster.scheduler_address})
    return parse_pipeline(settings, tmp_path / "machines.yaml")


def elsewhere(settings: Pipeline, cluster: LocalCluster) -> Pipeline:
    """The same pipeline on the cluster."""
    there = {"kind": "dask", "address": cluster.scheduler_address}
    return settings.model_copy(update={"runner": settings.runner.model_copy(update=there)})


def test_results_come_in_the_order_of_the_parts_from_other_processes(
    on_cluster: Pipeline, tmp_path: Path
) -> None:
    results = list(run_parts(on_cluster, mark, [(str(tmp_path), n, -1) for n in range(12)]))
    assert [number for number, _ in results] == list(range(12))
    assert os.getpid() not in {process for _, process in results}


def test_a_killed_worker_costs_what_it_had_not_handed_back(on_cluster: Pipeline, tmp_path: Path) -> None:
    results = list(run_parts(on_cluster, mark, [(str(tmp_path), n, 4) for n in range(12)]))
    assert [number for number, _ in results] == list(range(12))
    calls = {n: (tmp_path / str(n)).stat().st_size for n in range(12)}
    assert calls[4] >= 2
    assert sum(calls.values()) <= 12 + 3  # the part, and at most what waited beside it


@pytest.mark.parametrize("where", ["local", "dask"])
def test_a_refusal_is_the_same_everywhere(on_cluster: Pipeline, where: str) -> None:
    local = parse_pipeline(make_small_settings(), on_cluster.origin)
    with pytest.raises(DataError, match="row 2 cannot be used"):
        list(run_parts(on_cluster if where == "dask" else local, refuse, [(n,) for n in range(4)]))


def test_nobody_at_the_address_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = parse_pipeline(
        make_small_settings(runner={"kind": "dask", "address": "tcp://127.0.0.1:1"}), tmp_path / "m.yaml"
    )
    monkeypatch.setattr(spreading, "SCHEDULER_TIMEOUT_S", 1)
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at runner.address 'tcp://127.0.0.1:1'"):
        list(run_parts(nobody, refuse, [(0,)]))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = parse_pipeline({**make_small_settings(), "runner": "dask"}, tmp_path / "m.yaml")
    assert asked.runner.kind == "dask"
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pynomaly-mlops\[dask\]"):
        list(run_parts(asked, refuse, [(0,)]))


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        ("ray", "'local' or 'dask'"),
        ({"kind": "local", "address": "tcp://a:1"}, "only for kind: dask"),
        ({"kind": "dask", "address": "somewhere"}, "address"),
    ],
)
def test_other_runners_are_refused_by_name(runner: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_pipeline({**make_small_settings(), "runner": runner}, tmp_path / "m.yaml")


@pytest.mark.slow
def test_candidates_and_scores_are_those_of_one_process_to_the_bit_also_when_a_worker_dies(
    pipeline: Callable[..., Pipeline], cluster: LocalCluster, tmp_path: Path
) -> None:
    settings = pipeline(
        training={"candidates": ["hbos", "iforest"]}, runner={"batch_rows": 1000, "workers": 1}
    )
    there = elsewhere(settings, cluster)
    planned = plan(settings)
    prepared = prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)
    for label, candidate in prepared.labelled():
        here = fit_candidate(settings, prepared, candidate, label)
        kept = here.scores()
        (Path(here.folder).parent / "fitted.json").unlink()
        again = fit_candidate(there, prepared, candidate, label)
        assert again.sha256 == here.sha256
        pd.testing.assert_frame_equal(again.scores(), kept, check_exact=True)
    learn(settings, planned)
    table = make_machines(90, seed=3)
    source = tmp_path / "new.parquet"
    table.to_parquet(source, index=False, row_group_size=500)
    score_file(settings, source, tmp_path / "here.parquet")
    victim = next(iter(cluster.scheduler_info["workers"].values()))["nanny"]
    os.kill(next(w.process.pid for w in cluster.workers.values() if w.address == victim), signal.SIGKILL)
    score_file(there, source, tmp_path / "there.parquet")
    here, beyond = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("here", "there"))
    pd.testing.assert_frame_equal(beyond, here, check_exact=True)


@pytest.mark.slow
def test_a_replay_on_the_cluster_is_the_replay(
    pipeline: Callable[..., Pipeline], cluster: LocalCluster
) -> None:
    settings = pipeline(days=42, shift_day=21)
    policies = ("never", "ours")
    here = replay(settings, START, END, policies)
    there = replay(elsewhere(settings, cluster), START, END, policies)
    assert without_seconds(there) == without_seconds(here)
