"""Read YAML of plain values only, within limits, and write it.

A tag cannot create an object, an alias can repeat a block but not multiply it endlessly, and neither length
nor depth can exhaust the reader. Called wherever a person's YAML is read: the pipeline, declared incidents, a
draft. Text is written so that it reads back unchanged.
"""

from __future__ import annotations

import re

import yaml

__all__ = ["MAX_CHARACTERS", "MAX_VALUES", "dump_yaml", "parse_plain_yaml", "quote_if_needed", "quote_yaml"]

MAX_CHARACTERS = 1_000_000
"""Most characters of a file; the largest shipped pipeline has about 10,000."""

MAX_VALUES = 100_000
"""Most values in a file when every alias is expanded."""


def parse_plain_yaml(text: str) -> object:
    """Read one YAML document.

    Returns
    -------
    object
        Dictionaries, lists, text, numbers, dates, booleans and None.

    Raises
    ------
    ValueError
        If it is not YAML, has a tag for other than plain values, or is too long, too deep or too large.
        The message is one line.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters; allowed: {MAX_CHARACTERS:,}")
    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        document = loader.get_single_node()
        if document is None:
            return None
        size = _count_values(document, {})
        if size > MAX_VALUES:
            raise ValueError(f"its aliases stand for {size:.3g} values; allowed: {MAX_VALUES:,}")
        return loader.construct_document(document)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    finally:
        loader.dispose()


def _count_values(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Count the values of `node`; an alias counts as often as it is used."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise ValueError("a block holds an alias of itself")
        return sizes[id(node)]
    sizes[id(node)] = 0  # 0 marks an unfinished node; meeting it again means that the node contains itself
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    sizes[id(node)] = 1 + sum(_count_values(part, sizes) for part in children)
    return sizes[id(node)]


def dump_yaml(content: object) -> str:
    """Return plain values as YAML text; keys keep their order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def quote_yaml(text: str) -> str:
    """Return a quoted YAML string on one line that reads back as `text`, for any text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def quote_if_needed(name: str) -> str:
    """Return `name` unchanged if YAML reads it as text, else quoted."""
    words = "(?!(?:yes|no|on|off|true|false|null)$)"
    return name if re.fullmatch(f"{words}[a-z][a-z0-9_-]*", name) else quote_yaml(name)
