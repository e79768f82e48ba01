"""Content keys: the same work has the same key, whoever asks and however often.

A key covers the window, the data, the settings that change the result and the code version, so running
a step twice finds what the first run left. Called by the steps that write anything.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pynomaly
from pynomaly.config import Candidate, Pipeline
from pynomaly.data.incidents import declared

__all__ = ["git_commit", "settings_hash", "work_key"]


def settings_hash(pipeline: Pipeline, blocks: tuple[str, ...] = ()) -> str:
    """SHA-256 over the named blocks of the settings (``"training"``, ``"features"``, ...), or over all.

    Of the settings as they count: what an overlay says changes it, in which file it says so does not.
    """
    chosen = pipeline.model_dump(mode="json", include=set(blocks) or None)
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def work_key(
    pipeline: Pipeline,
    kind: str,
    window: str,
    data_hash: str,
    candidates: tuple[Candidate, ...],
    teacher: int | None = None,
    labels: str = "",
) -> str:
    """Key of one training: 16 hex digits over all that its result rests on.

    `teacher` is the version whose alerts stay out of it; their bound is among the settings. `labels` stands
    for what people answered about its rows.
    """
    settings = settings_hash(pipeline, ("data", "quality", "features", "training", "comparison", "alerts"))
    named = [candidate.model_dump(mode="json") for candidate in candidates]
    parts: list[object] = [pipeline.name, kind, window, data_hash, settings, pynomaly.__version__, named]
    # An incident declared since is another training on the same rows.
    parts += [str(incident) for incident in declared(pipeline.data)]
    if teacher is not None:
        parts.append(f"alerts of v{teacher}")
    if labels:
        parts.append(f"labels {labels}")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def git_commit(folder: Path) -> str:
    """Commit of the checkout that `folder` lies in, or ``"none"`` outside one."""
    try:
        answer = subprocess.run(  # nosec B607  # whichever git the person who trains has
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() or "none"
