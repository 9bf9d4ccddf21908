"""Telling of a run here that failed, as the state machine would."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.model import Definition


@contextmanager
def telling(definition: Definition, given: Mapping[str, Any]) -> Iterator[None]:
    """Tells the step of ``on_failure=`` of the error that ends the run inside.

    Args:
        definition: The pipeline.
        given: The run's parameters.
    """
    try:
        yield
    except LokkiError as error:
        from lokki_tf.local import tell_of

        tell_of(error, definition, given, lambda: _states_of(definition))
        raise


def _states_of(definition: Definition) -> Mapping[str, str]:
    """From each node to its state in AWS; nothing if there can be no state machine."""
    from lokki_tf.asl import compile_machine

    try:
        return compile_machine(definition).states
    except LokkiError:
        return {}
