"""Signatures of the user's functions, whose annotations need not be evaluable."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return a signature; annotations that refer to undefined names are allowed.

    From Python 3.14 on, annotations are evaluated when they are read, and a name that only a type
    checker imports raises ``NameError`` then (PEP 649). Such annotations become forward references.

    Args:
        function: The function.

    Raises:
        ValueError: If a built-in function has no signature.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)  # noqa: TID251
    return inspect.signature(function)  # noqa: TID251


def parameter_of(
    parameters: Sequence[inspect.Parameter], where: int | str
) -> inspect.Parameter | None:
    """Return the parameter that receives an argument, if there is one.

    Args:
        parameters: The parameters of a function, in order.
        where: The argument's position or name.
    """
    for index, one in enumerate(parameters):
        if one.kind is one.VAR_POSITIONAL:
            found = isinstance(where, int)
        elif one.kind is one.VAR_KEYWORD:
            found = isinstance(where, str)
        else:
            found = where == one.name or (where == index and one.kind is not one.KEYWORD_ONLY)
        if found:
            return one
    return None


def required_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters without a default, except ``*args`` and ``**kwargs``.

    Args:
        function: The function.
    """
    return tuple(
        name
        for name, one in signature_of(function).parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    )
