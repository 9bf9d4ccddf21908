"""The methods of every pipeline, in any style."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from lokki_tf.authoring import built, checked, cleanup_of, ends_of, notice_of, routed_cleanup
from lokki_tf.authoring.calls import placeholders_of
from lokki_tf.authoring.flows import refuse_missing
from lokki_tf.authoring.inclusions import Included
from lokki_tf.authoring.inlining import SubPipeline, inlined
from lokki_tf.authoring.options import pipeline_options
from lokki_tf.authoring.places import calling_place
from lokki_tf.errors import BindingError, CycleError, DefinitionError, OptionError
from lokki_tf.model import Definition, Finding, Graph, findings_of, raise_errors
from lokki_tf.model.texts import Picture, Text
from lokki_tf.tracebacks import ends_at_caller

from .deployed import DeployedPipeline
from .limits import refuse_large, refuse_other_than_json
from .local_runs import (
    parameters_of_run,
    refuse_parallel,
    run_locally,
    seeds_of_run,
    settings_of,
)
from .reports import Reported, report_file
from .starts import check_starts, remember, started_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor
    from os import PathLike
    from typing import Self

    from typing_extensions import TypeVar  # type checkers have it

    from lokki_tf.authoring.keywords import UnscheduledKeywords
    from lokki_tf.authoring.specs import NodeSpec
    from lokki_tf.config import Config
    from lokki_tf.drawing import Findings
    from lokki_tf.errors import Place
    from lokki_tf.local import Event, Run
    from lokki_tf.local.state import StateManager
    from lokki_tf.model import FlowParameter, Outcome, PackageSet, Routes, Step, UnusedLimit
    from lokki_tf.model.resources import Resources
    from lokki_tf.operate.execution import Execution
    from lokki_tf.packaging import Explanation, ImageContext
    from lokki_tf.terraform.synth import Synthesized

    from .starts import Startable
    from .triggers import EventRun

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

T = TypeVar("T")

_WRITTEN: ContextVar[tuple[tuple[Any, str], ...]] = ContextVar("pipelines in work", default=())


def collected(pipeline: Any, name: str, collect: Callable[[], T]) -> T:
    """Return what a function returns that collects a pipeline's calls.

    Args:
        pipeline: The pipeline, or the function of a flow, which its copies share.
        name: Its name in the message.
        collect: The function.

    Raises:
        CycleError: If it is being called for the pipeline already, which contains itself.
    """
    around = _WRITTEN.get()
    known = [one for one, _ in around]
    if pipeline in known:
        names = [one for _, one in around[known.index(pipeline) :]]
        raise CycleError(
            f"pipelines contain each other: {' → '.join((*names, name))}",
            place=calling_place(),
            remedy="remove one of these inclusions; a graph must not have cycles",
        )
    token = _WRITTEN.set((*around, (pipeline, name)))
    try:
        return collect()
    finally:
        _WRITTEN.reset(token)


@ends_at_caller
class Pipeline(Included, DeployedPipeline[R_co]):
    """Steps that depend on each other, as one unit that runs locally and in AWS.

    Args:
        name: Name of the state machine, and prefix of its functions' names.
        steps: Calls of steps; the calls that they depend on are included.
        schedule: When it starts: ``rate(1 hour)``, ``cron(0 9 * * ? *)`` (six fields) or
            ``at(2030-01-31T09:00:00)``.
        description: Description of the pipeline.
        tags: Tags of every resource.
        on_failure: Notified when it fails: a step or task, which is called with a dict, or the ARN
            of an SNS topic.
        cleanup: Runs once after all other steps, whatever happened: a step or task whose parameters
            are named after results and parameters of the run, or a call, ``release(lock, rows)``.
            Results that do not exist are ``None``.

    Raises:
        DefinitionError: If something about the pipeline is wrong; see :mod:`lokki_tf.errors` for
            its kinds.
    """

    __lokki_pipeline__ = True
    _kind = "pipeline"
    """What it is called in messages."""
    max_workers: int | None = None
    """Number of steps that run at once locally, unless a run sets another."""
    made_in: str
    """The file of the code that has made it."""
    _made: Definition
    _sound: Definition | None = None
    _last: tuple[Definition, tuple[Definition, Mapping[str, Outcome]]] | None = None

    def __new__(cls, *_args: Any, **_options: Any) -> Self:
        made = super().__new__(cls)
        made.draw()
        made.made_in = calling_place().file
        remember(made)  # so that others can start it by its name
        return made

    def __init__(
        self,
        name: str = "pipeline",
        steps: Sequence[Any] | None = None,
        schedule: str | None = None,
        **options: Unpack[UnscheduledKeywords],
    ) -> None:
        self._ends = ends_of(steps if steps is not None else ())
        made, place = built(self._ends), calling_place()
        given = pipeline_options({"schedule": schedule, **options}, "Pipeline", place)
        self._made = definition_of(
            given,
            made.graph,
            name=name,
            place=place,
            parameters=made.parameters,
            unused_limits=made.unused_limits,
            ends=self._ends,
        )
        _ = self.definition  # errors are raised where the pipeline is written

    @property
    def definition(self) -> Definition:
        """The definition, as frozen data.

        Raises:
            DefinitionError: If something is wrong; it contains all errors.
        """
        made = self._written()
        if self._sound is not made:
            self._refuse_faults()
            self._sound = made
        return made

    def _written(self) -> Definition:
        """Build the definition, without applying rules."""
        return self._made

    def __call__(self, *values: Any, **arguments: Any) -> Any:
        """Include the pipeline's steps in another pipeline.

        Its nodes are those of the other pipeline then, with this one's name before theirs. The
        schedule, triggers, time limit, tags, alarms and ``on_failure`` are those of the other
        pipeline; those of this one have no effect.

        Args:
            values: Values of its first parameters: values, results of steps, or parameters.
            arguments: The same by the parameters' names.

        Returns:
            The result of its last step, as a step's call returns it; a tuple for several.

        Raises:
            BindingError: If a value is missing, unknown or of the wrong type.
        """
        place = calling_place()
        return placeholders_of(inlined(self.__lokki_included__(place), values, arguments, place))

    def __lokki_included__(self, place: Place) -> SubPipeline:
        definition = self.definition
        if definition.cleanup is not None:
            raise BindingError(
                f"{self.name!r} is a pipeline with cleanup=, and cannot be part of another one, "
                "which may fail outside of it",
                place=place,
                remedy="give cleanup= to the other pipeline, or to a pipeline of its own",
            )
        if definition.max_concurrent_runs is not None:
            raise BindingError(
                f"{self.name!r} is a pipeline with max_concurrent_runs=, and cannot be part of "
                "another one, whose executions are not counted",
                place=place,
                remedy="give max_concurrent_runs= to the other pipeline, or start this one with "
                f"start_pipeline({self.name!r})",
            )
        return SubPipeline(
            definition.name,
            tuple(self._last_calls()),
            definition.parameters,
            self._kind,
            definition.timeout_seconds,
            self._as_step(definition),
        )

    def _as_step(self, definition: Definition) -> Step | None:
        """Return the step that runs the whole pipeline in another one, if one does."""
        return None

    def _last_calls(self) -> list[NodeSpec]:
        return self._ends

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._written().name

    @property
    def schedule(self) -> str | None:
        """Its schedule, if any."""
        return self.definition.schedule

    @property
    def graph(self) -> Graph:
        """Its nodes, as data."""
        return self.definition.graph

    @property
    def is_part(self) -> bool:
        """Whether it was made for another pipeline, of which it is a part."""
        return False

    @property
    def started_pipelines(self) -> Sequence[Startable]:
        """The pipelines that it starts by their names, as far as they are in this process."""
        return started_pipelines(self.definition)

    def _refuse_faults(self) -> None:
        """Raise all errors together, so that they can be fixed together."""
        if any(one.severity == "error" for one in self.early_findings()):
            raise_errors(self.check())

    def early_findings(self) -> list[Finding]:
        """Return the findings that need no analysis of the steps' code."""
        from lokki_tf.checks import check_definition

        definition = self._written()
        return [*check_definition(definition), *check_starts(definition)]

    def local_run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: str | Executor | None = None,
        max_workers: int | None = None,
        strict: bool = False,
        on_event: Callable[[Event], None] | None = None,
        state: StateManager | str | PathLike[str] | None = None,
        wait_scale: float = 1.0,
        answers: Mapping[str, Any] | None = None,
        event: Mapping[str, Any] | None = None,
        trigger: str | None = None,
        from_run: Execution[Any] | None = None,
        again: Sequence[str] = (),
        report: str | PathLike[str] | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Run[R_co]:
        """Run the pipeline locally, as parallel as its graph allows.

        Args:
            parameters: Values of a flow's parameters, by name.
            executor: ``"thread"`` (the default), ``"process"``, or any executor of
                :mod:`concurrent.futures`.
            max_workers: Largest number of steps that run at once.
            strict: Serialize every value as in AWS.
            on_event: Called when a step starts, ends, fails or is retried. After
                :func:`lokki_tf.configure_logging`, the run is also logged.
            state: Where results are stored, or the path of a file for them. A step that has run
                with the same code and inputs before does not run again, so a run that failed or was
                killed continues.
            wait_scale: Factor of the delays before retries, and of waits: 0.01 for a hundredth.
            answers: For steps with ``callback=True``, by name: the answer, an exception to raise,
                or a function that receives the step's ``run_context()`` and returns the answer.
                The terminal asks for others. Steps of started pipelines are included.
            event: An event of EventBridge, from which a trigger makes the parameters as in AWS.
            trigger: Name of that trigger, ``object-1`` for example; by default the one that the
                event matches.
            from_run: An execution in AWS, with whose parameters and results the run continues:
                what has ended there does not run here, and is kept in ``state``.
            again: Names of steps that run here nevertheless, and all that depend on them.
            report: Path of an HTML file for a report of the run, which is written even if the run
                fails. It contains what steps print and log. ``run.to_html()`` returns the same
                without that.
            config: Settings, of which a local run uses environment variables and time limits; by
                default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Returns:
            Generations of ``(name, value)``, with ``.outputs`` by name and ``.result``.

        Raises:
            BindingError: If a parameter is missing, unknown, of the wrong type or too large.
            LimitError: If Step Functions would end executions for their number of events.
            OutputError: If the report cannot be written.
            SecretError: If a secret cannot be read.
            StepFailed: If a step raises; its error is the cause.
            AlreadyRunning: If as many others are going on as ``max_concurrent_runs`` allows.
            SerializationError: With ``strict``, if a value cannot be serialized.
            StateError: If the file cannot be used.
        """
        definition, given = self.definition, parameters_of_run(parameters)
        file = report_file(report)
        if definition.routes is not None:
            refuse_parallel(executor, max_workers)
        if event is not None or trigger is not None:
            given = self.event_input(event, trigger, given, config=config, stage=stage).input
        seeds = None
        if from_run is not None or again:
            seeds = seeds_of_run(definition, from_run, again, given)
            given = dict(seeds.parameters)
        self.check_parameters(given)
        settings = settings_of(definition, wait_scale, config, stage, given)
        if given:
            from lokki_tf.runtime.parameters import without_reserved

            given = without_reserved(given)
        reported = Reported(definition, given, settings, file)
        try:
            with reported.output():
                ran = run_locally(
                    definition,
                    given,
                    settings,
                    state,
                    on_event,
                    executor=executor,
                    max_workers=max_workers or self.max_workers,
                    strict=strict,
                    answers=answers,
                    config=config,
                    seeds=seeds,
                )
        except BaseException as error:
            failed = getattr(error, "run", None)
            self._keep_outcomes(definition, failed)
            reported.ended(failed, error)
            raise
        self._keep_outcomes(definition, ran)
        reported.ended(ran)
        return ran

    def event_input(
        self,
        event: Any,
        trigger: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        config: Config | None = None,
        stage: str | None = None,
    ) -> EventRun:
        """Return what a trigger starts for an event: the execution's name, and its input.

        Args:
            event: An event of EventBridge.
            trigger: Name of the trigger; by default the one that the event matches.
            parameters: Must be empty: an event has all parameters.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Raises:
            BindingError: If no trigger, or several, match the event, or it lacks a parameter.
        """
        from lokki_tf.config import load_config

        from .triggers import run_of_event

        if parameters:
            raise BindingError(
                f"parameters ({', '.join(parameters)}) and an event cannot be combined",
                place=calling_place(),
                remedy="pass the event alone, whose trigger makes the parameters",
            )
        return run_of_event(self.definition, event, trigger, config or load_config(stage=stage))

    def _keep_outcomes(self, definition: Definition, run: Run | None) -> None:
        """Keep the outcomes of the latest run, which the picture in a notebook shows."""
        if run is not None:
            self._last = definition, (run.definition, run.outcomes)

    def check_parameters(self, given: Mapping[str, Any]) -> None:
        """Raise an error for missing and unknown parameters, and wrong types or sizes of values.

        Values are JSON, as the input of an execution is: a tuple would arrive as a list there.

        Args:
            given: Values by name. Those of a routed pipeline are arguments of its first step, which
                accepts them as any function does.

        Raises:
            BindingError: With the flow's signature, or the limit of parameters.
        """
        definition = self.definition
        declared, routes = definition.parameters, definition.routes
        if routes is None:
            checked(declared, given, definition.name, self._kind)
            refuse_missing(declared, given, definition.name)
            self._check_limits(given)
        elif not routes.takes_more:
            known = {one.name for one in declared}
            unknown = {name: value for name, value in given.items() if name not in known}
            checked(declared, unknown, definition.name, self._kind)
        if given:
            refuse_other_than_json(given, calling_place())
            refuse_large(definition, given, calling_place())

    def _check_limits(self, given: Mapping[str, Any]) -> None:
        """Raise an error for parameters that limit items of maps, as the first steps in AWS."""
        for one in self.definition.limits:
            if one.name in given:
                from lokki_tf.runtime.parameters import refuse_limit  # imported here: imports json

                try:
                    refuse_limit(one.name, given[one.name])
                except ValueError as error:
                    raise BindingError(str(error), place=calling_place()) from None

    def generate_step_functions(self) -> dict[str, Any]:
        """Return the state machine definition in Amazon States Language.

        Functions are ``${<step>_arn}`` and the bucket is ``${store}``, which the generated
        Terraform replaces. It also sets ``LOKKI_STORE`` and ``LOKKI_STEP`` in each function's
        environment, see :mod:`lokki_tf.runtime.store`.

        Raises:
            DefinitionError: If the pipeline has errors that leave it without a state machine.
            LimitError: If results do not fit into the state that uses them.
            SerializationError: If a literal cannot be serialized.
        """
        from lokki_tf.asl import compile_state_machine, filled
        from lokki_tf.checks import check_definition
        from lokki_tf.packaging import context_steps, main_module, package_steps
        from lokki_tf.terraform.checking import NO_MACHINE

        raise_errors([one for one in check_definition(self.definition) if one.rule in NO_MACHINE])
        context = context_steps(package_steps(self.definition))
        state_machine = compile_state_machine(self.definition, main_module(), context)
        return filled(state_machine.definition, {"partition": "aws", "prefix": ""})

    def check(
        self, template_file: str | Path | None = None, *, config: Config | None = None
    ) -> Findings:
        """Return all errors and warnings about the pipeline, before anything is written.

        Args:
            template_file: A Lambda template instead of the default one.
            config: Settings for the output; the defaults if omitted.

        Returns:
            Errors and warnings; empty if there are none. The list is printed as text, and shown as
                a table in a notebook.
        """
        from lokki_tf.drawing import Findings
        from lokki_tf.terraform.checking import all_findings

        try:
            definition = self._written()
        except DefinitionError as error:
            return Findings(findings_of(error))
        found = all_findings(definition, template_file, config)
        return Findings([*found, *check_starts(definition)])

    def explain(self, step: str, *, config: Config | None = None) -> Explanation:
        """Explain which files and packages are deployed of a step, and why each.

        Args:
            step: Name of the step.
            config: Settings; the defaults if omitted.

        Raises:
            OptionError: If there is no such step.
        """
        from lokki_tf.packaging import cut_steps, explain
        from lokki_tf.terraform.settings import with_settings

        definition = self.definition if config is None else with_settings(self.definition, config)
        for one, cut in cut_steps(definition).items():
            if one.name == step:
                return explain(cut, routed=definition.routes is not None)
        names = ", ".join(one.name for one in definition.steps)
        raise OptionError(
            f"pipeline {self.name!r} has no step {step!r}", remedy=f"its steps are {names}"
        )

    def synth(
        self,
        outdir: str | Path | None = None,
        *,
        region: str | None = None,
        template_file: str | Path | None = None,
        upgrade: bool = False,
        on_packages: Callable[[PackageSet], None] | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Synthesized:
        """Write Terraform into ``<outdir>/stacks/<name>``.

        Args:
            outdir: The output folder; by default ``build_dir`` of the settings.
            region: AWS region; by default that of the settings or the environment.
            template_file: A Lambda template instead of the default one.
            upgrade: Resolve newer versions of the packages that steps declare, ignoring the locks
                of an earlier synth.
            on_packages: Called with each set of packages that must be downloaded.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Raises:
            ConfigError: If a setting is wrong.
            DefinitionError: If the pipeline has errors; nothing is written then.
            MissingToolError: If CDKTF, Node or uv is missing, or packages cannot be reached.
            OutputError: If the folder cannot be written.
        """
        from lokki_tf.config import load_config, stage_in_environment
        from lokki_tf.terraform.synth import synth

        settings = config or load_config(stage=stage)
        with stage_in_environment(settings.stage):
            return synth(
                self,
                Path(outdir or settings.build_dir),
                config=settings,
                region=region,
                upgrade=upgrade,
                on_packages=on_packages,
                template_file=template_file,
            )

    def resources(
        self,
        account_id: str,
        region: str,
        *,
        variables: Mapping[str, str] | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Resources:
        """Return the pipeline's resources in an account, without Terraform.

        :meth:`lokki_tf.testing.LocalAws.run` registers them in a local AWS.

        Args:
            account_id: The account's number.
            region: The region's name.
            variables: Values of the Terraform variables that layers and references name.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Raises:
            ConfigError: If a setting is wrong, or a reference to Terraform has no value.
            DefinitionError: If the pipeline has errors.
            MissingToolError: If packages are declared and cannot be reached.
            OptionError: If a variable has no value.
        """
        from lokki_tf.config import load_config, stage_in_environment
        from lokki_tf.packaging import LayerBuilder
        from lokki_tf.terraform.account import Account
        from lokki_tf.terraform.resources import resources_of

        from .refs import local_ref

        settings = config or load_config(stage=stage)
        folder = Path(settings.build_dir).absolute() / "stacks" / settings.name_of(self.name)
        with stage_in_environment(settings.stage):
            return resources_of(
                self,
                settings,
                Account(account_id, region, refs=partial(local_ref, settings, variables or {})),
                builder=LayerBuilder(locks=folder),
                variables=variables or {},
            )

    def image(
        self,
        outdir: str | Path | None = None,
        *,
        template_file: str | Path | None = None,
        tag: str | None = None,
        on_packages: Callable[[PackageSet], None] | None = None,
        config: Config | None = None,
        base_digest: Callable[[str], str] | None = None,
    ) -> ImageContext:
        """Return the inputs of the pipeline's container image.

        Args:
            outdir: The output folder of synth, whose locks are used; by default ``build_dir`` of
                the settings.
            template_file: A Lambda template instead of the default one.
            tag: The image's tag; by default that of the settings, or the hash of the content.
            on_packages: Called with each set of packages that must be downloaded.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            base_digest: Returns the present digest of the base image, instead of the one that is
                kept in the stack's folder.

        Raises:
            ConfigError: If a setting is wrong, or no step runs in an image.
            DefinitionError: If the pipeline has errors.
            MissingToolError: If packages are declared and cannot be reached.
        """
        from lokki_tf.config import load_config, stage_in_environment
        from lokki_tf.terraform.images import image_of

        settings = config or load_config()
        with stage_in_environment(settings.stage):
            return image_of(
                self.definition,
                settings,
                Path(outdir or settings.build_dir),
                template_file=template_file,
                tag=tag,
                on_packages=on_packages,
                base_digest=base_digest,
            )

    def named(self, name: str) -> Pipeline:
        """Return the same pipeline with another name, which is a separate stack in AWS.

        Args:
            name: The name.
        """
        return _Renamed(self, name)

    def to_dot(self, run: Run | None = None) -> str:
        """Return the graph in Graphviz's language.

        Args:
            run: A run of this pipeline, whose outcomes and durations are shown.
        """
        from lokki_tf.drawing import to_dot

        return Text(to_dot(*self._drawn(run)))

    def to_mermaid(self, run: Run | None = None) -> str:
        """Return the graph in Mermaid's language.

        Args:
            run: As for :meth:`to_dot`.
        """
        from lokki_tf.drawing import to_mermaid

        return Text(to_mermaid(*self._drawn(run)))

    def to_svg(self, run: Run | None = None) -> str:
        """Return the graph as SVG.

        Args:
            run: As for :meth:`to_dot`.
        """
        from lokki_tf.drawing import to_svg

        return Picture(to_svg(*self._drawn(run)))

    def to_text(self, run: Run | None = None, width: int | None = None) -> str:
        """Return the graph as text: a line for each step, with what comes before it.

        Args:
            run: As for :meth:`to_dot`.
            width: The most columns of a line, at least 40; by default those of the terminal.
        """
        from shutil import get_terminal_size

        from lokki_tf.drawing import to_outline

        return Text(to_outline(*self._drawn(run), width or get_terminal_size().columns))

    def _drawn(self, run: Run | None) -> tuple[Definition, Mapping[str, Outcome] | None]:
        """Return the definition and the outcomes of a run; of no run, the pipeline's definition."""
        return (self.definition, None) if run is None else (run.definition, run.outcomes)

    def to_gantt(self, run: Run) -> str:
        """Return a run as a Gantt chart in SVG.

        Args:
            run: A run of this pipeline, complete or up to a failure.
        """
        from lokki_tf.drawing import to_gantt

        return Picture(to_gantt(run.definition, run.outcomes, run.duration))

    def _repr_svg_(self) -> str:
        from lokki_tf.drawing import to_svg

        definition = self.definition
        last = self._last
        return to_svg(*last[1]) if last and last[0] is definition else to_svg(definition)

    def __repr__(self) -> str:
        try:
            nodes = len(self.graph.nodes)
        except Exception:  # a flow that cannot be built raises when it is run
            return f"<Pipeline {self.name!r}>"
        return f"<Pipeline {self.name!r}: {nodes} node{'s' * (nodes != 1)}>"


class _Renamed(Pipeline):
    """A pipeline with another name, independent of later changes of the first."""

    def __init__(self, original: Pipeline, name: str) -> None:
        self._original = original
        self._kind = original._kind
        self._name = name
        self._last_seen: tuple[Definition, Definition] | None = None

    def _written(self) -> Definition:
        found = self._original._written()
        if self._last_seen is None or self._last_seen[0] is not found:
            self._last_seen = found, replace(found, name=self._name)
        return self._last_seen[1]

    def _last_calls(self) -> list[NodeSpec]:
        return self._original._last_calls()


def definition_of(
    given: Mapping[str, Any],
    graph: Graph,
    *,
    place: Place,
    ends: Iterable[NodeSpec] = (),
    parameters: tuple[FlowParameter, ...] = (),
    routes: Routes | None = None,
    unused_limits: tuple[UnusedLimit, ...] = (),
    name: str,
) -> Definition:
    """Make the definition of a pipeline.

    Args:
        given: Options of the pipeline, from ``pipeline_options``.
        graph: Its nodes.
        place: Its source location.
        ends: Specs of the last calls, to which the arguments of ``cleanup=`` refer.
        parameters: The parameters of a run.
        routes: The steps of a routed pipeline.
        unused_limits: The limits of the pipelines that are part of it.
        name: Its name.
    """
    if routes is None:
        cleanup, parameters = cleanup_of(given.get("cleanup"), graph, parameters, ends, place)
    else:
        cleanup = routed_cleanup(given.get("cleanup"), routes, place)
    steps = [*(routes.steps if routes else ()), *graph.steps]
    steps += [] if cleanup is None else [cleanup.step]
    return Definition(
        name,
        graph,
        place=place,
        parameters=parameters,
        routes=routes,
        unused_limits=unused_limits,
        **{
            **given,
            "on_failure": notice_of(given.get("on_failure"), steps, place),
            "cleanup": cleanup,
        },
    )
