"""The pipeline: the one object that wires authoring, local runs, ASL and Terraform."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring import build_flow, build_graph, checked
from lokki_tf.authoring.options import texts_by_name
from lokki_tf.authoring.places import calling_place, place_of
from lokki_tf.checks import check_definition
from lokki_tf.errors import BindingError, DefinitionError, LokkiError, OptionError
from lokki_tf.model import Definition, Finding, Graph, raise_errors, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from lokki_tf.config import Config
    from lokki_tf.drawing import Findings
    from lokki_tf.errors import Place
    from lokki_tf.local import Event, Run
    from lokki_tf.model import PackageSet
    from lokki_tf.terraform.synth import Synthesized


class Pipeline:
    """Steps that depend on each other, as one thing that runs here and in AWS.

    Args:
        name: Names the state machine and prefixes its functions.
        steps: Calls of steps; what they depend on belongs to the pipeline as well.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: What the pipeline is for.
        tags: Tags on every resource.

    Raises:
        DefinitionError: If something about the pipeline is wrong; see
            :mod:`lokki_tf.errors` for its kinds.
    """

    def __init__(
        self,
        name: str = "pipeline",
        steps: Sequence[Any] | None = None,
        schedule: str | None = None,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        graph = build_graph(steps if steps is not None else ())
        place = calling_place()
        self._definition = Definition(
            name, graph, schedule, *_described(description, tags, place), place
        )
        raise_errors(self.early_findings())

    @property
    def definition(self) -> Definition:
        """What it is, as frozen data."""
        return self._definition

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.definition.name

    @property
    def schedule(self) -> str | None:
        """When it starts by itself."""
        return self.definition.schedule

    @property
    def graph(self) -> Graph:
        """Its nodes, as data."""
        return self.definition.graph

    def early_findings(self) -> list[Finding]:
        """What the pipeline alone shows, without its code being cut."""
        return check_definition(self.definition)

    def local_run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: str | Executor | None = None,
        max_workers: int | None = None,
        strict: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Run:
        """Runs the pipeline here, as parallel as its graph allows.

        Args:
            parameters: Values of a flow's parameters, by name.
            executor: ``"thread"`` (the default), ``"process"``, or any executor of
                :mod:`concurrent.futures`.
            max_workers: How many steps may run at once.
            strict: Send every value through the same serialization as in AWS.
            on_event: Told when a step starts, ends, fails or is tried again. After
                :func:`lokki_tf.configure_logging`, the log is told as well.

        Returns:
            Generations of ``(name, value)``, with ``.outputs`` by name and ``.result``.

        Raises:
            BindingError: If a parameter is missing, unknown or of the wrong type.
            StepFailed: If a step raises; its error is the cause.
            SerializationError: With ``strict``, if a value cannot travel.
        """
        from lokki_tf.local import run
        from lokki_tf.reporting import heard

        definition = self.definition
        if parameters is not None and not isinstance(parameters, Mapping):
            raise BindingError(
                f"parameters are a dict by name, and {parameters!r} is none",
                place=calling_place(),
                remedy='write local_run({"name": value})',
            )
        given = dict(parameters or {})
        checked(definition.parameters, given, definition.name)
        return run(
            definition,
            given,
            executor=executor,
            max_workers=max_workers,
            strict=strict,
            on_event=heard(on_event, self.graph),
        )

    def generate_step_functions(self) -> dict[str, Any]:
        """The state machine in Amazon States Language.

        Functions stand as ``${<step>_arn}`` and the bucket as ``${store}``, which the
        generated Terraform fills in.

        Raises:
            LimitError: If results cannot fit where they meet.
            SerializationError: If a literal cannot travel.
        """
        from lokki_tf.asl import compile_machine, filled
        from lokki_tf.packaging import main_module

        machine = compile_machine(self.definition, main_module())
        return filled(machine.definition, {"partition": "aws", "prefix": ""})

    def check(self, template_file: str | Path | None = None) -> Findings:
        """All that is wrong or doubtful about the pipeline, before anything is written.

        Args:
            template_file: A Lambda template instead of the default one.

        Returns:
            Findings, errors as well as warnings; empty if all is well. The list shows itself
            as text, and as a table in a notebook.
        """
        from lokki_tf.asl import compile_machine
        from lokki_tf.checks import check_machine
        from lokki_tf.drawing import Findings
        from lokki_tf.packaging import main_module, package_steps

        findings = Findings(self.early_findings())
        with _noted(findings):
            for package in package_steps(self.definition, template_file).values():
                findings += package.findings
        with _noted(findings):
            machine = compile_machine(self.definition, main_module())
            findings += check_machine(machine.definition)
            _ = machine.text
        return findings

    def synth(
        self,
        outdir: str | Path | None = None,
        *,
        region: str | None = None,
        template_file: str | Path | None = None,
        upgrade: bool = False,
        on_packages: Callable[[PackageSet], None] | None = None,
        config: Config | None = None,
    ) -> Synthesized:
        """Writes Terraform into ``<outdir>/stacks/<name>``.

        Args:
            outdir: The output folder; the settings' ``build_dir`` unless given.
            region: AWS region; the settings' or the environment's unless given.
            template_file: A Lambda template instead of the default one.
            upgrade: Look for newer versions of the packages that steps declare, past the
                locks of an earlier synth.
            on_packages: Told of each set of packages that has to be fetched.
            config: Settings; those of ``lokki.toml`` and the environment unless given.

        Raises:
            ConfigError: If a setting is wrong.
            DefinitionError: If the pipeline has errors; nothing is written then.
            MissingToolError: If CDKTF, Node or uv is missing, or packages cannot be reached.
            OutputError: If the folder cannot be written.
        """
        from lokki_tf.config import load_config
        from lokki_tf.terraform.synth import synth

        settings = config or load_config()
        return synth(
            self,
            Path(outdir or settings.build_dir),
            config=settings,
            region=region,
            upgrade=upgrade,
            on_packages=on_packages,
            template_file=template_file,
        )

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        from lokki_tf.drawing import to_dot

        return to_dot(self.definition)

    def to_mermaid(self) -> str:
        """The graph in Mermaid's language."""
        from lokki_tf.drawing import to_mermaid

        return to_mermaid(self.definition)

    def to_svg(self) -> str:
        """The graph as a picture."""
        from lokki_tf.drawing import to_svg

        return to_svg(self.definition)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        nodes = len(self.graph.nodes)
        return f"<Pipeline {self.name!r}: {nodes} node{'s' * (nodes != 1)}>"


@contextmanager
def _noted(findings: list[Finding]) -> Iterator[None]:
    """Makes a finding of the error that ends what stands inside."""
    try:
        yield
    except LokkiError as error:
        kind = type(error) if isinstance(error, DefinitionError) else DefinitionError
        findings.append(Finding("plan", error.message, error.place, error.remedy, error=kind))


def _described(description: Any, tags: Any, place: Place) -> tuple[str | None, Mapping[str, str]]:
    """Description and tags, if they are a string and a dict of strings."""
    if description is not None and not isinstance(description, str):
        raise OptionError(f"description={description!r} is no string", place=place)
    return description, texts_by_name("tags", {} if tags is None else tags, place)


class FlowPipeline(Pipeline):
    """A pipeline that a function under ``@flow`` writes; its parameters are the run's.

    Calling it gives the same pipeline with other defaults: ``daily(limit=5)``.

    Args:
        function: Returns the end of a chain, or several.
        name: Names the state machine; the function's name, with hyphens, unless given.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: What it is for; the function's docstring unless given.
        tags: Tags on every resource.
        given: Values that take the place of the parameters' defaults.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        schedule: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        if not inspect.isfunction(function):
            raise BindingError(
                f"@flow stands on {function!r}, which is no function",
                place=calling_place(),
                remedy="decorate a function that returns a chain",
            )
        functools.update_wrapper(self, function)
        self._function = function
        first_line = (function.__doc__ or "").strip().partition("\n")[0]
        description, tags = _described(description or first_line or None, tags, calling_place())
        self._options: dict[str, Any] = {
            "name": name or function.__name__.replace("_", "-"),
            "schedule": schedule,
            "description": description,
            "tags": tags,
        }
        self._given = dict(given or {})
        self._built: tuple[tuple[int, ...], Definition] | None = None

    @property
    def definition(self) -> Definition:
        """What it is, as frozen data; built anew where a step it names has been replaced."""
        # A notebook's cell that runs again puts a new step under the old name.
        names = self._function.__globals__
        seen = tuple(id(names.get(name)) for name in self._function.__code__.co_names)
        if self._built is None or self._built[0] != seen:
            ends, parameters = build_flow(self._function, self._given)
            graph = self._graph(ends)
            made = Definition(
                graph=graph, place=place_of(self._function), parameters=parameters, **self._options
            )
            raise_errors(check_definition(made))
            self._built = (seen, made)
        return self._built[1]

    def _graph(self, ends: list[Any]) -> Graph:
        try:
            return build_graph(ends)
        except BindingError as error:
            if not error.message.startswith("steps holds"):
                raise
            raise BindingError(
                f"flow {self._function.__name__!r} returns something that is no chain: "
                + error.message.removeprefix("steps holds "),
                place=place_of(self._function),
                remedy="return the chain itself: return load().map(process).agg(total)",
            ) from None

    def __call__(self, *args: Any, **kwargs: Any) -> FlowPipeline:
        """The same flow with other values for its parameters.

        Raises:
            BindingError: If one is unknown or of the wrong type.
        """
        try:
            bound = inspect.signature(self._function).bind_partial(*args, **kwargs)
        except TypeError as error:
            raise BindingError(
                f"flow {self._function.__name__!r} cannot be called so: {error}",
                place=calling_place(),
                remedy=f"its signature is {signature(self.definition.parameters, self.name)}",
            ) from None
        given = {**self._given, **bound.arguments}
        flow = FlowPipeline(self._function, **self._options, given=given)
        _ = flow.definition  # what is wrong is told here
        return flow


def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    schedule: str | None = None,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Any:
    """Makes a function that writes a chain a pipeline.

    Args:
        function: The function, where the decorator stands without arguments.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        name: Names the state machine; the function's name, with hyphens, unless given.
        description: What it is for; the function's docstring unless given.
        tags: Tags on every resource.

    Returns:
        A :class:`FlowPipeline`, or a decorator that makes one.
    """

    def decorate(function: Callable[..., Any]) -> FlowPipeline:
        return FlowPipeline(
            function, name=name, schedule=schedule, description=description, tags=tags
        )

    return decorate if function is None else decorate(function)
