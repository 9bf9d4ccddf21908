"""Calls that carry data: what a step's call returns, and how calls are handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import Group, Literal, MapOptions, RetryConfig

from .placeholders import ItemArgument, Placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.errors import Place
    from lokki_tf.model import Step

    from .chains import Chain
    from .step import StepFunction


class Call(Placeholder):
    """The result that a step will have in a run, and a node of a graph until then.

    Hand it to other steps as an argument, alone or inside lists, tuples, sets and dicts;
    or go on from it with ``.next``, ``.map`` and ``.agg``.
    """

    def __init__(
        self,
        step: Step,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        retry: RetryConfig,
        place: Place,
        home: MapCall | None = None,
    ) -> None:
        super().__init__(place)
        self._step = step
        self._args = tuple(argument(value, place) for value in args)
        self._kwargs = {name: argument(value, place) for name, value in kwargs.items()}
        self._after: list[Call | MapCall] = []
        self._retry = retry
        self._home = home

    def after(self, *calls: Any) -> Call:
        """Makes this call wait for others whose results it does not take.

        Args:
            calls: Calls of steps.

        Returns:
            The call itself.

        Raises:
            BindingError: If one is no call of a step.
        """
        for call in calls:
            if not isinstance(call, Call | MapCall):
                raise BindingError(
                    f"after() takes calls of steps, and {call!r} is none",
                    place=self._place,
                    remedy="call the step first: b = second(); b.after(first())",
                )
            self._after.append(call)
        return self

    def next(self, step: StepFunction[..., Any], **kwargs: Any) -> Call:
        """Runs a step on this result.

        Args:
            step: Takes the result as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        from .chains import following

        return following(step, self, kwargs, self._home)

    def map(self, step: Any, **options: Any) -> Chain:
        """Runs a step for each item of this result, all side by side.

        Args:
            step: Takes an item as its first argument; or a list of steps that run on each
                item one after another.
            options: Further arguments of the step, and of the map:
                ``concurrency_limit``, ``mode`` (``"inline"`` for small lists),
                ``tolerated_failure_percentage``, ``tolerated_failure_count``,
                ``batch_size`` (items that a call of a step takes at once).
        """
        from .chains import open_map

        return open_map(self, step, options)

    def agg(self, step: Any, **kwargs: Any) -> Any:
        """Is an error here: it closes a map, and none is open."""
        raise BindingError(
            "agg() closes a map, and none is open here",
            place=self._place,
            remedy="write .map(step) before .agg(…), or .next(…) to run a step on a result",
        )

    def _what(self) -> str:
        return f"the result of step {self._step.name!r}"

    def __repr__(self) -> str:
        return f"<call of step {self._step.name!r} at {self._place}>"

    def __getattr__(self, name: str) -> Any:
        step = self._step.function.__globals__.get(name)
        if getattr(step, "__lokki_step__", False):
            # As lokki writes it: fetch().process() goes on with the step of that name.
            return lambda **kwargs: self.next(step, **kwargs)  # type: ignore[arg-type]
        return super().__getattr__(name)


class MapCall(Placeholder):
    """A map while its graph is written: where its items come from, and its body."""

    def __init__(
        self, source: Call, options: MapOptions, place: Place, home: MapCall | None
    ) -> None:
        super().__init__(place)
        self._source = source
        self._options = options
        self._item = ItemArgument(place)
        self._end: Call | MapCall | None = None
        self._home = home
        self._after: list[Call | MapCall] = []

    def _what(self) -> str:
        return "the result of a map"


Argument = Literal | Group | Placeholder
"""An argument while a graph is written: placeholders stand where bindings will."""

_CONTAINERS: dict[type, Any] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
}


def argument(value: Any, place: Place) -> Argument:
    """A value as an argument: a placeholder, a container of some, or a literal.

    Args:
        value: What the user handed on.
        place: Where, for the error.

    Raises:
        BindingError: If it is a step that was not called.
    """
    if isinstance(value, Placeholder):
        placeholder: Placeholder = closed(value)
        return placeholder
    if getattr(value, "__lokki_step__", False):
        raise BindingError(
            f"step {value.__name__!r} is handed on without being called",
            place=place,
            remedy=f"call it: {value.__name__}(…)",
        )
    if type(value) in _CONTAINERS and _holds_placeholder(value):
        return _group(value, place)
    return Literal(value)


def closed(value: Any) -> Any:
    """A chain that ends in an open map stands for the map's result."""
    close = getattr(value, "_closed", None) if isinstance(value, Placeholder) else None
    return close() if close is not None else value


def _holds_placeholder(value: Any) -> bool:
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:  # a container may hold itself
            continue
        seen.add(id(current))
        members = current.values() if type(current) is dict else current
        for member in members:
            if isinstance(member, Placeholder) or getattr(member, "__lokki_step__", False):
                return True
            if type(member) in _CONTAINERS:
                waiting.append(member)
    return False


def _group(value: Any, place: Place) -> Group:
    kind = _CONTAINERS[type(value)]
    members = list(value.values() if kind == "dict" else value)
    if kind in ("set", "frozenset"):
        members.sort(key=_steady)
    # Placeholders stand among the members until the builder puts bindings in their place.
    bindings: Any = tuple(argument(member, place) for member in members)
    return Group(kind, bindings, tuple(value) if kind == "dict" else ())


def _steady(member: Any) -> tuple[int, str]:
    """A sort key that is the same in every run, as a set's own order is not."""
    if isinstance(member, Placeholder):
        return member._created, ""
    return -1, f"{type(member).__name__} {member!r}"


def placeholders_in(one: Argument) -> Iterator[Placeholder]:
    """The placeholders inside an argument, in order, repeats included."""
    waiting: list[Any] = [one]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Placeholder):
            yield current
        elif isinstance(current, Group):
            waiting.extend(reversed(current.members))
