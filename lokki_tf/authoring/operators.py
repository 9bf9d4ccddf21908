"""Graphs of tasks: from arrows (``>>``), or built step by step.

Both become calls of steps, from which the builder of all styles makes the graph. In a graph of
arrows a task receives the results of its predecessors by position, in the order in which the arrows
were written. In a built one it receives results by its parameters' names.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lokki_tf.errors import BindingError, CycleError, Place
from lokki_tf.model import Finding, FlowParameter, raise_errors, topological_order
from lokki_tf.model.cells import is_cell

from .arrows import hidden, task_of, wrapped_task
from .binding import bound_call
from .calls import Wait
from .parameters import hints_of, kind_of
from .placeholders import spec_of
from .specs import CallSpec, NodeSpec, ParameterSpec, PartSpec, WaitSpec
from .starts import Start, drawn_start
from .tasks import Task, TaskPart

AnyTask = Task[..., Any]
Drawn = AnyTask | Wait | Start
"""What arrows lead to."""
Arriving = Drawn | TaskPart
"""The left side of an arrow."""
Arrows = dict[Drawn, list[Arriving]]
Stages = Sequence[Sequence[Drawn]]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def tasks_in(names: Mapping[str, Any]) -> list[AnyTask]:
    """Return the tasks among the values of a namespace, each once."""
    found = dict.fromkeys(value for value in names.values() if isinstance(value, Task))
    for value in names.values():
        inner = wrapped_task(value)
        if inner is not None and inner not in found:
            raise hidden(inner)
    return list(found)


def arrows(tasks: Iterable[Drawn], *, onward: bool) -> Arrows:
    """Return tasks and all that arrows connect to them, each with what arrives there, in order.

    The arrows of a task that a cell has replaced belong to its replacement, unless that has some of
    its own.

    Args:
        tasks: Where to begin.
        onward: Whether to follow arrows forward as well, and not only back.
    """
    found: dict[Drawn, dict[Arriving, int]] = {}
    waiting, seen = deque(tasks), set[Drawn]()
    while waiting:
        one = waiting.popleft()
        if one in seen:
            continue
        seen.add(one)
        now_there = current(one)
        before = found.setdefault(now_there, {})
        if now_there is not one:
            waiting.append(now_there)
        if now_there is one or not now_there.edges_in:
            for source, drawn in one.edges_in.items():
                now = current(task_of(source))
                if now is task_of(source) or not now.edges_out:
                    arriving = (
                        TaskPart(now, source.path)
                        if isinstance(source, TaskPart) and isinstance(now, Task)
                        else now
                    )
                    before[arriving] = max(drawn, before.get(arriving, 0))
                    waiting.append(task_of(source))
        if onward:
            waiting.extend(one.edges_out)
    return {one: sorted(before, key=before.__getitem__) for one, before in found.items()}


def current(task: Drawn) -> Drawn:
    """Return the task that a cell has put in place of this one, or this one itself."""
    if not isinstance(task, Task):
        return task
    function = task.step.function
    if not is_cell(function.__code__.co_filename) or "<locals>" in function.__qualname__:
        return task
    now = function.__globals__.get(function.__name__)
    return now if isinstance(now, Task) else task


def drawn_calls(before: Mapping[Drawn, Sequence[Arriving]]) -> list[NodeSpec]:
    """Return a call of each task, with the results of its predecessors by position.

    A task after a wait receives the results of those before the wait.

    Args:
        before: What arrows lead to each task, in the order of its arguments.

    Raises:
        BindingError: If two tasks share a name, or results and parameters do not match.
        CycleError: If tasks depend on each other.
    """
    by_name = _by_name(before)
    try:
        predecessors = {task: [_name(task_of(one)) for one in before[task]] for task in before}
        order = topological_order({_name(task): names for task, names in predecessors.items()})
    except CycleError as error:
        first = next(task for task in before if _name(task) in error.message)
        remedy = "remove one of the arrows between them; a graph must not have cycles"
        raise CycleError(error.message, place=_place(first), remedy=remedy) from None
    found: list[Finding] = []
    calls: dict[Drawn, NodeSpec] = {}
    for task in (by_name[name] for name in order):
        if isinstance(task, Task):
            found += _misfits(task, _sources(task, before))
    raise_errors(found)
    for task in (by_name[name] for name in order):
        direct = [calls[one] for one in dict.fromkeys(map(task_of, before[task]))]
        if isinstance(task, Wait):
            calls[task] = _waiting(task, direct, calls)
            continue
        if isinstance(task, Start):
            calls[task] = started = drawn_start(task, calls)
            started.after += direct
            continue
        sources = _sources(task, before)
        args, kwargs = _by_position(task, sources)
        given: tuple[Any, Any] = (
            [_arriving(one, calls) for one in args],
            {name: _arriving(one, calls) for name, one in kwargs.items()},
        )
        by_position, named = given if sources else _parameters(task)
        call = bound_call(task.step, task.signature, tuple(by_position), named, task.step.place)
        taken = [calls[task_of(one)] for one in (*args, *kwargs.values())]
        call.after += [one for one in direct if one not in taken]
        calls[task] = call
    return list(calls.values())


def _sources(task: Drawn, before: Mapping[Drawn, Sequence[Arriving]]) -> list[Arriving]:
    """Return what arrives at a task, for a wait what arrives there."""
    found: dict[Arriving, None] = {}
    for one in before[task]:
        found |= dict.fromkeys(_sources(one, before) if isinstance(one, Wait) else (one,))
    return list(found)


def _arriving(one: Arriving, calls: Mapping[Drawn, NodeSpec]) -> NodeSpec | PartSpec:
    call = calls[task_of(one)]
    return PartSpec(call, one.path, call.place) if isinstance(one, TaskPart) else call


def _waiting(one: Wait, direct: Sequence[NodeSpec], calls: Mapping[Drawn, NodeSpec]) -> WaitSpec:
    """Return a wait after other nodes; after a single one, it has that one's result."""
    spec = spec_of(one)
    until = spec.until
    for task, call in calls.items():
        if isinstance(task, Task) and task.step is until and isinstance(call, CallSpec):
            until = call
    value = direct[0] if len(direct) == 1 else None
    if isinstance(value, WaitSpec) and value.source is None:
        value = None
    return WaitSpec(spec.place, spec.seconds, until, value, after=[*spec.after, *direct])


def _name(one: Drawn) -> str:
    if isinstance(one, Start):
        return spec_of(one).step.name
    return f"wait {spec_of(one).order}" if isinstance(one, Wait) else one.name


def _place(one: Drawn) -> Place:
    if isinstance(one, Start):
        return spec_of(one).place
    return spec_of(one).place if isinstance(one, Wait) else one.step.place


def built_calls(stages: Stages) -> list[NodeSpec]:
    """Return a call of each task, with the results that its parameters name.

    Args:
        stages: Groups of parallel tasks; each group comes after all of the one before.

    Raises:
        BindingError: If a task is used twice, or a parameter names no earlier task.
    """
    members = [task for stage in stages for task in stage]
    _refuse_repeats(members)
    _by_name(members)
    calls: dict[str, CallSpec] = {}
    every: dict[Drawn, NodeSpec] = {}
    found: list[Finding] = []
    previous: list[NodeSpec] = []
    for stage in stages:
        made: dict[str, CallSpec] = {}
        for task in stage:
            if isinstance(task, Wait):
                every[task] = _waiting(task, previous, every)
                continue
            if isinstance(task, Start):
                every[task] = made[_name(task)] = started = drawn_start(task, every)
                started.after += previous
                continue
            named: dict[str, Any] = {
                name: calls[name] for name in task.signature.parameters if name in calls
            }
            args, more = ([], {}) if calls else _parameters(task)
            lacking = _lacking(task, named) if calls else []
            found += [_nameless(task, name, calls) for name in lacking]
            if not lacking:
                call = bound_call(
                    task.step, task.signature, tuple(args), {**named, **more}, task.step.place
                )
                call.after += [one for one in previous if one not in named.values()]
                made[task.name] = every[task] = call
        calls |= made
        previous = [every[task] for task in stage if task in every]
    raise_errors(found)
    return list(every.values())


def _parameters(task: AnyTask) -> tuple[list[ParameterSpec], dict[str, ParameterSpec]]:
    """Return the required arguments of a first task, which become parameters of a run."""
    by_position: list[ParameterSpec] = []
    by_name: dict[str, ParameterSpec] = {}
    hints, place = hints_of(task.step.function), task.step.place
    for name in _lacking(task, ()):
        one = task.signature.parameters[name]
        made = FlowParameter(name, kind_of(hints.get(name, one.annotation), one.empty), place=place)
        spec = ParameterSpec(name, place, made)
        if one.kind is one.POSITIONAL_ONLY:
            by_position.append(spec)
        else:
            by_name[name] = spec
    return by_position, by_name


def _by_name(tasks: Iterable[Drawn]) -> dict[str, Drawn]:
    found: dict[str, Drawn] = {}
    for task in tasks:
        other = found.setdefault(_name(task), task)
        if other is not task:
            raise BindingError(
                f"two tasks are named {_name(task)!r}: one at {_place(other)}, "
                f"one at {_place(task)}",
                place=_place(task),
                remedy='give one a name of its own: @task(name="…")',
            )
    return found


def _refuse_repeats(tasks: Sequence[Drawn]) -> None:
    repeated = [one for n, one in enumerate(tasks) if id(one) in map(id, tasks[:n])]
    if repeated:
        what = "a wait" if isinstance(repeated[0], Wait) else f"task {_name(repeated[0])!r}"
        raise BindingError(
            f"{what} is used twice in the flow",
            place=_place(repeated[0]),
            remedy='make another: task(name="…")(…) from the task\'s function, or wait(…)',
        )


def _by_position(
    task: AnyTask, before: Sequence[Arriving]
) -> tuple[list[Arriving], dict[str, Arriving]]:
    """Return results by position, up to the number of positional parameters, and others by name."""
    parameters = task.signature.parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return list(before), {}
    count = sum(one.kind in _POSITIONAL for one in parameters)
    named = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    rest = {_shown(one): one for one in before[count:]}
    return list(before[:count]), {name: one for name, one in rest.items() if name in named}


def _misfits(task: AnyTask, before: Sequence[Arriving]) -> list[Finding]:
    """Return what is wrong with the arrows to a task; one without parameters only waits."""
    args, kwargs = _by_position(task, before)
    parameters = task.signature.parameters
    left = [_shown(one) for one in before[len(args) :] if _shown(one) not in kwargs]
    if left and parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return [
            _finding(
                task,
                f"{_count(len(before), 'task')} lead to task {task.name!r} "
                f"({_listed(before)}), and it takes "
                f"{_count(len(parameters), 'argument')}: {task.signature}",
                f"give it a parameter for {left[0]!r} as well, or draw no arrow from there",
            )
        ]
    if not before:
        return []  # its required arguments are parameters of a run
    filled = {*kwargs, *list(parameters)[: len(args)]}
    return [
        _finding(
            task,
            f"parameter {name!r} of task {task.name!r} gets nothing: before it are only "
            f"{_listed(before)}",
            f"draw an arrow from the task whose result it is: … >> {task.name}, "
            "or give it a default",
        )
        for name in _lacking(task, filled)
    ]


def _lacking(task: AnyTask, filled: Iterable[str]) -> list[str]:
    """Return the required parameters that have no value."""
    known = set(filled)
    return [
        name
        for name, one in task.signature.parameters.items()
        if one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and name not in known
    ]


def _nameless(task: AnyTask, name: str, calls: Mapping[str, CallSpec]) -> Finding:
    from difflib import get_close_matches

    near = get_close_matches(name, calls, 1)
    known = f"before it are {', '.join(calls)}" if calls else "no task is before it"
    return _finding(
        task,
        f"parameter {name!r} of task {task.name!r} is named like no task before it",
        f"did you mean {near[0]!r}? {known}" if near else f"name it after one; {known}",
    )


def _finding(task: AnyTask, message: str, remedy: str) -> Finding:
    return Finding("arguments", message, task.step.place, remedy, error=BindingError)


def _listed(tasks: Iterable[Arriving]) -> str:
    return ", ".join(map(_shown, tasks))


def _shown(one: Arriving) -> str:
    return one.name if isinstance(one, TaskPart) else _name(one)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
