"""Facts for pages, made by hand with hostile names, and a reader that checks a page's structure."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

__all__ = ["EVIL", "PageReader", "contrast", "palettes", "read_page", "training_facts", "window_facts"]

EVIL = "<script>alert('x')</script>\"&"
_VOID = {"meta", "br", "hr", "img", "link", "input", "rect", "circle", "line", "polyline", "path"}
_ADDRESS = re.compile(r"https?:|//[a-z]|url\(|@import|javascript:", re.I)


class PageReader(HTMLParser):
    """Reads a page once and keeps what the checks ask for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.style = ""
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.tags.append((tag, named))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every tag of a name."""
        return [named for name, named in self.tags if name == tag]

    @property
    def words(self) -> str:
        """What a person reads, blanks taken together."""
        return " ".join(" ".join(self.text).split())


def read_page(html: str) -> PageReader:
    """Read a page and refuse what no page of ours may be.

    One first heading and none left out below it, landmarks, a way past the navigation, names for every
    region, table and drawing, unique ids, no script, nothing to fetch.
    """
    page = PageReader()
    page.feed(html)
    page.close()
    assert not page.wrong, page.wrong
    assert not page.open, page.open
    assert html.startswith("<!DOCTYPE html>")
    assert page.of("html") == [{"lang": "en"}]
    assert any(item.get("name") == "viewport" for item in page.of("meta"))
    assert page.headings.count(1) == 1
    assert page.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False)), page.headings
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.of(landmark)) == 1, landmark
    assert page.of("nav")[0]["aria-label"]
    assert page.of("a")[0] == {"class": "skip", "href": "#content"}
    ids = [named["id"] for _, named in page.tags if "id" in named]
    assert len(ids) == len(set(ids)), sorted(name for name in ids if ids.count(name) > 1)
    for _, named in page.tags:
        for name in named.get("aria-labelledby", "").split():
            assert name in ids, name
        if "href" in named:
            assert named["href"].removeprefix("#") in ids, named
        assert "src" not in named
        assert not any(name.startswith("on") for name in named), named
    assert not page.of("script")
    assert not page.of("link")
    assert len(page.of("table")) == len(page.of("caption"))
    assert all(named.get("scope") in ("col", "row") for named in page.of("th"))
    drawn = [named for named in page.of("svg") if named.get("aria-hidden") != "true"]
    assert all(named["role"] == "img" and named["aria-labelledby"] for named in drawn)
    assert len(page.of("desc")) == len(drawn)
    assert len(page.of("figure")) == len(drawn) == len(page.of("figcaption"))
    regions = [named for _, named in page.tags if named.get("class") == "scroll"]
    assert all(named["tabindex"] == "0" and named["role"] == "region" for named in regions)
    assert not _ADDRESS.search(page.style), _ADDRESS.search(page.style)
    assert len(html.encode()) < 3_000_000
    return page


def palettes(style: str) -> dict[str, dict[str, str]]:
    """Colours of the page in the light, in the dark and on paper."""
    themes = [
        dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    return dict(zip(("light", "dark", "paper"), themes, strict=True))


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, relative luminance)."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _uniform(rows: int = 200) -> dict[str, Any]:
    levels = [{"level": t, "share": t, "low": t / 2, "high": min(1.0, 2 * t)} for t in (0.5, 0.1, 0.01)]
    counts = [rows // 20] * 20
    return {"rows": rows, "levels": levels, "counts": counts, "distance": 0.0321, "confidence": 0.95}


def _measured(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "level": 0.95}


def training_facts(**changed: Any) -> dict[str, Any]:
    """Facts of a training whose every name tries to be markup."""
    curve = {"pr": [[0.0, 0.5, 1.0], [1.0, 0.7, 0.2]], "roc": [[0.0, 0.5, 1.0], [0.0, 0.8, 1.0]]}
    candidate = {
        "label": EVIL,
        "detector": "hbos",
        "params": {"n_bins": 10},
        "chosen": True,
        "fit_seconds": 1.25,
        "score_seconds": 0.5,
        "megabytes": 0.25,
        "error": "",
        "metrics": {"rows": 200, "positives": 20, "average_precision": _measured(0.6543)},
        "curves": curve,
    }
    failed = candidate | {"label": "broken", "chosen": False, "error": EVIL, "metrics": {}, "curves": None}
    verdict = {
        "outcome": "superior",
        "rung": "labels",
        "metric": "average_precision",
        "champion": "machines v1",
        "challenger": EVIL,
        "champion_value": 0.41,
        "challenger_value": 0.65,
        "difference": 0.2377,
        "low": 0.1,
        "high": 0.3,
        "p_value": 0.004,
        "rows": 200,
        "positives": 20,
        "reasons": [EVIL],
        "beside": [{"metric": "roc_auc", "difference": 0.1, "low": 0.0, "high": 0.2}],
    }
    facts = {
        "format": 1,
        "kind": "training",
        "pipeline": "machines",
        "description": EVIL,
        "config": "machines.yaml",
        "registered": {
            "version": 2,
            "detector": "hbos",
            "metric": "average_precision",
            "value": 0.6543,
            "expected_alert_rate": 0.0123,
            "sha256": "ab" * 32,
            "key": "0123abcd",
            "notes": [EVIL],
            "parent_run_id": "run1",
        },
        "params": {EVIL: EVIL},
        "git_commit": "none",
        "seed": 42,
        "versions": {"numpy": "2.4"},
        "window": "20260105T000000Z--20260119T000000Z",
        "as_of": "2026-01-19T00:00:00+00:00",
        "data_hash": "cd" * 32,
        "quality": "pass",
        "counts": {
            "rows": 1344,
            "fit_rows": 700,
            "calibration_rows": 300,
            "judged_rows": 344,
            "quarantined": 7,
            "known_anomalies": 5,
            "incident_rows": 3,
            "labelled_rows": 4,
            "alerted_rows": 2,
        },
        "alerts_said": EVIL,
        "sampled": EVIL,
        "columns": {
            "numeric": [EVIL, "heat"],
            "categorical": ["<b>"],
            "time": "t",
            "id": EVIL,
            "label": None,
        },
        "importance": {EVIL: 0.7, "heat": 0.3},
        "missing": "impute",
        "rung": "labels",
        "confidence": 0.95,
        "metric": "average_precision",
        "min_improvement": 0.02,
        "candidates": [candidate, failed],
        "choice": {"reasons": [EVIL], "verdicts": [verdict]},
        "scores": {
            "edges": [0.0, 1.0, 2.0],
            "counts": {"normal": [90, 10], "anomaly": [0, 20]},
            "lowest_alert": 1.5,
            "not_finite": {"normal": 0, "anomaly": 0},
        },
        "calibration": {
            "rows": 300,
            "method": "split",
            "computable": True,
            "guarantee": EVIL,
            "resolution": 0.0033,
            "smallest": 0.0001,
            "tail": "",
        },
        "uniformity": _uniform(),
        "policy": {"kind": "quantile", "threshold": 0.01, "level": None},
        "decisions": [_decision()],
        "standing": "champion since 2026-01-19 00:00 UTC",
        "verdict": verdict,
        "notes": [],
    }
    return facts | changed


def _decision() -> dict[str, Any]:
    return {
        "as_of": "2026-01-19T00:00:00+00:00",
        "kind": "promote",
        "subject": EVIL,
        "outcome": "superior",
        "actor": EVIL,
        "reasons": [EVIL, "second"],
    }


def window_facts(**changed: Any) -> dict[str, Any]:
    """Facts of a window whose every name tries to be markup."""
    column = {
        "name": EVIL,
        "kind": "numeric",
        "status": "drift",
        "effect": 0.4567,
        "p_value": 1e-9,
        "corrected": 1e-8,
        "message": EVIL,
        "importance": 0.5,
    }
    span = {"start": "2026-01-19T00:00:00+00:00", "end": "2026-01-20T00:00:00+00:00", "rows": 96}
    spans = [
        span | {"alerts": 3, "rate": 3 / 96},
        span
        | {
            "start": "2026-01-20T00:00:00+00:00",
            "end": "2026-01-21T00:00:00+00:00",
            "rows": 0,
            "alerts": 0,
            "rate": None,
        },
    ]
    facts = {
        "format": 1,
        "kind": "window",
        "pipeline": "machines",
        "description": "",
        "config": "machines.yaml",
        "window": "20260119T000000Z--20260121T000000Z",
        "start": "2026-01-19T00:00:00+00:00",
        "end": "2026-01-21T00:00:00+00:00",
        "version": 2,
        "sha256": "ab" * 32,
        "rows": 96,
        "alerts": 3,
        "columns": {"time": "t", "id": EVIL, "label": None},
        "policy": {"kind": "quantile", "threshold": 0.01, "level": None},
        "limits": {"notice": 0.03, "effect": 0.1, "strong_effect": 0.3},
        "scores": {
            "edges": [0.0, 1.0, 2.0],
            "counts": {"held out": [90, 10], "window": [40, 56]},
            "not_finite": {},
        },
        "uniformity": _uniform(),
        "parts": spans,
        "listed": [
            {
                "row": 4,
                "time": "2026-01-19T05:00:00+00:00",
                "entity": EVIL,
                "score": 3.456,
                "p_value": 0.00123,
                "severity": "high",
                "rarity": "one a week",
            }
        ],
        "drift": {
            "status": "drift",
            "columns": [column],
            "score": column | {"name": "score", "kind": "score", "effect": None},
            "joint": None,
            "share": 0.5,
            "reasons": [EVIL],
            "basis": "compared with the whole reference",
        },
        "exchangeability": {"state": "withdrawn", "reasons": [EVIL]},
        "observation": {
            "alert_rate": 0.03125,
            "expected_rate": 0.01,
            "performance": None,
            "baseline": None,
            "performance_status": "insufficient_data",
            "positives": 1,
            "reasons": [EVIL],
            "agreement_status": "not_due",
            "injected_status": "not_due",
        },
        "degradation": {
            "state": "degraded",
            "violated": ["a"],
            "considered": ["a", "b"],
            "reasons": [EVIL],
            "action": "retrain",
        },
        "aspects": [{"name": "data", "status": "drift", "effect": 0.4567}],
        "as_of": "2026-01-21T00:00:00+00:00",
        "report": "drift.html",
        "report_error": EVIL,
        "run_id": "run2",
        "spans": spans,
        "incidents": [
            {
                "start": "2026-01-19T03:00:00+00:00",
                "end": "2026-01-19T09:00:00+00:00",
                "name": EVIL,
                "entity": EVIL,
            }
        ],
        "marks": [{"at": "2026-01-19T12:00:00+00:00", "said": EVIL}],
        "recent": [
            {
                "window": "20260119T000000Z--20260121T000000Z",
                "start": "2026-01-19T00:00:00+00:00",
                "version": 2,
                "state": "degraded",
                "data": "drift",
                "score": "ok",
                "alert_rate": 0.03,
                "performance": None,
            }
        ],
        "decisions": [_decision()],
        "notes": [EVIL],
    }
    return facts | changed
