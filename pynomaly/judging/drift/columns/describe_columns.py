"""Describe how a column of a window differs from the reference, or why it has no verdict. Called by drift."""

from __future__ import annotations

from pynomaly.model.sketch.design_effect import MIN_WORTH, DesignEffect
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch

__all__ = ["describe_change", "describe_shortness"]


def describe_change(
    name: str,
    effect: float,
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
) -> str:
    """Say how far a column moved, and where to: median and deviation, or the category that changed most."""
    if isinstance(first, NumericSketch) and isinstance(second, NumericSketch):
        medians = f"median {first.quantile(0.5):.4g} -> {second.quantile(0.5):.4g}"
        return f"{name}: distance {effect:.3f}; {medians}, deviation {first.std:.4g} -> {second.std:.4g}"
    assert isinstance(first, CategorySketch), "both sketches are of one column"
    assert isinstance(second, CategorySketch), "both sketches are of one column"
    return f"{name}: distance {effect:.3f}{_describe_largest_change(first, second)}"


def describe_shortness(noise: DesignEffect) -> str:
    """Say that the reference holds too few independent windows for a verdict; "" where it holds enough."""
    if not noise.is_short:
        return ""
    if not noise.worth:
        return "has no verdict: the reference is too short to show how long it wanders (windows.reference)"
    worth = f"the reference is worth {noise.worth:.1f} independent windows"
    return f"stays alike for so long that {worth}, {MIN_WORTH:g} are needed for a verdict (windows.reference)"


def _describe_largest_change(first: CategorySketch, second: CategorySketch) -> str:
    """Describe the category whose share changed most; "" without categories."""
    shares = {
        name: (first.counts.get(name, 0) / first.n, second.counts.get(name, 0) / second.n)
        for name in sorted(set(first.counts) | set(second.counts))
    }
    if not shares:
        return ""
    name = max(shares, key=lambda item: abs(shares[item][1] - shares[item][0]))
    return f"; {name!r} {shares[name][0]:.1%} -> {shares[name][1]:.1%}"
