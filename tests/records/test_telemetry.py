from __future__ import annotations

import subprocess
import sys

from pynomaly.records.telemetry import TELEMETRY_OFF, disable_telemetry


def test_every_variable_is_set_even_against_the_environment():
    environment = {"DO_NOT_TRACK": "0", "HOME": "/h"}
    disable_telemetry(environment)
    assert environment == {**TELEMETRY_OFF, "HOME": "/h"}


def test_importing_records_changes_nothing_and_imports_no_vendor():
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "import pynomaly.records.telemetry, pynomaly.records.store, pynomaly.records.registry\n"
        "import pynomaly.records.report, pynomaly.records.evidently_report, pynomaly.records.figures\n"
        "assert dict(os.environ) == before\n"
        "print(sorted({'mlflow', 'evidently', 'matplotlib', 'torch', 'sklearn', 'pyod'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_served_tracking_store_writes_no_line_into_our_results(monkeypatch):
    from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT as QUIET

    monkeypatch.delenv(QUIET.name, raising=False)
    assert not QUIET.get()
    for name, value in TELEMETRY_OFF.items():
        monkeypatch.setenv(name, value)
    assert QUIET.get()
