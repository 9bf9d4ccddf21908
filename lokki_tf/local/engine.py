"""A run, from a definition to its results.

1. ``bind`` compiles each node's bindings into one function that gathers its arguments;
   ``work`` calls the step's function with them (``calls``: async functions and generators).
2. ``schedule`` knows who is ready; a node is, the moment the last of its predecessors ends.
3. ``threads`` or ``futures`` (with ``remote`` for other processes) brings the two together.
4. ``journal`` records what happens, asks ``retry`` about failures, sends results through
   ``strict`` if they are to travel as in the cloud, and tells ``events``.
5. ``result`` is what the caller gets, and ``table`` how it looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Definition

from .calls import loop_is_running
from .events import Event
from .journal import Journal
from .result import Run
from .schedule import Schedule
from .strict import Wire
from .threads import MOST_THREADS, Threads, in_order
from .work import Work

if TYPE_CHECKING:
    from concurrent.futures import Executor


def run(
    definition: Definition,
    *,
    executor: str | Executor | None = None,
    max_workers: int | None = None,
    strict: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Run:
    """Run a pipeline here, as parallel as its graph allows.

    Args:
        definition: The pipeline.
        executor: ``"thread"`` (also if not given): threads, as many as there are steps that
            wait. ``"process"``: a process for each processor. ``"sequential"``: one step
            after another in this thread, for debugging. Or an executor of
            ``concurrent.futures``, which stays open.
        max_workers: Most steps that run at once; 1 with threads is ``"sequential"``.
        strict: Send every literal and result through the serialization that the cloud
            uses, and give each consumer its own copy.
        on_event: Hears what happens, one event at a time, from whichever thread it happens
            in.

    Returns:
        The results.

    Raises:
        StepFailed: If a step raised; its cause is that error. What had begun has ended by
            then, nothing else has begun, and ``error.run`` is the run as far as it came.
        SerializationError: If a value cannot travel; with ``error.run`` too once steps ran.
        OptionError: If there is no such executor, or no such number of workers.
        KeyboardInterrupt: On Ctrl-C, at once; it has ``run`` too.
    """
    _check(executor, max_workers)
    wire = Wire() if strict else None
    journal = Journal(definition, on_event, wire)
    work = Work(journal, wire)
    schedule = Schedule(journal.nodes)
    journal.open()
    try:
        _drive(work, schedule, executor, max_workers)
    except BaseException as error:
        journal.close(error)
        error.run = journal.run()
        raise
    journal.close()
    failure = journal.failure()
    if failure is not None:
        failure.run = journal.run()
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


def _drive(
    work: Work, schedule: Schedule, executor: str | Executor | None, max_workers: int | None
) -> None:
    if executor == "process":
        _drive_processes(work, schedule, max_workers)
    elif executor is not None and not isinstance(executor, str):
        _drive_executor(work, schedule, executor, max_workers)
    elif executor == "sequential" or max_workers == 1:
        in_order(work)
    else:
        limit = max_workers or MOST_THREADS
        Threads(work, schedule, limit, borrow=not loop_is_running()).run()


def _drive_processes(work: Work, schedule: Schedule, max_workers: int | None) -> None:
    from .futures import Futures
    from .remote import start_processes, terminate, usable_cpus

    workers = min(max_workers or usable_cpus(), len(work.nodes) or 1)
    functions = [node.step.function for node in work.nodes]
    pool, inherited = start_processes(workers, functions)
    try:
        Futures(work, schedule, pool, workers, inherited=inherited).run()
    except BaseException:
        terminate(pool)
        raise
    pool.shutdown()


def _drive_executor(
    work: Work, schedule: Schedule, executor: Executor, max_workers: int | None
) -> None:
    from .futures import Futures

    # What the executor would only queue is kept here: it must not begin after a failure.
    workers = max_workers or getattr(executor, "_max_workers", None)
    limit = workers if isinstance(workers, int) else len(work.nodes)
    Futures(work, schedule, executor, limit).run()
