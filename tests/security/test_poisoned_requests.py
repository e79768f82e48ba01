"""Bodies of requests that would exhaust or confuse: refused in few words that hold none of the poison."""

from __future__ import annotations

import pytest

from pynomaly.errors import PynomalyError
from pynomaly.serving.rows import parse_request

DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES = {
    "nothing": b"",
    "a depth bomb": DEEP,
    "a depth bomb in a row": b'{"rows": [{"heat": ' + DEEP + b"}]}",
    "objects in objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "not UTF-8": b'{"rows": [{"\xff": 1}]}',
    "half a character": b'{"rows": [{"\\ud800": 1}]}',
    "no number of JSON": b'{"rows": [{"heat": NaN}]}',
    "a pickle": b"\x80\x04\x95\x0c\x00\x00\x00",
    "a list": b"[]",
    "a very long text": b'"' + b"x" * 100_000 + b'"',
    "rows that are text": b'{"rows": "' + b"<script>" * 10_000 + b'"}',
    "rows that are a number": b'{"rows": 1e308}',
    "more rows than allowed": b'{"rows": [' + b",".join([b"{}"] * 11) + b"]}",
    "more history than allowed": b'{"rows": [{}], "history": [' + b",".join([b"{}"] * 11) + b"]}",
    "reasons without end": b'{"rows": [{}], "reasons": 99999999999999999999}',
    "a key nobody knows": b'{"rows": [{}], "__class__": {}}',
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_none_is_refused_in_few_words(case: str) -> None:
    with pytest.raises(PynomalyError) as refused:
        parse_request(BODIES[case], most=10)
    assert len(str(refused.value)) < 400


def test_a_body_that_is_one_is_read() -> None:
    request = parse_request(b'{"rows": [{"heat": 1.5}], "reasons": 2}', most=10)
    assert (request.rows, request.reasons) == ([{"heat": 1.5}], 2)
