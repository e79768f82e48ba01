"""Train and decide in memory, on slices of a past that was read once: what a replay needs of production.

Called by :mod:`pynomaly.steps.replay`. Rows are validated, split, fitted and compared by the functions that
production uses; models stay in memory and nothing is written. Labels are seen after ``data.label_delay``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract, digest
from pynomaly.data.incidents import covered, declared
from pynomaly.data.quality import Checked, validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import DataError, DetectorError, QualityError
from pynomaly.judging.choice import choose
from pynomaly.judging.comparison import Rung, compare
from pynomaly.judging.degradation import Observation
from pynomaly.judging.evaluation import average_precision
from pynomaly.judging.promotion import Ruling, rule
from pynomaly.judging.ranking import METRICS, Operation
from pynomaly.judging.retraining import RetrainDecision, Situation, decide
from pynomaly.model.alerts import AlertPolicy
from pynomaly.model.bundle import Bundle
from pynomaly.model.known import Known
from pynomaly.model.times import rows_per_day
from pynomaly.steps.keys import work_key
from pynomaly.steps.prepare import (
    BLOCK,
    Judged,
    dependent_rows,
    judged_of,
    reference_window,
    require_two_classes,
    split_reference,
)
from pynomaly.steps.probe import probe
from pynomaly.steps.register import expected_alert_rate
from pynomaly.steps.retrain import cause_of, changed_since

__all__ = ["TRUTH", "Past", "Student", "decided", "judged_against", "refitted"]

TRUTH = "pynomaly.truth"
"""Column of every label there is; what decides sees the label column, in which late ones are missing."""
