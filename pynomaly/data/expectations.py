"""Runs a pipeline's expectations on rows that passed the guards. The only import of Great Expectations.

Returns which expectations failed and in which rows; ``quality`` decides what follows. An expectation that
does not exist, does not fit or cannot be evaluated is an error, never a pass. Everything stays in memory: an
ephemeral context, no analytics, no progress bars. Importing Great Expectations takes seconds, so it happens
on the first call, and the two checks of every training are computed here where nothing else is configured.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Expectation, Quality
from pynomaly.data.frame import FrameContract
from pynomaly.errors import ConfigError, QualityError, list_allowed

__all__ = [
    "ExpectationOutcome",
    "default_suite",
    "evaluate_default_suite",
    "evaluate_expectations",
    "evaluate_suite",
]

_INTERNAL = {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content"}
_INTERNAL |= {"severity", "windows", "batch_id"}
"""Fields of an expectation class that are not arguments of the check."""


@dataclass(frozen=True)
class ExpectationOutcome:
    """Result of one expectation.

    Attributes
    ----------
    expectation : Expectation
        As configured.
    passed : bool
    rows : ndarray of int of shape (k,) or None
        Positions of the rows that failed; None when the check is about the whole table.
    observed : object
        Share of rows that failed, or the observed value.
    """

    expectation: Expectation
    passed: bool
    rows: npt.NDArray[np.int64] | None
    observed: object

    @property
    def column(self) -> str | None:
        """The column of the expectation, or None."""
        column = self.expectation.arguments.get("column")
        return None if column is None else str(column)


def default_suite(contract: FrameContract, quality: Quality) -> tuple[Expectation, ...]:
    """Return the checks of every training: each feature exists and is filled as ``max_missing`` requires."""
    exist = [_expect_column(name) for name in contract.features]
    filled = [
        Expectation(
            type="ExpectColumnValuesToNotBeNull",
            arguments={"column": name, "mostly": round(1 - quality.max_missing, 12)},
            severity="warning",
        )
        for name in contract.features
    ]
    return (*exist, *filled)


def evaluate_suite(
    frame: pd.DataFrame, defaults: Sequence[Expectation], configured: Sequence[Expectation]
) -> tuple[ExpectationOutcome, ...]:
    """Return the outcomes of `defaults` and `configured`; without the latter, nothing heavy is imported."""
    if configured:
        return evaluate_expectations(frame, (*defaults, *configured))
    return evaluate_default_suite(frame, defaults)


def evaluate_default_suite(
    frame: pd.DataFrame, suite: Sequence[Expectation]
) -> tuple[ExpectationOutcome, ...]:
    """Return what :func:`evaluate_expectations` returns for :func:`default_suite`, without its import.

    Parameters
    ----------
    frame : DataFrame of shape (n, d), n >= 1
        With every column that `suite` names.
    suite : sequence of Expectation
        As `default_suite` returns it.
    """
    return tuple(_evaluate_default(frame, item) for item in suite)


def _evaluate_default(frame: pd.DataFrame, item: Expectation) -> ExpectationOutcome:
    column = str(item.arguments["column"])
    if item.type == "ExpectColumnToExist":
        return ExpectationOutcome(item, column in frame.columns, None, None)
    rows = np.flatnonzero(frame[column].isna().to_numpy()).astype(np.int64)
    filled = (len(frame) - len(rows)) / len(frame)
    return ExpectationOutcome(item, filled >= item.arguments["mostly"], rows, len(rows) / len(frame))


def evaluate_expectations(
    frame: pd.DataFrame, expectations: Sequence[Expectation]
) -> tuple[ExpectationOutcome, ...]:
    """Validate `frame` against `expectations`.

    Parameters
    ----------
    frame : DataFrame of shape (n, d), n >= 1
    expectations : sequence of Expectation

    Returns
    -------
    tuple of Outcome
        In the order of `expectations`.

    Raises
    ------
    ConfigError
        If an expectation's type, argument or column does not exist, or an argument does not fit.
    QualityError
        If an expectation could not be evaluated.
    """
    if not expectations:
        return ()
    with _silence_vendor():
        import great_expectations as gx

        # The import sets this logger to INFO, which would print one line for each validation.
        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
        built = [_build_expectation(position, item, frame) for position, item in enumerate(expectations)]
        batch = _make_batch(gx, frame.reset_index(drop=True))
        suite = gx.ExpectationSuite(name="pipeline", expectations=built)
        validation = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    results = {int(result.expectation_config.meta["position"]): result for result in validation.results}
    # Great Expectations returns results in another order.
    return tuple(_read_outcome(item, results.get(position)) for position, item in enumerate(expectations))


def _expect_column(name: str) -> Expectation:
    return Expectation(type="ExpectColumnToExist", arguments={"column": name}, severity="error")


@contextmanager
def _silence_vendor() -> Iterator[None]:
    """Switch off analytics and the deprecation warnings from inside Great Expectations."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _make_batch(gx: Any, frame: pd.DataFrame) -> Any:
    context = gx.get_context(mode="ephemeral")
    bars = gx.data_context.types.base.ProgressBarsConfig(globally=False, metric_calculations=False)
    context.variables.progress_bars = bars
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})


def _build_expectation(position: int, item: Expectation, frame: pd.DataFrame) -> Any:
    import great_expectations.expectations as gx_expectations

    names = [name for name in dir(gx_expectations) if name.startswith("Expect") and name != "Expectation"]
    if item.type not in names:
        raise ConfigError(
            f"quality.expectations: no expectation {item.type!r}; {list_allowed(item.type, names)}"
        )
    expectation = getattr(gx_expectations, item.type)
    fields = set(expectation.__fields__) - _INTERNAL
    for argument in item.arguments:
        if argument not in fields:
            raise ConfigError(f"{item.type}: no argument {argument!r}; {list_allowed(argument, fields)}")
    if item.type != "ExpectColumnToExist":
        _require_named_columns(item, frame)
    try:
        return expectation(**item.arguments, meta={"position": position})
    except ValueError as error:  # Great Expectations raises the ValidationError of pydantic 1, a ValueError
        raise ConfigError(f"{item.type}({item.arguments}): {' '.join(str(error).split())}") from error


def _require_named_columns(item: Expectation, frame: pd.DataFrame) -> None:
    single = [item.arguments[key] for key in ("column", "column_A", "column_B") if key in item.arguments]
    for name in (*single, *item.arguments.get("column_list", ())):
        if name not in frame.columns:
            raise ConfigError(f"{item.type}: no column {name!r}; {list_allowed(name, frame.columns)}")


def _read_outcome(item: Expectation, result: Any) -> ExpectationOutcome:
    if result is None:
        raise QualityError(f"{item.type}({item.arguments}) returned no result")
    if reason := _find_exception(result.exception_info or {}):
        raise QualityError(f"{item.type}({item.arguments}) could not be evaluated: {reason}")
    content = result.result
    if "unexpected_index_list" not in content:
        return ExpectationOutcome(
            item, bool(result.success), None, _unwrap_scalar(content.get("observed_value"))
        )
    rows = np.array(sorted(set(content["unexpected_index_list"] or ())), dtype=np.int64)
    if len(rows) < int(content.get("unexpected_count") or 0):
        raise QualityError(
            f"{item.type}({item.arguments}) named {len(rows)} rows of {content['unexpected_count']}"
        )
    return ExpectationOutcome(
        item, bool(result.success), rows, len(rows) / max(1, int(content["element_count"]))
    )


def _find_exception(info: dict[str, Any]) -> str:
    """Return the error message, or an empty text. `info` is flat or has one entry for each metric."""
    for entry in (info, *info.values()):
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return ""


def _unwrap_scalar(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
