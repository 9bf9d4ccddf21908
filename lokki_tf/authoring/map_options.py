"""Options of a map, from the arguments of ``.map``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import MapOptions

if TYPE_CHECKING:
    from lokki_tf.errors import Place

MAP_OPTIONS = tuple(one.name for one in fields(MapOptions))


def map_options(given: dict[str, Any], place: Place) -> MapOptions:
    """Return the options of a map.

    Args:
        given: Options by name.
        place: Source location of the map.

    Raises:
        OptionError: If one is invalid.
    """
    options = MapOptions(**given)
    if options.mode not in ("distributed", "inline"):
        raise OptionError(
            f"mode={options.mode!r} is unknown",
            place=place,
            remedy='write mode="inline" for small lists, or omit mode=',
        )
    for name, least in (
        ("concurrency_limit", 1),
        ("batch_size", 1),
        ("tolerated_failure_count", 0),
    ):
        value = getattr(options, name)
        if value is not None and (type(value) is not int or value < least):
            raise OptionError(
                f"{name}={value!r}: it is a whole number of at least {least}", place=place
            )
    share = options.tolerated_failure_percentage
    if share is not None and (type(share) is not int or not 0 <= share <= 100):
        raise OptionError(
            f"tolerated_failure_percentage={share!r}: it is a whole number from 0 to 100",
            place=place,
        )
    tolerated = (options.tolerated_failure_percentage, options.tolerated_failure_count)
    if options.batch_size > 1 and any(value is not None for value in tolerated):
        raise OptionError(
            "batch_size and tolerated failures cannot be combined: an item that fails takes its "
            "batch with it",
            place=place,
            remedy="leave one out, or let the step catch its errors and return what went wrong",
        )
    if options.mode == "inline":
        _refuse_distributed_only(options, place)
    return options


def _refuse_distributed_only(options: MapOptions, place: Place) -> None:
    tolerated = (options.tolerated_failure_percentage, options.tolerated_failure_count)
    if options.batch_size > 1 or any(value is not None for value in tolerated):
        raise OptionError(
            'mode="inline" supports neither batch_size nor tolerated failures',
            place=place,
            remedy="omit mode=: a Distributed Map supports them",
        )
