"""Dead letters: recorded with the batch they came in, then published once to their topic."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from pynomaly.config import Pipeline
from pynomaly.data.brokers.messages import Outgoing
from pynomaly.data.streams.decoding import DeadLetter
from pynomaly.records.ledger import Ledger, StreamLetter

__all__ = ["MAX_BODY", "build_letters", "describe_letters", "format_letter"]

MAX_BODY = 16_384
"""Bytes of a message that are kept of it."""

MAX_OF_MESSAGE = 100
"""Letters of one message, which may hold a hundred thousand rows; one more says that there were more."""

_MAX_REASON = 500


def build_letters(pipeline: str, letters: Sequence[DeadLetter]) -> list[StreamLetter]:
    """Return dead letters as the ledger keeps them; a message that comes again gives the same keys."""
    rows: list[StreamLetter] = []
    counts: dict[int, int] = {}
    for letter in letters:
        message = letter.message
        number = counts[id(message)] = counts.get(id(message), -1) + 1
        if message.offset is not None:
            name = f"{message.part}:{message.offset}"
        else:
            name = hashlib.sha256(message.id.encode() + b"\0" + message.body).hexdigest()[:32]
        key = f"{pipeline}:{name[-200:]}:{number}"
        reason = letter.reason[:_MAX_REASON].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        if number == MAX_OF_MESSAGE:
            reason = f"more than {MAX_OF_MESSAGE} rows of the message cannot be used, as this one: {reason}"
        elif number > MAX_OF_MESSAGE:
            continue
        rows.append(
            StreamLetter(
                key,
                message.part[:200],
                message.offset,
                letter.rule[:32],
                reason,
                len(message.body),
                message.body[:MAX_BODY],
            )
        )
    return rows


def format_letter(pipeline: str, letter: StreamLetter) -> Outgoing:
    """Return a dead letter as it is published: the beginning of the message, its reason in the headers."""
    headers = {
        "pynomaly-pipeline": pipeline,
        "pynomaly-rule": letter.rule,
        "pynomaly-reason": letter.reason.encode("ascii", "backslashreplace").decode(),
        "pynomaly-part": letter.part,
        "pynomaly-offset": "" if letter.offset is None else str(letter.offset),
        "pynomaly-size": str(letter.size),
    }
    body = orjson.dumps(
        {
            "pipeline": pipeline,
            "rule": letter.rule,
            "reason": letter.reason,
            "part": letter.part,
            "offset": letter.offset,
            "bytes": letter.size,
            "message": letter.body.decode("utf-8", "replace"),
        }
    )
    return Outgoing(body, letter.key, headers)


def describe_letters(pipeline: Pipeline, most: int) -> dict[str, Any]:
    """Return the newest dead letters of a pipeline, and how many are kept by rule, as plain values."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        letters = ledger.stream.list_letters(pipeline.name, limit=most)
        counts = ledger.stream.count_letters(pipeline.name)
    rows = [
        {
            "rule": item.rule,
            "reason": item.reason,
            "part": item.part,
            "offset": item.offset,
            "bytes": item.size,
            "at": item.at,
            "message": item.body.decode("utf-8", "replace"),
        }
        for item in letters
    ]
    return {"pipeline": pipeline.name, "counts": counts, "letters": rows}
