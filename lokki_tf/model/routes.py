"""A routed pipeline: steps, and the transitions that each may take.

A step returns its next step and the changes of the state. The state is a dict, whose values are the
next step's arguments. A step may run several times, up to a limit of the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lokki_tf.errors import Place

from .durations import duration
from .retries import ErrorType
from .steps import Step

FAILURE = "failure"
"""The parameter with which a step receives the failure that leads to it; it is not part of the
state."""
ORIGINAL_INPUT = "_original_input"
"""The parameter with which a step receives the run's input; it is not part of the state."""


@dataclass(frozen=True, slots=True)
class Test:
    """The condition of a transition.

    Args:
        line: Line of the ``ConditionalReturns``.
        operand: Source of the compared expression, ``choice`` for example.
        value: The string that it must equal; ``True`` if it must be true; ``None`` for the default,
            which is taken if no other condition matches.
    """

    line: int
    operand: str
    value: str | bool | None


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition from a step.

    Args:
        target: Name of the next step; ``None`` if the pipeline ends.
        place: Source location.
        test: Its condition; ``None`` if the return statement has no other target.
        clears: Whether the state is replaced by ``updates``.
        removes: Names that are removed from the state.
        updates: Names that are added to the state, or changed.
        after: The seconds before the next step, as they are written; empty if it does not wait.
        errors: The errors of the step after which it is taken; empty for a return statement.
    """

    target: str | None
    place: Place
    test: Test | None = None
    clears: bool = False
    removes: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    after: str = ""
    errors: tuple[ErrorType, ...] = ()

    @property
    def wait_label(self) -> str:
        """The wait, for people: ``30 s``, or the expression that it is computed with."""
        return duration(int(self.after)) if self.after.isdecimal() else self.after


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A step of a routed pipeline.

    Args:
        step: The step that runs.
        transitions: Its transitions, in the order of the source; those of one
            ``ConditionalReturns`` in the order in which they are tried. Empty if it always raises.
        takes: Names of its parameters, each with whether it is required.
        takes_more: Whether it accepts any other argument, as ``**kwargs`` does.
        takes_input: Whether it also receives the run's input, as :data:`ORIGINAL_INPUT`.
        terminates: Whether the pipeline may end with it.
        default_next: The next step if a return names none.
        next_key: The key of a returned dict that names the next step.
    """

    step: Step
    transitions: tuple[Transition, ...]
    takes: Mapping[str, bool] = field(default_factory=dict)
    takes_more: bool = True
    takes_input: bool = False
    terminates: bool = False
    default_next: str | None = None
    next_key: str = "$next"

    @property
    def name(self) -> str:
        """The name with which other steps lead to it: that in the code, also in other pipelines."""
        return self.step.own_name

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the next steps that it may return, each once."""
        found = (one.target for one in self.transitions if one.target and not one.errors)
        return tuple(dict.fromkeys(found))

    @property
    def waits(self) -> tuple[str, ...]:
        """Names of the possible next steps before which it may wait."""
        found = (one.target for one in self.transitions if one.target is not None and one.after)
        return tuple(dict.fromkeys(found))

    @property
    def catches(self) -> tuple[tuple[str, tuple[ErrorType, ...]], ...]:
        """The next steps after errors, each with the errors, in the order in which they apply."""
        caught = (one for one in self.transitions if one.errors)
        return tuple((one.target, one.errors) for one in caught if one.target)

    @property
    def reaches(self) -> tuple[str, ...]:
        """Names of all possible next steps, each once, those after errors last."""
        return tuple(dict.fromkeys((*self.targets, *(target for target, _ in self.catches))))

    @property
    def listed(self) -> tuple[tuple[ErrorType, ...], ...]:
        """The errors that its retriers and its routes list, each list by itself."""
        retry = (one.exceptions for one in self.step.options.retry)
        return (*retry, *(errors for _, errors in self.catches))

    @property
    def ends(self) -> bool:
        """Whether the pipeline may end with it."""
        return not self.targets or any(one.target is None for one in self.transitions)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Steps and their transitions.

    Args:
        start: Name of the first step.
        routes: The steps, in the order of their registration.
        limit: Largest number of calls of steps in one run.
    """

    start: str
    routes: tuple[Route, ...]
    limit: int = 25
    by_name: Mapping[str, Route] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = MappingProxyType({route.name: route for route in self.routes})
        object.__setattr__(self, "by_name", by_name)

    @property
    def takes_more(self) -> bool:
        """Whether a run accepts any parameters, as the first step does with ``**kwargs``."""
        return self.start not in self.by_name or self.by_name[self.start].takes_more

    def repeats(self, name: str) -> bool:
        """Return whether a run can come back to a step.

        Args:
            name: The step's name.
        """
        seen = list(self.by_name[name].reaches)
        for one in seen:
            known = self.by_name.get(one)
            seen += [each for each in (known.reaches if known else ()) if each not in seen]
        return name in seen

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps with code, each once."""
        return tuple(route.step for route in self.routes if route.step.has_code)
