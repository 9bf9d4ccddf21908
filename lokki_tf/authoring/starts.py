"""``start_pipeline()``: a node that starts a deployed pipeline and waits for its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import (
    Literal,
    RetryConfig,
    StartedPipeline,
    Step,
    StepOptions,
    TerraformRef,
    TextOrRef,
    shortened,
)
from lokki_tf.model.retries import lists
from lokki_tf.tracebacks import ends_at_caller

from .arguments import argument
from .arrows import Arrowed, join, task_of
from .calls import Followed
from .nesting import is_pipeline
from .options import caught_errors, retriers
from .placeholders import spec_of
from .places import calling_place
from .specs import CallSpec, PartSpec

if TYPE_CHECKING:
    from lokki_tf.errors import Place

    from .keywords import Retry

_ARN = re.compile(r"arn:[\w-]+:states:[\w-]+:\d{12}:stateMachine:[\w-]+", re.ASCII)
_LONGEST_NAME = 80
_NAME = re.compile(rf"[\w-]{{1,{_LONGEST_NAME}}}", re.ASCII)


@ends_at_caller
class Start(Arrowed, Followed[CallSpec]):
    """The start of a deployed pipeline: a node of the graph, and a placeholder for its result."""

    def __init__(self, spec: CallSpec, tasks: Mapping[str, Any]) -> None:
        super().__init__(spec)
        self.draw()
        self._tasks = tasks
        for one in tasks.values():
            join([one], self)

    def __rshift__(self, other: Any) -> Any:
        """Pass the result to a task, or to each of a list of tasks."""
        return join([self], other)

    def __rrshift__(self, other: Any) -> Start:
        """Make the start come after each of a list of tasks."""
        join(other, self)
        return self

    def __repr__(self) -> str:
        spec = spec_of(self)
        return f"<start of pipeline {spec.step.name!r} at {spec.place}>"


@ends_at_caller
def start_pipeline(
    pipeline: TextOrRef,
    parameters: Mapping[str, Any] | None = None,
    *,
    trust: bool = False,
    name: str | None = None,
    retry: Retry | Sequence[Retry] | None = None,
    catch: Any = None,
) -> Any:
    """Return a node that starts a deployed pipeline and waits for its end.

    Its result is that of the other pipeline's last step, or a dict by name if several are last.
    Parameters and result are JSON, of at most 128,000 bytes each. If the other pipeline fails,
    :class:`lokki_tf.PipelineFailed` is raised. A redrive starts the other pipeline again.

    Locally the pipeline with that name runs; its module must have been imported. Of several it is
    the one that was made last, those in the same file first.

    Args:
        pipeline: The pipeline's name, or the ARN of its state machine, which may be a
            :class:`lokki_tf.TerraformRef`: ``TerraformRef("aws_sfn_state_machine.prices.arn")``. In
            a stage, the pipeline of the same stage is started, unless it is an ARN. Locally, the
            value of a reference may be an ARN or a name.
        parameters: Its parameters by name: values, results of steps and parts of them, parameters
            of this pipeline; between arrows and in :class:`lokki_tf.Flow`, tasks and parts of them.
        trust: Whether results are read from the other pipeline's bucket, so that they may have any
            type and size. They may be pickles, and loading a pickle can run any code.
        name: The node's name; by default the pipeline's, or the name in the reference.
        retry: When, and after which errors, it is started again.
        catch: Errors that make a ``Failure`` the result, after the retries.

    Raises:
        OptionError: If the name or ARN is invalid, or an option is.
        BindingError: If the parameters are not a dict with texts as keys.
    """
    place = calling_place()
    started = started_pipeline(pipeline, place, trust)
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise OptionError(
            f"start_pipeline(name={name!r}): name must be 1 to 80 characters",
            place=place,
            remedy="use letters A to Z, digits, - and _",
        )
    if parameters is not None and (
        not isinstance(parameters, Mapping) or not all(isinstance(one, str) for one in parameters)
    ):
        raise BindingError(
            f"start_pipeline({pipeline!r}, …) requires parameters as a dict by name, "
            f"got {parameters!r}",
            place=place,
            remedy=f'write start_pipeline({pipeline!r}, {{"day": day}})',
        )
    given = dict(parameters or {})
    tasks = {key: one for key, one in given.items() if isinstance(task_of(one), Arrowed)}
    tasks = {
        k: one for k, one in tasks.items() if not (isinstance(one, Followed) or is_pipeline(one))
    }
    spec = CallSpec(
        _step(started, name or started.name, place),
        place,
        kwargs={
            key: Literal(task_of(one).step) if key in tasks else argument(one, place)
            for key, one in given.items()
        },
        retry=() if retry is None else start_retriers(retry, place),
        catch=caught_errors(catch, place),
    )
    return Start(spec, tasks)


def start_retriers(given: Any, place: Place) -> tuple[RetryConfig, ...]:
    """Return when a pipeline is started again: after failures, but not for a result of no use.

    Args:
        given: As for :func:`.options.retriers`.
        place: Source location.

    Raises:
        OptionError: As for :func:`.options.retriers`.
    """
    from lokki_tf.runtime.failure import PipelineFailed

    failures = (PipelineFailed,)
    return tuple(
        replace(one, exceptions=failures)
        for one in retriers(given, place)
        if lists(one.exceptions, PipelineFailed)
    )


def drawn_start(start: Start, calls: Mapping[Any, Any]) -> CallSpec:
    """Return the call of a start between tasks, with results of tasks as its parameters.

    Args:
        start: The start.
        calls: The calls of the tasks before it.
    """
    spec = spec_of(start)
    kwargs = dict(spec.kwargs)
    for key, one in start._tasks.items():
        call = calls[task_of(one)]
        kwargs[key] = call if task_of(one) is one else PartSpec(call, one.path, spec.place)
    return CallSpec(
        spec.step,
        spec.place,
        kwargs=kwargs,
        retry=spec.retry,
        catch=spec.catch,
        after=list(spec.after),
    )


def started_pipeline(pipeline: Any, place: Place, trust: Any = False) -> StartedPipeline:
    """Return what is started.

    Args:
        pipeline: The pipeline's name, or the ARN of its state machine or a reference to it.
        place: Source location of the start.
        trust: Whether results are read from its bucket.

    Raises:
        OptionError: If one is invalid.
    """
    if not isinstance(trust, bool):
        raise OptionError(
            f"start_pipeline(trust={trust!r}): trust must be True or False", place=place
        )
    if isinstance(pipeline, TerraformRef):
        return _of_reference(pipeline, place, trust)
    known = _ARN if isinstance(pipeline, str) and ":" in pipeline else _NAME
    if not isinstance(pipeline, str) or not known.fullmatch(pipeline):
        raise OptionError(
            "start_pipeline(…) requires the name of a deployed pipeline, or the ARN of its state "
            f"machine, got {pipeline!r}",
            place=place,
            remedy='write start_pipeline("prices", {"day": day})'
            if not is_pipeline(pipeline)
            else "pass its name; to include its steps in this pipeline, call it",
        )
    return StartedPipeline(pipeline.rpartition(":")[2], pipeline, trust)


def _of_reference(pipeline: TerraformRef, place: Place, trust: bool) -> StartedPipeline:
    if pipeline.address.endswith(".name") and not pipeline.before:
        raise OptionError(
            f"start_pipeline({pipeline!r}, …) must refer to the ARN of a state machine",
            place=place,
            remedy='refer to its attribute arn: TerraformRef("aws_sfn_state_machine.prices.arn")',
        )
    if trust:
        raise OptionError(
            f"start_pipeline({pipeline!r}, trust=True): the bucket with the results is not known, "
            "because its name depends on the pipeline's",
            place=place,
            remedy="write the pipeline's name or ARN; or leave trust= out, and let its last step "
            "return JSON of at most 128,000 bytes",
        )
    return StartedPipeline(shortened(pipeline.label, _LONGEST_NAME), pipeline)


_STEPS: dict[tuple[StartedPipeline, str], Step] = {}
"""The step of each start in a graph, the same one for each start of a pipeline under one name."""


def _step(started: StartedPipeline, name: str, place: Place) -> Step:
    if (started, name) not in _STEPS:
        _STEPS[started, name] = starting_step(started, name, place)
    return _STEPS[started, name]


def starting_step(
    started: StartedPipeline, name: str, place: Place, options: StepOptions | None = None
) -> Step:
    """Return the step of a start; runs replace its function.

    Args:
        started: What is started.
        name: The step's name.
        place: Source location of the start.
        options: The step's options.
    """

    def start(**parameters: Any) -> Any:
        raise BindingError(f"pipeline {started.name!r} is started by runs only", place=place)

    start.__name__ = start.__qualname__ = name
    return Step(name, start, options or StepOptions(), place, starts=started)
