"""Parallel states, and the running of several frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from threading import Event, Thread

from lokki_tf.testing.machines.failures import StateFailure, Stopped, guarded
from lokki_tf.testing.machines.frame import Frame, Permit, StateRun
from lokki_tf.testing.machines.transition import Transition
from lokki_tf.testing.machines.values import Json
from lokki_tf.testing.machines.work import parameters, run_work


def run_parallel(run: StateRun) -> Transition:
    """Run a Parallel state."""
    return run_work(run, _attempt)


def _attempt(run: StateRun, value: Json) -> Json:
    value = parameters(run, value)
    frame = run.frame
    if frame.progress.redriven is None:
        frame.event("ParallelStateStarted")
    branches = run.state["Branches"]
    frames = [frame.inner(progress) for progress in frame.progress.scopes(len(branches))]

    def work(position: int) -> Json:
        inner = frames[position]
        if inner.progress.done:
            return inner.progress.result
        return inner.walk(branches[position], value, inner)

    return run_frames("Parallel", frame, frames, work, len(branches))


def run_frames(
    kind: str, frame: Frame, inners: Sequence[Frame], work: Callable[[int], Json], concurrency: int
) -> list[Json]:
    """Run inner frames of a state together, close them, and record how the state ended.

    Args:
        kind: ``Parallel`` or ``Map``, as names of events begin.
        frame: where the state runs.
        inners: a frame a branch or iteration.
        work: runs the inner frame with the given number.
        concurrency: how many run at a time.

    Returns:
        The results in order.

    Raises:
        StateFailure: the first failure.
        Stopped: if the frames were told to stop.
    """
    try:
        results = run_together(work, [inner.permit for inner in inners], concurrency)
    except StateFailure as failure:
        frame.event(f"{kind}StateFailed", error=failure.error, cause=failure.cause)
        raise
    finally:
        for inner in inners:
            inner.close()
    frame.last_event = max([frame.last_event, *(inner.last_event for inner in inners)])
    frame.event(f"{kind}StateSucceeded")
    return results


def run_together(
    work: Callable[[int], Json], permits: Sequence[Permit], concurrency: int
) -> list[Json]:
    """Run one piece of work a permit in threads of their own; the first failure stops the others.

    Args:
        work: does the piece with the given number.
        permits: the permit of each piece.
        concurrency: how many run at a time.

    Returns:
        The results in order.

    Raises:
        StateFailure: the first failure; the caller does not wait for pieces that are still at it.
        Stopped: if the pieces were told to stop.
    """
    done: SimpleQueue[tuple[int, Json, Exception | None]] = SimpleQueue()
    waiting: SimpleQueue[int | None] = SimpleQueue()
    threads = min(concurrency, len(permits))
    for position in [*range(len(permits)), *([None] * threads)]:
        waiting.put(position)
    failed = Event()  # set at once: the collector revokes the permits only later

    def serve() -> None:
        while not failed.is_set() and (position := waiting.get()) is not None:
            outcome = _outcome(position, work)
            if outcome[2] is not None:
                failed.set()
            done.put(outcome)

    for _ in range(threads):
        Thread(target=serve, daemon=True).start()
    return _collect((done.get() for _ in permits), permits)


def _outcome(position: int, work: Callable[[int], Json]) -> tuple[int, Json, Exception | None]:
    try:
        return position, guarded(work, position), None
    except (StateFailure, Stopped) as end:
        return position, None, end


def _collect(
    outcomes: Iterable[tuple[int, Json, Exception | None]], permits: Sequence[Permit]
) -> list[Json]:
    results: list[Json] = [None] * len(permits)
    for position, result, end in outcomes:
        if end is not None:
            for permit in permits:
                permit.revoke()
            raise end
        results[position] = result
    return results
