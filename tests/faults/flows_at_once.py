"""Flow runs that begin at one moment, each a process of its own, for :mod:`tests.faults.test_flows_at_once`.

    python -m tests.faults.flows_at_once train AT FILE
    python -m tests.faults.flows_at_once score AT FILE [FILE ...]

The second call runs ``score`` for every pipeline, each in a process, and ``retrain`` for the first of them
beside it. Processes are forked once everything is imported: sixty-four that each import it would not fit
into memory. Prints what came of each as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import traceback
from datetime import datetime, timedelta
from typing import Any

__all__ = ["main"]


def _one(name: str, file: str, at: str, together: Any, answers: Any) -> None:
    from flows.scoring import score
    from flows.training import retrain

    together.wait(300)
    try:
        done = {"score": score, "retrain": retrain}[name](config=file, as_of=at)
        error_text = "" if isinstance(done, dict) else repr(done)
    except Exception:
        error_text = traceback.format_exc()
    answers.put((name, file, error_text))


def main(name: str, at: str, files: list[str]) -> None:
    """Run the flows and say how each ended."""
    from flows.scoring import score
    from flows.training import train

    assert callable(score)
    if name == "train":
        train(config=files[0], as_of=at)
        print(json.dumps([]))
        return
    context = multiprocessing.get_context("fork")
    later = (datetime.fromisoformat(at) + timedelta(days=7)).isoformat()
    work = [("score", file, at) for file in files] + [("retrain", files[0], later)]
    together, answers = context.Barrier(len(work)), context.Queue()
    started = [context.Process(target=_one, args=(*item, together, answers)) for item in work]
    for process in started:
        process.start()
    ended = [answers.get(timeout=3000) for _ in started]
    for process in started:
        process.join()
    print(json.dumps(ended))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
