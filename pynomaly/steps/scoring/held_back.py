"""What the limits on alerts hold back: in a table scored in parts, and as a sentence.

Called by the modules beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.held_back import find_held_back_rows
from pynomaly.model.scoring import PreparedRows

__all__ = ["describe_held_back", "hold_back_batch", "hold_back_part"]


def hold_back_part(columns: Mapping[str, Any], rows: PreparedRows, bundle: Bundle) -> dict[str, Any]:
    """Return ``is_anomaly`` and ``held_back`` of a part of a table; the policy has limits.

    With policy ``fdr`` rows are flagged again from the p-values of all parts, so that every row is judged.
    """
    policy = bundle.policy
    assert policy.limits is not None, "asked for a policy with limits alone"
    flags = np.asarray(columns["is_anomaly"], dtype=bool)
    judged = flags if policy.level is None else np.ones(len(flags), dtype=bool)
    held_back = find_held_back_rows(rows, judged, bundle.features, bundle.sketch, policy.limits)
    return {"is_anomaly": flags & (held_back == ""), "held_back": held_back}


def hold_back_batch(
    batch: Any, alerted: NDArray[np.bool_], p_values: NDArray[np.float64]
) -> tuple[Any, NDArray[np.bool_]]:
    """Return a record batch whose alerts are decided again, and which of its rows alert."""
    import pyarrow as pa

    place = batch.schema.get_field_index("held_back")
    if place < 0:
        return batch, alerted
    reasons = batch.column(place).to_numpy(zero_copy_only=False)
    kept = pa.array(np.where(alerted, reasons, ""), mask=np.isnan(p_values))
    changed = batch.set_column(place, batch.schema.field(place), kept)
    return changed, np.asarray(alerted & (reasons == ""), dtype=np.bool_)


def describe_held_back(table: pd.DataFrame) -> tuple[str, ...]:
    """Returns a sentence on the rows that the limits on alerts hold back; none without such rows."""
    if "held_back" not in table or not (reasons := table["held_back"][table["held_back"] != ""]).size:
        return ()
    return (
        f"{len(reasons)} rows would alert but are held back (alerts.direction, alerts.minimum; column "
        f"held_back), the first as {reasons.iloc[0]}",
    )
