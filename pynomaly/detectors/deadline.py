"""Fit a detector within a hard limit of wall time, in seconds, in a process of its own.

A fit that runs in C cannot be interrupted from its own process; a child process can be killed, with all
processes it started. The rows go in and the fitted detector comes out as plain files in a temporary folder:
nothing is pickled, the start method of processes does not matter, and threads of the caller do no harm. The
limit includes the child's start (2-4 s with PyOD). Called by `model` and `steps`; the child runs this module
with ``python -m``, a folder and the seconds.
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
from pynomaly.detectors.base import Detector, Table, column_names, to_finite_array
from pynomaly.detectors.catalogue import find_entry, load_detector, make_detector
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import DetectorError, FitTimeoutError

__all__ = ["fit_within", "main"]

_GRACE = 5.0  # seconds past the limit after which a child ends itself, in case its parent is gone


def fit_within(detector: Detector, X: Table | PastRows, seconds: float | None) -> Detector:
    """Fit a detector of the catalogue in a child process, which is killed after `seconds`.

    Parameters
    ----------
    detector : Detector
        Its name, parameters and seed are used; it is not changed, unless it is fitted in this process.
    X : DataFrame, ndarray of shape (n, d), or PastRows
        As for `Detector.fit`.
    seconds : float or None
        Wall time, including the start of the child. None: no limit, and the fit runs in this process.

    Returns
    -------
    Detector
        Fitted; a new one unless it was fitted in this process.

    Raises
    ------
    FitTimeoutError
        The fit did not end in time.
    ColumnError, DetectorError
        As `Detector.fit`; also when the child dies, for lack of memory for example.
    """
    if seconds is None:
        return detector.fit(X)
    if not (math.isfinite(seconds) and seconds > 0):
        raise DetectorError(f"the limit of a fit is {seconds!r}; allowed: seconds above 0")
    find_entry(detector.name)  # raises here for an unknown name: the child makes detectors by name
    columns = column_names(X, detector.name) if isinstance(X, pd.DataFrame) else None
    past = X.to_arrays() if isinstance(X, PastRows) else None
    values = X.numbers if isinstance(X, PastRows) else to_finite_array(X, columns, detector.name)
    with tempfile.TemporaryDirectory(prefix="pynomaly-fit-") as temporary:
        folder = Path(temporary)
        request = {
            "name": detector.name,
            "seed": detector.seed,
            "params": detector.params,
            "columns": None if columns is None else list(columns),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        if past is None:
            np.save(folder / "rows.npy", values, allow_pickle=False)
        else:
            np.savez(folder / "past.npz", allow_pickle=False, **past)
        status = _run_child(detector.name, folder, values.shape, seconds)
        _raise_failure(detector.name, folder, status)
        return load_detector(folder / "fitted")


def _run_child(name: str, folder: Path, shape: tuple[int, ...], seconds: float) -> int:
    """Run the child and return its exit status; at the limit kill its process group and raise."""
    command = [sys.executable, "-m", __name__, str(folder), str(seconds)]
    with (folder / "stderr.txt").open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
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
    """Raise the child's error again in the caller, if the fit failed."""
    if status == 0:
        return
    failure = folder / "failure.json"
    if failure.is_file():
        report = json.loads(failure.read_text(encoding="utf-8"))
        raise getattr(errors, report["type"], DetectorError)(report["message"])
    last = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()[-500:]
    raise DetectorError(
        f"{name}: the process of the fit ended with status {status}; its last words: {last!r}"
    )


def main(folder: Path, seconds: float) -> int:
    """Fit what the folder's request names, in the child; return 0 if fitted, 3 if the fit raised."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)  # its default action ends the process
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    X: Table | PastRows
    if (folder / "past.npz").is_file():
        with np.load(folder / "past.npz", allow_pickle=False) as arrays:
            X = PastRows.of_arrays(arrays)
    else:
        table = np.load(folder / "rows.npy", allow_pickle=False)
        X = table if request["columns"] is None else pd.DataFrame(table, columns=request["columns"])
    try:
        make_detector(request["name"], request["seed"], **request["params"]).fit(X).save(folder / "fitted")
    except errors.PynomalyError as error:
        report = {"type": type(error).__name__, "message": str(error)}
        (folder / "failure.json").write_text(json.dumps(report), encoding="utf-8")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
