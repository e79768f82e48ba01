"""YAML that would run code, multiply, nest without end or reach beyond its keys: one message, no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import Data, load_pipeline
from pynomaly.config.spelling.plain_yaml import (
    MAX_CHARACTERS,
    MAX_VALUES,
    parse_plain_yaml,
    quote_if_needed,
    quote_yaml,
)
from pynomaly.data.incidents import read_incidents
from pynomaly.errors import ConfigError, SourceError
from tests.flows.conftest import Answer
from tests.machines import make_small_settings

LAUGHS = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
POISON = {
    "object tag": ("name: !!python/object/apply:os.system ['touch pwned']", "could not determine"),
    "new tag": ("name: !!python/object/new:subprocess.Popen [['touch', 'pwned']]", "could not determine"),
    "name tag": ("name: !!python/name:os.system", "could not determine"),
    "own tag": ("name: !include /etc/passwd", "could not determine"),
    "billion laughs": (LAUGHS, "aliases stand for"),
    "alias of itself": ("a: &a [*a]", "alias of itself"),
    "alias of itself as a key's value": ("a: &a {b: {c: *a}}", "alias of itself"),
    "depth bomb": ("[" * 20_000, "nested too deeply"),
    "depth bomb of mappings": ("".join(f"{' ' * n}a:\n" for n in range(1200)), "nested too deeply"),
    "too long": ("# " + "x" * MAX_CHARACTERS, "characters; allowed"),
    "a number of very many digits": ("a: " + "9" * 5000, "digits"),
    "no such day": ("a: 2026-13-45", "month"),
    "NUL": ("name: a\0b", "special characters"),
    "escape": ("name: \x1b[2J", "special characters"),
    "two documents": ("a: 1\n---\nb: 2", "single document"),
    "a list as a key": ("? [a, b]\n: c", "unhashable"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", POISON)
def test_no_yaml_does_more_than_hold_values(
    case: str, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, message = POISON[case]
    (tmp_path / "p.yaml").write_text(text)
    answer = command("status", "p.yaml")
    assert answer.code == 2, answer
    assert len(answer.err.strip().splitlines()) == 1
    assert message in answer.err
    assert len(answer.err) < 2000
    with pytest.raises(SourceError, match=r"not readable YAML"):
        read_incidents(incidents_of(tmp_path / "p.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def incidents_of(file: Path) -> Data:
    return Data(source="csv", path="t.csv", time="at", timezone="UTC", incidents=str(file))


def test_honest_anchors_and_merge_keys_are_read() -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]"
    assert parse_plain_yaml(text) == yaml.safe_load(text)


@pytest.mark.slow
def test_the_bound_on_aliases_is_the_bound() -> None:
    row = f"a: &a [{', '.join(['1'] * 999)}]\n"  # 1,000 values with the list itself
    few, many = (row + f"b: [{', '.join(['*a'] * n)}]" for n in (90, 100))
    assert isinstance(parse_plain_yaml(few), dict)
    with pytest.raises(ValueError, match=f"{MAX_VALUES:,}"):
        parse_plain_yaml(many)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_what_is_written_is_read_back(text: str) -> None:
    assert parse_plain_yaml(f"a: {quote_yaml(text)}  # note") == {"a": text}
    assert parse_plain_yaml(f"a: {quote_if_needed(text)}") == {"a": text}


NAMES = (
    "../up",
    "/etc/passwd",
    "s3://other/x",
    "a/b",
    "a\\b",
    "..",
    "a\0",
    "a\n",
    "naïve",
    "\u202ea",
    "a" * 64,
)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_has_a_plain_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(make_small_settings() | {"name": name}))
    with pytest.raises(ConfigError, match="name"):
        load_pipeline(file)


BLOCKS: dict[str, dict[str, Any]] = {
    "a notify target called a path": {"notify": {"targets": [{"name": "../x", "url_env": "X"}]}},
    "a sink called a path": {"sinks": [{"name": "../x", "kind": "parquet", "folder": "x"}]},
    "a sink with a password in the file": {
        "sinks": [{"name": "x", "kind": "parquet", "folder": "s3://me:secret@bucket"}]
    },
    "a sink whose variable is an address": {
        "sinks": [{"name": "x", "kind": "sql", "address_env": "postgresql://me:secret@host/x"}]
    },
    "a prefix that is no name": {
        "sinks": [{"name": "x", "kind": "sql", "address_env": "X", "prefix": "x; DROP TABLE y"}]
    },
    "an address in the file": {"notify": {"targets": [{"name": "x", "url_env": "json://me:secret@host"}]}},
    "a database URL in the file": {
        "data": {"source": "sql", "connection": "postgresql://me:secret@host/x", "query": "select 1"}
    },
    "a password in the ledger's address": {"records": {"ledger": "postgresql://me:secret@host/x"}},
    "a password in a query": {"records": {"tracking": "postgresql://host/x?password=secret"}},
    "a password for MLflow": {"records": {"tracking": "http://me:secret@host:5000"}},
    "a home of its own": {"home": {"x": 1}},
    "a number as a key": {7: {"x": 1}},  # type: ignore[dict-item]
}


@pytest.mark.parametrize("case", BLOCKS)
def test_settings_reach_no_further_than_their_keys(case: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    settings: dict[Any, Any] = make_small_settings()
    for name, block in BLOCKS[case].items():
        settings[name] = {**settings.get(name, {}), **block} if isinstance(block, dict) else block
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError) as refused:
        load_pipeline(file)
    assert len(str(refused.value).splitlines()) == 1
    assert "secret" not in str(refused.value)
