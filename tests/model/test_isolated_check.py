import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pynomaly.errors import ModelError
from pynomaly.model.bundle import Bundle
from pynomaly.model.isolated_check import main, run_isolated_check


def test_a_good_bundle_is_measured(shipped: tuple[Path, str]) -> None:
    check = run_isolated_check(*shipped)
    assert check.difference == 0.0
    assert 0 < check.latency_ms < 1000
    assert check.load_s > 0
    assert 20 < check.rss_mb < 4000
    assert json.loads(json.dumps(check.to_dict())) == check.to_dict()


def test_a_damaged_bundle_fails_with_its_reason(shipped: tuple[Path, str], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shipped[0], tmp_path / "copy"))
    (folder / "extra").write_text("")
    with pytest.raises(ModelError, match=r"exit 2.*extra is not part of the bundle"):
        run_isolated_check(folder, shipped[1])


def test_other_golden_scores_fail(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(bundle, golden_scores=bundle.golden_scores + 1e-3)
    sha256 = other.save(tmp_path / "b")
    assert main([str(tmp_path / "b"), sha256]) == 2
    assert "golden row" in capsys.readouterr().err


def test_a_process_that_does_not_end_fails(shipped: tuple[Path, str]) -> None:
    with pytest.raises(ModelError, match=r"not checked within 0\.01 s"):
        run_isolated_check(*shipped, timeout=0.01)


def test_wrong_arguments_print_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
