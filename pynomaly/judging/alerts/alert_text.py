"""An alert in words, for messages and the command line."""

from __future__ import annotations

from textwrap import wrap

from pynomaly.judging.alerts.alert import Alert

__all__ = ["describe_alert"]


def describe_alert(alert: Alert) -> list[str]:
    """Return an alert as lines of at most 80 columns, for messages and the command line."""
    edges = [f"{item:%Y-%m-%d %H:%M}" for item in (alert.first, alert.last) if item]
    lines = [f"alert {alert.alert}, {alert.state}: {alert.severity}, {alert.category}, {alert.rows} rows"]
    if edges:
        lines.append(f"from {edges[0]} to {edges[-1]} UTC, rarest {alert.rarity}, p {alert.p_value:.2g}")
    for item in alert.carriers:
        actual, expected = _format_value(item.actual), _format_value(item.expected)
        lines.append(f"- {item.feature}: {actual}, expected {expected} ({item.share:.0%})")
        lines += wrap(item.past, 80, initial_indent="  ", subsequent_indent="  ")
    lines += [f"- {reason}" for reason in alert.reasons]
    for other in alert.alike:
        how = other["ending"] or "not answered"
        lines.append(f"- like {other['alert']} of {str(other['first'] or '')[:10]}: {how}")
    if alert.quiet:
        lines.append(f"nobody was told: {alert.quiet}")
    return lines


def _format_value(value: float | str | None) -> str:
    return "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else value
