"""What the members of a detector that looks back see in one row, for its explanation.

Called by the base of the detectors that look back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pynomaly.detectors.attributions import MemberReading
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.members import Member

__all__ = ["read_column"]


def read_column(
    members: Sequence[Member], alone: Member, row: PastRows, held: PastRows, column: int
) -> MemberReading:
    """Return what the strongest of `members` sees in a column; `alone` where none can read its past.

    Of the spots that the row's figure is a mean of, the one that adds most is named: behind an incident it
    is a window that still holds it.

    Parameters
    ----------
    members : sequence of Member
    alone : Member
        Reads the row alone.
    row : PastRows
        One row, settled: its own cells stand in `values`, `after` is at most the delay.
    held : PastRows
        The same with its values held, for the members that read them so.
    column : int
        Column of `values`.
    """
    figures = [member.measure_rows(held if member.reads_held else row, column) for member in members]
    readable = [place for place, (_, can) in enumerate(figures) if can[0]]
    strongest = max(readable, key=lambda place: figures[place][0][0], default=None)
    member = alone if strongest is None else members[strongest]
    row = held if member.reads_held else row
    place, offsets = int(row.places[0]), member.kernel.offsets
    may = (offsets >= member.back - row.before[0]) & (offsets <= row.after[0])
    spots = place + offsets[may]
    amounts = member.measure(row, column, spots)
    heaviest = int((member.kernel.shares[may] * amounts * np.sqrt(amounts)).argmax())
    spot = int(spots[heaviest])
    expected, nearest = member.compare(row, column, place, spot)
    ratio, until = float(amounts[heaviest]), int(row.moments[spot])
    return MemberReading(row.columns[column], member.sees, ratio, until, expected, nearest)
