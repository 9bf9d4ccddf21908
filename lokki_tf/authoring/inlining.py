"""Pipelines as parts of others: copies of their calls, with values for their parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import (
    REQUIRED,
    Attribute,
    Dataset,
    Group,
    Literal,
    MapOptions,
    TerraformRef,
    options,
    path_text,
    signature,
)

from .arguments import argument
from .locations import location_of
from .options import caught_errors
from .parameters import accepts
from .specs import (
    Box,
    CallSpec,
    ItemSpec,
    MapSpec,
    ParameterSpec,
    PartSpec,
    WaitSpec,
    needs_of,
    next_order,
    reachable,
)
from .waits import time_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lokki_tf.errors import Place
    from lokki_tf.model import FlowParameter, Key, Step

    from .specs import Argument, NodeSpec


@dataclass(frozen=True, slots=True)
class SubPipeline:
    """A pipeline that can be part of another.

    Args:
        name: Its name, the prefix of its nodes' names.
        ends: Its last calls.
        parameters: Its parameters.
        kind: What it is called in messages.
        timeout_seconds: The limit of its duration, which has no effect in another pipeline.
        routed: Of a routed pipeline, which has no calls: the step that runs it.
    """

    name: str
    ends: tuple[NodeSpec, ...]
    parameters: tuple[FlowParameter, ...]
    kind: str = "pipeline"
    timeout_seconds: int | None = None
    routed: Step | None = None


def inlined(
    sub: SubPipeline,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    place: Place,
    body: MapSpec | None = None,
) -> tuple[NodeSpec, ...]:
    """Return the ends of a copy of a pipeline's calls; of a routed pipeline, one call.

    Args:
        sub: The pipeline.
        args: Values of its first parameters: values, placeholders or specs.
        kwargs: Values of its parameters, by name; of a routed pipeline, also ``catch=``.
        place: Source location of the call.
        body: The map whose body contains the call.

    Raises:
        BindingError: If a value is missing, unknown, given twice or of the wrong type.
    """
    if sub.routed is not None:
        return (_called(sub, sub.routed, args, kwargs, place, body),)
    box = Box(sub.name, place, timeout_seconds=sub.timeout_seconds)
    copier = _Copier(_bound(sub, args, kwargs, place), box, body)
    ends = tuple(copier.copies(sub.ends))
    inside = dict.fromkeys(one for one in copier.made.values() if one.body is body)
    box.firsts = [one for one in inside if inside.keys().isdisjoint(needs_of(one))]
    return ends


def _called(
    sub: SubPipeline,
    step: Step,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    place: Place,
    body: MapSpec | None,
) -> CallSpec:
    """Return the call of a routed pipeline, whose first step has the defaults of its parameters."""
    given, catch = dict(kwargs), step.options.catch
    if "catch" in given and all(one.name != "catch" for one in sub.parameters):
        catch = caught_errors(given.pop("catch"), place)
    bound = _bound(sub, args, given, place)
    named = {one.name for one, _ in zip(sub.parameters, args, strict=False)} | {*given}
    values = {name: value for name, value in bound.items() if name in named}
    own = renamed(step, sub.name)
    return CallSpec(own, place, kwargs=values, body=body, catch=catch)


def _bound(
    sub: SubPipeline, args: Sequence[Any], kwargs: Mapping[str, Any], place: Place
) -> dict[str, Argument]:
    declared = {one.name: one for one in sub.parameters}
    given = dict(zip(declared, args, strict=False))
    problem = ""
    if len(args) > len(declared):
        problem = f"takes {len(declared)} arguments, got {len(args)}"
    for name, value in kwargs.items():
        if name not in declared:
            problem = f"has no parameter {name!r}"
        elif name in given:
            problem = f"receives {name!r} twice"
        given[name] = value
    missing = [n for n, one in declared.items() if n not in given and one.default is REQUIRED]
    if missing:
        problem = problem or f"requires {', '.join(map(repr, missing))}"
    values: dict[str, Argument] = {}
    for name, one in declared.items():
        values[name] = argument(given.get(name, one.default), place)
        value = values[name]
        known = value.value if isinstance(value, Literal) else value
        fits = accepts(one, "" if isinstance(known, TerraformRef) else known)
        if isinstance(value, Literal | TerraformRef) and name in given and not fits:
            problem = problem or f"requires {one.kind.__name__} for {name}, got {known!r}"
    if problem:
        raise BindingError(
            f"{sub.kind} {sub.name!r} {problem}",
            place=place,
            remedy=f"its signature is {signature(sub.parameters, sub.name)}",
        )
    return values


class _Copier:
    """Copies specs, with arguments in the place of parameters.

    Args:
        values: The arguments, by the parameters' names.
        box: The sub-pipeline that the copies are in.
        body: The map whose body contains the copies that are in none.
    """

    def __init__(self, values: Mapping[str, Argument], box: Box, body: MapSpec | None) -> None:
        self.values = values
        self.box = box
        self.body = body
        self.made: dict[NodeSpec, NodeSpec] = {}
        self.items: dict[ItemSpec, ItemSpec] = {}
        self.boxes: dict[Box, Box] = {}

    def copies(self, ends: Sequence[NodeSpec]) -> list[NodeSpec]:
        """Return copies of nodes; those that they depend on are copied as well."""
        originals = sorted(reachable(ends), key=lambda one: one.order)
        for one in originals:
            self.node(one).order = next_order()
        return [self.made[one] for one in ends]

    def node(self, one: NodeSpec) -> NodeSpec:
        """Return the copy of a node, which is made once."""
        if one in self.made:
            return self.made[one]
        box = self.inner(one.box)
        if isinstance(one, MapSpec):
            made = replace(one, end=None, after=[], box=box)
            self.made[one], self.items[one.item] = made, made.item
            made.source = self.source(one.source)
            self.limit(made)
            made.end = None if one.end is None else self.node(one.end)
            copy: NodeSpec = made
        elif isinstance(one, WaitSpec):
            copy = self.made[one] = replace(one, after=[], box=box)
            copy.value = None if one.value is None else self.node(one.value)
            copy.until = self.time(one)
        else:
            copy = self.made[one] = replace(one, after=[], box=box)
            copy.step = renamed(one.step, f"{self.box.name}-{one.step.name}")
            copy.args = tuple(self.argument(value) for value in one.args)
            copy.kwargs = {name: self.argument(value) for name, value in one.kwargs.items()}
        copy.body = self.body
        if one.body is not None:
            around = self.node(one.body)
            assert isinstance(around, MapSpec)
            copy.body = around
        copy.after = [self.node(other) for other in one.after]
        return copy

    def inner(self, box: Box | None) -> Box:
        """Return the box of a copy: this one, or a copy of a box inside of it."""
        if box is None:
            return self.box
        if box not in self.boxes:
            outer = self.inner(box.outer)
            self.boxes[box] = Box(box.name, box.place, outer, box.timeout_seconds)
        return self.boxes[box]

    def argument(self, value: Argument) -> Argument:
        """Return an argument of a copy."""
        if isinstance(value, Literal | TerraformRef):
            return value
        if isinstance(value, Group):
            members: Any = value.members
            copies: Any = tuple(self.argument(member) for member in members)
            return Group(value.kind, copies, value.keys)
        if isinstance(value, PartSpec):
            return selected(self.argument(value.of), value.path, value.place)
        if isinstance(value, ParameterSpec):
            return self.values[value.name]
        return self.items[value] if isinstance(value, ItemSpec) else self.node(value)

    def source(self, value: Any) -> Any:
        """Return the items of a map's copy."""
        if isinstance(value, Dataset):
            fields: Any = value.fields
            copied = {key: self.argument(one) for key, one in fields.items()}
            return replace(value, location=location_of(value.name, copied, self.box.place))
        # Maps run over results of calls or datasets, and not over parameters.
        return self.argument(value)

    def limit(self, made: MapSpec) -> None:
        """Replace the parameter that limits the items of a map's copy by its value."""
        if made.limit is None:
            return
        value = self.argument(made.limit)
        if isinstance(value, Literal):
            number = value.value or None  # 0 is no limit
            made.options = replace(made.options, concurrency_limit=number)
            rule = options(MapOptions)["concurrency_limit"].refused_by(number)
            if rule is not None:
                raise OptionError(
                    f"{made.limit.what} is the concurrency_limit of a map and must be "
                    f"{rule.expected}, or 0 for no limit, got {value.value!r}",
                    place=self.box.place,
                )
        elif not isinstance(value, ParameterSpec):
            raise OptionError(
                f"{made.limit.what} is the concurrency_limit of a map, so its value must be a "
                "whole number or a parameter of the run",
                place=self.box.place,
                remedy="pass a number, or a parameter of this pipeline",
            )
        made.limit = value if isinstance(value, ParameterSpec) else None

    def time(self, one: WaitSpec) -> Any:
        """Return the time until which the copy of a wait waits."""
        if not isinstance(one.until, ParameterSpec | CallSpec):
            return one.until
        time = self.argument(one.until)
        if isinstance(time, ParameterSpec):
            return time
        if isinstance(time, Literal | CallSpec):
            return time_of(time.value if isinstance(time, Literal) else time, one.place)
        raise BindingError(
            f"{one.until.what} is the time of a wait, so its value must be an aware datetime, a "
            "parameter or the result of a step",
            place=self.box.place,
            remedy="pass the result of a step that returns the time",
        )


def selected(value: Argument, path: tuple[Key, ...], place: Place) -> Argument:
    """Return a part of an argument.

    Args:
        value: The argument.
        path: What is selected, one after another.
        place: Source location of the whole.

    Raises:
        BindingError: If a literal has no such part.
    """
    for index, key in enumerate(path):
        if isinstance(value, PartSpec):
            return PartSpec(value.of, (*value.path, *path[index:]), value.place)
        if isinstance(value, TerraformRef):
            raise BindingError(
                f"{value!r} is a text, of which no part can be selected: {path_text(path)}",
                place=place,
                remedy="select the part inside a step",
            )
        if not isinstance(value, Literal | Group):
            return PartSpec(value, path[index:], value.place)
        try:
            value = _inside(value, key)
        except (LookupError, AttributeError, TypeError) as error:
            raise BindingError(
                f"a parameter's value has no part {path_text(path)}: {error}", place=place
            ) from None
    return value


def _inside(value: Literal | Group, key: Key) -> Argument:
    if isinstance(value, Literal):
        if isinstance(key, Attribute):
            return Literal(getattr(value.value, key.name))
        return Literal(value.value[key])
    members: Any = value.members
    if isinstance(key, Attribute):
        raise AttributeError(f"a {value.kind} has no attribute {key.name!r}")
    if value.kind == "dict":
        found: Argument = dict(zip(value.keys, members, strict=True))[key]
        return found
    if value.kind in ("list", "tuple"):
        return members[key]  # type: ignore[no-any-return]  # members are arguments
    raise TypeError(f"a {value.kind} has no items by number")


@cache
def renamed(step: Step, name: str) -> Step:
    """Return a step under another name, the same one for the same name.

    The names of the steps of a routed pipeline begin with the name.
    """
    if step.routed is not None:
        step = step.inside(lambda one: renamed(one, f"{name}-{one.own_name}"))
    return replace(step, name=name, written=step.own_name, condition=None)
