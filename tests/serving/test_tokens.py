"""Tokens of the scoring server: one a line, read again, so that one can take the place of another."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pynomaly.config import read_variable
from pynomaly.errors import ConfigError
from pynomaly.serving.tokens import BearerTokens


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_takes_the_place_of_another_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, clock = tmp_path / "token", Clock()
    monkeypatch.setenv("PYNOMALY_SERVE_TOKEN_FILE", str(file))
    file.write_text("old\n")
    tokens = BearerTokens(lambda: read_variable("PYNOMALY_SERVE_TOKEN"), clock)
    assert tokens.are_needed
    assert tokens.accept("Bearer old")
    file.write_text("new\nold\n")
    clock.now = 2.0
    assert tokens.accept("Bearer new")
    assert tokens.accept("Bearer old")
    file.write_text("new\n")
    clock.now = 4.0
    assert tokens.accept("Bearer new")
    assert not tokens.accept("Bearer old")


@pytest.mark.parametrize(
    "header", ["", "old", "Bearer", "Bearer ", "Bearer olde", "bearer old", "Bearer \xfc"]
)
def test_what_is_no_token(header: str) -> None:
    assert not BearerTokens(lambda: "old", Clock()).accept(header)


def test_without_a_token_none_is_needed_and_none_is_right() -> None:
    tokens = BearerTokens(lambda: "", Clock())
    assert not tokens.are_needed
    assert not tokens.accept("Bearer ")


def test_tokens_that_cannot_be_read_again_stay_valid_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock = tmp_path / "token", Clock()
    monkeypatch.setenv("PYNOMALY_SERVE_TOKEN_FILE", str(file))
    file.write_text("old\n")
    tokens = BearerTokens(lambda: read_variable("PYNOMALY_SERVE_TOKEN"), clock)
    for content in ("", None):
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            for _ in range(3):
                clock.now += 2.0
                assert tokens.accept("Bearer old")
        assert len(caplog.records) == 1
        assert "old" not in caplog.text


def test_a_file_that_is_missing_at_the_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNOMALY_SERVE_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="cannot be read"):
        BearerTokens(lambda: read_variable("PYNOMALY_SERVE_TOKEN"), Clock())
