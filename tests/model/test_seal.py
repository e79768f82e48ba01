import hashlib
import json
import os
from pathlib import Path

import pytest

from pynomaly.errors import IntegrityError
from pynomaly.model.seal import LISTING_NAME, seal_folder, verify_seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "part").mkdir()
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "part" / "b.npz").write_bytes(b"\x00\x01")
    return tmp_path


def test_what_was_sealed_verifies(folder: Path) -> None:
    sha256 = seal_folder(folder)
    verify_seal(folder, sha256)
    verify_seal(folder, None)
    assert sha256 == hashlib.sha256((folder / LISTING_NAME).read_bytes()).hexdigest()
    assert seal_folder(folder) == sha256


def test_hash_depends_on_names_and_content_alone(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "part").mkdir()
    (other / "part" / "b.npz").write_bytes(b"\x00\x01")
    (other / "a.json").write_text("{}")
    assert seal_folder(other) == seal_folder(folder)
    (other / "a.json").rename(other / "c.json")
    assert seal_folder(other) != seal_folder(folder)


@pytest.mark.parametrize("known", [True, False])
def test_changed_missing_and_extra_files_are_named(folder: Path, known: bool) -> None:
    sha256 = seal_folder(folder) if known else None
    seal_folder(folder)
    (folder / "part" / "b.npz").write_bytes(b"\x00\x02")
    with pytest.raises(IntegrityError, match=r"part/b\.npz was changed"):
        verify_seal(folder, sha256)
    (folder / "part" / "b.npz").unlink()
    (folder / "part" / "extra").write_text("")
    with pytest.raises(IntegrityError, match=r"part/b\.npz is missing; part/extra is not part of the bundle"):
        verify_seal(folder, sha256)


def test_a_list_that_was_rewritten_has_another_hash(folder: Path) -> None:
    sha256 = seal_folder(folder)
    (folder / "a.json").write_text("[]")
    seal_folder(folder)
    with pytest.raises(IntegrityError, match=f"expected {sha256}"):
        verify_seal(folder, sha256)


def test_links_are_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sha256 = seal_folder(folder)
    outside = tmp_path_factory.mktemp("outside") / "same.npz"
    outside.write_bytes(b"\x00\x01")
    (folder / "part" / "b.npz").unlink()
    (folder / "part" / "b.npz").symlink_to(outside)
    with pytest.raises(IntegrityError, match="link or a special file"):
        verify_seal(folder, sha256)
    with pytest.raises(IntegrityError, match="link or a special file"):
        seal_folder(folder)


def test_linked_folder_list_and_pipe_are_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sha256 = seal_folder(folder)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "linked").symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match="linked in"):
        verify_seal(folder, sha256)
    (folder / "linked").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(IntegrityError, match="pipe in"):
        verify_seal(folder, sha256)
    (folder / "pipe").unlink()
    (folder / LISTING_NAME).rename(elsewhere / LISTING_NAME)
    (folder / LISTING_NAME).symlink_to(elsewhere / LISTING_NAME)
    with pytest.raises(IntegrityError, match="no plain file"):
        verify_seal(folder, sha256)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"files": [], "format": 1}',
        '{"files": {}, "format": 1}',
        "\x00",
        '{"files": {"../x": 1}}',
    ],
)
def test_a_list_of_another_form_is_refused(folder: Path, content: str) -> None:
    seal_folder(folder)
    (folder / LISTING_NAME).write_text(content)
    with pytest.raises(IntegrityError):
        verify_seal(folder, None)


def test_a_list_with_more_than_hashes_is_refused(folder: Path) -> None:
    seal_folder(folder)
    listing = json.loads((folder / LISTING_NAME).read_text())
    (folder / LISTING_NAME).write_text(json.dumps({**listing, "run": "this"}))
    with pytest.raises(IntegrityError, match="more than files and hashes"):
        verify_seal(folder, None)
    (folder / LISTING_NAME).write_text(json.dumps({**listing, "format": 99}))
    with pytest.raises(IntegrityError, match="format 99; allowed: 1"):
        verify_seal(folder, None)


def test_no_list_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="no bundle"):
        verify_seal(tmp_path, None)
