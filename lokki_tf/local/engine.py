"""A run, from a definition to its results.

1. ``parameters`` validates the values of the flow's parameters. ``plan`` prepares the graph, and
the bodies of its maps; ``bind`` compiles each node's bindings into one function that returns its
arguments.
2. ``frames`` holds the state of what is in progress: the graph, maps, and their items, each of
which is a graph again.
3. ``schedule`` selects the nodes that are ready, which means that all their predecessors have
ended, and returns them as ``tasks``. ``work`` executes tasks: it calls the step's function
(``calls``: async functions and generators), or opens a map, runs its items and combines their
results.
4. ``threads`` or ``futures`` (with ``remote``, ``processes`` and ``feeders`` for other processes)
connects the two; ``sequence`` needs no schedule.
5. ``journal`` records what happens, uses ``retry`` for failures, serializes results with ``strict``
if requested, and sends ``events``; ``failures`` makes the errors. ``cache`` finds results of
earlier runs in ``state``.
6. ``result`` is the caller's result, and ``table`` displays it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Definition, Graph

from .bounds import Bounds
from .calls import loop_is_running, within_limit
from .events import Event
from .failures import attach
from .frames import Frame
from .identity import Identity
from .journal import Journal
from .parameters import parameter_values
from .plan import RunPlan
from .result import Run
from .sequence import in_order
from .settings import Settings
from .strict import RoundTripSerializer
from .threads import MOST_THREADS, Threads
from .work import Work

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .answers import Answers
    from .bounds import Inline
    from .cache import Cache
    from .cleanup import Parts
    from .files import FileWatch


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
    parts: Parts = (),
    settings: Settings | None = None,
    answers: Mapping[str, Any] | None = None,
) -> Run:
    """Run a pipeline locally, as parallel as its graph allows.

    Args:
        definition: The pipeline.
        parameters: Values of the flow's parameters, by name; those with a default are optional.
        executor: ``"thread"`` (the default): threads, as many as there are steps that wait.
            ``"process"``: a process for each CPU. ``"sequential"``: one step after another in this
            thread, for debugging. Or an executor of ``concurrent.futures``, which is not shut down.
        max_workers: Largest number of steps that run at once; 1 with threads is ``"sequential"``.
        strict: Serialize every literal and result as in AWS, and give each consumer its own copy.
        on_event: Called with one event at a time, from the thread in which it happens.
        cache: Results of earlier runs to reuse; new ones are added.
        inline: Bytes that inline maps leave for items in AWS, by the nodes that return the items,
            as the compiler computes them.
        parts: For a pipeline with a cleanup step, the nodes of each state of the state machine's
            outermost scope, which run one after another.
        settings: Options in effect of the steps, and the scale of waits.
        answers: Answers to steps that wait for one, by name.

    Returns:
        The results.

    Raises:
        StepFailed: If a step raised; its cause is that error. All steps that had begun have ended,
            no other has begun, and ``error.run`` contains the results so far.
        BindingError: If a parameter has no value, or a value has no parameter.
        RunTimeoutError: If the run took longer than the pipeline allows; also with ``error.run``.
        SerializationError: If a value cannot be serialized; also with ``error.run`` once steps ran.
        OptionError: If ``executor`` or ``max_workers`` is invalid.
        KeyboardInterrupt: On Ctrl-C, immediately; it has ``run`` too.
    """
    _check(executor, max_workers)
    settings = settings or Settings()
    serializer = RoundTripSerializer() if strict else None
    values = parameter_values(definition, parameters or {}, serializer)
    known = answers_of(definition, answers)
    # Worker processes have copies anyway.
    copying = serializer is None and executor != "process"
    nodes, cleanup = definition.graph.nodes, definition.cleanup
    plan = RunPlan(
        definition.graph if cleanup is None else Graph((*nodes, cleanup)),
        values,
        serializer=serializer,
        settings=settings,
        copying=copying,
        cleanup=cleanup is not None,
        parts=parts,
    )
    journal = Journal(definition, Frame(plan, plan.values(values)), on_event, serializer)
    journal.open()
    try:
        bounds = Bounds(inline, definition.name) if inline else None
        known_values = values if settings.parameters is None else settings.parameters
        identity = Identity(definition.name, settings, known_values, serializer)
        work = Work(journal, identity, serializer, cache, bounds, _watch(strict), known)
        drive = partial(_drive, work, executor, max_workers)
        if cleanup is None:
            within_limit(definition, drive, work.wake, settings.waited)
        else:
            _within_limit_and_clean_up(work, serializer, drive, settings.waited)
    except BaseException as error:
        journal.close(error)
        attach(error, run=journal.run())
        raise
    failure = journal.failure()
    journal.warn_of_changes()
    journal.close(failure)
    if failure is not None:
        attach(failure, run=journal.run())
        raise failure
    return journal.run()


def _within_limit_and_clean_up(
    work: Work, serializer: RoundTripSerializer | None, drive: Callable[[], None], waited: float
) -> None:
    from .cleanup import Cleanup

    cleanup = Cleanup(work, serializer, drive)
    try:
        within_limit(work.journal.definition, cleanup, work.wake, waited)
    except BaseException:  # after the time limit, an interrupt or an error here
        cleanup.after_interrupt()
        raise


def answers_of(definition: Definition, given: Mapping[str, Any] | None) -> Answers | None:
    """Return the answers of a run, if any of its steps waits for one.

    Args:
        definition: The pipeline.
        given: Answers by the names of nodes or steps.

    Raises:
        BindingError: If some are given for other steps.
    """
    if not given and not any(one.options.callback for one in definition.steps):
        return None
    from .answers import Answers

    return Answers(given, definition)


def _watch(strict: bool) -> FileWatch | None:
    if not strict:
        return None
    from .files import FileWatch

    return FileWatch()


def _check(executor: object, max_workers: object) -> None:
    if isinstance(executor, str) and executor not in ("thread", "process", "sequential"):
        raise OptionError(
            f"unknown executor {executor!r}",
            remedy="use 'thread', 'process', 'sequential' or an executor of concurrent.futures",
        )
    if executor is not None and not isinstance(executor, str) and not hasattr(executor, "submit"):
        raise OptionError(
            f"executor={executor!r} cannot run anything: it has no submit()",
            remedy="use 'thread', 'process', 'sequential' or an executor of concurrent.futures",
        )
    if max_workers is not None and (
        not isinstance(max_workers, int) or isinstance(max_workers, bool) or max_workers < 1
    ):
        raise OptionError(f"max_workers={max_workers!r}: must be a whole number of at least 1")


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
    from .feeders import Feeders
    from .futures import Futures
    from .processes import start_processes, terminate, usable_cpus
    from .shared import shared_folders

    plan = work.journal.root.plan
    workers = max_workers or usable_cpus()
    if not plan.bodies:
        workers = min(workers, len(plan.nodes) or 1)
    functions = [node.step.function for node in work.journal.definition.graph.walk()]
    with shared_folders() as folders:
        pool, inherited = start_processes(workers, functions)

        def renew(broken: Executor) -> Executor:
            terminate(broken)
            return start_processes(workers, functions)[0]

        futures = Futures(work, pool, workers, inherited=inherited, folders=folders, renew=renew)
        feeders = Feeders(partial(start_processes, 1, functions), work.identity, folders, workers)
        work.feeders = feeders
        try:
            futures.run()
        except BaseException:
            for one in (futures.executor, *feeders.pools):
                terminate(one)
            raise
        # All calls have ended; see processes.forget_cancelled.
        for one in (futures.executor, *feeders.pools):
            one.shutdown(cancel_futures=True)


def _drive_executor(work: Work, executor: Executor, max_workers: int | None) -> None:
    from .futures import MOST_CALLS, Futures
    from .processes import forget_cancelled

    # Calls that the executor would only queue stay here: they must not begin after a failure.
    # An executor has no public name for the number of its workers.
    workers = max_workers or getattr(executor, "_max_workers", None)
    most = max(len(work.journal.root.plan.nodes), MOST_CALLS)
    try:
        Futures(work, executor, workers if isinstance(workers, int) else most).run()
    finally:
        forget_cancelled(executor)
