"""The champion over HTTP: the numbers that scoring writes, for a program that asks row by row.

``live`` follows the registry's alias, ``rows`` turns a request into a frame and scores into an answer,
``described`` writes what both look like as OpenAPI, ``web`` is the one door to the web framework. Nothing
here writes to a record: what is kept of scores is what the score flow writes.
"""
