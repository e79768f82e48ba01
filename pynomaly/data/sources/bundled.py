"""Bundled tables that need no file: the simulated fleet and payments, and scikit-learn's breast-cancer table.

Called through ``sources.read`` by the quickstart, the demo and the tests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pandas as pd

from pynomaly.config import Data
from pynomaly.data import fleet, payments
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, WindowError, list_allowed

__all__ = [
    "DATASETS",
    "SOURCE",
    "find_span",
    "read_breast_cancer",
    "read_dataset",
    "read_payments",
    "read_rows",
]

DATASETS = ("fleet", "breast_cancer", "payments")

_MALIGNANT_ROWS = 40
"""Malignant rows kept: 10 % of the table. All 212 (37 %) would be too many to be anomalies."""

_FLEET_SPAN = Window(fleet.START, datetime(2100, 1, 4, tzinfo=UTC))
"""The fleet has no end, but a window needs one."""

_PAYMENT_DAYS = 120


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the bundled table named `path`; the fleet needs a window.

    Raises
    ------
    SourceError
        If there is no such table.
    WindowError
        If the table is the fleet and there is no window.
    """
    frame = read_dataset(data.model_copy(update={"dataset": path}), window, None)
    return frame[columns] if columns else frame


def read_dataset(data: Data, window: Window | None, as_of: datetime | None) -> pd.DataFrame:
    """Read the rows of ``data.dataset`` in `window`; without one, all rows up to `as_of`.

    Raises
    ------
    SourceError
        If there is no such table.
    WindowError
        If the fleet is read with neither, or the window ends before the fleet starts.
    """
    name = _require_dataset(data)
    if name == "breast_cancer":
        return read_breast_cancer()
    if name == "payments":
        return read_payments(as_of)
    if window is None:
        if as_of is None:
            raise WindowError(f"the fleet has no end; read a window of it, from {fleet.START.isoformat()} on")
        window = Window(fleet.START, as_of)
    if window.end <= fleet.START:
        raise WindowError(f"no row lies in the window {window}; the fleet starts {fleet.START.isoformat()}")
    return fleet.generate_fleet(window)


def find_span(data: Data) -> Window | None:
    """Return the time span of ``data.dataset``; None for a table without time."""
    spans = {
        "fleet": _FLEET_SPAN,
        "payments": Window(payments.START, payments.START + timedelta(days=_PAYMENT_DAYS)),
    }
    return spans.get(_require_dataset(data))


def read_payments(as_of: datetime | None = None) -> pd.DataFrame:
    """Read 120 days of generated payments between 600 accounts, with twelve schemes of each kind.

    Returns
    -------
    DataFrame of shape (n, 7)
        As :func:`pynomaly.data.payments.generate_payments`; without those after `as_of`.
    """
    frame = _generate_payments()
    return frame.copy() if as_of is None else frame[frame["time"] < as_of].reset_index(drop=True)


@cache
def _generate_payments() -> pd.DataFrame:
    return payments.generate_payments(_PAYMENT_DAYS)


def read_breast_cancer() -> pd.DataFrame:
    """Read Breast Cancer Wisconsin (Diagnostic): benign rows, and 40 malignant rows as anomalies.

    Returns
    -------
    DataFrame of shape (397, 31)
        30 measurements of cell nuclei and ``anomaly`` (1 = malignant), in the order of the original.

    References
    ----------
    Street, Wolberg, Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    frame = pd.DataFrame(bunch.data, columns=names)
    frame["anomaly"] = (bunch.target == 0).astype("int64")
    kept_rows = (frame["anomaly"] == 0) | (frame["anomaly"].cumsum() <= _MALIGNANT_ROWS)
    return frame[kept_rows].reset_index(drop=True)


def _require_dataset(data: Data) -> str:
    name = str(data.dataset)
    if name not in DATASETS:
        raise SourceError(f"no bundled table {name!r}; {list_allowed(name, DATASETS)}")
    return name


SOURCE = SourceKind(read_rows, read_dataset=read_dataset, find_span=find_span)
