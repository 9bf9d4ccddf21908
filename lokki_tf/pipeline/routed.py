"""Pipelines whose steps return the next step."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Never, Unpack

from lokki_tf.authoring import hints_of, kind_of
from lokki_tf.authoring.options import pipeline_options
from lokki_tf.authoring.places import calling_place
from lokki_tf.authoring.routes import Registry, refuse_inner, routed_step
from lokki_tf.authoring.stepped import Stepped
from lokki_tf.checks.routes import as_warnings, check_routes
from lokki_tf.errors import BindingError
from lokki_tf.model import REQUIRED, FlowParameter, Step
from lokki_tf.model.signatures import signature_of
from lokki_tf.tracebacks import ends_at_caller

from .base import Pipeline, definition_of
from .failure_notices import notified
from .limits import inline_limits, refuse_large
from .local_runs import settings_of
from .refs import with_known_arguments
from .starts import own_answers, with_starts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO

    from lokki_tf.authoring.inlining import SubPipeline
    from lokki_tf.authoring.keywords import PipelineKeywords
    from lokki_tf.authoring.specs import NodeSpec
    from lokki_tf.errors import Place
    from lokki_tf.model import Definition, Finding, Routes

SCALE, ANSWERS = "wait_scale", "answers"
"""Names of options of ``run`` and ``run_from``, unless a function has such a parameter."""


@ends_at_caller
class Functions(Registry):
    """Functions that return their next function, for local runs.

    Args:
        beginner: Name of the first function, which may be registered later.
        max_steps: Largest number of steps in one run.
        name: Name of the pipeline.
    """

    __lokki_pipeline__ = True

    def __init__(self, beginner: str, *, max_steps: int = 25, name: str = "pipeline") -> None:
        super().__init__(beginner, max_steps=max_steps)
        self._name, self._place = name, calling_place()
        self._options: dict[str, Any] = {}
        self._read: tuple[Any, Definition] | None = None
        self._step: Step | None = None

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._name

    @property
    def definition(self) -> Definition:
        """The definition, as frozen data.

        Raises:
            DefinitionError: If a function's return statements cannot be read. An error on some path
                is not raised, because a run may not take that path; ``check`` reports it.
        """
        return self._written()

    def _written(self) -> Definition:
        # Read again if a function was registered since.
        registered = dict(self.registered)
        if self._read is None or self._read[0] != registered:
            routes = self.routes
            made = definition_of(
                self._options,
                self.included,
                name=self._name,
                place=self._place,
                parameters=_parameters(routes),
                routes=routes,
                unused_limits=self.unused_limits,
            )
            self._read = registered, made
        return self._read[1]

    def run(self, *unexpected: Never, **data: Any) -> Any:
        """Run the functions locally, from the first one on.

        Args:
            unexpected: Nothing: values have names.
            data: Arguments of the first function, by name. ``wait_scale`` and ``answers``, if the
                function has no such parameters, are the factor of waits, and the answers to steps
                with ``callback=True``, as for ``local_run``.

        Returns:
            The return value of the last function: its dict, or the state after its updates.

        Raises:
            BindingError: If a required argument is missing, or a value has no name.
            StepFailed: If a function raises; its error is the cause.
            LoopError: If it would exceed the limit of steps.
            AlreadyRunning: If as many others are going on as ``max_concurrent_runs`` allows.
        """
        self._refuse_unnamed(unexpected, "run", self.beginner)
        return self._run_from(None, data)

    def run_from(self, *unexpected: Never, step: str, **data: Any) -> Any:
        """Run the functions locally, from another function on.

        Args:
            unexpected: Nothing: values have names.
            step: Name of the function.
            data: Its arguments, by name.
        """
        self._refuse_unnamed(unexpected, "run_from", step)
        return self._run_from(step, data)

    def _refuse_unnamed(self, values: tuple[object, ...], method: str, step: str) -> None:
        if values:
            known = self._routes.by_name.get(step)
            names = ", ".join(known.takes if known else ()) or "nothing"
            raise BindingError(
                f"{method}() takes values by name only, got {values[0]!r}",
                place=calling_place(),
                remedy=f"write {method}(name=value); the parameters of {step!r} are {names}",
            )

    def _run_from(self, step: str | None, data: Mapping[str, Any]) -> Any:
        from lokki_tf.local import run_routes, slot_of
        from lokki_tf.reporting import combined_listener

        definition, data = self.definition, dict(data)
        scale = 1.0 if self._takes(step, SCALE) else data.pop(SCALE, 1.0)
        answers = None if self._takes(step, ANSWERS) else data.pop(ANSWERS, None)
        settings = settings_of(definition, scale)
        settings = with_starts(definition, settings, strict=False, answers=answers)
        listener = combined_listener(None)
        with (
            notified(definition, data, settings),
            slot_of(definition, settings, listener) as (settings, skipped),
        ):
            if skipped is not None:
                return skipped.result
            return run_routes(
                with_known_arguments(definition, settings.refs),
                data,
                start=step,
                on_event=listener,
                settings=settings,
                answers=own_answers(definition, answers),
                inline=inline_limits(definition),
            ).result

    def _takes(self, step: str | None, name: str) -> bool:
        """Return whether a function, by default the first one, has a parameter."""
        known = self._routes.by_name.get(step or self.beginner)
        return known is not None and (name in known.takes or known.takes_more)

    def check_graph(self, *starts: str, start_at: str | None = None) -> bool:
        """Warn of all errors on any path through the functions.

        Args:
            starts: Functions that runs begin with; by default the first one.
            start_at: The same, by name.

        Returns:
            Whether there is no error.
        """
        begin = starts or ((start_at,) if start_at else (self.beginner,))
        found: dict[Finding, None] = {}
        for start in begin:
            found |= dict.fromkeys(check_routes(self._routes, start))
        for message, category in as_warnings(list(found)):
            # Printed directly: the location that warnings would show is in this package.
            warnings.showwarning(message, category, "", 0, None, "")
        return not any(one.severity == "error" for one in found)

    def save_dot(self, f: IO[str], *, top_node: str | None = None) -> None:
        """Write the functions, with conditions and defaults, as a picture for Graphviz.

        Args:
            f: An open text file.
            top_node: Name of the function at the top.
        """
        from lokki_tf.drawing import routes_to_dot

        f.write(routes_to_dot(self.definition, top_node))

    @property
    def _routes(self) -> Routes:
        routes = self.definition.routes
        assert routes is not None
        return routes


@ends_at_caller
class MicroFunctions(Functions, Pipeline):
    """Functions that return their next function: locally, and as a state machine in AWS.

    Args:
        beginner: Name of the first function, which may be registered later.
        max_steps: Largest number of steps in one run, loops included.
        name: Name of the state machine, and prefix of its functions' names.
        options: As for :class:`Pipeline`.
    """

    def __init__(
        self,
        beginner: str,
        *,
        max_steps: int = 25,
        name: str = "pipeline",
        **options: Unpack[PipelineKeywords],
    ) -> None:
        super().__init__(beginner, max_steps=max_steps, name=name)
        self._options = pipeline_options(options, "MicroFunctions", self._place)
        for option, given in self._options.items():
            if isinstance(given, Stepped):
                self._options[option] = given.step

    @classmethod
    def from_functions(cls, functions: Functions, /, **options: Any) -> MicroFunctions:
        """Make a pipeline for AWS from functions for local runs.

        Args:
            functions: The functions.
            options: Further arguments of :class:`MicroFunctions`.
        """
        given = {"max_steps": functions.max_steps, "name": functions._name, **options}
        made = cls(functions.beginner, **given)
        made.registered = dict(functions.registered)
        made.inclusions = dict(functions.inclusions)
        return made

    def changed(
        self, change: Callable[[Step], Step], max_steps: int | None = None
    ) -> MicroFunctions:
        """Return the same pipeline with other options of its steps.

        Args:
            change: Returns the replacement of a step.
            max_steps: Largest number of steps in one run, instead of the current limit.
        """
        made = copy.deepcopy(self)
        made.registered = {
            name: (step if step.includes else change(step), ways)
            for name, (step, ways) in self.registered.items()
        }
        made.inclusions = {name: one.changed(change) for name, one in self.inclusions.items()}
        made._options = {
            option: change(given) if isinstance(given, Step) else given
            for option, given in self._options.items()
        }
        made.max_steps = max_steps or self.max_steps
        made._read = None
        return made

    if TYPE_CHECKING:

        def _returns(self, first: Any = None, /, *args: Any, **kwargs: Any) -> Any: ...

    def __lokki_included__(self, place: Place) -> SubPipeline:
        refuse_inner(self.definition, place)
        return super().__lokki_included__(place)

    def _last_calls(self) -> list[NodeSpec]:
        return []

    def _as_step(self, definition: Definition) -> Step:
        if self._step is None or self._step.routed is not definition:
            self._step = routed_step(definition)
        return self._step

    def _run_from(self, step: str | None, data: Mapping[str, Any]) -> Any:
        options = {name for name in (SCALE, ANSWERS) if not self._takes(step, name)}
        own = {name: data[name] for name in data if name not in options}
        if step is None:
            self.check_parameters(own)
        else:  # the parameters are those of the first function
            refuse_large(self.definition, own, calling_place())
        inline_limits(self.definition)
        return super()._run_from(step, data)

    def lambda_handler(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """Call the function that a state machine's event names.

        The output of ``synth`` has a handler in each function's zip and does not need this method.
        A module that is deployed as a whole can pass its events to it.

        Args:
            event: The event of the state machine.
            context: Lambda's context.
        """
        from lokki_tf.runtime import run

        steps = {name: one.step for name, one in self._routes.by_name.items()}
        steps |= {one.name: one.step for one in self.graph.walk()}
        step = steps.get(event.get("node", ""))
        if step is None:
            raise BindingError(
                f"the event is for {event.get('node')!r}, which does not exist",
                place=self._place,
                remedy=f"there are {', '.join(steps)}",
            )
        return run(step.function, event, context)

    def __repr__(self) -> str:
        return f"<MicroFunctions {self.name!r} from {self.beginner!r}>"


def _parameters(routes: Routes) -> tuple[FlowParameter, ...]:
    """Return the parameters of a run: arguments of the first function."""
    first = routes.by_name.get(routes.start)
    if first is None:
        return ()
    if first.step.starts is not None:
        return tuple(FlowParameter(name, Any) for name in first.takes)
    if first.step.includes is not None:
        declared = {one.name: one for one in first.step.includes.parameters}
        pairs = ((source, declared[name]) for name, source in first.step.includes.takes)
        return tuple(
            FlowParameter(source, one.kind, REQUIRED if first.takes[source] else one.default)
            for source, one in dict(pairs).items()
        )
    parameters = signature_of(first.step.function).parameters
    hints = hints_of(first.step.function)
    return tuple(
        FlowParameter(
            name,
            kind_of(hints.get(name, parameters[name].annotation), parameters[name].default),
            REQUIRED if required else parameters[name].default,
        )
        for name, required in first.takes.items()
    )
