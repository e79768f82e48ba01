"""A model folder that somebody else wrote: nothing in it runs, and nothing in it swells."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynomaly.detectors import load_detector as load_detector
from pynomaly.detectors import make_detector
from pynomaly.detectors.arrays import read_arrays
from pynomaly.errors import IntegrityError, PynomalyError
from pynomaly.model.bundle import Bundle
from pynomaly.model.seal import seal_folder
from tests.model.tables import fit


class Runs:
    """What a pickle can be made to do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return fit("hbos")


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def archive(method: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as out:
        for name, content in entries.items():
            out.writestr(f"{name}.npy", content)
    return packed.getvalue()


def array(values: Any, allow_pickle: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, values, allow_pickle=allow_pickle)
    return out.getvalue()


def declaring(shape: tuple[int, ...], content: bytes = b"", descr: str = "<f8") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + content


def header(text: str) -> bytes:
    raw = text.encode()
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw


ARRAYS: dict[str, Callable[[Path], bytes]] = {
    "terabytes declared": lambda _: archive(scores=declaring((10**12,))),
    "more than any integer": lambda _: archive(scores=declaring((2**62, 2**62))),
    "a negative length": lambda _: archive(scores=declaring((-1,), bytes(8))),
    "fewer values than declared": lambda _: archive(scores=declaring((3,), bytes(16))),
    "more bytes than declared": lambda _: archive(scores=declaring((1,), bytes(16))),
    "values of no size": lambda _: archive(scores=declaring((10**15,), bytes(8), descr="|V1")),
    "a packed bomb": lambda _: archive(zipfile.ZIP_DEFLATED, scores=array(np.zeros(10**6))),
    "objects": lambda mark: archive(scores=array(np.array([Runs(mark)], dtype=object), allow_pickle=True)),
    "a pickle alone": lambda mark: archive(scores=pickle.dumps(Runs(mark))),
    "a pickle for an archive": lambda mark: pickle.dumps(Runs(mark)),
    "a header that is a program": lambda _: archive(scores=header("__import__('os').mkdir('ran')\n")),
    "a header that nests": lambda _: archive(scores=header("(" * 9000 + "\n")),
    "a header that is too long": lambda _: archive(scores=header("{" + " " * 60_000 + "}\n")),
    "a later format": lambda _: archive(scores=b"\x93NUMPY\x09\x00" + bytes(10)),
    "no array": lambda _: archive(scores=b""),
    "no archive": lambda _: b"scores",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_are_none(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where whoever wrote it sealed it anew."""
    monkeypatch.chdir(folder.parent)
    mark = folder.parent / "ran"
    content = ARRAYS[case](mark)
    with pytest.raises(IntegrityError, match="damaged or holds objects"):
        read_arrays(content, "scores")
    (folder / "calibration.npz").write_bytes(content)
    with pytest.raises(IntegrityError):
        Bundle.load(folder, seal_folder(folder))
    assert not mark.exists()


def test_what_numpy_writes_is_read_back() -> None:
    out = io.BytesIO()
    values = {
        "none": np.empty((0, 3)),
        "one": np.array(2.5),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "text": np.array(["a", "ä"]),
        "flags": np.array([True, False]),
    }
    np.savez(out, **values)
    arrays = read_arrays(out.getvalue(), "it")
    assert list(arrays) == list(values)
    for name, wanted in values.items():
        np.testing.assert_array_equal(arrays[name], wanted)


DEEP = "[" * 200_000 + "]" * 200_000
JSONS = {
    "a depth bomb": DEEP,
    "a depth bomb inside": '{"contract": ' + DEEP + "}",
    "a list": "[]",
    "a number of very many digits": "9" * 5000,
    "no JSON": "import os",
    "half a character": '{"contract": "\\ud800"}',
    "not UTF-8": b"\xff\xfe{}",
}


@pytest.mark.parametrize("case", JSONS)
@pytest.mark.parametrize("file", ["model.json", "sketch.json", "bundle.json", "detector/detector.json"])
def test_json_that_is_none_of_ours(case: str, file: str, folder: Path) -> None:
    content = JSONS[case]
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    sha256 = None if file == "bundle.json" else seal_folder(folder)
    with pytest.raises(PynomalyError):
        Bundle.load(folder, sha256)


def test_a_detector_of_another_name_is_looked_up_and_never_imported(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2))
    make_detector("hbos").fit(rows).save(tmp_path)
    facts = json.loads((tmp_path / "detector.json").read_text())
    facts["name"] = "os.system"
    from pynomaly.detectors import saved

    kept = {key: value for key, value in facts.items() if key not in ("sha256", "format", "arrays_sha256")}
    _, arrays = saved.read_detector_files(tmp_path)
    saved.write_detector_files(tmp_path, kept, arrays)  # as whoever can write both files could
    with pytest.raises(PynomalyError, match=r"os\.system"):
        load_detector(tmp_path)


@pytest.mark.parametrize(
    "name", ["model.pkl", "python_model.pkl", "detector/arrays.npy", ".hidden", "run.py"]
)
def test_a_file_that_was_slipped_in_is_refused(name: str, folder: Path) -> None:
    sha256 = seal_folder(folder)
    mark = folder.parent / "ran"
    (folder / name).write_bytes(pickle.dumps(Runs(mark)))
    with pytest.raises(IntegrityError, match="not part of the bundle"):
        Bundle.load(folder, sha256)
    Bundle.load(folder, seal_folder(folder))  # sealed anew, it is still read by nobody
    assert not mark.exists()


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    sha256 = seal_folder(folder)
    (tmp_path / "elsewhere.npz").write_bytes((folder / "golden.npz").read_bytes())
    (folder / "golden.npz").unlink()
    (folder / "golden.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(IntegrityError, match="link"):
        Bundle.load(folder, sha256)
