"""The result of one check of ``pynomaly doctor``, and how to fix what it found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes
    ----------
    state : str
        ``ok``, ``warning`` (works, but may stop working) or ``wrong``.
    mend : str
        How to fix it; shown only if `state` is not ``ok``.
    """

    check: str
    state: str
    fact: str
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the values that ``--json`` prints."""
        mend = self.mend if self.state != "ok" else ""
        return {"check": self.check, "state": self.state, "found": self.fact, "mend": mend}
