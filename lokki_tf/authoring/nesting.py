"""Pipelines in places where a step or a value is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError

if TYPE_CHECKING:
    from lokki_tf.errors import Place

MARK = "__lokki_pipeline__"
"""The attribute that identifies classes of pipelines here, which cannot import them."""
REMEDY = (
    "call its steps in a plain function that returns the last call, def part(rows): return "
    "clean(load(rows)), and call that function wherever it is needed"
)


def is_pipeline(value: Any) -> bool:
    """Return whether a value is a pipeline of any style."""
    return getattr(type(value), MARK, False) is True


def refuse_pipeline(value: Any, place: Place | None) -> None:
    """Raise an error for a pipeline where a step or a value is expected.

    Args:
        value: Any value.
        place: Source location.

    Raises:
        BindingError: If it is a pipeline.
    """
    if is_pipeline(value):
        raise BindingError(
            f"{value.name!r} is a pipeline, which cannot be part of another",
            place=place,
            remedy=REMEDY,
        )
