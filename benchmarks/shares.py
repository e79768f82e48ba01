"""A share with its exact interval, as the benchmarks print it."""

from __future__ import annotations

from scipy import stats

__all__ = ["format_share"]


def format_share(hits: int, draws: int) -> str:
    """A share in per cent with its exact 95 % interval."""
    if not draws:
        return "–"
    interval = stats.binomtest(hits, draws).proportion_ci(0.95)
    return f"{100 * hits / draws:.1f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"
