"""Pipelines as tasks of others: between arrows, and in flows that are built step by step."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from lokki_tf.model import REQUIRED
from lokki_tf.tracebacks import ends_at_caller

from .arrows import Arrowed, join
from .calls import placeholders_of
from .inlining import inlined
from .links import firsts_of
from .specs import WaitSpec, needs_of
from .tasks import ArrowSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from lokki_tf.errors import Place

    from .calls import Wait
    from .inlining import SubPipeline
    from .specs import NodeSpec
    from .starts import Start
    from .tasks import Tasks


@ends_at_caller
class Included(ArrowSource, Arrowed):
    """A pipeline, which arrows connect to tasks of another one."""

    included_at: Place | None = None
    """Source location where it was last connected or added."""

    @property
    def name(self) -> str:
        """The pipeline's name."""
        raise NotImplementedError  # an abstract base class would slow down every isinstance()

    def __rrshift__(self, other: ArrowSource | Wait | Start | Tasks) -> Self:
        """Make the pipeline come after a task, or each of a list of tasks."""
        join(other, self)
        return self

    def __lokki_placed__(self, place: Place) -> None:
        """Keep the source location where it becomes part of another pipeline."""
        self.included_at = place

    def __lokki_included__(self, place: Place) -> SubPipeline:
        """Return its calls, at the source location where it becomes part of another pipeline."""
        raise NotImplementedError  # as above

    def __lokki_current__(self) -> Included:
        """Return the pipeline that a cell has put in place of this one, or this one itself."""
        return self


def signature_of_pipeline(sub: SubPipeline) -> Signature:
    """Return the parameters of a pipeline in the form in which functions have them.

    Args:
        sub: The pipeline.
    """
    kind, empty = Parameter.POSITIONAL_OR_KEYWORD, Parameter.empty
    parameters = [
        Parameter(one.name, kind, default=empty if one.default is REQUIRED else one.default)
        for one in sub.parameters
    ]
    # A parameter without default may follow one that has a default.
    return Signature(parameters, __validate_parameters__=False)


def inlined_after(
    sub: SubPipeline,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    place: Place,
    before: Sequence[NodeSpec],
) -> tuple[NodeSpec, ...]:
    """Return the ends of a copy of a pipeline, all of whose nodes come after others.

    Args:
        sub: The pipeline.
        args: Specs of values of its first parameters.
        kwargs: Specs of values of its parameters, by name.
        place: Source location where it is included.
        before: The nodes that end before the first of its nodes starts.
    """
    ends = inlined(sub, args, kwargs, place)
    for one in firsts_of(ends[0]):
        one.after += [other for other in before if other not in needs_of(one)]
    return ends


def results_of_pipeline(ends: Sequence[NodeSpec]) -> Any:
    """Return the placeholder of an included pipeline's result, or a tuple of several.

    Args:
        ends: Its ends; waits without a result are left out, unless all of them are.
    """
    results = [one for one in ends if not (isinstance(one, WaitSpec) and one.source is None)]
    return placeholders_of(results or ends)
