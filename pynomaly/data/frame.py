"""The column contract: which columns a model reads, in which order and as what.

A contract is inferred once from the reference and travels in the model; every later frame is brought into
its shape by name, so a shuffled or wider table changes no score and a lacking one is refused by name.
Called by ``quality``, ``model`` and the steps. Inputs are never mutated.
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
from pynomaly.errors import ColumnError, allowed

__all__ = ["FrameContract", "categories", "digest", "numbers", "require_columns"]


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
        Columns that are no features: when, which entity, and the truth where it is known.
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
        """Decide every column's role from `frame` and what the pipeline declares.

        Text, booleans and categories become categorical, the rest numeric. A text column most of whose cells
        read as numbers is numeric: its other cells are bad cells, for validation to quarantine.

        Parameters
        ----------
        frame : DataFrame of shape (n, d)
        data : Data
            ``columns`` (empty: all that remain), ``categorical``, ``ignore``, ``time``, ``id``, ``label``.

        Raises
        ------
        ColumnError
            If a declared column is unknown or has two roles, a name is duplicated, a feature holds moments,
            or no feature is left.
        """
        roles = {"time": data.time, "id": data.id, "label": data.label}
        # A table handed in for scoring may lack the label; nothing else declared may be absent.
        declared = [name for role, name in roles.items() if name and role != "label"]
        require_columns(frame, [*declared, *data.columns, *data.categorical, *data.ignore])
        taken = {name: f"data.{role}" for role, name in roles.items() if name}
        taken.update(dict.fromkeys(data.ignore, "data.ignore"))
        for name in (*data.columns, *data.categorical):
            if name in taken:
                raise ColumnError(f"column {name!r} cannot be a feature: it is {taken[name]} too")
        chosen = data.columns or tuple(str(name) for name in frame.columns if name not in taken)
        if data.columns:  # features of a row's past come with the columns they follow
            chosen += tuple(name for name in data.series.names if name in frame.columns)
        if stray := [name for name in data.categorical if name not in chosen]:
            raise ColumnError(
                f"data.categorical names {stray[0]!r}, not a feature; {allowed(stray[0], chosen)}"
            )
        if not chosen:
            raise ColumnError(f"no feature column is left of {[str(name) for name in frame.columns]}")
        kinds = {name: "text" if name in data.categorical else _kind(frame[name], name) for name in chosen}
        return cls(
            numeric=tuple(name for name in chosen if kinds[name] == "number"),
            categorical=tuple(name for name in chosen if kinds[name] == "text"),
            time=data.time,
            id=data.id,
            label=data.label,
        )

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Bring `frame` into the contract's shape.

        Parameters
        ----------
        frame : DataFrame of shape (n, >= d)
            Columns in any order; extra ones are left out.

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
            columns[name], bad = numbers(frame[name])
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise ColumnError(
                    f"column {name!r} holds {frame[name].iloc[row]!r} in row {row} ({int(bad.sum())} such "
                    f"cells of {len(frame)}); only numbers and missing cells are allowed"
                )
        columns.update({name: categories(frame[name]) for name in self.categorical})
        # Side by side as they are: gathering them into one array would copy every number.
        return pd.DataFrame(columns, index=frame.index, columns=list(self.features), copy=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, read back by :meth:`from_dict`."""
        return {
            "numeric": list(self.numeric),
            "categorical": list(self.categorical),
            "time": self.time,
            "id": self.id,
            "label": self.label,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FrameContract:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            numeric=tuple(content["numeric"]),
            categorical=tuple(content["categorical"]),
            time=content["time"],
            id=content["id"],
            label=content["label"],
        )


def require_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a frame that lacks one of `names`, or has a name twice among them.

    Raises
    ------
    ColumnError
        Naming the columns, and the nearest that exist.
    """
    have = [str(name) for name in frame.columns]
    wanted = list(dict.fromkeys(names))
    if missing := [name for name in wanted if name not in frame.columns]:
        raise ColumnError(
            f"missing column {', '.join(repr(name) for name in missing)}; {allowed(missing[0], have)}"
        )
    if not frame.columns.is_unique and (twice := sorted({name for name in wanted if have.count(name) > 1})):
        raise ColumnError(
            f"column {', '.join(repr(name) for name in twice)} occurs more than once; name each column once"
        )


def numbers(column: pd.Series[Any]) -> tuple[pd.Series[Any], npt.NDArray[np.bool_]]:
    """Read a column as float64.

    Parameters
    ----------
    column : Series of shape (n,)
        Numbers, booleans, or text that spells numbers; blank text is missing.

    Returns
    -------
    values : Series of shape (n,), float64
        NaN where missing or bad; infinities are kept.
    bad : ndarray of shape (n,), bool
        Cells that hold something which is not a number.
    """
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return column.astype("float64"), np.zeros(len(column), dtype=bool)
    cells = column.astype(object)
    present = cells.notna().to_numpy()
    if column.dtype.kind in "mMc":  # moments, spans and complex numbers would turn into numbers in silence
        return pd.Series(np.nan, index=column.index, name=column.name), present
    text = cells.where(present, "").map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    values = pd.to_numeric(text.map(_plain), errors="coerce").astype("float64")
    said = text.map(lambda cell: not isinstance(cell, str) or cell.lower() not in {"", "nan"}).to_numpy(
        dtype=bool
    )
    bad = present & said & values.isna().to_numpy()
    return values, bad


def categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read a column as text: an object Series of str, None where missing or blank.

    Each cell is spelled by itself: whole numbers without a fraction, so that a code reads the same beside
    missing cells, and booleans as ``True`` and ``False`` whatever their case was.
    """
    cells = column.astype(object)
    spelled = [None if gap else _spell(cell) for cell, gap in zip(cells, cells.isna(), strict=True)]
    return pd.Series(spelled, index=column.index, name=column.name, dtype=object)


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 (hex) of column names, types and values in their order; the index does not count.

    The same rows give the same digest in another process and after a round trip through Parquet.
    """
    total = hashlib.sha256(f"{frame.shape[0]} rows".encode())
    for position, name in enumerate(frame.columns):
        kind, content = _content(frame.iloc[:, position])
        head = f"{name}\x1f{kind}\x1f{len(content)}\x1e".encode()
        total.update(head)
        total.update(content)
    return total.hexdigest()


def _kind(column: pd.Series[Any], name: str) -> str:
    if column.dtype.kind in "mM":
        raise ColumnError(
            f"column {name!r} holds {column.dtype}, no feature; add it to data.ignore or make it data.time"
        )
    if types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return "text"
    if types.is_numeric_dtype(column.dtype):
        return "number"
    values, bad = numbers(column)
    cells = column[column.notna()]
    if cells.map(lambda cell: isinstance(cell, bool)).any():
        return "text"
    readable = int(values.notna().sum())
    return "number" if len(cells) == 0 or readable > int(bad.sum()) else "text"


def _plain(cell: object) -> object:
    # Only what spells one number may turn into one: to_numeric would take a moment for its nanoseconds.
    if isinstance(cell, Decimal):
        return float(cell)
    return cell if isinstance(cell, str | int | float | np.number | np.bool_) else "?"


def _spell(cell: object) -> str | None:
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    text = str(cell)
    if text.lower() in {"true", "false"}:
        return text.capitalize()
    return text if text.strip() else None


def _content(column: pd.Series[Any]) -> tuple[str, bytes]:
    """Kind and canonical bytes of one column."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return dtype.name, np.ascontiguousarray(column.to_numpy().astype(dtype.newbyteorder("<"))).tobytes()
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        values = column.to_numpy(dtype="<f8").copy()
        values[np.isnan(values)] = np.nan  # one bit pattern for every missing cell
        return dtype.name, values.tobytes()
    if types.is_datetime64_any_dtype(dtype):
        zoned = isinstance(dtype, pd.DatetimeTZDtype)
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
        return f"datetime {'UTC' if zoned else 'naive'}", moments.to_numpy().astype("<M8[us]").tobytes()
    tags = np.array([_tag(cell) for cell in column.astype(object)], dtype=object)
    codes, values = pd.factorize(tags)
    listed = "\x1e".join(str(value) for value in values).encode("utf-8", "surrogatepass")
    return "text", codes.astype("<i8").tobytes() + listed


def _tag(cell: Any) -> str | None:
    if isinstance(cell, str):
        return f"s{len(cell)}:{cell}"
    return None if pd.isna(cell) else f"{type(cell).__name__}:{cell!r}"
