"""Each command that runs a flow names a module and a flow that exist; read from sources, nothing starts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def collect_flow_calls() -> list[tuple[str, ast.expr]]:
    """Returns module and flow of every ``run_flow(module, flow, ...)`` of the command line."""
    calls = []
    for file in sorted((ROOT / "flows" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_flow":
                module, flow = node.args[:2]
                assert isinstance(module, ast.Constant), ast.unparse(node)
                calls.append((str(module.value), flow))
    return calls


def test_commands_run_flows() -> None:
    assert {module for module, _ in collect_flow_calls()} >= {"training", "scoring", "monitoring"}


@pytest.mark.parametrize(
    ("module", "flow"), collect_flow_calls(), ids=lambda item: getattr(item, "value", item)
)
def test_the_flow_of_a_command_exists(module: str, flow: ast.expr) -> None:
    file = ROOT / "flows" / f"{module}.py"
    assert file.is_file()
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    flows = {item.name for item in functions if any("flow" in ast.unparse(d) for d in item.decorator_list)}
    assert flows
    if isinstance(flow, ast.Constant):
        assert flow.value in flows
