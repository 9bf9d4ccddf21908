"""Links of chains: calls and maps that continue from the result of another call, as specs.

:mod:`.calls` has the placeholders whose methods add them: ``.next``, ``.map`` and ``.agg``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import Dataset, MapOptions
from lokki_tf.model import options as model_options

from .arguments import DATASET
from .binding import bound_call
from .inlining import SubPipeline, inlined
from .nesting import INCLUDED, is_pipeline, refuse_pipeline
from .options import map_options
from .placeholders import Placeholder, spec_of
from .places import calling_place
from .specs import (
    CallSpec,
    ChainSpec,
    MapSpec,
    NodeSpec,
    ParameterSpec,
    PartSpec,
    ValueSpec,
    WaitSpec,
    whole_of,
)
from .stepped import Stepped

if TYPE_CHECKING:
    from lokki_tf.errors import Place


def open_map(
    source: CallSpec | WaitSpec | PartSpec | Dataset,
    step: Any,
    args: tuple[Any, ...],
    options: dict[str, Any],
    previous: NodeSpec | None = None,
) -> ChainSpec:
    """Open a map over the result of a call, or over a dataset.

    Args:
        source: The items: the result of a call, a part of it, or a dataset.
        step: The first step of the body, or several.
        args: Arguments of the (first) step after the item.
        options: Options of the map, and arguments of the (first) step.
        previous: The call or map after which a dataset is read, if any.

    Raises:
        OptionError: If an option of the map is invalid.
        BindingError: If something is not a step, or arguments do not fit.
    """
    place = calling_place()
    own = {name: options[name] for name in model_options(MapOptions) if name in options}
    kwargs = {name: value for name, value in options.items() if name not in own}
    whole = previous if isinstance(source, Dataset) else whole_of(source)
    assert isinstance(whole, NodeSpec | None)
    source_call = None if isinstance(source, Dataset) or whole is None else source_of(whole)
    if isinstance(source_call, CallSpec) and source_call.catch:
        raise BindingError(
            f"the result of step {source_call.step.name!r} is mapped, but with catch= it may be a "
            "Failure, which has no items",
            place=place,
            remedy="put a step between the two, which receives the Failure and returns a list",
        )
    if isinstance(source, Dataset) and own.get("mode") == "inline":
        raise OptionError(
            f'mode="inline" cannot read {source.name}: only a Distributed Map reads from S3',
            place=place,
            remedy="omit mode=",
        )
    limit = _limit_of(own, place)
    body = None if whole is None else whole.body
    one = MapSpec(source, place, map_options(own, place), body, limit=limit)
    if isinstance(source, Dataset) and whole is not None:
        one.after.append(whole)
    first, *rest = step if isinstance(step, list | tuple) and step else [step]
    if rest and "catch" in kwargs:
        raise OptionError(
            "catch= applies to one step, and this map runs several",
            place=place,
            remedy="set it on a step, @step(catch=…), or write .map(first).next(second, catch=…)",
        )
    tail = following(first, one.item, args, kwargs, one)
    for other in rest:
        tail = following(other, tail, (), {}, one)
    return ChainSpec((one,), tail)


def _limit_of(options: dict[str, Any], place: Place) -> ParameterSpec | None:
    """Remove ``concurrency_limit`` from options of a map, if it is a parameter, and return that."""
    given = options.get("concurrency_limit")
    if not isinstance(given, Placeholder):
        return None
    spec = spec_of(options.pop("concurrency_limit"))
    if not isinstance(spec, ParameterSpec):
        raise OptionError(
            "concurrency_limit must be a whole number of at least 1 or a parameter of the run, "
            f"got {spec.what}",
            place=place,
            remedy='write concurrency_limit=Parameter("parallel", int, default=10), for example',
        )
    return spec


def dataset_in(options: dict[str, Any], step: Any) -> Dataset | None:
    """Remove and return the dataset in the options of a map, if there is one.

    Args:
        options: Options of a map; ``over`` may also be an argument of the step.
        step: The first step of the body, or several.

    Raises:
        OptionError: If ``over`` is something else.
    """
    made = getattr(type(options.get("over")), DATASET, None)
    if made is not None:
        dataset: Dataset = made(options.pop("over"))
        return dataset
    first = step[0] if isinstance(step, list | tuple) and step else step
    if (
        "over" in options
        and isinstance(first, Stepped)
        and "over" not in first.signature.parameters
    ):
        raise OptionError(
            f"over= requires a dataset in S3, got {options['over']!r}",
            place=calling_place(),
            remedy='write over=S3Csv("bucket", "key"), or S3Objects, S3Json, S3JsonLines or '
            "S3Inventory; to map over a result, call .map on it",
        )
    return None


def following(
    step: Any,
    value: ValueSpec | PartSpec,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    body: MapSpec | None,
) -> NodeSpec:
    """Call a step, or a pipeline, with a value as its first argument.

    Args:
        step: The step or pipeline.
        value: The value; a step without parameters only waits for it.
        args: Further arguments by position.
        kwargs: Further arguments, and ``retry=`` and ``catch=``.
        body: The map whose body contains the call.

    Raises:
        BindingError: If it is not a step, or the arguments do not fit.
    """
    place = calling_place()
    if hasattr(type(step), INCLUDED) and is_pipeline(step):
        return _with_pipeline(step, value, args, kwargs, place, body)
    refuse_pipeline(step, place)
    if not isinstance(step, Stepped):
        raise BindingError(
            f"a chain requires steps, got {step!r}",
            place=place,
            remedy="pass the @step function itself, without calling it",
        )
    signature = step.signature
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    takes = any(
        parameter.kind in positional and name not in kwargs
        for name, parameter in signature.parameters.items()
    )
    call = bound_call(step.step, signature, (value, *args) if takes else args, kwargs, place, body)
    whole = whole_of(value)
    if not takes and isinstance(whole, NodeSpec):
        call.after.append(whole)
    return call


def _with_pipeline(
    pipeline: Any,
    value: ValueSpec | PartSpec,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    place: Place,
    body: MapSpec | None,
) -> NodeSpec:
    sub: SubPipeline = getattr(pipeline, INCLUDED)(place)
    takes = any(one.name not in kwargs for one in sub.parameters)
    ends = inlined(sub, (value, *args) if takes else args, kwargs, place, body)
    if len(ends) > 1:
        raise BindingError(
            f"{sub.name!r} has {len(ends)} results, and a chain continues from one",
            place=place,
            remedy="call it, and continue from one of its results: one, other = monthly(day)",
        )
    whole = whole_of(value)
    if not takes and isinstance(whole, NodeSpec):
        for one in firsts_of(ends[0]):
            one.after.append(whole)
    return ends[0]


def source_of(spec: ValueSpec) -> ValueSpec | None:
    """Return the call or map whose result a wait has; other specs unchanged."""
    return spec.source if isinstance(spec, WaitSpec) else spec


def firsts_of(spec: NodeSpec) -> list[NodeSpec]:
    """Return what waits for others: a node, or the first nodes of a sub-pipeline that it ends."""
    box = spec.box
    while box is not None and box.outer is not None:
        box = box.outer
    return [spec] if box is None else box.firsts


def no_map(place: Place) -> BindingError:
    """Return the error for ``agg`` where no map is open."""
    return BindingError(
        "agg() closes a map, and none is open here",
        place=place,
        remedy="write .map(step) before .agg(…), or .next(…) to run a step on a result",
    )
