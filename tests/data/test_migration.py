"""Exports of other products become a pipeline: what is carried, what is left out, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.intake import write_converted_config
from pynomaly.config import load_pipeline
from pynomaly.data.incidents import read_incidents
from pynomaly.data.migration import PRODUCTS, convert_export
from pynomaly.data.sources import read_source
from pynomaly.errors import ConfigError, PynomalyError, SourceError
from tests import exports


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, empty but for the export."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(*paths: Path, name: str = "") -> tuple[dict[str, Any], Any]:
    result = write_converted_config(paths, name=name, force=False)
    return result, load_pipeline(result["config"])


def test_a_series_becomes_a_table_of_times_and_values(folder: Path) -> None:
    file = exports.write_json(
        folder / "export" / "meter.json", exports.make_detect_request(sensitivity=95, maxAnomalyRatio=0.25)
    )
    result, pipeline = written(
        file, exports.write_json(folder / "export" / "answer.json", exports.make_detect_result())
    )
    rows = read_source(pipeline.data)
    assert rows["value"].tolist() == exports.make_wave(48)
    assert str(rows["timestamp"].iloc[0]) == "2026-01-01 00:00:00+00:00"
    assert pipeline.data.series.columns == ("value",)
    assert pipeline.data.series.history.total_seconds() == 12 * 3600
    assert {"sensitivity: 95", "maxAnomalyRatio: 0.25"} <= set(result["left_out"])


def test_verdicts_of_the_product_are_kept_beside_and_are_no_labels(folder: Path) -> None:
    file = exports.write_json(folder / "export" / "meter.json", exports.make_detect_request())
    result, pipeline = written(
        file, exports.write_json(folder / "export" / "answer.json", exports.make_detect_result())
    )
    before = pd.read_csv(folder / "data" / "meter-before.csv")
    assert before["is_anomaly"].sum() == 1
    assert before["is_anomaly"].iloc[30] == 1
    assert pipeline.data.label is None
    assert any("no labels" in why for why in result["left_out"].values())


def test_a_point_without_a_value_stays_missing(folder: Path) -> None:
    content = exports.make_detect_request()
    content["series"][7]["value"] = None
    _, pipeline = written(exports.write_json(folder / "meter.json", content))
    assert read_source(pipeline.data)["value"].isna().tolist() == [i == 7 for i in range(48)]


@pytest.mark.parametrize(("mode", "rows"), [("Outer", 48), ("Inner", 47)])
def test_variables_are_joined_as_the_model_aligned_them(folder: Path, mode: str, rows: int) -> None:
    times = exports.list_hours(48)
    exports.write_csv(folder / "v" / "heat.csv", {"timestamp": times, "value": exports.make_wave(48)})
    exports.write_csv(folder / "v" / "flow.csv", {"timestamp": times[1:], "value": exports.make_wave(48)[1:]})
    file = exports.write_json(
        folder / "model.json", exports.make_multivariate_model(alignPolicy={"alignMode": mode})
    )
    _, pipeline = written(
        file, folder / "v", exports.write_json(folder / "results.json", exports.make_batch_result())
    )
    assert pipeline.name == "line-4"
    table = read_source(pipeline.data)
    assert len(table) == rows
    assert set(pipeline.data.columns) == {"heat", "flow"}
    assert table["flow"].isna().sum() == rows - 47
    assert pipeline.data.series.rows == 28
    assert pipeline.data.series.history.total_seconds() == 28 * 3600
    assert pipeline.training.start.isoformat() == "2026-01-01T00:00:00+00:00"
    assert pipeline.windows.reference.days == 14
    assert len(pd.read_csv(folder / "data" / "line-4-before.csv")) == 24


def test_a_table_of_every_variable_stays_where_it_is(folder: Path) -> None:
    columns = {"timestamp": exports.list_hours(48), "a": exports.make_wave(48), "b": exports.make_wave(48, 3)}
    file = exports.write_csv(folder / "all.csv", columns)
    result, pipeline = written(
        exports.write_json(folder / "model.json", exports.make_multivariate_model()), file
    )
    assert pipeline.data.path == str(file)
    assert result["files"] == []
    assert pipeline.data.columns == ("a", "b")


def test_components_are_joined_and_labels_become_incidents(folder: Path) -> None:
    result, pipeline = written(exports.write_equipment_export(folder / "export"))
    rows = read_source(pipeline.data)
    assert pipeline.name == "plant-7"
    assert list(pipeline.data.columns) == ["pump.flow", "pump.heat", "motor.speed", "motor.mode"]
    assert pipeline.data.categorical == ("motor.mode",)
    assert len(rows) == 48
    assert rows["pump.flow"].isna().tolist() == [True] + [False] * 47
    (incident,) = read_incidents(pipeline.data)
    assert str(incident.window.start) == "2026-01-01 20:00:00+00:00"
    assert pipeline.data.label is None
    before = pd.read_csv(folder / "data" / "plant-7-before.csv")
    assert before.loc[3, "reason"] == "ANOMALY_DETECTED"
    assert result["incidents"] == 1


@pytest.mark.parametrize("place", ["Components", "Schema", "InlineDataSchema"])
def test_a_schema_is_found_wherever_the_service_puts_it(folder: Path, place: str) -> None:
    inner = json.dumps(exports.make_equipment_schema(pump=[("t", "DATETIME"), ("flow", "DOUBLE")]))
    content: dict[str, Any] = {
        "Components": json.loads(inner),
        "Schema": {"DatasetName": "d", "Schema": inner},
        "InlineDataSchema": {"DatasetName": "d", "DatasetSchema": {"InlineDataSchema": inner}},
    }[place]
    result = convert_export([exports.write_json(folder / "dataset.json", content)])
    assert result.settings["data"]["columns"] == ["flow"]
    assert result.settings["data"]["time"] == "t"


def test_labels_of_the_service_and_of_its_model_are_one_each(folder: Path) -> None:
    label = {"StartTime": "2026-01-01T20:00:00+00:00", "EndTime": "2026-01-01T23:00:00+00:00"}
    rated = {
        "StartTime": "2026-01-02T00:00:00+00:00",
        "EndTime": "2026-01-02T02:00:00+00:00",
        "Rating": "NEUTRAL",
    }
    exports.write_json(
        folder / "e" / "labels.json", {"LabelSummaries": [label | {"FaultCode": "bearing"}, rated]}
    )
    metrics = {
        "labeled_ranges": [{"start": "2026-01-01T20:00:00", "end": "2026-01-01T23:00:00"}],
        "predicted_ranges": [],
    }
    model = {
        "ModelName": "m",
        "DatasetName": "Plant 7",
        "TrainingDataStartTime": "2026-01-01T00:00:00+00:00",
        "TrainingDataEndTime": "2026-01-02T12:30:00+00:00",
        "OffCondition": "motor\\speed<100",
        "DataPreProcessingConfiguration": {"TargetSamplingRate": "PT1M"},
        "ModelMetrics": json.dumps(metrics),
    }
    exports.write_json(folder / "e" / "model.json", model)
    exports.write_json(
        folder / "e" / "scheduler.json", {"InferenceSchedulerName": "s", "DataUploadFrequency": "PT1H"}
    )
    result, pipeline = written(exports.write_equipment_export(folder / "e"))
    (incident,) = read_incidents(pipeline.data)
    assert str(incident) == "bearing [2026-01-01T20:00:00+00:00, 2026-01-01T23:00:00+00:00)"
    assert pipeline.windows.score.total_seconds() == 3600
    assert pipeline.windows.reference.total_seconds() == 37 * 3600
    left = " ".join(result["left_out"])
    assert all(word in left for word in ("OffCondition", "TargetSamplingRate", "NEUTRAL", "predicted_ranges"))


def test_a_metric_set_in_a_database_becomes_a_query_with_a_window(folder: Path) -> None:
    result, pipeline = written(exports.write_json(folder / "set.json", exports.make_metric_set()))
    assert pipeline.name == "shop-orders"
    assert pipeline.data.connection == "SHOP_ORDERS_DB"
    assert pipeline.data.query == (
        'select "at", "region", "orders", "latency" from public.orders where "at" >= :start and "at" < :end'
    )
    assert pipeline.data.id == "region"
    assert pipeline.data.timezone == "Europe/Berlin"
    assert pipeline.windows.score.total_seconds() == 3600
    left = " ".join(result["left_out"])
    assert all(word in left for word in ("SUM of orders", "Offset", "host, role, secret"))


def test_several_dimensions_are_categories_and_say_so(folder: Path) -> None:
    content = exports.make_metric_set(
        DimensionList=["region", "shop"], MetricSource={"CloudWatchConfig": {"RoleArn": "r"}}
    )
    result, pipeline = written(exports.write_json(folder / "set.json", content))
    assert pipeline.data.id is None
    assert pipeline.data.categorical == ("region", "shop")
    assert pipeline.data.path == str(folder / "data" / "shop-orders.csv")
    assert not result["data"]
    assert any("series of their own" in what for what in result["left_out"])


def test_constraints_become_expectations_that_warn(folder: Path) -> None:
    rows = {"amount": exports.make_wave(48), "country": ["de", "fr"] * 24, "delta": exports.make_wave(48)}
    table = exports.write_csv(folder / "fraud" / "baseline.csv", rows)
    files = [
        exports.write_json(folder / "fraud" / "constraints.json", exports.make_constraints()),
        exports.write_json(folder / "fraud" / "statistics.json", exports.make_statistics()),
        exports.write_json(
            folder / "fraud" / "constraint_violations.json", {"violations": [{"feature_name": "amount"}]}
        ),
    ]
    result, pipeline = written(*files, table)
    assert pipeline.name == "fraud"
    rules = [(rule.type, rule.arguments.get("column")) for rule in pipeline.quality.expectations]
    assert rules == [
        ("ExpectColumnValuesToNotBeNull", "amount"),
        ("ExpectColumnValuesToBeBetween", "amount"),
        ("ExpectColumnValuesToNotBeNull", "country"),
        ("ExpectColumnValuesToBeInSet", "country"),
    ]
    assert {rule.severity for rule in pipeline.quality.expectations} == {"warning"}
    assert pipeline.data.categorical == ("country",)
    left = " ".join(result["left_out"])
    assert all(
        word in left for word in ("distribution_constraints", "datatype_check", "1 violation", "statistics")
    )


def test_the_configuration_says_where_each_setting_comes_from(folder: Path) -> None:
    written(exports.write_equipment_export(folder / "export"))
    text = (folder / "configs" / "plant-7.yaml").read_text()
    assert "#   data.time: the schema's DATETIME" in text
    assert "#   24 verdicts of the product: no labels; kept in data/plant-7-before.csv" in text


def test_names_of_an_export_reach_no_other_folder(folder: Path) -> None:
    content = {"DatasetName": "../../etc/passwd\n# x", "Schema": json.dumps(exports.make_equipment_schema())}
    exports.write_sensor_tables(folder / "export")
    result, pipeline = written(
        exports.write_json(folder / "export" / "dataset.json", content), folder / "export"
    )
    assert pipeline.name == "etc-passwd-x"
    assert result["config"] == "configs/etc-passwd-x.yaml"


def test_every_field_that_is_not_read_is_named(folder: Path) -> None:
    result, _ = written(exports.write_json(folder / "meter.json", exports.make_detect_request(novelty=1)))
    assert result["left_out"]["meter.json: novelty"] == "nothing here corresponds to it"


def test_what_is_there_is_not_written_over(folder: Path) -> None:
    file = exports.write_json(folder / "meter.json", exports.make_detect_request())
    written(file)
    (folder / "configs" / "meter.yaml").unlink()
    kept = (folder / "data" / "meter.csv").read_text()
    with pytest.raises(ConfigError, match=r"meter\.csv exists"):
        written(exports.write_json(folder / "meter.json", exports.make_detect_request(24)))
    assert (folder / "data" / "meter.csv").read_text() == kept
    assert not (folder / "configs" / "meter.yaml").exists()
    write_converted_config([file], name="", force=True)
    assert len(pd.read_csv(folder / "data" / "meter.csv")) == 24


def _series(**fields: Any) -> Callable[[Path], list[Path]]:
    return lambda folder: [exports.write_json(folder / "x.json", exports.make_detect_request() | fields)]


def _equipment(content: object, *more: str) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        exports.write_sensor_tables(folder / "data")
        for line in more:
            (folder / "data" / "labels.csv").write_text(line)
        return [exports.write_json(folder / "x.json", content), folder / "data"]

    return build


def _both(*contents: object, table: bool = False) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        files = [exports.write_json(folder / f"{i}.json", content) for i, content in enumerate(contents)]
        rows = {"timestamp": exports.list_hours(3), "value": [1, 2, 3]}
        return [*files, exports.write_csv(folder / "t.csv", rows)] if table else files

    return build


BAD: dict[str, tuple[Callable[[Path], list[Path]], str]] = {
    "nothing there": (lambda folder: [folder / "none.json"], "none.json"),
    "an empty folder": (lambda folder: [folder], "no file in it"),
    "a picture": (lambda folder: [exports.write_json(folder / "x.png", {})], "neither a document"),
    "no JSON": (lambda folder: [_text(folder / "x.json", "{'a': 1")], "is no JSON"),
    "not UTF-8": (lambda folder: [_text(folder / "x.json", b'{"a": "\xff"}')], "UTF-8"),
    "nested without end": (lambda folder: [_text(folder / "x.json", "[" * 200_000)], "is no JSON"),
    "a number": (lambda folder: [_text(folder / "x.json", "7")], "expected a JSON object"),
    "an unknown document": (
        lambda folder: [exports.write_json(folder / "x.json", {"a": 1})],
        "no document of a known product",
    ),
    "a table alone": (_both(table=True), "pynomaly init"),
    "two products": (_both(exports.make_detect_request(), exports.make_metric_set()), "one at a time"),
    "two series": (_both(exports.make_detect_request(), exports.make_detect_request()), "two of one kind"),
    "a series and a model": (
        _both(exports.make_detect_request(), exports.make_multivariate_model()),
        "one at a time",
    ),
    "a series and a table": (_both(exports.make_detect_request(), table=True), "leave the table out"),
    "a result alone": (_both(exports.make_detect_result()), "without its request"),
    "another series' result": (
        _both(exports.make_detect_request(24), exports.make_detect_result()),
        "another series' result",
    ),
    "results without a model": (_both(exports.make_batch_result()), "without the model"),
    "an empty series": (_series(series=[]), "series"),
    "a value that is no number": (
        _series(series=[{"timestamp": "2026-01-01T00:00:00Z", "value": "x"}]),
        r"series\[0\]\.value",
    ),
    "a time that is none": (_series(series=[{"timestamp": "soon", "value": 1}]), "soon"),
    "a point without a time": (_series(series=[{"value": 1}]), r"series\[0\]\.timestamp"),
    "an interval of nothing": (_series(customInterval=0), "customInterval"),
    "a schema without a time": (
        _equipment(exports.make_equipment_schema(pump=[("a", "DOUBLE"), ("b", "DOUBLE")])),
        "DATETIME",
    ),
    "a schema of another plant": (
        _equipment(
            exports.make_equipment_schema(
                fan=[("t", "DATETIME"), ("b", "DOUBLE")], x=[("t", "DATETIME"), ("b", "DOUBLE")]
            )
        ),
        "fan",
    ),
    "a column that is missing": (
        _equipment(
            exports.make_equipment_schema(
                pump=[("Timestamp", "DATETIME"), ("b", "DOUBLE")],
                motor=[("Timestamp", "DATETIME"), ("speed", "DOUBLE")],
            )
        ),
        "no column 'b'",
    ),
    "a schema that is no JSON": (_equipment({"DatasetName": "d", "Schema": "{"}), "schema is no JSON"),
    "results without a schema": (_both(exports.make_predictions()), "no schema"),
    "a label that ends before it starts": (
        _equipment(exports.make_equipment_schema(), "2026-01-02T00:00:00,2026-01-01T00:00:00\n"),
        "must end after",
    ),
    "a label without an end": (
        _equipment(
            exports.make_equipment_schema(), "2026-01-01T00:00:00,2026-01-02T00:00:00\n2026-01-03T00:00:00,\n"
        ),
        "line 2",
    ),
    "an unknown frequency": (_both(exports.make_metric_set(MetricSetFrequency="PT2M")), "allowed: PT5M"),
    "an unknown zone": (_both(exports.make_metric_set(Timezone="Mars/Base")), "Mars/Base"),
    "a table that is a command": (
        _both(exports.make_metric_set(MetricSource={"RDSSourceConfig": {"TableName": "a; drop table b"}})),
        r"TableName: .*drop table",
    ),
    "two metric sets": (_both(exports.make_metric_set(), exports.make_metric_set()), "one at a time"),
    "violations alone": (_both({"violations": []}), "name no baseline"),
    "completeness past one": (_both({"features": [{"name": "a", "completeness": 2}]}), "completeness"),
    "constraints of other columns": (_both(exports.make_constraints(), table=True), "no column 'amount'"),
}


def _text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_one_message_and_nothing_is_written(case: str, folder: Path) -> None:
    build, message = BAD[case]
    place = folder / "export"
    place.mkdir()
    paths = build(place)
    with pytest.raises(PynomalyError, match=message) as caught:
        write_converted_config(paths, name="", force=False)
    assert "\n" not in str(caught.value)
    assert not (folder / "configs").exists()
    assert not (folder / "data").exists()


@pytest.mark.parametrize("name", ["Upper", "../x", "a b"])
def test_a_name_that_names_no_pipeline_writes_nothing(name: str, folder: Path) -> None:
    file = exports.write_json(folder / "meter.json", exports.make_detect_request())
    with pytest.raises(ConfigError, match="name"):
        write_converted_config([file], name=name, force=False)
    assert not (folder / "configs").exists()
    assert not (folder / "data").exists()


def test_every_product_is_told_from_the_others(folder: Path) -> None:
    samples = [
        exports.make_detect_request(),
        exports.make_multivariate_model(),
        exports.make_equipment_schema(),
        exports.make_metric_set(),
        exports.make_constraints(),
    ]
    for number, content in enumerate(samples):
        documents = [exports.write_json(folder / f"{number}.json", content)]
        assert convert_export(documents).title in {product.title for product in PRODUCTS.values()}


def test_a_folder_of_too_many_files_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynomaly.data.migration.exports._MOST_FILES", 3)
    for number in range(4):
        exports.write_json(folder / "many" / f"{number}.json", {})
    with pytest.raises(SourceError, match="more than 3 files"):
        convert_export([folder / "many"])


SAMPLES: tuple[object, ...] = (
    exports.make_detect_request(4, sensitivity=95),
    exports.make_multivariate_model(),
    {"DatasetName": "d", "Schema": json.dumps(exports.make_equipment_schema())},
    {
        "ModelName": "m",
        "DatasetName": "d",
        "Schema": exports.make_equipment_schema(),
        "ModelMetrics": {"labeled_ranges": []},
    },
    exports.make_metric_set(),
    exports.make_metric_set(MetricSource={"S3SourceConfig": {"TemplatedPathList": ["s3://a/{{yyyyMMdd}}"]}}),
    exports.make_constraints(),
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(content: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a document a value stands."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    return [path] * bool(path) + [place for key, inner in items for place in places(inner, (*path, key))]


def replaced(content: Any, path: tuple[Any, ...], value: object) -> Any:
    """A copy of a document with another value at `path`."""
    copied = json.loads(json.dumps(content))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_document_with_any_value_anywhere_is_converted_or_refused(
    folder: Path, data: st.DataObject
) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    content = replaced(sample, data.draw(st.sampled_from(places(sample))), data.draw(ANYTHING))
    file = exports.write_json(folder / "x.json", content)
    message = ""
    try:
        write_converted_config([file], name="", force=True)
    except PynomalyError as error:
        message = str(error)
    assert "\n" not in message
