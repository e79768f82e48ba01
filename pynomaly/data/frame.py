"""The column contract: which columns a model reads, in which order and with which type.

A contract is inferred once from the reference and is saved with the model. Every later frame is brought into
its shape by column name: a different column order or extra columns change no score, and a missing column is
an error that names it. Called by ``quality``, ``model`` and the steps. Inputs are never mutated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pynomaly.config import Data
from pynomaly.errors import ColumnError, list_allowed

PAST = "pynomaly.past"
"""Name of the column with the past of each row (:mod:`pynomaly.data.past`); never a feature."""

__all__ = ["PAST", "FrameContract", "hash_frame", "read_categories", "read_numbers", "require_columns"]


@dataclass(frozen=True)
class FrameContract:
    """Columns of a pipeline by role.

    Attributes
    ----------
    numeric : tuple of str
        Feature columns read as float64.
    categorical : tuple of str
        Feature columns read as text.
    time, id, label : str or None
        Columns that are not features: the time, the entity, and the known label.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    time: str | None = None
    id: str | None = None
    label: str | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Feature columns in contract order: numeric, then categorical."""
        return self.numeric + self.categorical

    @classmethod
    def infer(cls, frame: pd.DataFrame, data: Data) -> FrameContract:
        """Infer the role of every column from `frame` and the pipeline's settings.

        Text, booleans and categories become categorical, the rest numeric. A text column is numeric if most
        of its cells read as numbers; the other cells are bad cells, which validation quarantines.

        Parameters
        ----------
        frame : DataFrame of shape (n, d)
        data : Data
            ``columns`` (empty: all others), ``categorical``, ``ignore``, ``time``, ``id``, ``label``.

        Raises
        ------
        ColumnError
            If a declared column is unknown or has two roles, a name is duplicated, a feature holds times,
            or no feature is left.
        """
        roles = {"time": data.time, "id": data.id, "label": data.label}
        # A table to be scored may lack the label; every other declared column must exist.
        declared = [name for role, name in roles.items() if name and role != "label"]
        require_columns(frame, [*declared, *data.columns, *data.categorical, *data.ignore])
        other_roles = {name: f"data.{role}" for role, name in roles.items() if name}
        other_roles.update(dict.fromkeys(data.ignore, "data.ignore"))
        other_roles[PAST] = "the past of the row"
        if data.graph is not None:
            other_roles.update(dict.fromkeys(data.graph.ends, "an end of data.graph"))
        for name in (*data.columns, *data.categorical):
            if name in other_roles:
                raise ColumnError(f"column {name!r} cannot be a feature: it is {other_roles[name]} too")
        features = data.columns or tuple(str(name) for name in frame.columns if name not in other_roles)
        if data.columns:  # features of the past belong to the columns they are computed from
            features += tuple(name for name in data.past_names if name in frame.columns)
        if stray := [name for name in data.categorical if name not in features]:
            raise ColumnError(
                f"data.categorical names {stray[0]!r}, not a feature; {list_allowed(stray[0], features)}"
            )
        if not features:
            raise ColumnError(f"no feature column is left of {[str(name) for name in frame.columns]}")
        kinds = {
            name: "text" if name in data.categorical else _infer_kind(frame[name], name) for name in features
        }
        return cls(
            numeric=tuple(name for name in features if kinds[name] == "number"),
            categorical=tuple(name for name in features if kinds[name] == "text"),
            time=data.time,
            id=data.id,
            label=data.label,
        )

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the features of `frame` in the order and types of the contract.

        Parameters
        ----------
        frame : DataFrame of shape (n, >= d)
            Columns in any order; extra columns are dropped.

        Returns
        -------
        DataFrame of shape (n, d)
            Features in contract order, numeric ones float64 (missing is NaN), categorical ones object
            holding str (missing is None). The index is kept.

        Raises
        ------
        ColumnError
            If a column is missing or duplicated, or a cell of a numeric column is not a number.
        """
        require_columns(frame, self.features)
        columns: dict[str, pd.Series[Any]] = {}
        for name in self.numeric:
            columns[name], bad = read_numbers(frame[name])
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise ColumnError(
                    f"column {name!r} holds {frame[name].iloc[row]!r} in row {row} ({int(bad.sum())} such "
                    f"cells of {len(frame)}); only numbers and missing cells are allowed"
                )
        columns.update({name: read_categories(frame[name]) for name in self.categorical})
        # No copy: one common array would copy every number.
        return pd.DataFrame(columns, index=frame.index, columns=list(self.features), copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold and :meth:`from_dict` reads back."""
        return {
            "numeric": list(self.numeric),
            "categorical": list(self.categorical),
            "time": self.time,
            "id": self.id,
            "label": self.label,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FrameContract:
        """Build a contract from the dict that :meth:`to_dict` returned."""
        return cls(
            numeric=tuple(content["numeric"]),
            categorical=tuple(content["categorical"]),
            time=content["time"],
            id=content["id"],
            label=content["label"],
        )


def require_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise if `frame` lacks one of `names` or has one of them twice.

    Raises
    ------
    ColumnError
        The message names the columns, and the nearest existing one.
    """
    existing = [str(name) for name in frame.columns]
    required = list(dict.fromkeys(names))
    if missing := [name for name in required if name not in frame.columns]:
        names_text = ", ".join(repr(name) for name in missing)
        raise ColumnError(f"missing column {names_text}; {list_allowed(missing[0], existing)}")
    if not frame.columns.is_unique and (
        repeated_names := sorted({name for name in required if existing.count(name) > 1})
    ):
        listed_names = ", ".join(repr(name) for name in repeated_names)
        raise ColumnError(f"column {listed_names} occurs more than once; name each column once")


def read_numbers(column: pd.Series[Any]) -> tuple[pd.Series[Any], npt.NDArray[np.bool_]]:
    """Read a column as float64.

    Parameters
    ----------
    column : Series of shape (n,)
        Numbers, booleans, or text that reads as numbers; blank text is missing.

    Returns
    -------
    values : Series of shape (n,), float64
        NaN where missing or bad; infinities are kept.
    bad : ndarray of shape (n,), bool
        True for cells that hold something other than a number.
    """
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return column.astype("float64"), np.zeros(len(column), dtype=bool)
    cells = column.astype(object)
    present = cells.notna().to_numpy()
    if (
        column.dtype.kind in "mMc"
    ):  # pandas would turn times, durations and complex numbers into numbers silently
        return pd.Series(np.nan, index=column.index, name=column.name), present
    text = cells.where(present, "").map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    values = pd.to_numeric(text.map(_screen_cell), errors="coerce").astype("float64")
    is_not_blank = text.map(
        lambda cell: not isinstance(cell, str) or cell.lower() not in {"", "nan"}
    ).to_numpy(dtype=bool)
    bad = present & is_not_blank & values.isna().to_numpy()
    return values, bad


def read_categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read a column as text: an object Series of str, None where missing or blank.

    Each cell is converted alone. Whole numbers get no fraction, so that a code reads the same in a column
    with missing cells; booleans become ``True`` and ``False`` in any letter case.
    """
    cells = column.astype(object)
    texts = [None if gap else _spell_cell(cell) for cell, gap in zip(cells, cells.isna(), strict=True)]
    return pd.Series(texts, index=column.index, name=column.name, dtype=object)


def hash_frame(frame: pd.DataFrame) -> str:
    """Return the SHA-256 (hex) of column names, types and values in their order, without the index.

    The same rows give the same hash in another process and after a round trip through Parquet.
    """
    sha = hashlib.sha256(f"{frame.shape[0]} rows".encode())
    for position, name in enumerate(frame.columns):
        kind, content = _encode_column(frame.iloc[:, position])
        head = f"{name}\x1f{kind}\x1f{len(content)}\x1e".encode()
        sha.update(head)
        sha.update(content)
    return sha.hexdigest()


def _infer_kind(column: pd.Series[Any], name: str) -> str:
    if column.dtype.kind in "mM":
        raise ColumnError(
            f"column {name!r} holds {column.dtype}, no feature; add it to data.ignore or make it data.time"
        )
    if types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return "text"
    if types.is_numeric_dtype(column.dtype):
        return "number"
    values, bad = read_numbers(column)
    cells = column[column.notna()]
    if cells.map(lambda cell: isinstance(cell, bool)).any():
        return "text"
    readable = int(values.notna().sum())
    return "number" if len(cells) == 0 or readable > int(bad.sum()) else "text"


def _screen_cell(cell: object) -> object:
    # Only text and numbers may become a number: to_numeric would read a time as its nanoseconds.
    if isinstance(cell, Decimal):
        return float(cell)
    return cell if isinstance(cell, str | int | float | np.number | np.bool_) else "?"


def _spell_cell(cell: object) -> str | None:
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    text = str(cell)
    if text.lower() in {"true", "false"}:
        return text.capitalize()
    return text if text.strip() else None


def _encode_column(column: pd.Series[Any]) -> tuple[str, bytes]:
    """Return the kind and the canonical bytes of one column."""
    dtype = column.dtype
    if column.name == PAST:
        content: bytes = column.array.to_bytes()
        return "past", content
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return dtype.name, np.ascontiguousarray(column.to_numpy().astype(dtype.newbyteorder("<"))).tobytes()
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        values = column.to_numpy(dtype="<f8").copy()
        values[np.isnan(values)] = np.nan  # the same bit pattern for every missing cell
        return dtype.name, values.tobytes()
    if types.is_datetime64_any_dtype(dtype):
        has_zone = isinstance(dtype, pd.DatetimeTZDtype)
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone else column
        return f"datetime {'UTC' if has_zone else 'naive'}", moments.to_numpy().astype("<M8[us]").tobytes()
    tags = np.array([_tag_cell(cell) for cell in column.astype(object)], dtype=object)
    codes, values = pd.factorize(tags)
    joined_values = "\x1e".join(str(value) for value in values).encode("utf-8", "surrogatepass")
    return "text", codes.astype("<i8").tobytes() + joined_values


def _tag_cell(cell: Any) -> str | None:
    if isinstance(cell, str):
        return f"s{len(cell)}:{cell}"
    return None if pd.isna(cell) else f"{type(cell).__name__}:{cell!r}"
