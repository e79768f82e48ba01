"""The rate of false alerts over a stream: what each window may spend is in the ledger before it is decided.

Called by :mod:`pynomaly.steps.scoring.score_windows`, under the window's lease. A window that is scored
again, also after a process was killed, has the share that it had: the same rows give the same alerts.
"""

from __future__ import annotations

from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_stream import AlertStream, StreamShare, find_period
from pynomaly.records.ledger import AccountEntry, Ledger
from pynomaly.steps.alerting.raise_alerts import read_alerts

__all__ = ["enter_discoveries", "take_share"]

_SHARE, _DISCOVERIES = "fdr share", "fdr"


def take_share(
    pipeline: Pipeline, ledger: Ledger, bundle: Bundle, window: Window | None
) -> StreamShare | None:
    """Return what a window may spend of the rate of false alerts; None where windows are judged alone."""
    stream = AlertStream.of(bundle.policy, pipeline.windows.score)
    if stream is None or window is None:
        return None
    account = _name_account(window.start, bundle)
    entry = ledger.accounts.find_entry(pipeline.name, account, _SHARE, window.key)
    if entry is None:
        for item in ledger.accounts.list_entries(pipeline.name, account, _DISCOVERIES):
            start, end = (datetime.fromisoformat(item.content[name]) for name in ("start", "end"))
            stream.add_window(start, end, item.content["discoveries"])
        alerts = read_alerts(ledger.answers, pipeline.name).values()
        refuted = [item.first for item in alerts if item.ending == "false-alarm" and item.first is not None]
        share = stream.share_level(window.start, bundle.dependence, refuted)
        content = {"level": share.level, "earlier": share.earlier}
        entry = ledger.accounts.add_entry(AccountEntry(pipeline.name, account, _SHARE, window.key, content))
    return StreamShare(entry.content["level"], entry.content["earlier"])


def enter_discoveries(
    pipeline: Pipeline, ledger: Ledger, bundle: Bundle, window: Window, data_hash: str, discoveries: int
) -> None:
    """Enter the discoveries of a window; those of other data of the same window, entered later, count."""
    content = {"start": window.start.isoformat(), "end": window.end.isoformat(), "discoveries": discoveries}
    key = f"{window.key}:{data_hash[:16]}"
    account = _name_account(window.start, bundle)
    ledger.accounts.add_entry(AccountEntry(pipeline.name, account, _DISCOVERIES, key, content))


def _name_account(start: datetime, bundle: Bundle) -> str:
    assert bundle.policy.period is not None, "asked for a stream alone"
    return f"alerts:{find_period(start, bundle.policy.period):%Y%m%dT%H%M}"
