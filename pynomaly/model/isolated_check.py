"""Check a bundle in a fresh process: load it, score its golden rows, measure latency and memory.

``python -m pynomaly.model.isolated_check FOLDER SHA256`` prints one JSON line and exits 0, or prints the
reason to standard error and exits 2. A fresh process is needed: a process that already fitted or loaded
models does not show how a new server behaves.

Units: milliseconds for one row, seconds for imports and load together, megabytes of peak memory.
`run_isolated_check` is called by :mod:`pynomaly.steps`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pynomaly.errors import ModelError, PynomalyError
from pynomaly.model.latency import measure_latency_ms

__all__ = ["IsolatedCheck", "main", "run_isolated_check"]

BATCH_ROWS = 4096  # scored once, so that peak memory includes scoring and not only loading
TIMEOUT_SECONDS = 300.0  # seconds; importing the heaviest detector on a busy machine takes half a minute


@dataclass(frozen=True)
class IsolatedCheck:
    """Measurements of a fresh process.

    Attributes
    ----------
    difference : float
        Largest difference of a golden row from its recorded score.
    latency_ms : float
        Time to score one row with `Bundle.score`, after the first call (:mod:`pynomaly.model.latency`).
    load_s : float
        Time for imports and load together.
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


def run_isolated_check(folder: Path, sha256: str, timeout: float = TIMEOUT_SECONDS) -> IsolatedCheck:
    """Check the bundle in `folder` in a new process.

    Parameters
    ----------
    folder : Path
    sha256 : str
        Hash of the bundle, from the registry.
    timeout : float
        Seconds after which the check fails.

    Raises
    ------
    ModelError
        If the process cannot load the bundle, gets other golden scores, or does not end in time.
    """
    # -P: keeps the caller's working directory off sys.path, so that no file there replaces a library.
    command = [sys.executable, "-P", "-m", "pynomaly.model.isolated_check", str(folder), sha256]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"the bundle in {folder} was not checked within {timeout:g} s") from error
    if process.returncode != 0:
        last_line = process.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise ModelError(
            f"the bundle in {folder} failed in a clean process (exit {process.returncode}): {last_line[0]}"
        )
    try:
        measurements: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
        return IsolatedCheck(**measurements)
    except (ValueError, IndexError, TypeError) as error:
        raise ModelError(f"a clean process gave no measurement, but {process.stdout[-200:]!r}") from error


def main(arguments: list[str]) -> int:
    """Check the bundle given by `arguments` (folder, SHA-256) and return the exit code."""
    if len(arguments) != 2:
        print("usage: python -m pynomaly.model.isolated_check FOLDER SHA256", file=sys.stderr)
        return 2
    load_start = time.perf_counter()
    from pynomaly.model.bundle import Bundle  # here, so that its imports are timed

    try:
        bundle = Bundle.load(Path(arguments[0]), arguments[1])
        load_s = time.perf_counter() - load_start
        difference = bundle.verify_golden()
    except PynomalyError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    row = bundle.golden.iloc[[0]]
    latency_ms = measure_latency_ms(lambda: bundle.score(row))
    batch = bundle.golden.iloc[[place % len(bundle.golden) for place in range(BATCH_ROWS)]]
    bundle.score(batch.reset_index(drop=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rss_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, else kilobytes
    check = IsolatedCheck(difference, latency_ms, load_s, rss_mb)
    print(json.dumps(check.to_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
