"""Settings of alerts: which p-values alert, how rows are grouped for a person, what answers may change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import NameIn, Settings
from pynomaly.config.spelling.units import Duration

__all__ = ["ALERT_POLICIES", "Alerts", "Feedback", "Grouping", "PolicyForm", "read_deviation"]


@dataclass(frozen=True)
class PolicyForm:
    """How an alert policy is written in one word, as ``pynomaly preview --policy`` takes it.

    Attributes
    ----------
    figures : tuple of str
        The settings under ``alerts`` that follow the name, in their order.
    example : str
    """

    figures: tuple[str, ...]
    example: str


ALERT_POLICIES: dict[str, PolicyForm] = {
    "budget": PolicyForm(("per_day",), "budget:20/day"),
    "cost": PolicyForm(("cost_missed", "cost_false_alarm"), "cost:10:1"),
    "fdr": PolicyForm(("fdr",), "fdr:0.1"),
    "quantile": PolicyForm(("quantile",), "quantile:0.01"),
}
"""Every alert policy by name; what it does is in :mod:`pynomaly.model.calibration.alert_policy`."""


def read_deviation(value: float | str) -> tuple[float, bool]:
    """Return a smallest deviation, and whether it is a share of the expected value.

    >>> read_deviation(2.5), read_deviation("10%")
    ((2.5, False), (0.1, True))

    Raises
    ------
    ValueError
        If it is neither a number nor a number with a percent sign, or below 0.
    """
    text = str(value).strip()
    is_share = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / (100 if is_share else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(
            f"{value!r} is no deviation; write a number of the column's unit, or a share like 10%"
        )
    return number, is_share


class Alerts(Settings):
    """Which p-values become alerts; can change without a refit."""

    policy: Annotated[str, NameIn(ALERT_POLICIES)] = Field(
        "quantile", description="how p-values become alerts"
    )
    count: Literal["auto", "rows", "events"] = Field(
        "auto",
        description="what budget and fdr count: rows, events (rows near in time), or what is measured",
    )
    per_day: float = Field(
        20.0, gt=0, description="alerts a day in normal operation, counted by `count` (policy: budget)"
    )
    quantile: float = Field(0.01, gt=0, lt=0.5, description="share of normal rows alerted (policy: quantile)")
    fdr: float = Field(
        0.1, gt=0, lt=0.5, description="share of false alerts among the alerts of `fdr_over` (policy: fdr)"
    )
    fdr_over: Literal["window", "stream"] = Field(
        "window",
        description="alerts that share the rate of false ones: a scoring window's, or all of an `fdr_period`",
    )
    fdr_period: Duration = Field(
        timedelta(days=30),
        ge=timedelta(hours=1),
        description="alerts of this time share the rate of false ones (policy: fdr, fdr_over: stream)",
    )
    extrapolate: bool = Field(
        False,
        description="fdr trusts p-values of the fitted tail: single rows can alert, without its guarantee",
    )
    cost_missed: float = Field(10.0, gt=0, description="cost of a missed anomaly (policy: cost)")
    cost_false_alarm: float = Field(1.0, gt=0, description="cost of a false alarm (policy: cost)")
    prevalence: float = Field(
        0.01, gt=0, lt=0.5, description="assumed share of anomalies (policy: cost; fdr for a row alone)"
    )
    direction: dict[str, Literal["high", "low", "both"]] = Field(
        default_factory=dict,
        description="which deviations alert, by column; one word, or `*`, stands for every column",
    )
    minimum: dict[str, float | str] = Field(
        default_factory=dict,
        description="smallest deviation from the expected value worth an alert, by column; like 2.5 or `10%`",
    )

    @field_validator("direction", "minimum", mode="before")
    @classmethod
    def _for_every_column(cls, value: Any) -> Any:
        return value if isinstance(value, dict) or value is None else {"*": value}

    @field_validator("minimum")
    @classmethod
    def _is_deviation(cls, value: dict[str, float | str]) -> dict[str, float | str]:
        for item in value.values():
            read_deviation(item)
        return value


class Grouping(Settings):
    """How rows that alert are grouped into alerts for a person; changes no score and no row."""

    gap: Duration = Field(
        timedelta(hours=6), description="rows of one entity at most this far apart are one alert"
    )
    by_cause: bool = Field(True, description="rows explained by other columns form another alert")
    needed: int = Field(1, ge=1, le=1000, description="rows that must alert ...")
    of: int = Field(1, ge=1, le=1000, description="... among so many newest rows of the entity")
    planned: str | None = Field(
        None, description="planned work, a YAML list or .ics beside this YAML: alerts in it stay quiet"
    )
    holidays: str | None = Field(
        None,
        pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,4})?$",
        description="country whose public holidays count as planned work, with a subdivision: DE, DE-BY",
    )
    mute: Duration = Field(
        timedelta(days=7),
        description="after a false alarm, similar alerts of the same entity stay quiet this long",
    )
    flapping: int = Field(
        5, ge=1, description="similar alerts of an entity within `flapping_within` that ..."
    )
    flapping_within: Duration = Field(timedelta(days=1), description="... make the next one flapping: quiet")
    collective: int = Field(3, ge=2, description="an alert of at least this many rows is collective")
    explained: int = Field(200, ge=0, description="most rows a window for which columns are explained")

    @model_validator(mode="after")
    def _enough(self) -> Grouping:
        if self.needed > self.of:
            raise ValueError(f"needed ({self.needed}) must not be more than of ({self.of})")
        return self


class Feedback(Settings):
    """Limits on the effect of people's answers on a training."""

    per_author: int = Field(200, ge=0, description="newest labels of one author that a training uses")
    traces: int = Field(
        0,
        ge=0,
        le=1000,
        description="most open alerts shown as traces in MLflow at once, gravest first; 0: none",
    )
