"""Content keys: the same work always has the same key.

A key covers the window, the data, the settings that change the result and the code version, so running
a step twice finds the result of the first run. Called by the steps that write anything.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pynomaly
from pynomaly.config import Candidate, Pipeline
from pynomaly.data.incidents import read_incidents

__all__ = ["compute_work_key", "hash_settings", "read_git_commit"]


def hash_settings(pipeline: Pipeline, blocks: tuple[str, ...] = ()) -> str:
    """Return the SHA-256 of the named settings blocks (``"training"``, ``"features"``, ...), or of all.

    The effective settings count: a value from an overlay changes the hash, the file it comes from does not.
    """
    settings = pipeline.model_dump(mode="json", include=set(blocks) or None)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def compute_work_key(
    pipeline: Pipeline,
    kind: str,
    window: str,
    data_hash: str,
    candidates: tuple[Candidate, ...],
    teacher: int | None = None,
    labels: str = "",
) -> str:
    """Return the key of one training: 16 hex digits over everything that its result depends on.

    `teacher` is the version whose alerts are left out; the alert bound is part of the settings. `labels` is
    the digest of people's answers about the rows.
    """
    settings = hash_settings(pipeline, ("data", "quality", "features", "training", "comparison", "alerts"))
    candidate_settings = [candidate.model_dump(mode="json") for candidate in candidates]
    parts: list[object] = [
        pipeline.name,
        kind,
        window,
        data_hash,
        settings,
        pynomaly.__version__,
        candidate_settings,
    ]
    # A newly declared incident makes another training of the same rows.
    parts += [str(incident) for incident in read_incidents(pipeline.data)]
    if teacher is not None:
        parts.append(f"alerts of v{teacher}")
    if labels:
        parts.append(f"labels {labels}")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def read_git_commit(folder: Path) -> str:
    """Return the commit of the Git checkout that contains `folder`, or ``"none"`` outside one."""
    try:
        answer = subprocess.run(  # nosec B607  # the git on the user's PATH
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() or "none"
