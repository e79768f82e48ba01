"""Baking: the first windows after a promotion are also scored by the previous champion; a breach rolls back.

Called by :mod:`~pynomaly.steps.scoring.score_windows` and :mod:`~pynomaly.steps.monitoring.monitor_window`
with rows the champion has just scored. Both versions are judged by the same rule, each row alone, and
compared by blocks of dependent rows; what earlier windows of the same promotion showed is carried on. The
cost is one more scoring of these rows, and nothing once the promotion is baked. A version is rolled back
automatically only once: if a person promotes it again, that decision stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import hash_frame
from pynomaly.errors import PynomalyError
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.account.guarantees import Guarantee, judge_bake_bets
from pynomaly.judging.drift.bake_verdict import BakeVerdict, judge_bake
from pynomaly.judging.drift.paired_blocks import PairedBlocks
from pynomaly.model.bundle import Bundle
from pynomaly.model.latency import measure_latency_ms
from pynomaly.model.window_alerts import flag_single_rows
from pynomaly.records.ledger import Decision, Ledger, TrainedBaseline, parse_window_key
from pynomaly.records.ledger.decision_evidence import BakeEvidence
from pynomaly.records.registry import ModelRef
from pynomaly.steps.account import open_account
from pynomaly.steps.champion import find_last_change
from pynomaly.steps.promotion.paired_versions import bet_on_versions, observe_version, pair_versions
from pynomaly.steps.promotion.promote import rollback
from pynomaly.steps.window_run import WindowRun, use_window_run

__all__ = ["BakingPromotion", "find_baking_promotion", "judge_baking_window"]

LATENCY_BATCHES = 3


@dataclass(frozen=True)
class BakingPromotion:
    """A promotion that is still being watched.

    Attributes
    ----------
    promotion : Decision
    replaces : int
        The champion before it.
    passed_windows : tuple of str
        Windows that passed so far.
    windows : int
        Number of windows that must pass before the promotion is final.
    """

    promotion: Decision
    replaces: int
    passed_windows: tuple[str, ...]
    windows: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for ``status``."""
        left = self.windows - len(self.passed_windows)
        return {
            "version": self.promotion.version,
            "against": self.replaces,
            "seen": len(self.passed_windows),
            "windows": self.windows,
            "until": f"{left} more window{'s' if left > 1 else ''} with rows enough were seen",
        }


def find_baking_promotion(pipeline: Pipeline, ledger: Ledger) -> BakingPromotion | None:
    """Return the promotion that is baking, or None.

    None if it is baked or was rolled back, if the last change is a rollback, or if there is no previous
    champion.
    """
    change = find_last_change(ledger, pipeline.name)
    if change is None or change.kind != "promote" or change.replaces is None:
        return None
    version = change.version
    if any(
        item.actor == "bake" and item.replaces == version
        for item in ledger.list_decisions(pipeline.name, "rollback")
    ):
        return None
    passed_windows = tuple(
        item.subject
        for item in ledger.list_decisions(pipeline.name, "bake", outcome="ok")
        if BakeEvidence.of(item).promotion == change.seq
    )
    windows = pipeline.promotion.bake
    baking = BakingPromotion(change, change.replaces, passed_windows, windows)
    return baking if len(passed_windows) < windows else None


def judge_baking_window(
    pipeline: Pipeline,
    champion: ModelRef,
    bundle: Bundle,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    run: WindowRun | None = None,
) -> str:
    """Judge the champion's newest promotion on one window, and roll it back on a breach.

    Parameters
    ----------
    champion : ModelRef
    bundle : Bundle
        The champion's bundle.
    key : str
        The window's key, or ``all``.
    frame : DataFrame of shape (n, >= d)
        The window's validated rows.
    scored : DataFrame of shape (n, >= 2)
        ``score`` and ``is_anomaly`` of the same rows under the champion.
    run : WindowRun, optional
        Open records and bundles of the caller's run.

    Returns
    -------
    str
        ``ok``, ``insufficient_data``, ``breach`` (the previous champion is back), ``stuck`` (a breach, and
        the previous champion may not serve), or "" if no promotion bakes or the window was already judged.
    """
    with use_window_run(pipeline, run) as records:
        ledger = records.ledger
        baking = find_baking_promotion(pipeline, ledger)
        if baking is None or baking.promotion.version != champion.version:
            return ""
        edges = parse_window_key(key)
        if edges is not None and edges[1] <= baking.promotion.as_of:
            return ""  # rows from before the promotion say nothing about it
        entry_key = key if edges is not None else f"{key}:{hash_frame(frame)[:16]}"
        decision_key = f"bake:{pipeline.name}:{baking.promotion.seq}:{entry_key}"
        if ledger.find_decision(decision_key) is not None:
            return ""
        previous = records.registry.find_version(pipeline.name, baking.replaces)
        previous_bundle = records.load_bundle(previous)
        baselines = _read_baselines(ledger, pipeline.name)
        tables = (_judge_rows_alone(bundle, frame, scored), previous_bundle.score(frame))
        new, old = (
            replace(
                observe_version(
                    pipeline, version, model, key, frame, table, baselines.get(version, TrainedBaseline())
                ),
                latency_ms=_measure_latency_ms(model, frame),
            )
            for version, model, table in (
                (champion.version, bundle, tables[0]),
                (previous.version, previous_bundle, tables[1]),
            )
        )
        moment = edges[1] if edges else baking.promotion.as_of
        account = open_account(pipeline, ledger, champion.version, moment)
        window_sums = pair_versions(bundle, previous_bundle, frame, tables, edges)
        rates = (new.expected_rate, old.expected_rate)
        paired = sum(_read_paired_sums(ledger, pipeline.name, baking, edges), window_sums)
        alpha = account.shares["bake"]
        bundles = (bundle, previous_bundle)

        def judge(bets: UnitBets) -> BakeVerdict:
            return judge_bake(new, old, paired, pipeline, alpha, bets.stake.largest)

        def bet(state: Mapping[str, Any]) -> tuple[Guarantee, Mapping[str, Any]]:
            bets = bet_on_versions(pipeline, bundles, frame, tables, rates, UnitBets.from_dict(state))
            return _judge_guarantee(bundles, bets, alpha, judge(bets)), bets.to_dict()

        entry = account.bet_on_window("bake", entry_key, bet, moment)
        bake_result = judge(UnitBets.from_dict(entry.content["bets"]))
        outcome, reasons = _roll_back_on_breach(pipeline, champion.version, key, bake_result, moment)
        ledger.record_decision(
            Decision(
                key=decision_key,
                pipeline=pipeline.name,
                kind="bake",
                subject=key,
                outcome=outcome,
                reasons=reasons,
                evidence=BakeEvidence(
                    champion.version,
                    baking.promotion.seq,
                    new=new.to_dict(),
                    old=old.to_dict(),
                    paired=window_sums.to_dict(),
                ),
                as_of=moment,
            )
        )
        return outcome


def _judge_guarantee(
    bundles: tuple[Bundle, Bundle], bets: UnitBets, alpha: float, bake_result: BakeVerdict
) -> Guarantee:
    breaches = bake_result.reasons if bake_result.outcome == "breach" else ()
    lacking = "; ".join(bake_result.reasons) if bake_result.outcome == "insufficient_data" else ""
    if bundles[0].contract.time is not None:
        lacking = lacking or bundles[0].dependence.widen(bundles[1].dependence).explain_unknown()
    return judge_bake_bets(bets.stake, alpha, breaches, lacking)


def _judge_rows_alone(bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Return `scored` with each row judged alone; a caller may have judged the window's rows together."""
    return scored.assign(is_anomaly=flag_single_rows(bundle, frame, scored["p_value"].to_numpy()))


def _read_paired_sums(
    ledger: Ledger, pipeline: str, baking: BakingPromotion, edges: tuple[datetime, datetime] | None
) -> list[PairedBlocks]:
    """Return the sums of the promotion's earlier windows that share no time with this one or each other."""
    sums: list[PairedBlocks] = []
    taken = [edges] if edges else []
    for item in ledger.list_decisions(pipeline, "bake"):
        evidence, own = BakeEvidence.of(item), parse_window_key(item.subject)
        if evidence.promotion != baking.promotion.seq or own is None:
            continue
        if all(own[1] <= other[0] or other[1] <= own[0] for other in taken):
            taken.append(own)
            sums.append(PairedBlocks.from_dict(evidence.paired or {}))
    return sums


def _roll_back_on_breach(
    pipeline: Pipeline, version: int, key: str, bake_result: BakeVerdict, moment: datetime
) -> tuple[str, tuple[str, ...]]:
    """Roll the promotion back on a breach; a failure is reported, not raised, because scoring must go on."""
    if bake_result.outcome != "breach":
        return bake_result.outcome, bake_result.reasons
    reason = f"while it baked, in window {key}: {'; '.join(bake_result.reasons)}"
    try:
        rollback(pipeline, moment, reason, actor="bake", only=version)
    except PynomalyError as error:
        return "stuck", (*bake_result.reasons, f"it could not be rolled back: {error}")
    return "breach", bake_result.reasons


def _read_baselines(ledger: Ledger, pipeline: str) -> dict[int, TrainedBaseline]:
    """Return what each version expected when it was trained."""
    return {
        item.version: item.baseline for item in ledger.list_trainings(pipeline) if item.version is not None
    }


def _measure_latency_ms(bundle: Bundle, frame: pd.DataFrame) -> float:
    """Return the milliseconds that scoring one row takes."""
    row = frame.iloc[[0]]
    return measure_latency_ms(lambda: bundle.score(row), LATENCY_BATCHES)
