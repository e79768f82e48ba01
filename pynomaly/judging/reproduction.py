"""Compare a model with its refit on the same rows: is the model reproducible?

Pure: called by :mod:`pynomaly.steps.operations.reproduce`, which refits. ``equal`` means within the tolerance
of the golden rows (1e-9, relative for scores above 1): another build of BLAS changes the last bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pynomaly.judging.jsonable import to_jsonable

__all__ = ["TOLERANCE", "Reproduction", "compare_refit", "report_impossible"]

Array = npt.NDArray[np.float64]
ReproductionOutcome = Literal["equal", "differs", "cannot"]

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Reproduction:
    """Result of reproducing a version.

    Attributes
    ----------
    outcome : {"equal", "differs", "cannot"}
    version : int
    golden, held_out : float or None
        Largest difference of a score, relative for scores above 1; None where nothing was refitted.
    golden_rows, held_out_rows : int
    rank_agreement : float or None
        Spearman's correlation of the held-out scores; None where one model gives all rows one score.
    alerts_then, alerts_now, alerts_both : int
        Held-out rows that alert with the original model, with the refit, and with both.
    reasons : tuple of str
        Results, and known differences between then and now, in sentences.
    """

    outcome: ReproductionOutcome
    version: int
    golden: float | None
    held_out: float | None
    golden_rows: int
    held_out_rows: int
    rank_agreement: float | None
    alerts_then: int
    alerts_now: int
    alerts_both: int
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def report_impossible(version: int, *reasons: str) -> Reproduction:
    """Return the result where a refit is not possible, with the reasons."""
    return Reproduction("cannot", version, None, None, 0, 0, None, 0, 0, 0, reasons)


def compare_refit(
    version: int,
    golden: tuple[Array, Array],
    held_out: tuple[Array, Array],
    alerts: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    changed: tuple[str, ...] = (),
) -> Reproduction:
    """Compare a model and its refit on the same rows.

    Parameters
    ----------
    version : int
    golden, held_out : pair of ndarray of shape (n,)
        Original scores, and those of the refit; all finite.
    alerts : pair of ndarray of bool, shape (n,)
        Which held-out rows alert with the original model, and with the refit.
    changed : tuple of str
        Known differences between then and now, in sentences.
    """
    first, second = _measure_difference(*golden), _measure_difference(*held_out)
    then, now = alerts
    agreement = _correlate_ranks(*held_out)
    same = first <= TOLERANCE and second <= TOLERANCE and bool((then == now).all())
    figures = (
        f"{len(golden[0])} golden rows: scores differ by up to {first:.3g}",
        f"{len(held_out[0])} held-out rows: scores differ by up to {second:.3g}"
        + ("" if agreement is None else f", their order agrees to {agreement:.4f} (Spearman)"),
        f"held-out alerts: {int(then.sum())} then, {int(now.sum())} now, {int((then & now).sum())} the same",
    )
    return Reproduction(
        outcome="equal" if same else "differs",
        version=version,
        golden=first,
        held_out=second,
        golden_rows=len(golden[0]),
        held_out_rows=len(held_out[0]),
        rank_agreement=agreement,
        alerts_then=int(then.sum()),
        alerts_now=int(now.sum()),
        alerts_both=int((then & now).sum()),
        reasons=(*figures, *changed),
    )


def _measure_difference(then: Array, now: Array) -> float:
    if not len(then):
        return 0.0
    return float(np.max(np.abs(now - then) / np.maximum(1.0, np.abs(then))))


def _correlate_ranks(then: Array, now: Array) -> float | None:
    """Return the correlation of average ranks; None where one side is constant."""
    from scipy.stats import rankdata

    if len(then) < 2:
        return None
    a, b = (ranks - ranks.mean() for ranks in (rankdata(then), rankdata(now)))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / scale, -1, 1)) if scale > 0 else None
