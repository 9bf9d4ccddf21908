"""Pipelines in places where a step or a value is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError

if TYPE_CHECKING:
    from lokki_tf.errors import Place

MARK = "__lokki_pipeline__"
"""The attribute that identifies classes of pipelines here, which cannot import them."""
REMEDY = (
    "in a pipeline of calls or a flow, call it to include its steps: report(monthly(day=day)), or "
    "write .next(monthly) or .map(monthly); between tasks, write load >> monthly >> report"
)
CALLED, INCLUDED = "__lokki_called__", "__lokki_included__"
"""Methods of pipelines: the results of a called flow, and the pipeline's calls as data."""
PLACED = "__lokki_placed__"
"""The method of pipelines that keeps where they become part of others."""


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
            f"{value.name!r} is a pipeline, which cannot be used here without being called",
            place=place,
            remedy=REMEDY,
        )


def place_pipeline(pipeline: Any, place: Place) -> None:
    """Keep the source location where a pipeline becomes part of another one.

    Args:
        pipeline: The pipeline.
        place: Source location.

    Raises:
        BindingError: If it cannot be part of another one.
    """
    if not hasattr(pipeline, PLACED):
        refuse_pipeline(pipeline, place)
    getattr(pipeline, PLACED)(place)


def map_in_batch(place: Place, outer: Place) -> BindingError:
    """Return the error for a map inside a map with ``batch_size``.

    Args:
        place: Source location of the inner map.
        outer: Source location of the outer map.
    """
    return BindingError(
        "a map inside a map with batch_size is not supported",
        place=place,
        remedy=f"remove batch_size from the outer map, at {outer}",
    )
