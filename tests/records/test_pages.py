"""What the pages promise: structure, escaping, nothing fetched, the same bytes, templates of the user's."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.axes import linear_axis, log_axis
from pynomaly.records.formats import format_number, format_window
from pynomaly.records.pages import charts, list_templates, render_training_page, render_window_page
from pynomaly.records.pages.drawing import Chart, Labels, shorten_text
from pynomaly.records.pages.timeline import draw_timeline
from tests.records.pages import EVIL, contrast, palettes, read_page, training_facts, window_facts

PAGES = [(render_training_page, training_facts), (render_window_page, window_facts)]
BOTH = pytest.mark.parametrize(("page", "facts"), PAGES, ids=["training", "window"])


@BOTH
def test_a_page_reads_by_ear_and_keyboard_and_fetches_nothing(page, facts) -> None:
    read = read_page(page(facts()))
    assert len(read.of("figure")) >= 5
    assert "prefers-color-scheme: dark" in read.style
    assert "@media print" in read.style
    policy = next(item["content"] for item in read.of("meta") if "http-equiv" in item)
    assert policy.startswith("default-src 'none'")


@BOTH
def test_names_are_text_never_markup(page, facts) -> None:
    html = page(facts())
    assert "<script" not in html
    assert "<b>" not in html
    assert EVIL in read_page(html).words  # and it is all there


@BOTH
def test_the_same_facts_give_the_same_bytes_and_are_left_alone(page, facts) -> None:
    given_facts = facts()
    before = copy.deepcopy(given_facts)
    assert page(given_facts) == page(facts())
    assert given_facts == before


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("counts", "judged_rows"), 98_765, "98,765"),
        (("registered", "value"), 0.7313, "0.731"),
        (("registered", "expected_alert_rate"), 0.07313, "7.31 %"),
        (("candidates", 0, "metrics", "average_precision", "low"), 0.4321, "0.432"),
        (("uniformity", "levels", 1, "share"), 0.07313, "0.0731"),
        (("verdict", "difference"), 0.1234567, "0.123"),
        (("importance", "heat"), 0.7313, "0.731"),
        (("calibration", "smallest"), 0.000731, "0.000731"),
        (("seed",), 73_137, "Seed 73137"),
    ],
)
def test_a_training_tells_the_numbers_it_is_given(path, value, sentence) -> None:
    facts = _changed(training_facts(), path, value)
    assert sentence in _words(render_training_page(facts))
    assert sentence not in _words(render_training_page(training_facts()))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("alerts",), 73_137, "73,137 alerts"),
        (("observation", "alert_rate"), 0.07313, "7.31 %"),
        (("drift", "columns", 0, "effect"), 0.7313, "0.731"),
        (("spans", 0, "rate"), 0.07313, "7.31 %"),
        (("listed", 0, "p_value"), 0.000731, "0.000731"),
        (("degradation", "considered"), ["a"] * 37, "1 of the last 37"),
    ],
)
def test_a_window_tells_the_numbers_it_is_given(path, value, sentence) -> None:
    facts = _changed(window_facts(), path, value)
    assert sentence in _words(render_window_page(facts))
    assert sentence not in _words(render_window_page(window_facts()))


def test_alerts_on_normal_rows_and_the_anomalies_of_the_held_out_rows_are_told_apart() -> None:
    facts = training_facts()
    assert "Expected alert rate 1.23 % of the rows" in " ".join(_words(render_training_page(facts)).split())
    facts["registered"] |= {
        "expected_rate_low": 0.0071,
        "expected_rate_high": 0.0193,
        "held_out_alert_rate": 0.0382,
        "anomaly_share": 0.0291,
    }
    words = " ".join(_words(render_training_page(facts)).split())
    assert "Expected alert rate 1.23 % of normal rows (0.71 % to 1.93 %)" in words
    assert "Held-out rows 3.82 % alerted; 2.91 % are known anomalies" in words
    facts["registered"]["anomaly_share"] = None
    assert "how many are anomalies is not known" in _words(render_training_page(facts))


def _words(html: str) -> str:
    return read_page(html).words.replace("\u00a0", " ")


def _changed(facts: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(facts)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def test_what_is_missing_is_said_and_leaves_no_hole() -> None:
    nothing = {"rows": 0, "levels": [], "counts": [0] * 20, "distance": None, "confidence": 0.95}
    scores = {"edges": [], "counts": {}, "lowest_alert": None, "not_finite": {}}
    bare = training_facts(
        uniformity=nothing, scores=scores, verdict=None, importance={}, decisions=[], params={}
    )
    bare["candidates"] = [item | {"curves": None, "metrics": {}} for item in bare["candidates"]]
    words = _words(render_training_page(bare))
    assert "No held-out row is left" in words
    assert "no comparison is on record" in words
    assert "defaults" in words
    table = window_facts(
        window="all",
        start=None,
        end=None,
        parts=[],
        spans=[],
        incidents=[],
        marks=[],
        listed=[],
        decisions=[],
    )
    assert "the whole table" in _words(render_window_page(table))
    with pytest.raises(RecordError, match="cannot be filled"):
        render_training_page({name: value for name, value in training_facts().items() if name != "seed"})


def test_a_reason_keeps_its_numbers_and_times_on_one_line() -> None:
    facts = training_facts()
    facts["choice"]["reasons"] = [
        "5.63 -> 5.565; p = 1.1e-05, seen 2026-04-04T13:00:00+00:00, not 2026-99-04T13:00:00+00:00 <b>"
    ]
    html = render_training_page(facts)
    assert '<span class="when">1.1e-05</span>' in html
    assert '<span class="when">2026-04-04 13:00 UTC</span>' in html
    words = _words(html)
    assert "5.63 → 5.565; p = 1.1e-05 , seen 2026-04-04 13:00 UTC , not 2026-99-04" in words
    assert "<b>" not in html


def test_a_verdict_about_another_version_says_so() -> None:
    sentence = "This version was the champion that machines v3 was compared with"
    assert sentence in _words(render_training_page(training_facts(verdict_about="machines v3")))
    assert "This version was the champion" not in _words(
        render_training_page(training_facts(verdict_about="machines v2"))
    )


def test_a_mark_says_under_the_pointer_what_it_stands_for() -> None:
    html = render_window_page(window_facts())
    assert "<title>2026-01-19 00:00 UTC to 2026-01-20 00:00 UTC: 3 of 96 rows, 3.12\u00a0%</title>" in html
    bars = charts.draw_bars(_X, [(EVIL, 0.25, "drift")])
    root = ElementTree.fromstring(str(bars.svg))
    assert f"{EVIL}: 0.25" in [item.text for item in root.iter("title")]


def test_a_wide_table_with_many_candidates_stays_small() -> None:
    names = [f"column {i} {EVIL}" for i in range(5000)]
    one = training_facts()
    curves = {"pr": [[i / 119 for i in range(120)]] * 2, "roc": [[i / 119 for i in range(120)]] * 2}
    many = [one["candidates"][0] | {"label": f"c{i}", "chosen": i == 70, "curves": curves} for i in range(80)]
    columns = {"numeric": names, "categorical": [], "time": None, "id": None, "label": None}
    html = render_training_page(
        training_facts(columns=columns, candidates=many, importance=dict.fromkeys(names, 1.0))
    )
    words = _words(html)
    assert "and 4500 more" in words
    assert "72 more candidates are left out" in words
    assert "c70 (chosen)" in words
    tests = window_facts()["drift"]["columns"] * 5000
    moved = [item | {"name": name} for item, name in zip(tests, names, strict=True)]
    wide = render_window_page(window_facts(drift=window_facts()["drift"] | {"columns": moved}))
    assert "4,800 more are left out" in _words(wide)


def test_text_can_be_read_in_the_light_in_the_dark_and_on_paper() -> None:
    colors_of = palettes(read_page(render_training_page(training_facts())).style)
    assert set(colors_of) == {"light", "dark", "paper"}
    assert set(colors_of["light"]) == set(colors_of["dark"]) == set(colors_of["paper"])
    for colors in colors_of.values():
        for name in ("ink", "quiet", "link", "good", "warn", "bad"):
            assert min(contrast(colors[name], colors[under]) for under in ("page", "box")) >= 4.5, name
        for name in ("s0", "s1", "s2", "s3", "s4", "s5", "bar0", "bar1", "bar2", "band-line"):
            assert contrast(colors[name], colors["page"]) >= 3, name


# Charts

_X = Labels("b", "t", "x")
finite = st.floats(-1e12, 1e12, allow_nan=False)


def _well_formed(chart: Chart) -> None:
    root = ElementTree.fromstring(str(chart.svg))
    wide, high = (float(side) for side in root.get("viewBox", "").split()[2:])
    for item in root.iter():
        for name, side in (("x", wide), ("y", high), ("cx", wide), ("cy", high)):
            if name in item.attrib:
                assert -1 <= float(item.attrib[name]) <= side + 1, (item.tag, item.attrib)
        if points := item.get("points"):
            for point in points.split():
                x, y = map(float, point.split(","))
                assert -1 <= x <= wide + 1
                assert -1 <= y <= high + 1
    assert all(len(row) == len(chart.columns) for row in chart.rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=2, max_size=12, unique=True), st.integers(0, 10**9), st.booleans())
@example([0.0, 5e-324], 1, False)  # the smallest number there is: a step of a fifth of it is zero
def test_a_histogram_of_anything_stays_on_its_paper(edges, tallest, log) -> None:
    ends = sorted(edges)
    counts = [(i * 37) % (tallest + 1) for i in range(len(ends) - 1)]
    _well_formed(
        charts.draw_histogram(
            Labels("h", EVIL, "x", "y"), ends, [(EVIL, counts)], log=log, guide=(ends[0], "g")
        )
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(finite, finite, finite) | st.none(), max_size=6))
def test_intervals_of_anything_stay_on_their_paper(given_items) -> None:
    items = []
    for item in given_items:
        low, value, high = sorted(item) if item else (None, None, None)
        items.append({"label": EVIL, "value": value, "low": low, "high": high, "strong": False})
    chart = charts.draw_intervals(Labels("i", "t", "x"), items, guides=[(0.0, "zero")])
    _well_formed(chart)
    assert len(chart.rows) == len(items)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=130),
    st.integers(60, 40_000_000),
    st.floats(0, 1) | st.none(),
)
def test_a_timeline_of_any_length_stays_on_its_paper(alerts, seconds, expected) -> None:
    start, step = datetime(2026, 1, 5, tzinfo=UTC), timedelta(seconds=seconds)
    spans = [
        {
            "start": (start + i * step).isoformat(),
            "end": (start + (i + 1) * step).isoformat(),
            "rows": 1000,
            "alerts": count,
            "rate": count / 1000 if i % 3 else None,
        }
        for i, count in enumerate(alerts)
    ]
    far = {"start": "2020-01-01T00:00:00+00:00", "end": "2100-01-01T00:00:00+00:00", "name": "", "entity": ""}
    chart = draw_timeline(
        Labels("o", "t", "time", "alerted"),
        spans,
        expected=expected,
        incidents=[far],
        marks=[(far["end"], "m")],
    )
    _well_formed(chart)
    assert f"{sum(alerts):,} alerts" in chart.description


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: charts.draw_bars(
            Labels("b", "t", "x"), [(EVIL, None, ""), ("a", 0.0, "drift")], [(0.3, "g")]
        ),
        lambda: charts.draw_bars(Labels("b", "t", "x"), []),
        lambda: charts.draw_calibration("l", "t", training_facts()["uniformity"]),
        lambda: charts.draw_curves(Labels("c", "t", "x", "y"), [], flat=0.1, diagonal=True),
    ],
)
def test_charts_of_little(drawn: Callable[[], Chart]) -> None:
    _well_formed(drawn())


def test_long_names_that_differ_at_their_end_are_told_apart() -> None:
    names = [f"bearing_temperature_of_the_front_left_sensor_{i}" for i in range(2)]
    first, second = (shorten_text(name, 40) for name in names)
    assert first != second
    assert (len(first), first[:7], first[-8:]) == (40, "bearing", "sensor_0")
    assert shorten_text("short", 40) == "short"


def test_axes_hold_what_they_are_given_and_mark_round_places() -> None:
    axis = linear_axis(0.13, 0.77, 0, 100)
    assert axis.low <= 0.13
    assert axis.high >= 0.77
    assert [text for _, text in axis.ticks] == ["0", "0.2", "0.4", "0.6", "0.8"]
    assert [text for _, text in linear_axis(-2000, 1000, 0, 9).ticks][:3] == [
        "\u22122,000",
        "\u22121,000",
        "0",
    ]
    assert axis(axis.low) == 0
    assert axis(axis.high) == 100
    log = log_axis(0.001, 1.0, 0, 90)
    assert [round(log(value)) for value in (0.001, 0.01, 0.1, 1.0)] == [0, 30, 60, 90]
    assert log(1e-9) == 0


def test_words_of_numbers_and_windows() -> None:
    assert [format_number(value) for value in (1234, 0.123456, None, float("nan"), "x", True)] == [
        "1,234",
        "0.123",
        "–",
        "–",
        "x",
        "True",
    ]
    assert format_window("20260105T000000Z--20260112T000000Z") == "2026-01-05 00:00 to 2026-01-12 00:00 UTC"
    assert format_window("machines v2") == "machines v2"
    assert format_window("all") == "the whole table"


# Templates of the user's


def test_a_template_of_the_user_s_replaces_ours_or_a_part_of_it(tmp_path: Path) -> None:
    assert {"training.html.j2", "window.html.j2", "style.css.j2"} <= set(list_templates())
    (tmp_path / "training.html.j2").write_text(
        '{% extends "pynomaly/training.html.j2" %}'
        "{% block footer %}Plant 7, {{ facts.pipeline }}{% endblock %}"
    )
    words = read_page(render_training_page(training_facts(), str(tmp_path))).words
    assert "Plant 7, machines" in words
    assert "How to reproduce" in words
    (tmp_path / "window.html.j2").write_text("<p>{{ facts.drift.reasons[0] }}</p>")
    assert render_window_page(window_facts(), str(tmp_path)).startswith(
        "<p>&lt;script&gt;"
    )  # escaped all the same


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if %}", r"training.html.j2, line 1"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ facts.nothing }}", "nothing"),
        ('{% include "lost.j2" %}', "lost.j2"),
        ("{{ ''.__class__.__mro__ }}", "reports.templates"),
        ("{{ facts.update({}) }}", "reports.templates"),
        ("{{ facts.seed.x.y }}", "reports.templates"),
        ("{{ facts.seed / 0 }}", "reports.templates"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "training.html.j2").write_text(template)
    with pytest.raises(ConfigError, match=message):
        render_training_page(training_facts(), str(tmp_path))
