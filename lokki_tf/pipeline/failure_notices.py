"""Failure notices of local runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.local import Settings
    from lokki_tf.model import Definition


@contextmanager
def notified(
    definition: Definition, given: Mapping[str, Any], settings: Settings
) -> Iterator[None]:
    """Call the step of ``on_failure=`` with the error that ends the run inside.

    Args:
        definition: The pipeline.
        given: The run's parameters.
        settings: What holds for the steps of the run.
    """
    try:
        yield
    except LokkiError as error:
        from lokki_tf.local import notify

        notify(error, definition, given, settings)
        raise
