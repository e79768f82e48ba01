"""The benchmark of brokers counts every message, through the broker that needs no server."""

from __future__ import annotations

from benchmarks.brokers import main
from pynomaly.data.brokers import memory


def test_the_quick_form_prints_a_row_for_each_kind(capsys):
    try:
        assert main(["--quick", "--kinds", "memory"]) == 0
    finally:
        memory.drop_topics()
    assert "| memory | " in capsys.readouterr().out
