"""Graphs of tasks: from arrows (``>>``), or built step by step.

Both become calls of steps, from which the builder of all styles makes the graph. In a graph of
arrows a task receives the results of its predecessors by position, in the order in which the arrows
were written. In a built one it receives results by its parameters' names.
"""

from __future__ import annotations

import inspect
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lokki_tf.errors import BindingError, CycleError, Place
from lokki_tf.model import Finding, FlowParameter, raise_errors, topological_order
from lokki_tf.model.cells import is_cell

from .arrows import hidden, task_of, wrapped_task
from .binding import bound_call
from .calls import Wait
from .inclusions import Included, inlined_after, results_of_pipeline, signature_of_pipeline
from .inlining import SubPipeline
from .parameters import hints_of, kind_of
from .placeholders import spec_of
from .places import calling_place
from .specs import NodeSpec, ParameterSpec, PartSpec, WaitSpec, needs_of
from .starts import Start, drawn_start
from .tasks import Task, TaskPart

AnyTask = Task[..., Any]
Drawn = AnyTask | Wait | Start | Included
"""What arrows lead to."""
Arriving = Drawn | TaskPart
"""The left side of an arrow."""
Arrows = dict[Drawn, list[Arriving]]
Stages = Sequence[Sequence[Drawn]]
Subs = Mapping[Included, SubPipeline]
"""The calls of included pipelines."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Taker(NamedTuple):
    """What receives results.

    Args:
        of: A task or an included pipeline.
        what: The beginning of a sentence about it.
        signature: Its parameters.
        sub: The calls of the pipeline.
    """

    of: AnyTask | Included
    what: str
    signature: inspect.Signature
    sub: SubPipeline | None = None


class _Made(NamedTuple):
    """The nodes of a task, a wait, a start or an included pipeline.

    Args:
        ends: What must end before others start.
        result: What others receive: its spec, or placeholders.
    """

    ends: tuple[NodeSpec, ...]
    result: Any


def tasks_in(names: Mapping[str, Any]) -> list[AnyTask | Included]:
    """Return the tasks among a namespace's values, and pipelines that have arrows, each once."""
    found = dict.fromkeys(
        value
        for value in names.values()
        if isinstance(value, Task)
        or (isinstance(value, Included) and (value.edges_in or value.edges_out))
    )
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
    if isinstance(task, Included):
        return task.__lokki_current__()
    if not isinstance(task, Task):
        return task
    function = task.step.function
    if not is_cell(function.__code__.co_filename) or "<locals>" in function.__qualname__:
        return task
    now = function.__globals__.get(function.__name__)
    return now if isinstance(now, Task) else task


def drawn_calls(before: Mapping[Drawn, Sequence[Arriving]], subs: Subs) -> list[NodeSpec]:
    """Return a call of each task, with the results of its predecessors by position.

    A task after a wait receives the results of those before the wait. An included pipeline receives
    results under the names of its parameters, and others by position.

    Args:
        before: What arrows lead to each task, in the order of its arguments.
        subs: The calls of the pipelines among them.

    Raises:
        BindingError: If two tasks share a name, or results and parameters do not match.
        CycleError: If tasks depend on each other.
    """
    names = _names(before)
    by_name = {name: one for one, name in names.items()}
    earlier = {names[task]: [names[task_of(one)] for one in before[task]] for task in before}
    for one in before:
        if isinstance(one, Wait):  # a task that returns its time may have no arrow to it
            earlier[names[one]] += [names[task] for task in before if _is_time(task, one)]
    try:
        order = topological_order(earlier)
    except CycleError as error:
        first = next(task for task in before if names[task] in error.message)
        remedy = "remove one of the arrows between them; a graph must not have cycles"
        raise CycleError(error.message, place=_place(first), remedy=remedy) from None
    tasks = [by_name[name] for name in order]
    takers = {one: _taker(one, subs) for one in tasks if isinstance(one, Task | Included)}
    sources = {one: _sources(one, before) for one in takers}
    raise_errors([one for task in takers for one in _misfits(takers[task], sources[task])])
    calls: dict[Drawn, _Made] = {}
    for task in tasks:
        direct = [
            end for one in dict.fromkeys(map(task_of, before[task])) for end in calls[one].ends
        ]
        if isinstance(task, Task | Included):
            args, kwargs = _by_position(takers[task], sources[task])
            given: tuple[Any, Any] = (
                [_arriving(one, calls) for one in args],
                {name: _arriving(one, calls) for name, one in kwargs.items()},
            )
            by_position, named = given if sources[task] else _parameters(takers[task])
            calls[task] = _used(takers[task], by_position, named, direct)
        else:
            calls[task] = _between(task, direct, calls)
    return [end for made in calls.values() for end in made.ends]


def _taker(one: AnyTask | Included, subs: Subs) -> _Taker:
    if isinstance(one, Task):
        return _Taker(one, f"task {one.name!r}", one.signature)
    sub = subs[one]
    return _Taker(one, f"{sub.kind} {sub.name!r}", signature_of_pipeline(sub), sub)


def _used(
    taker: _Taker, args: Sequence[Any], kwargs: Mapping[str, Any], before: Sequence[NodeSpec]
) -> _Made:
    """Return the nodes of a task or an included pipeline, which come after others."""
    if taker.sub is not None:
        ends = inlined_after(taker.sub, args, kwargs, _place(taker.of), before)
        return _Made(ends, results_of_pipeline(ends))
    assert isinstance(taker.of, Task)
    step = taker.of.step
    call = bound_call(step, taker.signature, tuple(args), kwargs, step.place)
    call.after += [one for one in before if one not in needs_of(call)]
    return _Made((call,), call)


def _between(one: Wait | Start, before: Sequence[NodeSpec], calls: Mapping[Drawn, _Made]) -> _Made:
    """Return the node of a wait or a start, which comes after others."""
    if isinstance(one, Wait):
        waiting = _waiting(one, before, calls)
        return _Made((waiting,), waiting)
    started = drawn_start(one, {task: made.result for task, made in calls.items()})
    started.after += before
    return _Made((started,), started)


def _sources(task: Drawn, before: Mapping[Drawn, Sequence[Arriving]]) -> list[Arriving]:
    """Return what arrives at a task, for a wait what arrives there."""
    found: dict[Arriving, None] = {}
    for one in before[task]:
        found |= dict.fromkeys(_sources(one, before) if isinstance(one, Wait) else (one,))
    return list(found)


def _arriving(one: Arriving, calls: Mapping[Drawn, _Made]) -> Any:
    call = calls[task_of(one)].result
    return PartSpec(call, one.path, call.place) if isinstance(one, TaskPart) else call


def _waiting(one: Wait, direct: Sequence[NodeSpec], calls: Mapping[Drawn, _Made]) -> WaitSpec:
    """Return a wait after other nodes; after a single one, it has that one's result."""
    spec = spec_of(one)
    until = spec.until
    for task, made in calls.items():
        if _is_time(task, one):
            until = made.result
    value = direct[0] if len(direct) == 1 else None
    if isinstance(value, WaitSpec) and value.source is None:
        value = None
    return WaitSpec(spec.place, spec.seconds, until, value, after=[*spec.after, *direct])


def _is_time(task: Drawn, wait: Wait) -> bool:
    """Return whether a wait waits until the time that a task returns."""
    return isinstance(task, Task) and task.step is spec_of(wait).until


def _name(one: Drawn) -> str:
    if isinstance(one, Start):
        return spec_of(one).step.name
    return f"wait {spec_of(one).order}" if isinstance(one, Wait) else one.name


def _place(one: Drawn) -> Place:
    if isinstance(one, Included):
        return one.included_at or calling_place()
    if isinstance(one, Start):
        return spec_of(one).place
    return spec_of(one).place if isinstance(one, Wait) else one.step.place


def built_calls(stages: Stages, subs: Subs) -> list[NodeSpec]:
    """Return a call of each task, with the results that its parameters name.

    Args:
        stages: Groups of parallel tasks; each group comes after all of the one before.
        subs: The calls of the pipelines among them.

    Raises:
        BindingError: If a task is used twice, or a parameter names no earlier task.
    """
    members = [task for stage in stages for task in stage]
    _refuse_repeats(members)
    names = _names(members)
    known: dict[str, Any] = {}
    every: dict[Drawn, _Made] = {}
    found: list[Finding] = []
    previous: list[NodeSpec] = []
    for stage in stages:
        made: dict[str, Any] = {}
        for task in stage:
            if isinstance(task, Wait):
                every[task] = _between(task, previous, every)
                continue
            if isinstance(task, Start):
                every[task] = _between(task, previous, every)
                made[names[task]] = every[task].result
                continue
            taker = _taker(task, subs)
            named = {name: known[name] for name in taker.signature.parameters if name in known}
            args, more = ([], {}) if known else _parameters(taker)
            lacking = _lacking(taker, named) if known else []
            found += [_nameless(taker, name, known) for name in lacking]
            if not lacking:
                every[task] = _used(taker, args, {**named, **more}, previous)
                made[names[task]] = every[task].result
        known |= made
        previous = [end for task in stage if task in every for end in every[task].ends]
    raise_errors(found)
    return [end for one in every.values() for end in one.ends]


def _parameters(taker: _Taker) -> tuple[list[ParameterSpec], dict[str, ParameterSpec]]:
    """Return the required arguments of a first task, which become parameters of a run."""
    by_position: list[ParameterSpec] = []
    by_name: dict[str, ParameterSpec] = {}
    place = _place(taker.of)
    if taker.sub is not None:
        declared = {one.name: one for one in taker.sub.parameters}
        needed = _lacking(taker, ())
        return [], {name: ParameterSpec(name, place, declared[name]) for name in needed}
    assert isinstance(taker.of, Task)
    hints = hints_of(taker.of.step.function)
    for name in _lacking(taker, ()):
        one = taker.signature.parameters[name]
        made = FlowParameter(name, kind_of(hints.get(name, one.annotation), one.empty), place=place)
        spec = ParameterSpec(name, place, made)
        if one.kind is one.POSITIONAL_ONLY:
            by_position.append(spec)
        else:
            by_name[name] = spec
    return by_position, by_name


def _names(tasks: Iterable[Drawn]) -> dict[Drawn, str]:
    """Return a name for each one; pipelines of one name have numbers, as their nodes have.

    Those of pipelines are identifiers, so that parameters may be named after them.
    """
    found: dict[str, Drawn] = {}
    count = Counter[str]()
    for task in dict.fromkeys(tasks):
        name = _name(task)
        if isinstance(task, Included):
            count[name] += 1
            number = f"_{count[name]}" * (count[name] > 1)
            name = f"{name.replace('-', '_')}{number}"
        other = found.setdefault(name, task)
        if other is not task:
            raise BindingError(
                f"two tasks are named {name!r}: one at {_place(other)}, one at {_place(task)}",
                place=_place(task),
                remedy='give one a name of its own: @task(name="…")',
            )
    return {task: name for name, task in found.items()}


def _refuse_repeats(tasks: Sequence[Drawn]) -> None:
    repeated = [one for n, one in enumerate(tasks) if id(one) in map(id, tasks[:n])]
    if repeated:
        one = repeated[0]
        kind = "pipeline" if isinstance(one, Included) else "task"
        raise BindingError(
            f"{'a wait' if isinstance(one, Wait) else f'{kind} {_name(one)!r}'} is used twice in "
            "the flow",
            place=_place(one),
            remedy="make another, with other values of its parameters: monthly(day=…)"
            if isinstance(one, Included)
            else 'make another: task(name="…")(…) from the task\'s function, or wait(…)',
        )


def _by_position(
    taker: _Taker, before: Sequence[Arriving]
) -> tuple[list[Arriving], dict[str, Arriving]]:
    """Return results by position, up to the number of positional parameters, and others by name.

    An included pipeline has them by name first, since the order of its parameters may be that of
    its calls.
    """
    parameters = taker.signature.parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return list(before), {}
    if taker.sub is not None:
        own = {one.name for one in parameters}
        by_name = {_key(one): one for one in before if _key(one) in own}
        left = [name for name in taker.signature.parameters if name not in by_name]
        others = [one for one in before if one not in by_name.values()]
        return [], by_name | dict(zip(left, others, strict=False))
    count = sum(one.kind in _POSITIONAL for one in parameters)
    named = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    rest = {_shown(one): one for one in before[count:]}
    return list(before[:count]), {name: one for name, one in rest.items() if name in named}


def _misfits(taker: _Taker, before: Sequence[Arriving]) -> list[Finding]:
    """Return what is wrong with the arrows to a task; one without parameters only waits."""
    args, kwargs = _by_position(taker, before)
    parameters, taken = taker.signature.parameters, {*args, *kwargs.values()}
    left = [_shown(one) for one in before if one not in taken]
    if left and parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return [
            _finding(
                taker,
                f"{_count(len(before), 'task')} lead to {taker.what} "
                f"({_listed(before)}), and it takes "
                f"{_count(len(parameters), 'argument')}: {taker.signature}",
                f"give it a parameter for {left[0]!r} as well, or draw no arrow from there",
            )
        ]
    if not before:
        return []  # its required arguments are parameters of a run
    filled = {*kwargs, *list(parameters)[: len(args)]}
    return [
        _finding(
            taker,
            f"parameter {name!r} of {taker.what} gets nothing: before it are only "
            f"{_listed(before)}",
            f"draw an arrow from the task whose result it is: … >> {taker.of.name}, "
            "or give it a default",
        )
        for name in _lacking(taker, filled)
    ]


def _lacking(taker: _Taker, filled: Iterable[str]) -> list[str]:
    """Return the required parameters that have no value."""
    known = set(filled)
    return [
        name
        for name, one in taker.signature.parameters.items()
        if one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and name not in known
    ]


def _nameless(taker: _Taker, name: str, calls: Mapping[str, Any]) -> Finding:
    from difflib import get_close_matches

    near = get_close_matches(name, calls, 1)
    known = f"before it are {', '.join(calls)}" if calls else "no task is before it"
    return _finding(
        taker,
        f"parameter {name!r} of {taker.what} is named like no task before it",
        f"did you mean {near[0]!r}? {known}" if near else f"name it after one; {known}",
    )


def _finding(taker: _Taker, message: str, remedy: str) -> Finding:
    return Finding("arguments", message, _place(taker.of), remedy, error=BindingError)


def _listed(tasks: Iterable[Arriving]) -> str:
    return ", ".join(map(_shown, tasks))


def _shown(one: Arriving) -> str:
    return one.name if isinstance(one, TaskPart) else _name(one)


def _key(one: Arriving) -> str:
    return _shown(one).replace("-", "_")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
