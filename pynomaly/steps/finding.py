"""What a check of ``pynomaly doctor`` found, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes
    ----------
    state : str
        ``ok``, ``warning`` (works, and may not tomorrow) or ``wrong``.
    mend : str
        What to do about it; said only where something is to be done.
    """

    check: str
    state: str
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        """As ``--json`` prints it."""
        mend = self.mend if self.state != "ok" else ""
        return {"check": self.check, "state": self.state, "found": self.found, "mend": mend}
