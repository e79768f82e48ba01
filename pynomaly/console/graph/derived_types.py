"""Types of GraphQL from the pydantic models that the API answers: a field has one name and one meaning."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

import strawberry
from pydantic import BaseModel
from strawberry.scalars import JSON

__all__ = ["derive_type", "list_of"]

_SCALARS = (str, int, float, bool, datetime)
_made: dict[str, type] = {}


def derive_type(
    model: type[BaseModel], name: str = "", resolvers: Mapping[str, tuple[Any, Any]] | None = None
) -> type:
    """Return the type of a model; where it is asked for, an instance of the model itself is answered.

    Parameters
    ----------
    model : type
    name : str
        Of the type; the model's without one. The same name is the same type.
    resolvers : mapping of str to (function, type), optional
        Fields that the model has not, and what they answer.

    Notes
    -----
    Words of a fixed choice are strings, and what has no fixed fields is JSON.
    """
    name = name or model.__name__
    if name not in _made:
        annotations = {field: _express(info.annotation) for field, info in model.model_fields.items()}
        content: dict[str, Any] = {
            field: strawberry.field(description=info.description)
            for field, info in model.model_fields.items()
        }
        for field, (resolver, answer) in (resolvers or {}).items():
            content[field] = strawberry.field(resolver=resolver, graphql_type=answer)
        made = type(name, (), {"__module__": __name__, "__annotations__": annotations, **content})
        _made[name] = strawberry.type(made, description=(model.__doc__ or "").partition("\n")[0])
    return _made[name]


def list_of(kind: Any) -> Any:
    """Return the type of lists of a type that is made here, which no checker can read as ``list[kind]``."""
    return types.GenericAlias(list, (kind,))


def _express(annotation: Any) -> Any:
    """Return what a pydantic annotation is in GraphQL."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = [item for item in arguments if item is not type(None)]
        kind = _express(kinds[0]) if len(kinds) == 1 else JSON
        return kind | None if len(kinds) < len(arguments) else kind
    if origin is Literal:
        return str
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return list_of(_express(arguments[0]))
    if annotation in _SCALARS:
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return derive_type(annotation)
    return JSON
