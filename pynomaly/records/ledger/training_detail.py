"""What the ledger keeps of a training beside its key and outcome: the one place where it is read and written.

Written by the steps that register a version or refuse a training, read through
:attr:`pynomaly.records.ledger.TrainingRecord.facts`. The keys in the ledger are the names of the fields; a
field that is None is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from pynomaly.errors import RecordError

__all__ = ["RegistrationResult", "TrainedBaseline", "TrainingFacts"]


_NEWER_FIELDS = frozenset(
    [
        "expected_rate_low",
        "expected_rate_high",
        "held_out_alert_rate",
        "anomaly_share",
        "usual_alert_rate",
        "alerts",
    ]
)


@dataclass(frozen=True)
class TrainedBaseline:
    """What later windows of a version are compared with; without a record nothing is known.

    Attributes
    ----------
    value : float or None
        The metric on the judged rows; comparable with live labels only where `rung` is ``labels``.
    rung : str
    expected_alert_rate : float or None
        Share of normal rows that alert by policy.
    probe : mapping or None
        Rank agreement with a refit, and quality on injected anomalies.
    expected_rate_high : float
        Upper end of the 95 % interval of `expected_alert_rate`; 0 where it was not recorded.
    expected_with_anomalies : float
        The same with the anomalies that are usual; 0 where none are, or it was not recorded.
    judged : mapping or None
        The scores that labels judged the version by, as
        :meth:`pynomaly.judging.drift.performance.JudgedScores.to_dict` gives them.
    """

    value: float | None = None
    rung: str = ""
    expected_alert_rate: float | None = None
    probe: Mapping[str, Any] | None = None
    expected_rate_high: float = 0.0
    expected_with_anomalies: float = 0.0
    judged: Mapping[str, Any] | None = None

    @property
    def usual_alert_rate(self) -> float | None:
        """Share of rows that alert in usual operation, usual anomalies included; None if unknown."""
        if self.expected_alert_rate is None:
            return None
        return max(self.expected_alert_rate, self.expected_with_anomalies)


@dataclass(frozen=True)
class RegistrationResult:
    """The version that a training registered, with the values that later windows are compared with.

    Attributes
    ----------
    value : float or None
        The metric on the judged rows; comparable with live labels only where `rung` is ``labels``.
    expected_alert_rate : float
        Share of normal rows that alert by policy. In records of earlier editions: of the held-out rows.
    notes : tuple of str
        Warnings that a person should read before trusting the model.
    new : bool
        False when the same training was registered before; always when it is read from the ledger.
    policy : str
        Old and new alert policy, if only the policy changed; else "".
    base : int
        The version whose scores these are, if only the policy changed.
    probe : dict or None
        Rank agreement with a refit, and quality on injected anomalies, on rows that were not fitted;
        windows without labels are compared with it.
    expected_rate_low, expected_rate_high : float or None
        95 % interval of `expected_alert_rate`; None in records of earlier editions.
    held_out_alert_rate : float or None
        Share of the held-out rows that alert, anomalies in them included; injected ones left out.
    anomaly_share : float or None
        Share of the held-out rows that are known anomalies; None without labels.
    usual_alert_rate : float or None
        `expected_alert_rate` with the known anomalies, where most days have some; None where they have not.
    alerts : dict or None
        The settings that made its alert policy; None in records of earlier editions.
    """

    pipeline: str
    key: str
    version: int
    run_id: str
    parent_run_id: str
    sha256: str
    detector: str
    metric: str
    value: float | None
    rung: str
    expected_alert_rate: float
    recalibrated: bool
    notes: tuple[str, ...]
    new: bool
    policy: str = ""
    base: int = 0
    probe: dict[str, Any] | None = None
    expected_rate_low: float | None = None
    expected_rate_high: float | None = None
    held_out_alert_rate: float | None = None
    anomaly_share: float | None = None
    usual_alert_rate: float | None = None
    alerts: dict[str, Any] | None = None

    @property
    def baseline(self) -> TrainedBaseline:
        """What later windows of the version are compared with."""
        high = self.expected_rate_high or 0.0
        return TrainedBaseline(
            value=self.value,
            rung=self.rung,
            expected_alert_rate=self.expected_alert_rate,
            probe=self.probe,
            expected_rate_high=high,
            expected_with_anomalies=self.usual_alert_rate or 0.0,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and artifacts; what earlier editions did not record is left out."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None or name not in _NEWER_FIELDS
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RegistrationResult:
        """Read what :meth:`to_dict` wrote; keys of other editions are left out.

        Raises
        ------
        RecordError
            If a value that every registration has is missing.
        """
        known_fields = {item.name: item for item in fields(cls)}
        content = {**content, "new": False}
        missing = [
            name for name, item in known_fields.items() if item.default is MISSING and name not in content
        ]
        if missing:
            raise RecordError(f"the record of a registered version lacks {', '.join(missing)}")
        values = {name: value for name, value in content.items() if name in known_fields}
        return cls(**values | {"notes": tuple(values["notes"])})


@dataclass(frozen=True)
class TrainingFacts:
    """What is known of one training.

    Attributes
    ----------
    registered : RegistrationResult or None
        The registered version; None if none was.
    window : str or None
        Key of the reference window, or ``all``.
    asked : str or None
        Content key of the request: the same request is not repeated.
    policy : str or None
        Old and new alert policy, if only the policy changed.
    reasons : tuple of str or None
        Why no candidate could be used.
    judged : mapping or None
        The scores that labels judged the registered version by, see :class:`TrainedBaseline`.
    """

    registered: RegistrationResult | None = None
    window: str | None = None
    asked: str | None = None
    policy: str | None = None
    reasons: tuple[str, ...] | None = None
    judged: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values as the ledger keeps them, without the fields that are None."""
        content = asdict(self) | {"registered": self.registered.to_dict() if self.registered else None}
        return {name: value for name, value in content.items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrainingFacts:
        """Read what :meth:`to_dict` wrote; keys of other editions are left out."""
        registered, reasons = content.get("registered"), content.get("reasons")
        return cls(
            registered=RegistrationResult.from_dict(registered) if registered else None,
            window=content.get("window"),
            asked=content.get("asked"),
            policy=content.get("policy"),
            reasons=tuple(reasons) if reasons is not None else None,
            judged=content.get("judged"),
        )
