"""Calls of steps: their arguments are bound to the step's parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError

from .arguments import argument
from .building import current_flow
from .conditions import condition_of
from .options import caught_errors, retriers
from .placeholders import Placeholder, spec_of
from .polls import with_poll
from .specs import CallSpec, ItemSpec, NodeSpec, ParameterSpec, PartSpec, whole_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Step

    from .building import Building
    from .specs import MapSpec


def bound_call(
    step: Step,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    place: Place,
    body: MapSpec | None = None,
) -> CallSpec:
    """Return a call of a step.

    Args:
        step: The step.
        signature: Signature of its function.
        args: Arguments by position: values, placeholders or specs.
        kwargs: The same, by name, and ``retry=`` and ``catch=``.
        place: Source location of the call.
        body: The map whose body contains the call.

    Raises:
        BindingError: If an argument is missing, unknown or given twice, or contains a placeholder
            that cannot be replaced there.
        OptionError: If ``retry=`` or ``catch=`` is invalid.
    """
    kwargs, retry = dict(kwargs), step.options.retry
    if "retry" in kwargs and "retry" not in signature.parameters:
        retry = with_poll(step.options, retriers(kwargs.pop("retry"), place))
    catch = step.options.catch
    if "catch" in kwargs and "catch" not in signature.parameters:
        catch = caught_errors(kwargs.pop("catch"), place)
    flow = current_flow()
    if flow is not None:
        kwargs |= _from_flow(flow, signature, args, kwargs)
    function: Any = step.function
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise BindingError(
            f"step {step.name!r} cannot be called with these arguments: {error}",
            place=place,
            remedy=f"its signature is {function.__name__}{signature}",
        ) from None
    if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        # Its own parameters may differ from those that its signature shows.
        by_position, by_name = args, kwargs
    else:
        by_position, by_name = _split(bound)
    condition, by_name = condition_of(step, signature, by_position, by_name)
    return CallSpec(
        step,
        place,
        tuple(argument(value, place) for value in by_position),
        {name: argument(value, place) for name, value in by_name.items()},
        retry,
        body,
        condition,
        catch=catch,
    )


def _from_flow(
    flow: Building, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments that a step receives from the enclosing flow automatically.

    A step with ``**kwargs`` receives all parameters. A required argument of a first step that
    the flow does not pass becomes a parameter of the execution.
    """
    parameters = signature.parameters
    found: dict[str, Any] = {}
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        found = {
            name: flow.argument(name)
            for name in flow.parameters
            if name not in kwargs and name not in parameters
        }
    if any(map(_is_result, (*args, *kwargs.values()))):
        return found
    try:
        bound = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return found  # reported where it is finally bound
    for name, one in parameters.items():
        named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        if named and one.default is one.empty and name not in bound:
            found[name] = flow.require(name, one.annotation)
    return found


def _is_result(value: Any) -> bool:
    """Return whether an argument is the result of a step or of a map, or a map's item."""
    if isinstance(value, Placeholder):
        spec = spec_of(value)
        return not isinstance(whole_of(spec), ParameterSpec)
    return isinstance(value, NodeSpec | ItemSpec | PartSpec)


def _split(bound: inspect.BoundArguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments by position only where required, else by name: events are easier to read."""
    by_name = dict(bound.arguments)
    by_position: list[Any] = []
    kinds = {name: param.kind for name, param in bound.signature.parameters.items()}
    spread = any(
        kind is inspect.Parameter.VAR_POSITIONAL and by_name.get(name)
        for name, kind in kinds.items()
    )
    for name, kind in kinds.items():
        if name not in by_name:
            continue
        if kind is inspect.Parameter.POSITIONAL_ONLY or (
            spread and kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ):
            by_position.append(by_name.pop(name))
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            by_position.extend(by_name.pop(name))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            by_name.update(by_name.pop(name))
    return tuple(by_position), by_name
