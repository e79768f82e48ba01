"""Fit a detector within a hard limit of wall time, in seconds, in a process of its own.

A fit that runs in C cannot be interrupted from its own process; a child can be killed, with all it
started. Rows go in and the fitted detector comes out as plain files in a temporary folder, so nothing is
pickled, nothing depends on how processes are started, and threads of the caller are no danger. The limit
includes the child's start (2-4 s with PyOD). Called by `model.bundle`; the child runs
``python -m pynomaly.detectors.deadline FOLDER SECONDS``.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly import errors
from pynomaly.detectors.base import Detector, Table, as_numbers, column_names
from pynomaly.detectors.catalogue import entry, load, make
from pynomaly.errors import DetectorError, FitTimeoutError

__all__ = ["fit_within", "main"]

_GRACE = 5.0  # seconds after which a child ends itself, should its parent be gone


def fit_within(detector: Detector, X: Table, seconds: float) -> Detector:
    """Fit a detector of the catalogue in a child process, and kill that after `seconds`.

    Parameters
    ----------
    detector : Detector
        Its name, parameters and seed are used; it stays as it is.
    X : DataFrame or ndarray of shape (n, d)
        As for `Detector.fit`.
    seconds : float
        Wall time, the start of the child included.

    Returns
    -------
    Detector
        Another one, fitted.

    Raises
    ------
    FitTimeoutError
        The fit did not end in time.
    ColumnError, DetectorError
        As `Detector.fit`; also when the child dies, for lack of memory for example.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise DetectorError(f"the limit of a fit is {seconds!r}; allowed: seconds above 0")
    entry(detector.name)  # the child can only make what the catalogue knows
    columns = column_names(X, detector.name) if isinstance(X, pd.DataFrame) else None
    values = as_numbers(X, columns, detector.name)
    with tempfile.TemporaryDirectory(prefix="pynomaly-fit-") as temporary:
        folder = Path(temporary)
        request = {
            "name": detector.name,
            "seed": detector.seed,
            "params": detector.params,
            "columns": None if columns is None else list(columns),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.save(folder / "rows.npy", values, allow_pickle=False)
        status = _run(detector.name, folder, values.shape, seconds)
        _raise_failure(detector.name, folder, status)
        return load(folder / "fitted")


def _run(name: str, folder: Path, shape: tuple[int, ...], seconds: float) -> int:
    """Run the child, or kill its whole group at the limit; return its exit status."""
    command = [sys.executable, "-m", __name__, str(folder), str(seconds)]
    with (folder / "stderr.txt").open("wb") as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            return child.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise FitTimeoutError(
                f"{name} on {shape[0]} rows of {shape[1]} columns did not end within {seconds:g} s and was "
                "stopped; give it more time (training.timeout) or fewer rows (training.max_rows)"
            ) from error
        finally:  # also on Ctrl-C, and when the child left something running
            _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()  # the group is gone already; a no-op for a child that has ended
    child.wait()


def _raise_failure(name: str, folder: Path, status: int) -> None:
    """Raise in the caller what stopped the child, if anything did."""
    if status == 0:
        return
    failure = folder / "failure.json"
    if failure.is_file():
        told = json.loads(failure.read_text(encoding="utf-8"))
        raise getattr(errors, told["type"], DetectorError)(told["message"])
    last = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()[-500:]
    raise DetectorError(
        f"{name}: the process of the fit ended with status {status}; its last words: {last!r}"
    )


def main(folder: Path, seconds: float) -> int:
    """Fit what the folder asks for, in the child; 0 if fitted, 3 if refused."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)  # its default action ends the process
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    X: Table = np.load(folder / "rows.npy", allow_pickle=False)
    if request["columns"] is not None:
        X = pd.DataFrame(X, columns=request["columns"])
    try:
        make(request["name"], request["seed"], **request["params"]).fit(X).save(folder / "fitted")
    except errors.PynomalyError as error:
        told = {"type": type(error).__name__, "message": str(error)}
        (folder / "failure.json").write_text(json.dumps(told), encoding="utf-8")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
