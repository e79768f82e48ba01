"""The gate: whether a version may serve at all, whoever asks for it and whatever it is compared with.

Called by the steps that promote, approve and roll back, and where a person set the alias in the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ModelError
from pynomaly.model.fitting.golden import GOLDEN_TOLERANCE
from pynomaly.model.isolated_check import BATCH_ROWS, run_isolated_check
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["GateResult", "check_gate"]


@dataclass(frozen=True)
class GateResult:
    """Result of the gate: whether a version may serve at all, before it is compared with the champion."""

    passed: bool
    reasons: tuple[str, ...]
    evidence: dict[str, Any]


def check_gate(pipeline: Pipeline, registry: Registry, ref: ModelRef) -> GateResult:
    """Load the version in a clean process; check golden scores, latency of one row and memory of a batch."""
    try:
        result = run_isolated_check(registry.fetch_bundle(ref), ref.sha256)
    except ModelError as error:
        return GateResult(False, (f"the version does not load in a clean process: {error}",), {})
    limit, memory = pipeline.promotion.max_latency_ms, pipeline.promotion.max_memory_mb
    checks = [
        (
            result.difference <= GOLDEN_TOLERANCE,
            f"golden rows differ by {result.difference:.1e} in a clean process (limit {GOLDEN_TOLERANCE:g})",
            "",
        ),
        (
            result.latency_ms <= limit,
            f"one row takes {result.latency_ms:.1f} ms (at most {limit:g} ms)",
            "promotion.max_latency_ms",
        ),
        (
            result.rss_mb <= memory,
            f"scoring {BATCH_ROWS} rows takes {result.rss_mb:.0f} MB at most (limit {memory:g} MB)",
            "promotion.max_memory_mb",
        ),
    ]
    reasons = tuple(
        text if passed or not setting else f"{text}: set {setting}, where that is enough for you"
        for passed, text, setting in checks
    )
    return GateResult(all(passed for passed, _, _ in checks), reasons, result.to_dict())
