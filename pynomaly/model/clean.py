"""Load a bundle in a fresh process, score its golden rows, time one row, weigh a batch: what the gate asks.

``python -m pynomaly.model.clean FOLDER SHA256`` prints one JSON line and exits 0, or says why on standard
error and exits 2. A process that fitted or loaded models before proves nothing about a server that has not.

Milliseconds for one row, seconds for imports and load together, megabytes of peak memory.
`check_in_clean_process` is called by :mod:`pynomaly.steps`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pynomaly.errors import ModelError, PynomalyError

__all__ = ["CleanCheck", "check_in_clean_process", "main"]

REPEATS = 30
BATCH_ROWS = 4096  # scored once, so that the peak of memory is that of work and not of loading
PATIENCE = 300.0  # seconds; importing the heaviest detector on a busy machine takes half a minute


@dataclass(frozen=True)
class CleanCheck:
    """What a fresh process measured.

    Attributes
    ----------
    difference : float
        Largest difference of a golden row from its recorded score.
    latency_ms : float
        Median of one warm row, through `Bundle.score`.
    load_s : float
        Imports and load.
    rss_mb : float
        Peak resident memory, a batch of 4096 rows included.
    """

    difference: float
    latency_ms: float
    load_s: float
    rss_mb: float

    def to_dict(self) -> dict[str, float]:
        """JSON-able content."""
        return asdict(self)


def check_in_clean_process(folder: Path, sha256: str, timeout: float = PATIENCE) -> CleanCheck:
    """Check the bundle in `folder` in a process of its own.

    Parameters
    ----------
    folder : Path
    sha256 : str
        Hash of the bundle, from the registry.
    timeout : float
        Seconds after which the check counts as failed.

    Raises
    ------
    ModelError
        If the process does not load the bundle, scores its golden rows differently, or does not end in time.
    """
    # -P: the caller's working directory must not shadow a library.
    command = [sys.executable, "-P", "-m", "pynomaly.model.clean", str(folder), sha256]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"the bundle in {folder} was not checked within {timeout:g} s") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise ModelError(
            f"the bundle in {folder} failed in a clean process (exit {done.returncode}): {said[0]}"
        )
    try:
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return CleanCheck(**found)
    except (ValueError, IndexError, TypeError) as error:
        raise ModelError(f"a clean process gave no measurement, but {done.stdout[-200:]!r}") from error


def main(arguments: list[str]) -> int:
    """Check the bundle `arguments` name: folder and SHA-256. Returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m pynomaly.model.clean FOLDER SHA256", file=sys.stderr)
        return 2
    began = time.perf_counter()
    from pynomaly.model.bundle import Bundle  # here, so that its imports are timed

    try:
        bundle = Bundle.load(Path(arguments[0]), arguments[1])
        load_s = time.perf_counter() - began
        difference = bundle.verify_golden()
    except PynomalyError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    row = bundle.golden.iloc[[0]]
    spent = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        bundle.score(row)
        spent.append(time.perf_counter() - start)
    batch = bundle.golden.iloc[[place % len(bundle.golden) for place in range(BATCH_ROWS)]]
    bundle.score(batch.reset_index(drop=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rss_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, else kilobytes
    check = CleanCheck(difference, median(spent) * 1000, load_s, rss_mb)
    print(json.dumps(check.to_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
