"""Pipelines that others start with ``start_pipeline()``: where they are found, and run locally."""

from __future__ import annotations

from contextvars import Context
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from lokki_tf.authoring.parameters import accepts
from lokki_tf.errors import (
    AlreadyRunning,
    BindingError,
    ConfigError,
    DefinitionError,
    LoopError,
    RunTimeoutError,
    StepFailed,
)
from lokki_tf.model import (
    REQUIRED,
    Finding,
    Literal,
    Map,
    Node,
    TerraformRef,
    Wait,
    findings_of,
    signature,
)

from .limits import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lokki_tf.asl import StateMachine
    from lokki_tf.config import Config
    from lokki_tf.local import Run, Settings
    from lokki_tf.model import AnyNode, Definition, StartedPipeline


class Startable(Protocol):
    """What is required of a pipeline that is started."""

    @property
    def name(self) -> str: ...
    @property
    def definition(self) -> Definition: ...
    @property
    def local_run(self) -> Callable[..., Run]: ...
    @property
    def made_in(self) -> str:
        """The file of the code that has made it."""

    @property
    def is_part(self) -> bool:
        """Whether it was made for another pipeline, of which it is a part."""


_KNOWN: WeakValueDictionary[int, Startable] = WeakValueDictionary()
"""All pipelines of this process, in the order in which they were made."""
_LEAST_LIMIT = 380
"""Bytes of a value that are inline in any state machine: as many as a reference has."""


def remember(pipeline: Startable) -> None:
    """Let pipelines start another one by its name.

    Args:
        pipeline: The other one, which has been made.
    """
    _KNOWN.pop(id(pipeline), None)
    _KNOWN[id(pipeline)] = pipeline


def _found(
    definition: Definition, config: Config | None = None
) -> dict[StartedPipeline, Startable | None]:
    """Return what a pipeline starts, with the pipelines of this process that have the names.

    Of several with one name it is the one that was made last, first among those of the files that
    contain the starts: modules that are imported together, as tests are, may have the same names.
    """
    # The list of references is made at once, while other threads make pipelines. One that is being
    # made has no name yet.
    known = [one for reference in _KNOWN.valuerefs() if (one := reference()) is not None]
    found: dict[StartedPipeline, Startable | None] = {}
    for started, node in _starts(definition).items():
        try:
            name = _name_of(node, config)
        except ConfigError:
            found[started] = None
            continue
        named = [one for one in known if getattr(one, "name", None) == name]
        named = [one for one in named if not one.is_part]
        files = {one.place.file for one in definition.started if one.step.starts == started}
        near = [one for one in named if one.made_in in files and not one.made_in.startswith("<")]
        found[started] = next(reversed(near or named), None)
    return found


def _name_of(node: Node, config: Config | None, stage: str | None = None) -> str:
    """Return the name of the pipeline that a node starts; a reference has a local value.

    Raises:
        ConfigError: If the reference has no value.
    """
    started = node.step.starts
    assert started is not None
    if not isinstance(started.machine, TerraformRef):
        return started.name
    from lokki_tf.config import load_config, local_value

    what = f"the start of pipeline {started.name!r}"
    known = local_value(started.machine, config or load_config(stage=stage), what, node.place)
    return known.rpartition(":")[2]


def started_pipelines(definition: Definition) -> list[Startable]:
    """Return the pipelines that a pipeline starts, as far as they are in this process.

    Args:
        definition: The pipeline.
    """
    return [one for one in _found(definition).values() if one is not None]


def with_starts(
    definition: Definition,
    settings: Settings,
    *,
    strict: bool,
    config: Config | None = None,
    answers: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a run in which other pipelines are started.

    Args:
        definition: The pipeline that runs.
        settings: The settings of its run.
        strict: Whether started pipelines serialize their values as well.
        config: Settings of the project, for started pipelines.
        answers: Answers to steps of this pipeline and of started ones.

    Raises:
        BindingError: If no pipeline of this process has the name of one that is started.
        ConfigError: If one is a reference to Terraform without a value.
    """
    starts, here = _starts(definition), _found(definition, config)
    for started, node in starts.items():
        if here[started] is None:
            name = _name_of(node, config, settings.stage)
            raise BindingError(
                f"pipeline {name!r} is started, and no pipeline of this process has that name",
                place=node.place,
                remedy=_did_you_mean(name)
                or "import the module that makes it; a local run starts it here",
            )
    scale, stage = settings.wait_scale, settings.stage
    options = {"strict": strict, "wait_scale": scale, "config": config, "stage": stage}
    start = _starter(here, answers or {}, **options)
    return replace(settings, start=start) if starts else settings


def _did_you_mean(name: str) -> str:
    known = [getattr(one, "name", "") for one in _KNOWN.values()]
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _starts(definition: Definition) -> dict[StartedPipeline, Node]:
    return {one.step.starts: one for one in reversed(definition.started) if one.step.starts}


def own_answers(
    definition: Definition, answers: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return the answers that are not for steps of started pipelines only.

    Args:
        definition: The pipeline.
        answers: Answers by the names of nodes or steps.
    """
    others = _asked_by_started(definition, set()) - _asking(definition)
    return {name: one for name, one in (answers or {}).items() if name not in others} or None


def _asking(definition: Definition) -> set[str]:
    """Return the names of nodes and steps that wait for an answer."""
    return {name for node in definition.asking for name in (node.name, node.step.name)}


def _asked_by_started(definition: Definition, seen: set[str]) -> set[str]:
    names: set[str] = set()
    for one in started_pipelines(definition):
        if one.name not in seen:
            seen.add(one.name)
            names |= _asking(one.definition) | _asked_by_started(one.definition, seen)
    return names


def _starter(
    here: Mapping[StartedPipeline, Startable | None], answers: Mapping[str, Any], **options: Any
) -> Callable[..., Any]:
    """Return the function that runs a started pipeline locally, and returns its result."""

    def start(started: StartedPipeline, /, **values: Any) -> Any:
        from lokki_tf.runtime.failure import PipelineFailed
        from lokki_tf.runtime.parameters import json_bytes
        from lokki_tf.runtime.started import (
            LARGEST_TOGETHER,
            failure_text,
            input_of,
            too_large_together,
        )

        given = input_of(started.name, values)
        pipeline = here[started]
        assert pipeline is not None
        try:
            _refuse_input(pipeline.definition, given)
            # Not in the context of the step that is running.
            known = _asking(pipeline.definition) | _asked_by_started(pipeline.definition, set())
            answered = {name: one for name, one in answers.items() if name in known}
            run: Run = Context().run(
                partial(pipeline.local_run, given, answers=answered or None, **options)
            )
        except _FAILURES as error:
            text = failure_text(started.name, *_reported(error))
            raise PipelineFailed(text) from error
        if not started.trust:
            return _inline_result(started.name, pipeline.definition, run)
        if (
            json_bytes(given) + json_bytes(_inline_output(pipeline.definition, run))
            > LARGEST_TOGETHER
        ):
            raise too_large_together(started.name)
        return run.result

    return start


class _InputError(Exception):
    """The error with which the first steps of an execution refuse its input."""


_FAILURES = (AlreadyRunning, StepFailed, RunTimeoutError, LoopError, BindingError, _InputError)
"""The errors of a run for which an execution fails."""


def _refuse_input(definition: Definition, given: Mapping[str, Any]) -> None:
    from lokki_tf.asl.payloads import known_names
    from lokki_tf.asl.sizes import LEAST_PARAMETERS
    from lokki_tf.runtime.parameters import filled, json_bytes, refuse_strangers

    declared = definition.parameters
    if definition.routes is not None:
        return
    machine = _machine(definition) if json_bytes(given) > LEAST_PARAMETERS else None
    flow = {**known_names(definition), "most": machine and machine.most_parameters}
    try:
        refuse_strangers(given, flow)
        for one in declared:
            kind = {"kind": one.kind.__name__} if isinstance(one.kind, type) else {}
            default = {} if one.default is REQUIRED else {"default": {"value": one.default}}
            filled({"parameter": one.name, **kind, **default}, given)
    except (TypeError, ValueError) as error:
        raise _InputError from error


def _reported(error: Exception) -> tuple[str, str]:
    """Return name and text of an error, as Step Functions reports them."""
    from lokki_tf.runtime.started import TIMED_OUT

    if isinstance(error, RunTimeoutError):
        return TIMED_OUT, ""
    if isinstance(error, LoopError):
        return "TooManySteps", error.message
    if isinstance(error, AlreadyRunning):
        return type(error).__name__, error.message
    known = isinstance(error, StepFailed | _InputError)
    own = error.__cause__ if known and error.__cause__ is not None else error
    return type(own).__name__, str(own)


def _inline_result(name: str, definition: Definition, run: Run) -> Any:
    """Return a run's result, if it would be inline in the output of an execution.

    Raises:
        TypeError: If it is not JSON, or would be in the bucket.
        ValueError: If it is too large.
    """
    from lokki_tf.runtime.started import not_inline, result_of

    output = _inline_output(definition, run)
    if len(output) < len(_last(run)):
        raise not_inline(name)
    return result_of(name, output)


def _inline_output(definition: Definition, run: Run) -> dict[str, Any]:
    """Return what the output of an execution would contain inline."""
    output: dict[str, Any] = {}
    for node in _last(run):
        if run.status[node.name] == "skipped":
            output[node.name] = {"value": None, "skipped": True}
        elif _is_inline(definition, run, node):
            output[node.name] = {"value": run.outputs[node.name]}
    return output


def _last(run: Run) -> list[AnyNode]:
    graph = run.definition.graph
    ends = (graph.by_name[name] for name in graph.terminals)
    return [one for one in ends if not isinstance(one, Wait) or one.value is not None]


def _is_inline(definition: Definition, run: Run, node: AnyNode) -> bool:
    from lokki_tf.runtime.envelope import json_text

    value = run.outputs[node.name]
    if isinstance(node, Wait):
        assert node.value is not None
        node = run.definition.graph.by_name[node.value.node]
    text = json_text(value)
    if text is None:
        return False
    if isinstance(node, Map) and node.options.mode == "distributed":
        return False
    if isinstance(node, Node) and (node.step.is_job or node.step.options.callback):
        return not node.step.is_job
    return len(text) <= _LEAST_LIMIT or len(text) <= _limit(definition, node, value)


def _limit(definition: Definition, node: AnyNode, value: Any) -> int:
    """Return the bytes that a result may have inline; 0 if one of a map's results has too many."""
    from lokki_tf.asl.routes import INLINE_BYTES
    from lokki_tf.runtime.envelope import json_text
    from lokki_tf.runtime.maps import of_each
    from lokki_tf.runtime.routed import FRAME

    if definition.routes is not None:  # its result is the last step's whole state
        assert isinstance(node, Node)
        return INLINE_BYTES - len(node.step.name) - FRAME
    machine = _machine(definition)
    if machine is None:
        return 0
    if node.name in machine.inline:
        room = of_each(machine.inline[node.name], len(value))["Room"]
        texts = map(json_text, value)
        fit = all(text is not None and len(text) <= room for text in texts)
        return machine.limits[node.name] if fit else 0
    return machine.limits[node.name]


@lru_cache(maxsize=16)
def _machine(definition: Definition) -> StateMachine | None:
    return compiled(definition)


def check_starts(definition: Definition) -> Iterator[Finding]:
    """Check what a pipeline starts, as far as that is in this process.

    Args:
        definition: The pipeline.
    """
    try:
        yield from _check_starts(definition)
    except DefinitionError as error:  # of a pipeline that is started
        yield from findings_of(error)


def _check_starts(definition: Definition) -> Iterator[Finding]:
    here = _found(definition)
    for node in definition.started:
        assert node.step.starts is not None
        pipeline = here[node.step.starts]
        name = pipeline.name if pipeline is not None else _written_name(node.step.starts)
        if name == definition.name or (
            pipeline is not None and _reaches(pipeline, definition.name, set())
        ):
            way = "" if name == definition.name else f", by way of {name!r}"
            yield Finding(
                "start",
                f"pipeline {definition.name!r} starts itself{way}",
                node.place,
                "repeat steps with a map, or with a routed pipeline",
                error=BindingError,
            )
        elif pipeline is not None:
            yield from _misfits(node, pipeline)


def _reaches(pipeline: Startable, name: str, seen: set[str]) -> bool:
    """Return whether a pipeline starts the one with a name, perhaps by way of others."""
    if pipeline.name in seen:
        return False
    seen.add(pipeline.name)
    starts = _starts(pipeline.definition)
    return any(_written_name(one) == name for one in starts) or any(
        _reaches(one, name, seen) for one in started_pipelines(pipeline.definition)
    )


def _written_name(started: StartedPipeline) -> str | None:
    """Return the name of a started pipeline, unless only Terraform knows it."""
    return None if isinstance(started.machine, TerraformRef) else started.name


def _misfits(node: Node, pipeline: Startable) -> Iterator[Finding]:
    """Yield what is wrong with the parameters of a start."""
    declared = {one.name: one for one in pipeline.definition.parameters}
    given = dict(node.kwargs)
    literals: Mapping[str, Any] = {
        name: one.value for name, one in given.items() if isinstance(one, Literal)
    }
    problem = ""
    missing = [n for n, one in declared.items() if one.default is REQUIRED and n not in given]
    if missing:
        problem = f"requires {', '.join(map(repr, missing))}"
    unknown = [name for name in given if name not in declared]
    routes = pipeline.definition.routes
    if unknown and not (routes is not None and routes.takes_more):
        problem = f"has no parameter {unknown[0]!r}"
    for name, one in declared.items():
        if name in literals and not accepts(one, literals[name]):
            problem = problem or f"requires {one.kind.__name__} for {name}, got {literals[name]!r}"
    if problem:
        yield Finding(
            "start",
            f"pipeline {pipeline.name!r}, which is started here, {problem}",
            node.place,
            f"its signature is {signature(pipeline.definition.parameters, pipeline.name)}, at "
            f"{pipeline.definition.place}",
            error=BindingError,
        )
