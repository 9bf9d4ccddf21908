"""Pipelines of tasks: connected by arrows, or built call by call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from lokki_tf.authoring import Task, built
from lokki_tf.authoring.arrows import arrows_drawn, hidden, wrapped_task
from lokki_tf.authoring.calls import Wait
from lokki_tf.authoring.inclusions import Included
from lokki_tf.authoring.nesting import is_pipeline, place_pipeline
from lokki_tf.authoring.operators import arrows, built_calls, current, drawn_calls, tasks_in
from lokki_tf.authoring.options import pipeline_options
from lokki_tf.authoring.places import calling_frame, calling_place
from lokki_tf.authoring.specs import needs_of, reachable
from lokki_tf.authoring.starts import Start
from lokki_tf.errors import BindingError
from lokki_tf.model.texts import Text
from lokki_tf.tracebacks import ends_at_caller

from .base import Pipeline, collected, definition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from os import PathLike

    from lokki_tf.authoring.keywords import PipelineKeywords
    from lokki_tf.authoring.operators import Arrows, Drawn, Subs
    from lokki_tf.authoring.specs import NodeSpec
    from lokki_tf.local import Event
    from lokki_tf.local.state import StateManager
    from lokki_tf.model import Definition


_SPECIAL = ("on_failure", "cleanup")
"""Options that are tasks."""


@ends_at_caller
class _OfTasks(Pipeline):
    """A pipeline of tasks, which is built when it is first needed, and again after changes."""

    _KIND: str

    def __init__(
        self,
        name: str,
        max_workers: int | None,
        **options: Unpack[PipelineKeywords],
    ) -> None:
        self.max_workers = max_workers
        self._name, self._place = name, calling_place()
        self._options = pipeline_options(options, self._KIND, self._place)
        self._built: tuple[Any, Definition, list[NodeSpec]] | None = None

    def _drawing(self) -> Any:
        """Return the inputs of the graph; equal inputs give equal graphs."""
        raise NotImplementedError  # an abstract base class would slow down every isinstance()

    def _members(self, drawing: Any) -> Iterable[Drawn]:
        raise NotImplementedError  # as above

    def _calls(self, drawing: Any, subs: Subs) -> list[NodeSpec]:
        raise NotImplementedError  # as above

    def _written(self) -> Definition:
        drawing, special = self._drawing(), self._special()
        included = [one for one in self._members(drawing) if isinstance(one, Included)]
        subs = collected(
            self,
            self._name,
            lambda: {
                one: one.__lokki_included__(one.included_at or self._place) for one in included
            },
        )
        if self._built is None or self._built[0] != (drawing, special, subs):
            calls = self._calls(drawing, subs)
            graph, parameters, limits = built(calls)
            made = definition_of(
                {**self._options, **special},
                graph,
                name=self._name,
                place=self._place,
                parameters=parameters,
                unused_limits=limits,
                ends=calls,
            )
            self._built = (drawing, special, subs), made, calls
        return self._built[1]

    def _last_calls(self) -> list[NodeSpec]:
        _ = self.definition
        assert self._built is not None
        calls = self._built[2]
        needed = {other for one in reachable(calls) for other in needs_of(one)}
        return [one for one in calls if one not in needed]

    def _special(self) -> dict[str, Any]:
        """Return the tasks of options; those that have replaced them if their cell ran again."""
        given = {name: self._options.get(name) for name in _SPECIAL}
        return {name: current(one) if isinstance(one, Task) else one for name, one in given.items()}

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._name

    def run(
        self,
        executor: str | Executor | None = "thread",
        *,
        parameters: Mapping[str, Any] | None = None,
        strict: bool = False,
        on_event: Callable[[Event], None] | None = None,
        state: StateManager | str | PathLike[str] | None = None,
        wait_scale: float = 1.0,
        answers: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run the tasks locally, each as soon as its predecessors have ended.

        Args:
            executor: As for :meth:`local_run`.
            parameters: Values of the parameters of its first tasks, by name.
            strict: As for :meth:`local_run`.
            on_event: As for :meth:`local_run`.
            state: As for :meth:`local_run`.
            wait_scale: As for :meth:`local_run`.
            answers: As for :meth:`local_run`.

        Returns:
            The results by the tasks' names; skipped tasks have none.

        Raises:
            StepFailed: If a task raises; its error is the cause.
        """
        ran = self.local_run(
            parameters,
            executor=executor,
            strict=strict,
            on_event=on_event,
            state=state,
            wait_scale=wait_scale,
            answers=answers,
        )
        return ran.outputs

    def visualize(self) -> str:
        """Return the tasks as text, each with its predecessors and successors."""
        from lokki_tf.drawing import to_listing

        return Text(to_listing(self.definition, self._KIND))

    def __repr__(self) -> str:
        return f"<{self._KIND} {self.name!r}>"


@ends_at_caller
class DAG(_OfTasks):
    """The tasks of a module, in the order of the arrows between them.

    It contains the tasks that are variables of the function that creates it, or else of its module,
    and all that arrows connect to them. Arrows may be added later.

    Args:
        name: Name of the state machine, and prefix of its functions' names.
        max_workers: Largest number of tasks that run at once.
        tasks: These tasks and their predecessors, instead of the variables.
        options: As for :class:`Pipeline`.
    """

    _KIND = "DAG"

    def __init__(
        self,
        name: str = "workflow",
        max_workers: int | None = None,
        *,
        tasks: Iterable[Drawn] | None = None,
        **options: Unpack[PipelineKeywords],
    ) -> None:
        super().__init__(name, max_workers, **options)
        self._walked: tuple[Any, Arrows] | None = None
        self._chosen = None if tasks is None else [_checked(one, "tasks=") for one in tasks]
        frame = calling_frame()
        local = frame.f_locals if frame.f_locals is not frame.f_globals else {}
        self._names = dict(local) if tasks_in(local) else frame.f_globals

    def _drawing(self) -> Arrows:
        chosen = self._chosen
        if chosen is None:
            special = list(map(id, self._special().values()))  # variables, but not in the DAG
            tasks: list[Drawn] = [one for one in tasks_in(self._names) if id(one) not in special]
        else:
            tasks = [current(one) for one in chosen]
        key = arrows_drawn(), tasks
        if self._walked is None or self._walked[0] != key:
            found = arrows(tasks, onward=chosen is None)
            if chosen is None and (inside := _contained(found, self)):
                # Variables as well, and part of a pipeline that is part of this one.
                tasks = [one for one in tasks if one not in inside]
                found = arrows(tasks, onward=True)
            self._walked = key, found
        found = self._walked[1]
        if not found:
            raise BindingError(
                f"DAG {self.name!r} has no tasks",
                place=self._place,
                remedy="put @task on functions of this module, or hand tasks over: tasks=[…]",
            )
        return found

    def _members(self, drawing: Arrows) -> Iterable[Drawn]:
        return drawing

    def _calls(self, drawing: Any, subs: Subs) -> list[NodeSpec]:
        return drawn_calls(drawing, subs)


def _contained(drawn: Iterable[Drawn], around: Pipeline) -> set[Drawn]:
    """Return the tasks of pipelines among what is drawn, and of those that these contain."""
    found: set[Drawn] = set()
    for one in drawn:
        if isinstance(one, _OfTasks) and one is not around:
            members = set(one._members(one._drawing()))
            if one not in members:
                found |= members | _contained(members, around)
    return found


@ends_at_caller
class Flow(_OfTasks):
    """Tasks that are added one after another; they receive results by their parameters' names.

    Args:
        name: Name of the state machine, and prefix of its functions' names.
        max_workers: Largest number of tasks that run at once.
        options: As for :class:`Pipeline`.
    """

    _KIND = "Flow"

    def __init__(
        self,
        name: str = "flow",
        max_workers: int | None = None,
        **options: Unpack[PipelineKeywords],
    ) -> None:
        super().__init__(name, max_workers, **options)
        self._stages: list[tuple[Drawn, ...]] = []

    def add(self, task: Drawn) -> Flow:
        """Add a task after all that were added last.

        Args:
            task: Receives results of earlier tasks by the names of its parameters.

        Returns:
            The flow itself.
        """
        self._stages.append((_checked(task, "add()"),))
        return self

    def branch(self, *branch_tasks: Drawn) -> Flow:
        """Add parallel tasks after all that were added last.

        Args:
            branch_tasks: At least one task.

        Returns:
            The flow itself.
        """
        if not branch_tasks:
            raise BindingError(
                "branch() without tasks", place=calling_place(), remedy="write branch(one, other)"
            )
        self._stages.append(tuple(_checked(one, "branch()") for one in branch_tasks))
        return self

    def merge(self, merge_task: Drawn) -> Flow:
        """Add a task after all branches.

        Args:
            merge_task: Receives their results by the names of its parameters.

        Returns:
            The flow itself.
        """
        if not self._stages:
            raise BindingError(
                "merge() stands first, and there is nothing to merge",
                place=calling_place(),
                remedy="write .branch(one, other).merge(task)",
            )
        return self.add(merge_task)

    def _drawing(self) -> list[tuple[Drawn, ...]]:
        if not self._stages:
            raise BindingError(
                f"Flow {self.name!r} has no tasks",
                place=self._place,
                remedy="put some there: Flow(…).add(extract).add(load)",
            )
        return list(self._stages)

    def _members(self, drawing: list[tuple[Drawn, ...]]) -> Iterable[Drawn]:
        return [one for stage in drawing for one in stage]

    def _calls(self, drawing: Any, subs: Subs) -> list[NodeSpec]:
        return built_calls(drawing, subs)


def _checked(task: Any, where: str) -> Drawn:
    if is_pipeline(task):
        place_pipeline(task, calling_place())
    inner = wrapped_task(task)
    if inner is not None:
        raise hidden(inner)
    if not isinstance(task, Task | Wait | Start | Included):
        raise BindingError(
            f"{where} takes tasks, and {task!r} is none",
            place=calling_place(),
            remedy="put @task on the function, and hand it over without calling it",
        )
    return task
