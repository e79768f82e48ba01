"""Two columns with names of one kind are the ends of edges; columns that only look alike are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import parse_pipeline
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.intake import read_table, render_draft
from pynomaly.data.payments import generate_payments


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    return generate_payments(40, 120, schemes=2).drop(columns="scheme")


def write(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "payments.csv"
    frame.to_csv(path, index=False)
    return path


def test_payments_are_drafted_as_edges(tmp_path: Path, payments: pd.DataFrame) -> None:
    path = write(tmp_path, payments)
    reading = read_table(path)
    roles = {column.name: column.role for column in reading.columns}
    assert (roles["payer"], roles["payee"], roles["amount"]) == ("end", "end", "number")
    assert "ignore" not in reading.data
    draft = render_draft(reading, "payments", tmp_path)
    assert "of the names in one are in the other, too" in draft
    pipeline = parse_pipeline(dict(parse_plain_yaml(draft)), origin=path)
    assert pipeline.data.graph is not None
    assert (*pipeline.data.graph.ends, pipeline.data.graph.weight) == ("payer", "payee", "amount")


def test_names_of_columns_say_which_end_is_which(tmp_path: Path, payments: pd.DataFrame) -> None:
    swapped = payments.rename(columns={"payer": "to account", "payee": "from account", "amount": "size"})
    reading = read_table(write(tmp_path, swapped))
    assert reading.data["graph"] == {"source": "from account", "target": "to account"}


def test_edges_of_one_time_need_no_id_and_the_first_month_is_their_past(
    tmp_path: Path, payments: pd.DataFrame
) -> None:
    dates = payments.assign(time=pd.to_datetime(payments["time"]).dt.strftime("%Y-%m-%d"))
    longer = pd.concat([dates, dates.assign(time=[f"2026-03{day[7:]}" for day in dates["time"]])])
    reading = read_table(write(tmp_path, longer))
    first = pd.to_datetime(longer["time"], utc=True).min()
    assert reading.id is None
    assert not [note for note in reading.notes if "--id" in note]
    draft = parse_plain_yaml(render_draft(reading, "payments", tmp_path))
    assert pd.Timestamp(draft["training"]["start"]) == first + pd.Timedelta(days=30)


def test_what_is_asked_for_counts(tmp_path: Path, payments: pd.DataFrame) -> None:
    path = write(tmp_path, payments)
    assert "graph" not in {k: v for k, v in read_table(path, {"graph": None}).data.items() if v is not None}
    asked = {"source": "payee", "target": "payer"}
    reading = read_table(path, {"graph": asked})
    assert reading.data["graph"] == asked
    assert {column.role for column in reading.columns if column.name in asked.values()} == {"end"}
    entity = read_table(path, {"id": "payer"})
    assert (entity.id, entity.data["graph"]["source"]) == ("payer", "payer")


def test_columns_of_other_kinds_are_no_ends(tmp_path: Path, payments: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    others = payments.assign(payee=[f"s{number}" for number in rng.integers(0, 90, len(payments))])
    assert "graph" not in read_table(write(tmp_path, others)).data
    few = payments.assign(payer=payments["payer"].str[-1], payee=payments["payee"].str[-1])
    assert "graph" not in read_table(write(tmp_path, few)).data
    numbers = payments.assign(
        payer=payments["payer"].str[1:].astype(int), payee=payments["payee"].str[1:].astype(int)
    )
    assert "graph" not in read_table(write(tmp_path, numbers)).data
    ids = numbers.rename(columns={"payer": "payer_id", "payee": "payee_id"})
    assert read_table(write(tmp_path, ids)).data["graph"]["source"] == "payer_id"
