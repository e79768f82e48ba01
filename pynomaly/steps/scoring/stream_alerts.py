"""The rate of false alerts over a stream: what each window may spend is in the ledger before it is decided.

Called by :mod:`pynomaly.steps.scoring.score_windows`, under the window's lease, and by ``status``. A window
that is scored again, also after a process was killed, has the share that it had: the same rows give the same
alerts. Shares are kept by window and not by period: where ``alerts.fdr_period`` changes, the windows that
were decided before count in the period that now holds them, so that no time has two allowances.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Alerts, Pipeline
from pynomaly.data.window import Window
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamShare, StreamWindow, find_period
from pynomaly.model.window_alerts import count_discoveries, spend_at_finest
from pynomaly.records.ledger import AccountEntry, Ledger
from pynomaly.steps.alerting.raise_alerts import read_alerts
from pynomaly.steps.patient_lease import wait_for_lease

__all__ = ["describe_stream", "enter_discoveries", "take_share"]

DAY = timedelta(days=1)

PATIENCE_S = 60.0
"""Seconds that a window waits while another takes its share; that takes milliseconds."""

HASH_DIGITS = 12
"""Digits of the data's hash in an entry's window: with the longest key they fit the ledger's column."""

_SHARE, _DISCOVERIES = "fdr share", "fdr"


def take_share(
    pipeline: Pipeline, ledger: Ledger, bundle: Bundle, window: Window | None, frame: pd.DataFrame
) -> StreamShare | None:
    """Return what a window may spend of the rate of false alerts; None where windows are judged alone.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        The window's rows; how many there are is all that counts.

    Raises
    ------
    LeaseHeldError
        If another window has been taking its share for longer than :data:`PATIENCE_S`.
    """
    if AlertStream.of(bundle.policy, pipeline.windows.score) is None or window is None:
        return None
    entry = ledger.accounts.find_entry(pipeline.name, _name_account(window.start), _SHARE, window.key)
    if entry is None:
        finest = spend_at_finest(bundle, frame)
        with wait_for_lease(ledger, f"share:{pipeline.name}", PATIENCE_S, renew=False):
            entry = _take_new_share(pipeline, ledger, bundle, window, finest)
    return StreamShare(entry.content["spent"])


def _take_new_share(
    pipeline: Pipeline, ledger: Ledger, bundle: Bundle, window: Window, finest: float
) -> AccountEntry:
    stream = _read_stream(pipeline, ledger, bundle.policy, window.start)
    first = find_period(window.start, stream.period)
    alerts = read_alerts(ledger.answers, pipeline.name, (first, first + stream.period)).values()
    refuted = [item.first for item in alerts if item.ending == "false-alarm" and item.first is not None]
    share = stream.share_level(window.start, finest, bundle.dependence, refuted)
    content = _spell_window(window) | {"spent": share.allowed}
    account = _name_account(window.start)
    return ledger.accounts.add_entry(AccountEntry(pipeline.name, account, _SHARE, window.key, content))


def enter_discoveries(
    pipeline: Pipeline,
    ledger: Ledger,
    bundle: Bundle,
    window: Window,
    data_hash: str,
    frame: pd.DataFrame,
    alerted: NDArray[np.bool_],
) -> None:
    """Enter the discoveries of a window; of a window whose data changed, those of the newest data count.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        The window's rows.
    alerted : bool array of shape (n,)
    """
    stream = _read_stream(pipeline, ledger, bundle.policy, window.start)
    open_events = stream.find_open_events(window.start)
    discoveries, going_on = count_discoveries(bundle.policy, bundle.contract, frame, alerted, open_events)
    content = _spell_window(window) | {"discoveries": discoveries, "open": going_on}
    account = _name_account(window.start)
    key = f"{window.key}:{data_hash[:HASH_DIGITS]}"
    ledger.accounts.add_entry(AccountEntry(pipeline.name, account, _DISCOVERIES, key, content))


def describe_stream(
    pipeline: Pipeline, ledger: Ledger, alerts: Alerts, moment: datetime
) -> dict[str, Any] | None:
    """Return what the period of `moment` has discovered, earned and spent; None without a stream.

    `alerts` are the settings that the champion was registered with, which may differ from the pipeline's.
    """
    if alerts.policy != "fdr" or alerts.fdr_over != "stream":
        return None
    policy = AlertPolicy("fdr", 0.0, level=alerts.fdr, period=alerts.fdr_period)
    windows = _read_stream(pipeline, ledger, policy, moment).windows
    discoveries = sum(item.discoveries for item in windows)
    return {
        "since": find_period(moment, alerts.fdr_period).isoformat(),
        "windows": len(windows),
        "discoveries": discoveries,
        "earned": alerts.fdr * max(1, discoveries),
        "spent": sum(item.spent for item in windows),
        "silent": sum(item.spent == 0 for item in windows),
    }


def _read_stream(pipeline: Pipeline, ledger: Ledger, policy: AlertPolicy, moment: datetime) -> AlertStream:
    """Return the windows of the period of `moment`; a share that was taken and not used stays spent."""
    stream = AlertStream.of(policy, pipeline.windows.score)
    assert stream is not None, "asked for a stream alone"
    first = find_period(moment, stream.period)
    accounts = {_name_account(first + day * DAY) for day in range(stream.period // DAY + 2)}
    shares, discoveries = (
        {
            item.content["start"]: item.content
            for account in sorted(accounts)
            for item in ledger.accounts.list_entries(pipeline.name, account, guarantee)
        }
        for guarantee in (_SHARE, _DISCOVERIES)
    )
    for text, share in shares.items():
        start, end = (datetime.fromisoformat(share[name]) for name in ("start", "end"))
        if first <= start < first + stream.period:
            counted = discoveries.get(text, {"discoveries": 0, "open": {}})
            stream.add_window(
                StreamWindow(start, end, share["spent"], counted["discoveries"], counted["open"])
            )
    return stream


def _spell_window(window: Window) -> dict[str, Any]:
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def _name_account(start: datetime) -> str:
    """Return the account of a month, by which the shares of a period are found: none belongs to one."""
    return f"alerts:{start.astimezone(UTC):%Y%m}"
