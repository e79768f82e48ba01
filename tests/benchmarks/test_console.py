"""The console under load, in small: every answer that is accepted is on record."""

from __future__ import annotations

import pytest

from benchmarks.console import main


@pytest.mark.slow
@pytest.mark.server
def test_no_answer_is_lost() -> None:
    result = main(["--quick"])
    assert result["lost_answers"] == 0
    assert result["answers"] > 0
    assert result["reads"] > 0
