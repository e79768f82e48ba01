"""A tabular detector over what the past leaves unexplained: the joint structure of columns of a series.

Each followed column is replaced by its residual: the value less what the steps before it announce, in usual
errors of that forecast; where the past is too short, less what is usual at this time of the period, at worst
less the median. A tabular detector then sees which residuals go together. The other columns stay as they are.
Fit and score cost what the tabular detector costs, and O(history) a row. Called by the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from pynomaly.detectors.arrays import freeze_arrays
from pynomaly.detectors.attributions import ColumnGroups, MemberReading, ScoreParts
from pynomaly.detectors.base import Detector, Table
from pynomaly.detectors.catalogue import TABULAR, make_detector
from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.parameters import ChoiceParameter, Parameter
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.family import make_forecast_members, make_profile_members
from pynomaly.detectors.series.looking_back import LookingBack
from pynomaly.detectors.series.members import ExpectingMember, FittedColumn, Member

__all__ = ["SeriesResidual"]

_FACTS = ("width", "rows_offered", "rows_used")
_FARTHEST = 1e6  # usual errors; farther residuals are as far


class SeriesResidual(LookingBack):
    """A tabular detector on residuals: values that go together otherwise than their pasts announce.

    `over` names it. Tried on steps of four columns that move together and for five rows do not (average
    precision): `mahalanobis` .84, `pca` .84, `gmm` .83, `knn` .80, `auto` .29; the values themselves under
    `gmm` .37, `series` .08. On columns of flags it is far behind `series`, whose members see what lasts.

    References
    ----------
    Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs. KDD 2018 (errors of a forecast).
    """

    name: ClassVar[str] = "series_residual"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "over": ChoiceParameter("mahalanobis", tuple(TABULAR)),
    }

    _over: Detector | None = None

    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the members of one column, the one that is asked first in front."""
        return [*make_forecast_members(fitted, 0), *make_profile_members(fitted, 0, 0.0)]

    def fit(self, X: Table | PastRows) -> Self:
        """Fit what each column is expected from, then the tabular detector on the residuals of the same rows.

        Raises
        ------
        ColumnError, DetectorError
            As those of `LookingBack.fit`, and of the tabular detector.
        """
        super().fit(X)
        rows = self._check_fitted_rows(X)
        rows = rows.take(np.argsort(rows.places, kind="stable"))
        over = make_detector(str(self.params["over"]), seed=self.seed).fit(self._find_residuals(rows))
        facts = (over._width, over.rows_offered, over.rows_used)
        state = {f"over.{key}": array for key, array in over.state.items()}
        self._state = freeze_arrays({**self.state, **state, "over_facts": np.array(facts, dtype=np.int64)})
        self._over = over
        return self

    def explain(self, X: Array | PastRows, usual: Array, groups: ColumnGroups | None = None) -> ScoreParts:
        """Divide each row's score among the columns as the tabular detector does on residuals.

        Parameters and errors are those of `LookingBack.explain`; a followed column is compared with a
        residual of 0, the others with `usual`.
        """
        rows = self._check_fitted_rows(X)
        expected = np.array(usual, dtype=np.float64)
        expected[:, list(rows.columns)] = 0.0
        return self._get_over().explain(self._find_residuals(rows), expected, groups)

    def read_members(self, X: PastRows) -> tuple[MemberReading, ...]:
        """Return, for the one row of `X`, what the residual of each followed column was taken from.

        The ratio is the size of the residual. Cost: that of the residuals of one row.

        Raises
        ------
        NotFittedError, ColumnError, DetectorError
            As `score`.
        """
        row = self._settle(self._check_fitted_rows(X))
        (numbers,) = self._find_residuals(row)
        spot = int(row.places[0])
        readings = []
        for place, column in enumerate(row.columns):
            member = next(item for item in self._list_expecting(place) if item.back <= row.before[0])
            expected, _ = member.compare(row, place, spot, spot)
            ratio, until = abs(float(numbers[column])), int(row.moments[spot])
            readings.append(MemberReading(column, member.sees, ratio, until, expected))
        return tuple(readings)

    def _prepare(self) -> None:
        super()._prepare()
        if "over_facts" in self.state:
            facts: dict[str, Any] = dict(zip(_FACTS, self.state["over_facts"].tolist(), strict=True))
            over = make_detector(str(self.params["over"]), seed=self.seed)
            arrays = {
                key.removeprefix("over."): array
                for key, array in self.state.items()
                if key.startswith("over.")
            }
            self._over = over.restore(facts | {"columns": None}, arrays)

    def _get_over(self) -> Detector:
        assert self._over is not None, "fitted with the members"
        return self._over

    def _score_rows(self, rows: PastRows) -> Array:
        return self._get_over().score(self._find_residuals(rows), threads=1)

    def _find_residuals(self, rows: PastRows) -> Array:
        """Return the numbers with the residual of each followed column in its place, shape (n, d)."""
        settled = self._settle(rows)
        numbers = rows.numbers.copy()
        for place, column in enumerate(rows.columns):
            residuals = np.full(len(rows), np.nan)
            for member in self._list_expecting(place):
                open_rows = np.flatnonzero(np.isnan(residuals) & (settled.before >= member.back))
                if len(open_rows):
                    spots = settled.places[open_rows]
                    residuals[open_rows] = member.find_residuals(settled, place, spots)
            numbers[:, column] = np.clip(residuals, -_FARTHEST, _FARTHEST)
        return numbers

    def _list_expecting(self, column: int) -> list[ExpectingMember]:
        """Return the members that expect a value, in the order they are asked; the last reads any row."""
        members = (*self._members[column], self._alone[column])
        return [member for member in members if isinstance(member, ExpectingMember)]
