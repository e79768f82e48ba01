"""Another alert policy: a version of its own, every score the champion's, the same gate, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, ModelError, NoChampionError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.records.ledger import Ledger, RegistrationResult
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import monitor_window
from pynomaly.steps.promotion.apply_policy import apply_policy
from pynomaly.steps.promotion.promote import promote, rollback
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]


def with_alerts(settings: Pipeline, **alerts: object) -> Pipeline:
    return settings.model_copy(update={"alerts": settings.alerts.model_copy(update=alerts)})


def with_mode(settings: Pipeline, mode: str) -> Pipeline:
    return settings.model_copy(update={"promotion": settings.promotion.model_copy(update={"mode": mode})})


@pytest.fixture
def trained(pipeline: Make) -> tuple[Pipeline, Registry, RegistrationResult]:
    """v1 is champion, alerting on one normal row in a hundred."""
    settings = pipeline()
    registered, _ = start_with_champion(settings)
    return settings, Registry.open(settings.tracking_uri, settings.home), registered


@pytest.mark.slow
def test_a_policy_is_applied_once_and_no_score_changes(
    trained: tuple[Pipeline, Registry, RegistrationResult],
) -> None:
    settings, registry, first = trained
    champion = registry.load_bundle(registry.resolve_alias("machines", "champion"))
    wide = with_alerts(settings, quantile=0.2)
    applied = apply_policy(wide, MOMENT, "more to look at")
    assert (applied.version, applied.new) == (2, True)
    assert applied.policy.kind == "policy"
    assert "quantile (p <= 0.01) -> quantile (p <= 0.2)" in applied.policy.reasons[0]
    assert applied.decision is not None
    assert (applied.decision.kind, applied.decision.outcome) == ("promote", "policy")
    assert registry.list_aliases("machines") | {"previous": 1} == registry.list_aliases("machines")
    made = registry.load_bundle(registry.resolve_alias("machines", "champion"))
    assert made.policy.threshold == 0.2
    assert made.raw_scores(made.golden).tolist() == champion.raw_scores(champion.golden).tolist()
    with Ledger.open(settings.ledger_url) as ledger:
        kept = next(item for item in ledger.list_trainings("machines") if item.version == 2)
    expected = kept.baseline.expected_alert_rate
    assert expected > first.expected_alert_rate
    assert f"{first.expected_alert_rate:.4f} -> {expected:.4f}" in applied.policy.reasons[1]

    again = apply_policy(wide, MOMENT + timedelta(hours=1), "again")
    assert (again.version, again.new, again.decision) == (2, False, None)
    assert "has this policy already" in again.policy.reasons[0]
    assert len(registry.list_versions("machines")) == 2


@pytest.mark.slow
def test_monitoring_expects_what_the_policy_gives(
    trained: tuple[Pipeline, Registry, RegistrationResult],
) -> None:
    settings, _, _ = trained
    window, end = Window(MOMENT, MOMENT + timedelta(days=7)), MOMENT + timedelta(days=7)
    apply_policy(with_alerts(settings, quantile=0.3), MOMENT, "wide")
    verdict = monitor_window(settings, window, end)
    assert verdict.version == 2
    assert verdict.observation.alert_rate == pytest.approx(verdict.observation.expected_rate, rel=0.25)
    assert verdict.degradation.state == "normal"
    assert verdict.report, verdict.report_error


@pytest.mark.slow
def test_the_way_back_is_a_rollback_and_another_change_is_another_version(
    trained: tuple[Pipeline, Registry, RegistrationResult],
) -> None:
    settings, registry, _ = trained
    wide = with_alerts(settings, quantile=0.2)
    apply_policy(wide, MOMENT, "wide")
    rollback(settings, MOMENT, "too many")
    assert registry.list_aliases("machines")["champion"] == 1
    back = apply_policy(wide, MOMENT, "after all")
    assert (back.version, back.new) == (2, False)
    assert registry.list_aliases("machines")["champion"] == 2
    third = apply_policy(with_alerts(settings, policy="budget", per_day=5), MOMENT, "a budget")
    assert third.version == 3
    assert third.decision is not None
    assert third.decision.kind == "promote"


@pytest.mark.slow
def test_mode_never_leaves_the_alias_to_a_person_and_a_policy_is_no_training(
    trained: tuple[Pipeline, Registry, RegistrationResult],
) -> None:
    settings, registry, _ = trained
    at = MOMENT + timedelta(days=6, hours=23)
    careful = with_mode(with_alerts(settings, quantile=0.2), "never")
    for _ in range(2):
        applied = apply_policy(careful, at, "wide")
        assert applied.decision is not None
        assert applied.decision.kind == "refuse"
        assert "a person sets the alias" in applied.decision.reasons[0]
    assert registry.list_aliases("machines") == {"champion": 1, "challenger": 2}
    assert len(registry.list_versions("machines")) == 2
    # It neither starts a cool-down nor counts among rejected challengers.
    reasons = " ".join(plan(settings, MOMENT + timedelta(days=7), "event", "drift").decision.reasons)
    assert "cool-down" not in reasons
    assert "rejected" not in reasons
    # And what was left waits no longer than the champion whose scores it has.
    apply_policy(with_alerts(settings, quantile=0.3), at, "wider")
    with Ledger.open(settings.ledger_url) as ledger:
        waiting = next(item for item in ledger.list_trainings("machines") if item.version == 2)
    decision = promote(settings, waiting.registered, None, at)
    assert decision.kind == "refuse"
    assert "those of v1, and v3 is champion now" in decision.reasons[0]


def test_the_gate_holds_and_rates_without_kept_rows_say_what_they_rest_on(
    trained: tuple[Pipeline, Registry, RegistrationResult],
) -> None:
    settings, registry, _ = trained
    for path in (Path(settings.store_root) / "machines" / "held_out").iterdir():
        path.unlink()
    slow = settings.model_copy(
        update={"promotion": settings.promotion.model_copy(update={"max_latency_ms": 1e-6})}
    )
    applied = apply_policy(with_alerts(slow, quantile=0.2), MOMENT, "wide")
    assert applied.decision is not None
    assert applied.decision.kind == "refuse"
    assert registry.list_aliases("machines")["champion"] == 1
    assert "no held-out rows were kept for v1" in applied.policy.reasons[1]


def test_scores_that_would_change_register_nothing(
    trained: tuple[Pipeline, Registry, RegistrationResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, registry, _ = trained
    as_it_was = Bundle.with_policy

    def retrained(self: Bundle, policy: AlertPolicy) -> Bundle:
        state = self.features.to_dict()
        state["columns"][0]["center"] += 1.0
        return replace(as_it_was(self, policy), features=type(self.features).from_dict(state))

    monkeypatch.setattr(Bundle, "with_policy", retrained)
    with pytest.raises(ModelError, match="scores its golden rows otherwise"):
        apply_policy(with_alerts(settings, quantile=0.2), MOMENT, "wide")
    assert len(registry.list_versions("machines")) == 1


def test_what_cannot_be_applied_is_refused_with_nothing_done(pipeline: Make) -> None:
    settings = pipeline()
    with pytest.raises(NoChampionError):
        apply_policy(settings, MOMENT, "early")
    learn(settings, plan(settings))
    with pytest.raises(ConfigError, match=r"alerts\.per_day"):
        apply_policy(with_alerts(settings, policy="budget", per_day=5000), MOMENT, "too much")
    assert len(Registry.open(settings.tracking_uri, settings.home).list_versions("machines")) == 1
