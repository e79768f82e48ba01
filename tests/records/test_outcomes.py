"""The list of all outcomes of decisions: each is written by something and shown by something.

A new kind, outcome, evidence class or place that writes a decision fails here until the list knows it.
"""

from __future__ import annotations

import ast
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from pynomaly.data.quality import QualityReport
from pynomaly.errors import RecordError
from pynomaly.judging.comparison.promotion_rules import PendingState, PromotionRuling
from pynomaly.judging.comparison.verdict import VerdictOutcome
from pynomaly.judging.drift.bake_verdict import BakeVerdict
from pynomaly.judging.drift.degradation import State
from pynomaly.judging.drift.retraining import Remedy
from pynomaly.judging.retention import OUTCOMES_WITHOUT_FINDING
from pynomaly.records.ledger import DECISION_KINDS, DECISION_OUTCOMES, Decision, Ledger, decision_evidence
from pynomaly.records.ledger.evidence_base import DecisionEvidence
from pynomaly.steps.notices.send import classify_decision
from pynomaly.steps.reporting.timeline import describe_decision

ROOT = Path(__file__).parents[2]
STEPS = ROOT / "pynomaly" / "steps"
LEDGER = "../records/ledger/ledger.py"
MOMENT = datetime(2026, 1, 5, tzinfo=UTC)
CLASSES = {name: getattr(decision_evidence, name) for name in decision_evidence.__all__}

WRITERS = {
    LEDGER: {"lease"},
    "account.py": {"account"},
    "champion.py": {"promote", "refuse"},
    "monitoring/drill.py": {"drill"},
    "monitoring/late_labels.py": {"degradation"},
    "monitoring/monitor_window.py": {"degradation", "quality"},
    "operations/prune.py": {"prune"},
    "operations/reconcile.py": {"silence", "train"},
    "promotion/apply_policy.py": {"policy"},
    "promotion/approvers.py": {"approval"},
    "promotion/approve.py": {"promote", "refuse", "reject", "expired"},
    "promotion/bake.py": {"bake"},
    "promotion/promote.py": {"promote", "pending", "refuse", "rollback"},
    "scoring/score_windows.py": {"quality", "score"},
    "training/compare_models.py": {"refuse"},
    "training/planning.py": {"retrain"},
    "training/prepare.py": {"quality"},
    "training/register.py": {"register"},
    "training/tuning_run.py": {"search"},
}
"""Modules of the steps that make decisions, and the ledger, with the kinds that they write."""

RULES = ("promotion_rules.py", "past_incidents.py", "verdict.py", "bake_verdict.py", "degradation.py",
         "retraining.py")  # fmt: skip
"""Modules of judging whose results become outcomes."""

READERS = {
    "account": "steps/notices/send.py",
    "approval": "steps/promotion/approvers.py",
    "bake": "steps/promotion/bake.py",
    "degradation": "steps/reporting/overview.py",
    "drill": "steps/notices/send.py",
    "expired": "steps/champion.py",
    "pending": "steps/champion.py",
    "policy": "steps/reporting/reports.py",
    "promote": "steps/reporting/overview.py",
    "prune": "steps/operations/prune.py",
    "quality": "steps/notices/send.py",
    "refuse": "steps/rejections.py",
    "register": "steps/reporting/reports.py",
    "reject": "steps/rejections.py",
    "retrain": "steps/reporting/overview.py",
    "rollback": "steps/champion.py",
    "silence": "steps/operations/reconcile.py",
}
"""A module that asks for this kind; the others stand in the history, where a person asks for them."""

ONLY_IN_HISTORY = {"lease", "score", "search", "train"}


def spell_name(outcome: str) -> str:
    return outcome.replace("*", "hbos")


def iter_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node


def collect_texts(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_exactly_these_modules_make_decisions() -> None:
    makers = {
        path.relative_to(STEPS).as_posix()
        for path in STEPS.rglob("*.py")
        if any(call.func.id == "Decision" for call in iter_calls(path))  # type: ignore[attr-defined]
    }
    assert makers == set(WRITERS) - {LEDGER}
    assert set().union(*WRITERS.values()) == set(DECISION_KINDS)


@pytest.mark.parametrize("module", WRITERS)
def test_a_module_writes_typed_evidence_of_its_kinds(module: str) -> None:
    calls = list(iter_calls(STEPS / module))
    for call in calls:
        if call.func.id != "Decision":  # type: ignore[attr-defined]
            continue
        evidence = next(word.value for word in call.keywords if word.arg == "evidence")
        assert not isinstance(evidence, ast.Dict | ast.BinOp), f"{module}: plain evidence"
    made = {call.func.id for call in calls} | {  # type: ignore[attr-defined]
        node.value.id
        for node in ast.walk(ast.parse((STEPS / module).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    kinds = {kind for name in made & set(CLASSES) for kind in CLASSES[name].kinds}
    assert WRITERS[module] <= kinds


def test_every_class_of_evidence_is_made_somewhere() -> None:
    made = {call.func.id for module in WRITERS for call in iter_calls(STEPS / module)}  # type: ignore[attr-defined]
    assert set(CLASSES) <= made
    assert {kind for item in CLASSES.values() for kind in item.kinds} == set(DECISION_KINDS)


@pytest.mark.parametrize(
    ("kind", "outcome"), [(kind, item) for kind in DECISION_KINDS for item in DECISION_OUTCOMES[kind]]
)
def test_an_outcome_is_written_and_shown(kind: str, outcome: str) -> None:
    writers = [STEPS / module for module, kinds in WRITERS.items() if kind in kinds]
    rules = [path for path in (ROOT / "pynomaly" / "judging").rglob("*.py") if path.name in RULES]
    quality = ROOT / "pynomaly" / "data" / "quality.py"
    texts = set().union(*(collect_texts(path) for path in [*writers, *rules, quality]))
    if not outcome.startswith("*"):
        assert outcome.removesuffix("*") in texts, "nothing writes it"
    decision = Decision("k", "p", kind, "p v1", spell_name(outcome), ("why",), {"version": 1}, MOMENT)
    assert describe_decision(decision)["outcome"] == spell_name(outcome)
    assert classify_decision(decision) is None or kind in READERS


def test_every_kind_is_read_or_stands_in_the_history() -> None:
    assert set(READERS) | ONLY_IN_HISTORY == set(DECISION_KINDS)
    for kind, module in READERS.items():
        assert kind in collect_texts(ROOT / "pynomaly" / module), f"{module} does not read {kind}"


def test_the_lists_are_those_of_the_rules() -> None:
    verdicts = {str(item) for item in VerdictOutcome}
    assert set(DECISION_OUTCOMES["degradation"]) == set(get_args(State))
    assert set(DECISION_OUTCOMES["retrain"]) == set(get_args(Remedy))
    assert set(DECISION_OUTCOMES["quality"]) == set(get_args(get_type_hints(QualityReport)["outcome"]))
    assert set(DECISION_OUTCOMES["bake"]) == {*get_args(get_type_hints(BakeVerdict)["outcome"]), "stuck"}
    states = set(get_args(get_type_hints(PendingState)["state"])) - {"open"}
    assert states == {*DECISION_OUTCOMES["expired"], "stale"}
    assert verdicts <= set(DECISION_OUTCOMES["refuse"])
    for kind in get_args(get_type_hints(PromotionRuling)["kind"]):
        # A worse version is never promoted, and nobody is asked about one.
        assert verdicts & set(DECISION_OUTCOMES[kind]) >= verdicts - {"inferior"}
    for kind, outcomes in OUTCOMES_WITHOUT_FINDING.items():
        assert outcomes <= set(DECISION_OUTCOMES[kind])


def test_another_kind_or_an_unknown_outcome_is_refused() -> None:
    evidence = decision_evidence.RescoreEvidence(1, "h")
    assert Decision("k", "p", "score", "w", "again", ("why",), evidence, MOMENT).evidence == dict(evidence)
    with pytest.raises(RecordError, match="'search' with RescoreEvidence, which belongs to score"):
        Decision("k", "p", "search", "w", "again", ("why",), evidence, MOMENT)
    with pytest.raises(RecordError, match=r"unknown outcome 'agian' of a decision 'score'.*again"):
        Decision("k", "p", "score", "w", "agian", ("why",), evidence, MOMENT)


def test_missing_evidence_names_its_key() -> None:
    decision = Decision("k", "p", "bake", "w", "ok", ("why",), {"version": 1}, MOMENT)
    with pytest.raises(RecordError, match="'bake' about 'w' lacks 'promotion'"):
        decision_evidence.BakeEvidence.of(decision)


def test_evidence_that_an_older_edition_did_not_write_is_empty() -> None:
    old = {"version": 2, "expires": "2026-01-06T00:00:00+00:00"}
    pending = Decision("k", "p", "pending", "p v2", "superior", ("why",), old, MOMENT)
    evidence = decision_evidence.PendingEvidence.of(pending)
    assert (evidence.version, evidence.replaces, evidence.gate, evidence.diff) == (2, None, {}, None)
    assert evidence.expires_at == datetime(2026, 1, 6, tzinfo=UTC)


def test_decisions_of_the_first_edition_have_the_keys_of_today(tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests" / "golden" / "first_edition.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    with Ledger.open(f"sqlite:///{tmp_path}/.pynomaly/ledger.db") as ledger:
        decisions = ledger.list_decisions("machines")
    assert decisions
    for item in decisions:
        fitting = [entry for entry in CLASSES.values() if item.kind in entry.kinds]
        assert any(reads_all(entry, item) for entry in fitting), (item.kind, item.outcome)


def reads_all(entry: type[DecisionEvidence], decision: Decision) -> bool:
    """Whether the class reads this evidence and would write it again alike."""
    try:
        return dict(entry.of(decision)) == dict(decision.evidence)
    except RecordError:
        return False
