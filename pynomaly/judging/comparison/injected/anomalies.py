"""What was injected into which row, and what each anomaly counts. Kept beside the truth of judged rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["InjectedAnomalies"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InjectedAnomalies:
    """Kind and size of the anomaly injected into each row.

    Attributes
    ----------
    kinds : object array of shape (n,)
        Of :mod:`~pynomaly.judging.comparison.injection` or an episode's; "" for an unchanged row.
    sizes : object array of shape (n,)
        Size of the change relative to the default, as text like "0.5"; "" for an unchanged row.
    episodes : int array of shape (n,) or None
        Number of the episode a row belongs to, -1 for a row by itself. None if there are no episodes.
    weights : array of shape (n,) or None
        What each anomaly counts beside the others, above 0 where a row was changed. None if all count one.
    prevalence : float or None
        Share of all weight that the anomalies together have; with `weights`.
    note : str
        What these anomalies cannot tell, for people, or "".
    """

    kinds: npt.NDArray[np.object_]
    sizes: npt.NDArray[np.object_]
    episodes: Ints | None = None
    weights: Array | None = None
    prevalence: float | None = None
    note: str = ""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> InjectedAnomalies:
        """Read what :meth:`to_arrays` returned; older ones have kinds and sizes alone."""
        more = {name: arrays[name] for name in ("episodes", "weights") if name in arrays}
        return cls(
            arrays["kinds"].astype(object),
            arrays["sizes"].astype(object),
            more.get("episodes"),
            more.get("weights"),
            float(arrays["prevalence"]) if "prevalence" in arrays else None,
            str(arrays["note"]) if "note" in arrays else "",
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which :meth:`from_arrays` restores all."""
        arrays: dict[str, npt.NDArray[Any]] = self.arrays | {"note": np.array(self.note)}
        arrays |= {name: arrays[name].astype(str) for name in ("kinds", "sizes")}
        return arrays if self.prevalence is None else arrays | {"prevalence": np.array(self.prevalence)}

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is known of each row, by name."""
        arrays = {name: getattr(self, name) for name in ("kinds", "sizes", "episodes", "weights")}
        return {name: values for name, values in arrays.items() if values is not None}

    @property
    def counts(self) -> Array:
        """What each row counts where every anomaly counts one, shape (n,): of an episode, its share of it."""
        if self.episodes is None:
            return np.ones(len(self.kinds))
        rows = np.bincount(np.maximum(self.episodes, 0)[self.episodes >= 0], minlength=1)
        return np.where(self.episodes >= 0, 1.0 / np.maximum(rows, 1)[np.maximum(self.episodes, 0)], 1.0)

    def measure_found(self, flags: npt.NDArray[np.bool_]) -> dict[str, float]:
        """Return the share of the anomalies that is flagged: of all (``all``), then by kind.

        Parameters
        ----------
        flags : bool array of shape (n,)
            An episode counts with the share of its rows that are flagged: one of many is soon flagged by
            chance.
        """
        counts, changed = self.counts, self.kinds != ""
        parts = {"all": changed} | {str(kind): self.kinds == kind for kind in sorted(set(self.kinds)) if kind}
        return {
            name: float((counts * flags)[rows].sum() / counts[rows].sum()) for name, rows in parts.items()
        }

    def select(self, rows: npt.NDArray[np.bool_]) -> InjectedAnomalies:
        """Return those of the selected rows, bool array of shape (n,)."""
        episodes = None if self.episodes is None else self.episodes[rows]
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, kinds=self.kinds[rows], sizes=self.sizes[rows], episodes=episodes, weights=weights
        )

    def weigh_rows(self, truth: Ints) -> Array | None:
        """Return what each row counts in a metric, shape (n,): 1 for a normal one; None if all count one."""
        if self.weights is None or self.prevalence is None:
            return None
        is_anomaly = truth == 1
        total = float(self.weights[is_anomaly].sum())
        wanted = self.prevalence / (1 - self.prevalence) * float((~is_anomaly).sum())
        return np.where(is_anomaly, self.weights * (wanted / total if total > 0 else 1.0), 1.0)
