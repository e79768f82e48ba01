"""The table: names, rows that tell the truth, parameters, and what a saved file may name."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from pynomaly.detectors import DETECTORS, load_detector, make_detector, saved
from pynomaly.detectors.base import Detector
from pynomaly.detectors.parameters import ChoiceParameter, IntegerParameter, NumberParameter, WidthsParameter
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import DetectorError, IntegrityError, UnknownDetectorError

ROWS = np.random.default_rng(8).normal(size=(120, 3))


@pytest.mark.parametrize("name", list(DETECTORS))
def test_a_row_tells_the_truth_about_its_class(name: str) -> None:
    entry, kind = DETECTORS[name], DETECTORS[name].resolve()
    assert issubclass(kind, Detector)
    assert entry.name == kind.name == name
    assert "References" in (kind.__doc__ or "") or kind.__module__.endswith("tails")
    for key, values in entry.search_space.items():
        for value in values:
            kind.parameters[key].check(key, value)
    json.dumps(entry.to_dict(), allow_nan=False)
    assert entry.to_dict()["defaults"].keys() == kind.parameters.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(DETECTORS))
def test_a_row_tells_the_truth_about_its_fit(name: str) -> None:
    entry = DETECTORS[name]
    rows = PastRows.of_series(ROWS) if entry.looks_back else ROWS
    first, second = (make_detector(name, seed=seed).fit(rows) for seed in (1, 2))
    assert first.looks_back == entry.looks_back
    same = all(np.array_equal(first.state[key], second.state.get(key)) for key in first.state)
    assert same or not entry.deterministic
    if not entry.keeps_rows:
        cells = set(ROWS.ravel()[10:20].tolist())
        kept = [value for array in first.state.values() for value in array.ravel().tolist() if value in cells]
        assert not kept


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownDetectorError, match="did you mean 'iforest'"):
        make_detector("iforst")


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("iforest", {"n_estimator": 5}, "did you mean 'n_estimators'"),
        ("iforest", {"n_estimators": 0}, "n_estimators is 0; allowed: an integer from 1 to 5000"),
        ("iforest", {"n_estimators": 10.0}, "allowed: an integer"),
        ("iforest", {"n_estimators": True}, "allowed: an integer"),
        ("iforest", {"max_features": 0}, "allowed: a number above 0 to 1"),
        ("hbos", {"alpha": float("nan")}, "alpha is nan"),
        ("hbos", {"tol": "0.5"}, "allowed: a number from 0 to 1"),
        ("knn", {"method": "larges"}, "did you mean 'largest'"),
        ("knn", {"method": ["largest"]}, "allowed: 'largest'"),
        ("autoencoder", {"hidden": []}, "a list of 1 to 8 integers"),
        ("autoencoder", {"hidden": [8, 0]}, r"hidden\[1\] is 0"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(name: str, params: dict, words: str) -> None:
    with pytest.raises(DetectorError, match=words):
        make_detector(name, **params)


def test_checked_parameters_are_plain_values() -> None:
    assert type(IntegerParameter(1, 1, 9).check("n", np.int64(3))) is int
    assert type(NumberParameter(1, 0, 9).check("x", 3)) is float
    assert WidthsParameter((1,)).check("w", (4, 2)) == [4, 2]
    assert ChoiceParameter("a", ("a", "b")).check("o", "b") == "b"


@pytest.mark.slow
def test_scoring_a_saved_detector_imports_no_vendor(tmp_path: Path) -> None:
    past = PastRows.of_series(ROWS)
    for name, entry in DETECTORS.items():
        make_detector(name).fit(past if entry.looks_back else ROWS).save(tmp_path / name)
    code = (
        "import sys, numpy, pathlib, pynomaly.detectors as d\n"
        "from pynomaly.detectors.past_rows import PastRows\n"
        "rows = PastRows.of_series(numpy.zeros((2, 3)))\n"
        f"for folder in pathlib.Path({str(tmp_path)!r}).iterdir():\n"
        "    detector = d.load_detector(folder)\n"
        "    detector.score(rows if detector.looks_back else rows.numbers)\n"
        "print([name for name in ('pyod', 'sklearn', 'torch', 'numba', 'joblib') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_same_detector_saves_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_detector("iforest", seed=3).fit(ROWS).save(tmp_path / folder)
    for file in ("detector.json", "arrays.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.fixture
def saved_folder(tmp_path: Path) -> Path:
    make_detector("hbos").fit(ROWS).save(tmp_path)
    return tmp_path


def change(folder: Path, **facts: object) -> None:
    """Change facts and seal them anew, as somebody with the right to write could."""
    facts_read, arrays = saved.read_detector_files(folder)
    kept = {key: value for key, value in (facts_read | facts).items() if value != "drop"}
    saved.write_detector_files(folder, kept, arrays)


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        ({"name": "os:system"}, UnknownDetectorError, "no detector 'os:system'"),
        ({"params": {"n_bins": -1}}, DetectorError, "n_bins is -1"),
        ({"width": "drop"}, IntegrityError, "width"),
        ({"seed": "drop"}, IntegrityError, "seed"),
    ],
)
def test_a_saved_file_that_was_changed_is_refused(
    saved_folder: Path, facts: dict, error: type, words: str
) -> None:
    change(saved_folder, **facts)
    with pytest.raises(error, match=words):
        load_detector(saved_folder)


def test_a_format_of_another_version_is_refused(saved_folder: Path) -> None:
    content = json.loads((saved_folder / "detector.json").read_text()) | {"format": 99}
    (saved_folder / "detector.json").write_text(json.dumps(content))
    with pytest.raises(DetectorError, match="format 99"):
        load_detector(saved_folder)


def test_damaged_files_are_refused(saved_folder: Path) -> None:
    arrays = (saved_folder / "arrays.npz").read_bytes()
    (saved_folder / "arrays.npz").write_bytes(arrays[: len(arrays) // 2])
    with pytest.raises(IntegrityError, match="damaged"):
        load_detector(saved_folder)
    np.save(saved_folder / "plain.npy", np.zeros(3))
    (saved_folder / "plain.npy").rename(saved_folder / "arrays.npz")
    with pytest.raises(IntegrityError, match="damaged"):
        load_detector(saved_folder)
    (saved_folder / "detector.json").write_text("{")
    with pytest.raises(IntegrityError, match="not JSON"):
        load_detector(saved_folder)
    (saved_folder / "detector.json").unlink()
    with pytest.raises(DetectorError, match="missing"):
        load_detector(saved_folder)


@pytest.mark.parametrize(
    "arrays", [{}, {"edges": np.zeros((3, 11))}, {"edges": np.zeros(2), "rarity": np.zeros(3)}]
)
def test_arrays_that_are_missing_or_misshapen_are_refused(saved_folder: Path, arrays: dict) -> None:
    saved.write_detector_files(saved_folder, saved.read_detector_files(saved_folder)[0], arrays)
    with pytest.raises(IntegrityError, match="incomplete"):
        load_detector(saved_folder)


def test_a_saved_object_is_never_opened(saved_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = saved_folder / "opened"

    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (opened,))

    with (saved_folder / "arrays.npz").open("wb") as file:
        np.savez(file, edges=np.array([Trap()], dtype=object), rarity=np.zeros((3, 10)))
    with pytest.raises(IntegrityError, match="SHA-256"):
        load_detector(saved_folder)
    monkeypatch.setattr(saved.hashlib, "sha256", lambda _: types.SimpleNamespace(hexdigest=lambda: "same"))
    content = json.loads((saved_folder / "detector.json").read_text())
    sealed = content | {"sha256": "same", "arrays_sha256": "same"}
    (saved_folder / "detector.json").write_text(json.dumps(sealed, indent=1, sort_keys=True) + "\n")
    with pytest.raises(IntegrityError, match="holds objects"):  # even with every seal in order
        load_detector(saved_folder)
    assert not opened.exists()


def test_a_fact_added_or_rewritten_is_refused(saved_folder: Path) -> None:
    text = (saved_folder / "detector.json").read_text()
    for other in (
        text.replace('"seed": 0', '"seed": 1'),
        text.replace("{", '{\n "type": "os:system",', 1),
        text + " ",
    ):
        assert other != text
        (saved_folder / "detector.json").write_text(other)
        with pytest.raises(IntegrityError, match="SHA-256"):
            load_detector(saved_folder)
