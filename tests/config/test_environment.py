"""Secrets of the environment that are files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.config import Target, read_variable
from pynomaly.errors import ConfigError
from pynomaly.steps.notices.deliver import read_secret

NAME = "PYNOMALY_TEST_SECRET"
VALUE = "s3cret-value"


def test_a_variable_is_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_variable(NAME) == ""
    monkeypatch.setenv(NAME, f" {VALUE}\n")
    assert read_variable(NAME) == VALUE


def test_a_file_stands_for_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{VALUE}\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert read_variable(NAME) == VALUE
    monkeypatch.setenv(NAME, "")  # a variable that is declared, and not set
    assert read_variable(NAME) == VALUE


def test_a_file_that_is_written_anew_is_the_new_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text("https://hooks.example/one")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    target = Target(name="ops", kind="slack", url_env=NAME)
    assert read_secret(target) == "https://hooks.example/one"
    file.write_text("https://hooks.example/two")
    assert read_secret(target) == "https://hooks.example/two"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (VALUE.encode() * 9000, "more than 65536 bytes"),
        (b"\xff\xfe" + VALUE.encode(), "is no text"),
    ],
)
def test_what_a_file_of_a_secret_may_not_be(
    content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    with pytest.raises(ConfigError, match=message) as caught:
        read_variable(NAME)
    assert VALUE not in str(caught.value)
    assert f"{NAME}_FILE" in str(caught.value)


def test_a_variable_and_its_file_are_not_both_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, VALUE)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigError, match="both set; unset one") as caught:
        read_variable(NAME)
    assert VALUE not in str(caught.value)


def test_a_folder_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_variable(NAME)
