"""Bodies of requests and answers as pydantic models: what the OpenAPI document says of them.

``rows.py`` reads a request by checks of its own, with the same limits: which columns a row has changes with
the champion, and a cell may be what the settings say (ADR 41). Answers are not read into these models again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from pynomaly.config import ALERT_POLICIES, Data, Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.model.calibration.calibration import RARITIES, SEVERITIES
from pynomaly.serving.rows import MAX_EXPLAINED_ALERTS, MAX_REASONS, RowSchema
from pynomaly.serving.times import takes_iso_times

__all__ = ["Health", "Refusal", "Scores", "ServedFacts", "build_request_model"]

Cell = float | str | None


class ReasonPast(BaseModel):
    """What the strongest member of a detector that looks back sees."""

    member: str = Field("", description="what it compares")
    ratio: float = Field(0.0, description="how many times the usual amount it measures")
    until: str = Field("", description="time of the last value that it compares")
    nearest: str | None = Field(None, description="time of the last value of the nearest reference window")


class ScoreReason(BaseModel):
    """A column that carries an alert."""

    column: str
    value: Cell = Field(description="what the row holds")
    source: str = Field(description="the measured column behind it")
    usual: Cell = Field(description="what the rest of the row would have it hold")
    part: float = Field(description="what the column adds to the score")
    fall: float = Field(description="how far the score falls with the expected value")
    share: float = Field(description="of all that raises the score, from 0 to 1")
    low: float | None = Field(description="from here on it is usual for the row's entity")
    high: float | None = Field(description="up to here")
    past: ReasonPast | None = Field(description="null for detectors that do not look back")


class ScoredRow(BaseModel):
    """The score of one row."""

    score: float = Field(description="higher is more anomalous, in the detector's own unit")
    p_value: float = Field(ge=0, le=1, description="chance that a normal row scores at least as high")
    severity: Annotated[str, Field(json_schema_extra={"enum": [*SEVERITIES, "none"]})]
    is_anomaly: bool = Field(description="what the alert policy says of this row")
    extrapolated: bool = Field(description="p_value is beyond what held-out rows resolve")
    rarity: Annotated[str, Field(json_schema_extra={"enum": [*RARITIES, "usual", "not_computable"]})]
    held_back: str = Field(
        "", description="why a row that would alert does not; only with alerts.direction or .minimum"
    )
    reasons: list[ScoreReason] = Field(
        [], description=f"what carries an alert; of the {MAX_EXPLAINED_ALERTS} highest that alert"
    )


class Scores(BaseModel):
    """Scores, in the order of the rows."""

    model: str
    version: int
    rows: list[ScoredRow]


class Health(BaseModel):
    """Whether a champion is served, and how fresh that is."""

    status: Literal["ok", "stale", "empty"]
    version: int | None
    asked_seconds_ago: float = Field(description="since the registry last answered")
    problem: str


class ServedFacts(BaseModel):
    """What is served."""

    model: str
    version: int
    sha256: str
    detector: str
    numeric: list[str]
    categorical: list[str]
    time: str | None
    entity: str | None
    policy: Annotated[str, Field(json_schema_extra={"enum": [*ALERT_POLICIES]})]
    threshold: float = Field(description="a row alerts at this p-value or below")
    guarantee: str = Field(description="what is known about the p-values")


class RefusedPlace(BaseModel):
    """What is wrong, and where."""

    loc: list[str | int]
    msg: str


class Refusal(BaseModel):
    """Why a request is refused as a whole."""

    detail: list[RefusedPlace]


def build_request_model(
    pipeline: Pipeline, shape: RowSchema | None, example: list[dict[str, Any]]
) -> type[BaseModel]:
    """Return the model of the body of ``/score``; without a champion, rows are objects of any fields.

    Parameters
    ----------
    shape : RowSchema or None
        Columns that the champion reads.
    example : list of dict
        Rows that it can score; an empty one gives no example.
    """
    most = pipeline.serving.max_rows
    rows: Any = list[_build_row_model(shape, pipeline.data)]  # type: ignore[misc]  # it is made here
    fields: dict[str, Any] = {
        "rows": (rows, Field(min_length=1, max_length=most)),
        "reasons": (
            int,
            Field(
                default=0,
                ge=0,
                le=MAX_REASONS,
                description="how many features to name for each alerted row, the heaviest first",
            ),
        ),
    }
    if shape is not None and shape.past:
        feature_rows = (pipeline.data.series.rows if shape.series else 0) + bool(shape.counters)
        past = _describe_past(shape, max(feature_rows, shape.looks_back))
        text = f"rows before them, of the same entities: this model looks back on {past}; they are not scored"
        fields["history"] = (rows, Field(default=[], max_length=most, description=text))
    if shape is not None and shape.delay:
        text = (
            f"rows after them, {spell_duration(pipeline.data.series.delay)} at least: a score waits for "
            "them; they are not scored"
        )
        fields["later"] = (rows, Field(default=[], max_length=most, description=text))
    extra: dict[str, Any] = {"example": {"rows": example}} if example else {}
    config = ConfigDict(extra="forbid", json_schema_extra=extra)
    return create_model("ScoreRequest", __config__=config, **fields)


def _describe_past(shape: RowSchema, past_rows: int) -> str:
    """Return what a model reads before a row."""
    parts = [f"the last {past_rows} rows of an entity"] if past_rows else []
    if shape.graph is not None:
        parts.append(f"all edges of both ends in the {spell_duration(shape.graph.history)} before an edge")
    return " and ".join(parts)


def _build_row_model(shape: RowSchema | None, data: Data) -> type[BaseModel]:
    """Return the model of a row: a field for each column, by its name in the table."""
    if shape is None:
        return create_model("Row", __config__=ConfigDict(extra="allow"))
    number: Any = float | None if shape.gaps else float
    text: Any = str | float | bool | None if shape.gaps else str | float | bool
    kinds: dict[str, Any] = dict.fromkeys(shape.numeric, number) | dict.fromkeys(shape.categorical, text)
    if shape.entity is not None:
        kinds.setdefault(shape.entity, str)
    for name in shape.graph.ends if shape.graph else ():
        kinds[name] = str | float | None
    moment: Any = datetime if takes_iso_times(shape.time_columns, data) else float | str
    kinds |= dict.fromkeys(shape.time_columns, moment)
    # Names of columns are no names of fields: a field may not begin with an underscore.
    fields: Any = {
        f"column_{place}": (kind, Field(alias=name)) for place, (name, kind) in enumerate(kinds.items())
    }
    # Any cell may be missing, but not all cells of a row.
    present = dict.fromkeys(shape.numeric, _describe(float))
    present |= dict.fromkeys(shape.categorical, _describe(str | float | bool))
    some = [{"properties": {name: kind}} for name, kind in present.items()]
    rule: dict[str, Any] = {"anyOf": some} if shape.gaps and some else {}
    config = ConfigDict(extra="allow", json_schema_extra=rule)
    return create_model("Row", __config__=config, **fields)


def _describe(kind: Any) -> dict[str, Any]:
    """Return the schema of a type."""
    return TypeAdapter[Any](kind).json_schema()
