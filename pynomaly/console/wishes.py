"""What the API takes, as pydantic models; the forms of the pages are read into the same ones."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pynomaly.judging.alerts.alert import Ending

__all__ = ["Acknowledge", "AlertName", "Assign", "BulkAnswer", "Comment", "Mute", "Reasoned", "Resolve"]
__all__ += ["Corrected", "NewPipeline", "NewView", "Rollback", "Taken"]

Note = Annotated[str, Field(max_length=4000, description="why; kept with the answer")]


class Taken(BaseModel):
    """Base of what is taken; a field that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _with_example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": example})


class Acknowledge(Taken):
    """Somebody looks at it."""

    model_config = _with_example({"note": "looking at pump 3"})

    note: Note = ""


class Resolve(Taken):
    """How it ended; its rows are labelled so."""

    model_config = _with_example({"ending": "confirmed", "note": "the bearing was worn"})

    ending: Ending
    note: Note = ""


class Assign(Taken):
    """Who is to look at it; empty for nobody."""

    model_config = _with_example({"to": "ann"})

    to: str = Field(max_length=200)


class Mute(Taken):
    """Alerts like it send no notification until then."""

    model_config = _with_example({"hours": 24, "note": "the hall is being painted"})

    hours: float = Field(gt=0, le=24 * 365, description="from now on")
    note: Note = ""


class Comment(Taken):
    """A remark."""

    model_config = _with_example({"text": "the same as last week"})

    text: str = Field(min_length=1, max_length=4000)


class AlertName(Taken):
    """Names an alert."""

    model_config = _with_example({"pipeline": "pumps", "alert": "3f2a9c01d5e84b77"})

    pipeline: str = Field(max_length=64)
    alert: str = Field(max_length=16)


class BulkAnswer(Taken):
    """One answer to several alerts: exactly one of the four."""

    model_config = _with_example(
        {"alerts": [{"pipeline": "pumps", "alert": "3f2a9c01d5e84b77"}], "acknowledge": {"note": ""}}
    )

    alerts: tuple[AlertName, ...] = Field(min_length=1, max_length=500)
    acknowledge: Acknowledge | None = None
    resolve: Resolve | None = None
    assign: Assign | None = None
    mute: Mute | None = None


class Reasoned(Taken):
    """An answer to a promotion."""

    model_config = _with_example({"reason": "fewer alerts, none of them missed"})

    reason: str = Field(min_length=3, max_length=4000)


class Rollback(Reasoned):
    """Takes the champion back."""

    model_config = _with_example({"reason": "alerts on every start of the night shift", "version": 3})

    version: int = Field(ge=1, description="the champion to be taken back; refused where it is another now")


class NewView(Taken):
    """The filters of a view of the inbox."""

    model_config = _with_example({"query": "severity=critical&state=open"})

    query: str = Field(max_length=2000, description="as it stands in the address of /alerts behind the ?")


class Corrected(Taken):
    """What a person says of a dropped file."""

    model_config = _with_example({"name": "halls", "roles": {"note": "out"}, "settings": {"decimal": ","}})

    name: str = Field(default="", max_length=63, description="of the pipeline; empty: made from the file's")
    roles: dict[str, str] = Field(
        default_factory=dict, max_length=2000, description="of columns that are read wrongly"
    )
    settings: dict[str, str] = Field(
        default_factory=dict, max_length=20, description="under `data`, as they would stand in the YAML"
    )


class NewPipeline(Corrected):
    """A pipeline to be made of a dropped file."""

    model_config = _with_example({"name": "halls", "roles": {}, "settings": {}, "train": True})

    train: bool = Field(default=True, description="start the first training at once")
