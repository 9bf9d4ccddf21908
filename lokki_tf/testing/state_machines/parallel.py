"""Run Parallel states, and the inner frames of Parallel and Map states in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import length_hint
from queue import Empty, SimpleQueue
from threading import Event, Thread

from lokki_tf.testing.state_machines.failures import StateFailure, Stopped, guarded
from lokki_tf.testing.state_machines.frame import Frame, StateRun
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json
from lokki_tf.testing.state_machines.work import parameters, run_work

_STOPPED = ("Wait", "Parallel", "Map")
"""Types of states, besides Task, that end with the event that they were aborted."""
_LOOK = 0.05
"""After how many seconds more threads are started, if those that run wait."""


def run_parallel(run: StateRun) -> Transition:
    """Run a Parallel state."""
    return run_work(run, _attempt)


def _attempt(run: StateRun, value: Json) -> Json:
    value = parameters(run, value)
    frame = run.frame
    if frame.progress.redriven is None:
        frame.event("ParallelStateStarted")
    run.begun = True
    branches = run.state["Branches"]
    frames = [frame.inner(progress) for progress in frame.progress.scopes(len(branches))]

    def work(position: int) -> Json:
        inner = frames[position]
        if inner.progress.done:
            return inner.progress.result
        return inner.walk(branches[position], value, inner)

    return run_frames(run, frames, work, len(branches))


def run_frames(
    run: StateRun, inners: Sequence[Frame], work: Callable[[int], Json], concurrency: int
) -> list[Json]:
    """Run the inner frames of a state in parallel, close them, and add the event of success.

    Args:
        run: The visit of the Parallel or Map state.
        inners: A frame for each branch or iteration.
        work: A function that runs the inner frame at a position.
        concurrency: The number of frames that run at a time.

    Returns:
        The results in the order of the frames.

    Raises:
        StateFailure: The first failure.
        Stopped: If the execution or branch was stopped.
    """
    frame = run.frame

    def marked(position: int) -> Json:
        try:
            return work(position)
        except StateFailure:
            inners[position].failed = True
            raise

    def revoke() -> None:
        for inner in inners:
            inner.cancel_scope.revoke()

    try:
        results = run_together(marked, len(inners), concurrency, revoke)
    except StateFailure:
        _record_aborted(run, inners)
        raise
    finally:
        for inner in inners:
            inner.close()
    frame.last_event = max([frame.last_event, *(inner.last_event for inner in inners)])
    frame.left_out = max([frame.left_out, *(inner.left_out for inner in inners)])
    frame.event(f"{run.state['Type']}StateSucceeded")
    return results


def _record_aborted(run: StateRun, inners: Sequence[Frame]) -> None:
    """Add the events of the states and iterations that a failure of another one has stopped.

    The failed task is recorded as aborted, too, as AWS answers, observed.
    """
    for index, inner in enumerate(inners):
        if inner.progress.done or not inner.running:
            continue
        if inner.running == "Task" or (inner.running in _STOPPED and not inner.failed):
            inner.event(f"{inner.running}StateAborted")
        if run.state["Type"] == "Map" and not inner.failed:
            inner.event("MapIterationAborted", name=run.name, index=index)
    run.frame.last_event = max(inner.last_event for inner in inners)


def run_together(
    work: Callable[[int], Json],
    count: int,
    concurrency: int,
    revoke: Callable[[], None],
    *,
    first: int | None = None,
) -> list[Json]:
    """Call a function for each position in threads; the first failure stops the other calls.

    Args:
        work: The function; its argument is the position.
        count: The number of positions.
        concurrency: The number of calls that run at a time.
        revoke: Stops the calls that run.
        first: The number of threads to begin with, all by default. Others follow while the calls
            of these wait: threads that compute only hinder each other.

    Returns:
        The results in the order of the positions.

    Raises:
        StateFailure: The first failure. Calls that still run are stopped, but not waited for.
        Stopped: If the calls were stopped.
    """
    results: list[Json] = [None] * count
    ends: SimpleQueue[StateFailure | Stopped | None] = SimpleQueue()
    waiting = iter(range(count))  # which threads can share, since it is not written in Python
    failed = Event()  # set by the failed thread, because the others are revoked only later

    def serve() -> None:
        try:
            for position in waiting:
                if failed.is_set():
                    break
                results[position] = guarded(work, position)
        except (StateFailure, Stopped) as end:
            failed.set()
            ends.put(end)
        else:
            ends.put(None)

    most = min(concurrency, count)
    threads = running = 0
    wanted, left = min(first or most, most), count
    while True:
        for _ in range(wanted - threads):
            Thread(target=serve, daemon=True).start()
        running += wanted - threads
        threads = wanted
        if not running:
            return results
        try:
            end = ends.get(timeout=_LOOK if threads < most and left else None)
        except Empty:
            begun, left = left, length_hint(waiting)
            if begun - left < threads:  # calls begin more slowly than one of each thread
                wanted = min(2 * threads, threads + left, most)
            continue
        running -= 1
        if end is not None:
            revoke()
            raise end
