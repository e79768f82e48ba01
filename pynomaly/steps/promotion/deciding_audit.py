"""Audits that decide between champion and challenger: drawn where the two disagree, answered by people.

The pair, the rows, their chances, both models' scores and the rule that decides are on record before the
first answer; the answers may be looked at after each one. Only an audit drawn for the pair promotes: one
drawn for the alerts alone says how good these are, and whoever may choose the challenger after the answers
finds one that they like. Called by the command line and by the flow ``decide_audit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources import WindowReader
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, NoChampionError, RecordError, WindowError
from pynomaly.judging.alerts.audit_draw import draw_deciding_rows
from pynomaly.judging.alerts.audited import AuditedComparison, compare_by_audit
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Decision, Partition, parse_window_key
from pynomaly.records.ledger.decision_evidence import RegisterEvidence
from pynomaly.records.registry import ModelRef
from pynomaly.steps.alerting.audit_answers import AnsweredAudit, find_audit, judge_audit
from pynomaly.steps.alerting.audit_sample import ScoredParts, check_draw, draw_seed, record_draw
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.promotion.audit_rule import AuditRule
from pynomaly.steps.promotion.promote import promote
from pynomaly.steps.rejections import count_attempts

__all__ = ["decide_by_audit", "draw_deciding_audit", "report_audit"]


@dataclass(frozen=True)
class AuditPair:
    """The two models of an audit, loaded."""

    champion: ModelRef
    challenger: ModelRef
    bundles: tuple[Bundle, Bundle]

    @property
    def held_from(self) -> datetime | None:
        """Moment from which on no row was learned by either; None if a bundle does not say."""
        texts = [str(bundle.facts.get("held_from") or "") for bundle in self.bundles]
        return max(map(datetime.fromisoformat, texts)) if all(texts) else None


def draw_deciding_audit(
    pipeline: Pipeline,
    rows: int,
    last: timedelta,
    output: Path,
    author: str,
    challenger: int | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """Draw the rows that decide most between champion and challenger, and write a CSV table to label.

    Both models score the windows of the newest `last` of which neither has learned a row; windows whose rows
    changed since they were scored are left out.

    Parameters
    ----------
    pipeline : Pipeline
    rows : int
        At least 4. The table is answered from the top; the rest of it is not needed once it is decided.
    last : timedelta
    output : Path
    author : str
    challenger : int, optional
        Its version; without one, the version with the alias ``challenger``.
    seed : int, optional

    Raises
    ------
    ConfigError
        If `rows` or `output` is not allowed, the pipeline has no time, or both are one version.
    RecordError
        If there is no challenger, or no scored window that neither has learned from.
    """
    check_draw(rows, output)
    if pipeline.data.time is None:
        raise ConfigError(
            f"{pipeline.name} has no time column (data.time): which of its rows the models have learned is "
            "not known, and rows that were learned decide nothing"
        )
    with PipelineRecords.open(pipeline) as records:
        pair = _load_pair(records, challenger)
        scored, both = _score_pair(records, pair, last)
        used_seed = draw_seed() if seed is None else seed
        alerts = [both[side]["is_anomaly"].to_numpy() for side in (0, 1)]
        smaller = np.minimum(*(both[side]["p_value"].to_numpy() for side in (0, 1)))
        draw = draw_deciding_rows(smaller, alerts[0], alerts[1], rows, used_seed)
        scores = [both[side]["score"].to_numpy()[draw.places] for side in (0, 1)]
        ledger = records.ledger
        audits = records.answers.list_audits(pipeline.name)
        moment = scored.parts[-1].end
        assert moment is not None, "windows of a table with time have an end"
        rule = AuditRule.of_settings(
            pipeline,
            pair.bundles[1].policy.threshold,
            used_seed,
            _count_candidates(records, pair.challenger.version, scored),
            count_attempts(ledger.list_decisions(pipeline.name), audits, moment),
        )
        against = {"champion": pair.champion.version, "challenger": pair.challenger.version}
        content = {"against": against, **rule.to_record()}
        return record_draw(
            records,
            scored,
            draw,
            [
                {"champion": float(first), "challenger": float(second)}
                for first, second in zip(*scores, strict=True)
            ],
            pair.bundles[0].dependence.widen(pair.bundles[1].dependence),
            content,
            output,
            author,
        )


def report_audit(pipeline: Pipeline, name: str = "") -> dict[str, Any]:
    """Return what the audit called `name`, or the newest, says so far, for people.

    Of an audit that was drawn to decide: both models' figures, the verdict, and how many more answers decide.
    Else the quality of the alerts.

    Raises
    ------
    RecordError
        If there is no such audit.
    """
    answered = find_audit(pipeline, name)
    if answered.against is None:
        return judge_audit(pipeline, answered)
    rule = AuditRule.of_record(answered.audit.content, pipeline)
    comparison = _compare(pipeline, answered, rule).to_dict()
    return {**answered.describe(pipeline.name), **comparison, "notes": list(rule.notes)}


def decide_by_audit(pipeline: Pipeline, as_of: datetime, name: str = "", actor: str = "audit") -> Decision:
    """Take the verdict of a decided audit to the gate: promotes, waits for approval or refuses, on record.

    Raises
    ------
    RecordError
        If there is no such audit, it was drawn for no challenger, or its answers decide nothing yet: nothing
        is recorded then.
    """
    answered = find_audit(pipeline, name)
    if answered.against is None:
        raise RecordError(
            f"audit {answered.name} was drawn for the alerts, not for a challenger: it promotes nothing; "
            "draw one with --to-decide"
        )
    rule = AuditRule.of_record(answered.audit.content, pipeline)
    comparison = _compare(pipeline, answered, rule)
    if comparison.more_answers != 0:
        raise RecordError(
            f"audit {answered.name} decides nothing yet: {comparison.forecast} "
            f"({'; '.join(comparison.verdict.reasons)})"
        )
    version = int(answered.against["challenger"])
    with PipelineRecords.open(pipeline) as records:
        training = records.ledger.find_version_training(pipeline.name, version)
    if training is None or training.registered is None:
        raise RecordError(f"{pipeline.name} v{version} was registered by no training: it cannot be promoted")
    facts = {"audit": answered.name, **comparison.to_dict(), "rule": rule.to_record(), "notes": rule.notes}
    facts.pop("verdict")  # it has its own place in the evidence
    return promote(pipeline, training.registered, comparison.verdict, as_of, actor, facts)


def _compare(pipeline: Pipeline, answered: AnsweredAudit, rule: AuditRule) -> AuditedComparison:
    against = answered.against
    assert against is not None, "the audit was drawn for a pair"
    scores = answered.read_numbers("champion"), answered.read_numbers("challenger")
    assert scores[0] is not None, "a draw for a pair keeps the scores of both"
    assert scores[1] is not None, "a draw for a pair keeps the scores of both"
    return compare_by_audit(
        answered.rows,
        (scores[0], scores[1]),
        rule.comparison,
        names=(f"{pipeline.name} v{against['champion']}", f"v{against['challenger']}"),
        operation=rule.operation,
        among=rule.among,
        attempt=rule.attempt,
        seed=rule.seed,
    )


def _load_pair(records: PipelineRecords, challenger: int | None) -> AuditPair:
    name, registry = records.pipeline.name, records.registry
    champion = registry.resolve_alias(name, "champion")
    if challenger is None:
        try:
            other = registry.resolve_alias(name, "challenger")
        except NoChampionError as error:
            raise RecordError(
                f"{name} has no challenger to compare v{champion.version} with: train one, or name a version "
                "with --challenger"
            ) from error
    else:
        other = registry.find_version(name, challenger)
    if other.version == champion.version:
        raise ConfigError(
            f"v{champion.version} is champion, and no challenger of itself: train another, or name a version "
            "with --challenger"
        )
    return AuditPair(champion, other, (registry.load_bundle(champion), registry.load_bundle(other)))


def _score_pair(
    records: PipelineRecords, pair: AuditPair, last: timedelta
) -> tuple[ScoredParts, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the windows to draw from, and the scores of their rows by champion and challenger."""
    pipeline, whole, held_from = records.pipeline, ScoredParts.read(records, last), pair.held_from
    reader = WindowReader(pipeline.data)
    parts: list[Partition] = []
    tables, scored = [], []
    for number, part in enumerate(whole.parts):
        if part.start is None or part.end is None or held_from is None or part.start < held_from:
            continue
        try:
            window = read_checked_window(pipeline, Window(part.start, part.end), reader=reader)
        except WindowError:
            continue
        if window.data_hash != part.data_hash:
            continue
        version = records.registry.find_version(pipeline.name, part.version)
        frame = window.check(records.registry.load_bundle(version).contract).clean
        scored.append([bundle.score_window(frame) for bundle in pair.bundles])
        tables.append(whole.table[whole.table["part"] == number].assign(part=len(parts)))
        parts.append(part)
    if not parts:
        raise RecordError(
            f"{pipeline.name}: no scored window of the newest {last.days} days holds only rows that neither "
            f"v{pair.champion.version} nor v{pair.challenger.version} has learned, unchanged since; score "
            "newer windows first, or give a longer --last"
        )
    first, second = (pd.concat([item[side] for item in scored], ignore_index=True) for side in (0, 1))
    return ScoredParts(parts, pd.concat(tables, ignore_index=True)), (first, second)


def _count_candidates(records: PipelineRecords, version: int, scored: ScoredParts) -> int:
    """Return from how many candidates rows of these windows have chosen the challenger; 1 if none did."""
    ledger, pipeline = records.ledger, records.pipeline.name
    training = ledger.find_version_training(pipeline, version)
    bounds = parse_window_key(training.facts.window or "") if training else None
    starts = [part.start for part in scored.parts if part.start is not None]
    if bounds is not None and min(starts) >= bounds[1]:
        return 1
    for decision in ledger.list_decisions(pipeline, "register"):
        if decision.subject == f"{pipeline} v{version}":
            verdicts = RegisterEvidence.of(decision).verdicts
            is_baseline = not verdicts or verdicts[0]["champion"] == decision.outcome
            return 1 if is_baseline else 1 + len(verdicts)
    return 1
