"""A run, from a definition to its results.

1. ``parameters`` gives the flow's parameters their values. ``plan`` makes the graph, and the
   bodies of its maps, ready to be run; ``bind`` compiles each node's bindings into one
   function that gathers its arguments.
2. ``frames`` holds what is in progress: the graph, maps, and their items, each a graph again.
3. ``schedule`` knows who is ready: a node is, the moment the last of its predecessors ends.
   It hands out ``tasks``; ``work`` carries them out: it calls the step's function (``calls``:
   async functions and generators), or opens a map, works it off and puts it together.
4. ``threads`` or ``futures`` (with ``remote`` and ``processes`` for other processes) brings
   the two together; ``sequence`` needs no schedule.
5. ``journal`` records what happens, asks ``retry`` about failures, sends results through
   ``strict`` if they are to travel as in the cloud, and tells ``events``; ``failures`` finds
   the words. ``cache`` finds results of earlier runs in ``state``.
6. ``result`` is what the caller gets, and ``table`` how it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Definition

from .bounds import Bounds
from .calls import loop_is_running
from .events import Event
from .failures import attach
from .frames import Frame
from .journal import Journal
from .parameters import parameter_values
from .plan import Plan
from .result import Run
from .sequence import in_order
from .strict import Wire
from .threads import MOST_THREADS, Threads
from .work import Work

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .bounds import Inline
    from .cache import Cache


def run(
    definition: Definition,
    parameters: Mapping[str, Any] | None = None,
    *,
    executor: str | Executor | None = None,
    max_workers: int | None = None,
    strict: bool = False,
    on_event: Callable[[Event], None] | None = None,
    cache: Cache | None = None,
    inline: Inline | None = None,
) -> Run:
    """Run a pipeline here, as parallel as its graph allows.

    Args:
        definition: The pipeline.
        parameters: Values of the flow's parameters, by name; those that have a default may
            be left out.
        executor: ``"thread"`` (also if not given): threads, as many as there are steps that
            wait. ``"process"``: a process for each processor. ``"sequential"``: one step
            after another in this thread, for debugging. Or an executor of
            ``concurrent.futures``, which stays open.
        max_workers: Most steps that run at once; 1 with threads is ``"sequential"``.
        strict: Send every literal and result through the serialization that the cloud
            uses, and give each consumer its own copy.
        on_event: Hears what happens, one event at a time, from whichever thread it happens
            in.
        cache: Results of earlier runs, to go on from; new ones are added.
        inline: What maps within the execution leave for items in AWS, by the nodes that give
            these, as the compiler computes it.

    Returns:
        The results.

    Raises:
        StepFailed: If a step raised; its cause is that error. What had begun has ended by
            then, nothing else has begun, and ``error.run`` is the run as far as it came.
        BindingError: If a parameter has no value, or there is no such parameter.
        SerializationError: If a value cannot travel; with ``error.run`` too once steps ran.
        OptionError: If there is no such executor, or no such number of workers.
        KeyboardInterrupt: On Ctrl-C, at once; it has ``run`` too.
    """
    _check(executor, max_workers)
    wire = Wire() if strict else None
    values = parameter_values(definition, parameters or {}, wire)
    plan = Plan(definition.graph, values, wire=wire)
    journal = Journal(definition, Frame(plan, plan.values(values)), on_event, wire)
    journal.open()
    try:
        bounds = Bounds(inline, definition.name) if inline else None
        _drive(Work(journal, wire, cache, bounds), executor, max_workers)
    except BaseException as error:
        journal.close(error)
        attach(error, run=journal.run())
        raise
    failure = journal.failure()
    journal.close(failure)
    if failure is not None:
        attach(failure, run=journal.run())
        raise failure
    return journal.run()


def _check(executor: object, max_workers: object) -> None:
    if isinstance(executor, str) and executor not in ("thread", "process", "sequential"):
        raise OptionError(
            f"there is no executor {executor!r}",
            remedy="take 'thread', 'process', 'sequential' or an executor of concurrent.futures",
        )
    if executor is not None and not isinstance(executor, str) and not hasattr(executor, "submit"):
        raise OptionError(
            f"executor={executor!r} cannot run anything: it has no submit()",
            remedy="take 'thread', 'process', 'sequential' or an executor of concurrent.futures",
        )
    if max_workers is not None and (
        not isinstance(max_workers, int) or isinstance(max_workers, bool) or max_workers < 1
    ):
        raise OptionError(f"max_workers={max_workers!r}: it is a whole number of at least 1")


def _drive(work: Work, executor: str | Executor | None, max_workers: int | None) -> None:
    root = work.journal.root
    if executor == "process":
        _drive_processes(work, max_workers)
    elif executor is not None and not isinstance(executor, str):
        _drive_executor(work, executor, max_workers)
    elif executor == "sequential" or max_workers == 1:
        in_order(work, root)
    else:
        Threads(work, max_workers or MOST_THREADS, borrow=not loop_is_running()).run()


def _drive_processes(work: Work, max_workers: int | None) -> None:
    from .futures import Futures
    from .processes import start_processes, terminate, usable_cpus

    plan = work.journal.root.plan
    workers = max_workers or usable_cpus()
    if not plan.bodies:
        workers = min(workers, len(plan.nodes) or 1)
    functions = [node.step.function for node in work.journal.definition.graph.walk()]
    pool, inherited = start_processes(workers, functions)
    try:
        Futures(work, pool, workers, inherited=inherited).run()
    except BaseException:
        terminate(pool)
        raise
    pool.shutdown(cancel_futures=True)  # all has ended; see processes.forget_cancelled


def _drive_executor(work: Work, executor: Executor, max_workers: int | None) -> None:
    from .futures import MOST_CALLS, Futures
    from .processes import forget_cancelled

    # What the executor would only queue is kept here: it must not begin after a failure.
    workers = max_workers or getattr(executor, "_max_workers", None)
    most = max(len(work.journal.root.plan.nodes), MOST_CALLS)
    try:
        Futures(work, executor, workers if isinstance(workers, int) else most).run()
    finally:
        forget_cancelled(executor)
