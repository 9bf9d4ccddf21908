"""Limits of Step Functions that a local run holds to as well.

They follow from the compiled state machine, which is made only where a limit may be near.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, SerializationError
from lokki_tf.model import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.asl import StateMachine
    from lokki_tf.errors import Place
    from lokki_tf.local.bounds import Inline
    from lokki_tf.local.cleanup import Parts
    from lokki_tf.model import Definition, Graph, Node, RetryConfig, Routes

# More events than any step has, with a job's states and a Choice, and than each of its retries.
_EVENTS_OF_STEP, _EVENTS_OF_RETRY = 40, 4


def inline_limits(definition: Definition) -> Inline:
    """Return the layouts of the items of inline maps, by the maps' names.

    Args:
        definition: The pipeline.

    Raises:
        LimitError: If an execution of it could have more events than Step Functions allows.
    """
    from lokki_tf.asl import quotas

    routes = definition.routes
    near = _has_inline_maps(definition.graph)
    if routes is None:
        retries = [one for node in definition.whole.walk() for one in _retries_of(node)]
    elif definition.inclusions:
        nodes = [one for node in definition.graph.walk() for one in _retries_of(node)]
        retries = [*nodes, *(_retries(one.options.retry) for one in routes.steps)] * routes.limit
    else:
        retries = _retries_in(routes)
    most = sum(_EVENTS_OF_STEP + _EVENTS_OF_RETRY * number for number in retries)
    if not near and most < quotas.HISTORY_EVENTS:
        return {}
    state_machine = compiled(definition)
    return {} if state_machine is None else state_machine.inline


def outermost_parts(definition: Definition) -> Parts:
    """Return the nodes of each state of the outermost scope, for a pipeline with a cleanup step.

    Args:
        definition: The pipeline.
    """
    if definition.cleanup is None:
        return ()
    from lokki_tf.asl import scopes

    return scopes.outermost_parts(definition.graph)


def _retries(retry: tuple[RetryConfig, ...]) -> int:
    return sum(one.retries for one in retry)


def refuse_large(definition: Definition, given: Mapping[str, Any], place: Place | None) -> None:
    """Refuse parameters for which a state would have no room.

    Args:
        definition: The pipeline.
        given: Values by name.
        place: Where they are given.

    Raises:
        BindingError: If they are too large.
    """
    from lokki_tf.asl.sizes import LEAST_PARAMETERS
    from lokki_tf.runtime.parameters import json_bytes, refuse_large

    try:
        small = json_bytes(dict(given)) <= LEAST_PARAMETERS
    except (TypeError, ValueError):
        return  # no JSON: other checks report it
    state_machine = None if small else compiled(definition)
    if state_machine is None:
        return
    try:
        refuse_large(dict(given), state_machine.most_parameters)
    except ValueError as error:
        raise BindingError(str(error), place=place) from None


def refuse_other_than_json(given: Mapping[str, Any], place: Place | None) -> None:
    """Refuse parameters that JSON does not preserve, since the input of an execution is JSON.

    Args:
        given: Values by name.
        place: Where they are given.

    Raises:
        BindingError: If JSON changes one or cannot contain it.
    """
    from lokki_tf.runtime.envelope import json_text  # imported here: it imports json

    for name, value in given.items():
        if json_text(value) is None:
            raise BindingError(
                f"parameter {name!r} must be JSON, got {reprlib.repr(value)}",
                place=place,
                remedy="pass texts, numbers, bools, None, and lists and dicts of these; numbers "
                "are finite, whole ones below 2**53, and keys of dicts are texts",
            )


def _retries_of(node: Node) -> list[int]:
    """Return the retries of each step that a node may run."""
    return [_retries(node.retry)] if node.routes is None else _retries_in(node.routes)


def _retries_in(routes: Routes) -> list[int]:
    most = max((_retries(one.options.retry) for one in routes.steps), default=0)
    return [most] * routes.limit


def _has_inline_maps(graph: Graph) -> bool:
    maps = [node for node in graph.nodes if isinstance(node, Map)]
    return any(one.options.mode == "inline" or _has_inline_maps(one.body) for one in maps)


def compiled(definition: Definition) -> StateMachine | None:
    """Return the state machine of a pipeline; ``None`` where literals cannot be serialized.

    Args:
        definition: The pipeline.
    """
    from lokki_tf.asl import compile_state_machine
    from lokki_tf.packaging import context_steps, package_steps

    try:
        return compile_state_machine(definition, context=context_steps(package_steps(definition)))
    except SerializationError:
        return None
