"""A routed pipeline: steps, and the transitions that each may take.

A step returns which step comes next and what of the state changes. The state is a dict; the
next step gets it as its arguments. Steps may come again, up to a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lokki_tf.errors import Place

from .steps import Step

ORIGINAL_INPUT = "_original_input"
"""The parameter under which a step gets the run's input; no step hands it on."""


@dataclass(frozen=True, slots=True)
class Test:
    """On what a transition depends.

    Args:
        line: Line of the ``ConditionalReturns``.
        operand: The source of what is compared, ``choice`` for example.
        value: The string that it must equal; ``True`` if it must be true; ``None`` for the
            default, which is taken when nothing else matches.
    """

    line: int
    operand: str
    value: str | bool | None


@dataclass(frozen=True, slots=True)
class Transition:
    """A way on from a step.

    Args:
        target: Name of the next step; ``None`` where the pipeline ends.
        place: Where it is written.
        test: On what it depends; ``None`` if what is returned leads nowhere else.
        clears: Whether nothing of the state goes on but ``updates``.
        removes: Names that are taken out of the state.
        updates: Names that are put into the state.
    """

    target: str | None
    place: Place
    test: Test | None = None
    clears: bool = False
    removes: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A step of a routed pipeline.

    Args:
        step: What runs.
        transitions: The ways on, in the order of the source; those of one
            ``ConditionalReturns`` in the order in which they are tried. None if it always
            raises.
        takes: Its arguments by name, each with whether it must be given.
        takes_more: Whether it takes any other argument as well, as ``**kwargs`` does.
        takes_input: Whether it takes the run's input besides, as :data:`ORIGINAL_INPUT`.
        terminates: Whether the pipeline may end with it.
        default_next: The step that comes where a return names none.
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
    def targets(self) -> tuple[str, ...]:
        """Names of the steps that it may lead to, each once."""
        found = (one.target for one in self.transitions if one.target is not None)
        return tuple(dict.fromkeys(found))

    @property
    def ends(self) -> bool:
        """Whether the pipeline may end with it."""
        return not self.targets or any(one.target is None for one in self.transitions)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Steps that lead from one to the next.

    Args:
        start: Name of the first step.
        routes: The steps, in the order of their registration.
        limit: Most steps in one run.
    """

    start: str
    routes: tuple[Route, ...]
    limit: int = 25
    by_name: Mapping[str, Route] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = MappingProxyType({route.step.name: route for route in self.routes})
        object.__setattr__(self, "by_name", by_name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, each once."""
        return tuple(route.step for route in self.routes)
