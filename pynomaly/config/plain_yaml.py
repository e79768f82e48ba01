"""YAML that is plain values and nothing else, read within bounds.

No tag makes an object, an alias may repeat a block but not multiply it, and neither length nor depth can
exhaust the reader. Called wherever a person's YAML is read: the pipeline, declared incidents, a draft. The
other way round, any text is written so that it reads back as itself.
"""

from __future__ import annotations

import re

import yaml

__all__ = ["LARGEST", "LONGEST", "dumped", "plain_yaml", "quoted", "unquoted"]

LONGEST = 1_000_000
"""Most characters of a file; the largest pipeline that is shipped has about ten thousand."""

LARGEST = 100_000
"""Most values a file may hold once every alias is written out."""


def plain_yaml(text: str) -> object:
    """Read one YAML document.

    Returns
    -------
    object
        Dictionaries, lists, text, numbers, dates, booleans and None.

    Raises
    ------
    ValueError
        If it is no YAML, asks for anything but plain values, or is too long, too deep or too large. The
        message is one line.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters; allowed: {LONGEST:,}")
    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        document = loader.get_single_node()
        if document is None:
            return None
        size = _size(document, {})
        if size > LARGEST:
            raise ValueError(f"its aliases stand for {size:.3g} values; allowed: {LARGEST:,}")
        return loader.construct_document(document)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values that `node` stands for, each alias counted as often as it is used."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("a block holds an alias of itself")
        return known[id(node)]
    known[id(node)] = 0  # begun; whoever meets it again inside has found a circle
    if isinstance(node, yaml.MappingNode):
        inside = [part for pair in node.value for part in pair]
    else:
        inside = node.value if isinstance(node, yaml.SequenceNode) else []
    known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    return known[id(node)]


def dumped(content: object) -> str:
    """Plain values as YAML, keys in their order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def quoted(text: str) -> str:
    """A YAML string that reads back as `text`, on one line, whatever it holds."""
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in shown) + '"'


def unquoted(name: str) -> str:
    """`name` as it is where YAML reads it as text, else quoted."""
    words = "(?!(?:yes|no|on|off|true|false|null)$)"
    return name if re.fullmatch(f"{words}[a-z][a-z0-9_-]*", name) else quoted(name)
