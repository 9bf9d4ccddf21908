"""Slots of local runs: locked files, one for each run that ``max_concurrent_runs=`` allows.

The system unlocks a file when its process ends for any reason. A lock belongs to an open file, so
it excludes threads as well. A locked file contains its holder, for messages.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import sleep, time
from typing import TYPE_CHECKING

from lokki_tf.errors import AlreadyRunning, OutputError
from lokki_tf.model import Graph, Node
from lokki_tf.runtime.busy import CHECK, LONGEST_WAIT, busy_text
from lokki_tf.runtime.busy import AlreadyRunning as Busy

from .calls import took_too_long
from .events import Event, Listener
from .failures import attach
from .frames import clock
from .result import NOTHING, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lokki_tf.errors import LokkiError
    from lokki_tf.local.events import EventKind
    from lokki_tf.model import Definition

    from .settings import Settings

FOLDER = Path(".lokki", "locks")
"""The folder of the files, in the working folder."""
_SHORTEST, _LONGEST = 0.02, 0.5  # seconds between attempts of a run that waits
_LOCKED_BYTE = 1 << 30  # on Windows, others cannot read the bytes that are locked
_held: set[int] = set()


@contextmanager
def slot_of(
    definition: Definition, settings: Settings, on_event: Callable[[Event], None] | None
) -> Iterator[tuple[Settings, Run | None]]:
    """Hold a slot, if the pipeline has a limit of runs.

    Args:
        definition: The pipeline.
        settings: What holds for the steps of the run.
        on_event: Called when the run waits for a slot, or is skipped.

    Yields:
        The settings, with the time for which the run has waited; and the run, if it is skipped.

    Raises:
        AlreadyRunning: If others hold all slots, also after the longest wait.
        RunTimeoutError: If the time limit of the pipeline ends while it waits.
        OutputError: If the files cannot be written.
    """
    if definition.max_concurrent_runs is None:
        yield settings, None
        return
    name, began = settings.name or definition.name, clock()
    report = _Report(definition, on_event)
    slots = [FOLDER / f"{name}.{number}" for number in range(definition.max_concurrent_runs)]
    file = _locked(slots, settings.run_id)
    if file is None and definition.when_busy == "queue":
        report("wait_started", CHECK, error=Busy(busy_text(name, [_holder(one) for one in slots])))
        file = _wait(definition, slots, settings.run_id, began)
        report("wait_finished", CHECK, clock() - began)
    if file is None:
        busy = busy_text(name, [_holder(one) for one in slots])
        if definition.when_busy != "skip":
            error = AlreadyRunning(
                busy,
                place=definition.place,
                remedy="wait for its end"
                + '; with when_busy="queue", runs wait' * (definition.when_busy == "fail"),
            )
            raise _without_steps(error, definition)
        yield settings, _skipped(definition, busy, report)
        return
    try:
        yield replace(settings, waited=clock() - began), None
    finally:
        if file in _held:  # not in a forked process, which has closed it
            _unlock(file)
            _close(file)


class _Report:
    def __init__(self, definition: Definition, on_event: Callable[[Event], None] | None) -> None:
        self._name = definition.name
        self._listener = None if on_event is None else Listener(on_event)

    def __call__(
        self,
        kind: EventKind,
        node: str | None = None,
        duration: float | None = None,
        error: Exception | None = None,
    ) -> None:
        if self._listener is not None:
            event = Event(kind, node, None, time(), duration, error=error, pipeline=self._name)
            self._listener.tell(event, last=kind == "run_finished")


def _wait(definition: Definition, slots: list[Path], run: str, began: float) -> int | None:
    """Return a locked file when there is one; ``None`` after the longest wait."""
    limit, pause = definition.timeout_seconds, _SHORTEST
    while clock() - began < LONGEST_WAIT:
        if limit is not None and clock() - began > limit:
            raise _without_steps(took_too_long(definition), definition)
        sleep(pause)
        pause = min(_LONGEST, pause * 1.2)
        file = _locked(slots, run)
        if file is not None:
            return file
    return None


def _without_steps(error: LokkiError, definition: Definition) -> LokkiError:
    """Return an error of a run that has not begun."""
    attach(error, run=_empty(definition), node=CHECK)
    return error


def _skipped(definition: Definition, busy: str, report: _Report) -> Run:
    run = _empty(definition, busy)
    report("run_started")
    for name in run.status:
        report("step_skipped", name, 0.0)
    report("run_finished", duration=0.0)
    return run


def _empty(definition: Definition, busy: str | None = None) -> Run:
    """Return a run in which nothing ran: it was skipped if others were busy."""
    routes = definition.routes
    if routes is not None:
        step = routes.by_name[routes.start].step
        graph = Graph((Node(step.name, step, (), (), (), step.options.retry, step.place),))
        definition = replace(definition, graph=graph, routes=None, cleanup=None, routed=definition)
    count = len(definition.whole.nodes)
    return Run(
        definition,
        values=[NOTHING] * count,
        starts=[None] * count,
        ends=[None] * count,
        attempts={},
        errors={},
        skipped=frozenset(range(count)) if busy else frozenset(),
        failed_items={},
        duration=0.0,
        busy=busy,
    )


def _locked(slots: list[Path], run: str) -> int | None:
    """Lock one of the files, write the run into it, and return its descriptor, if one is free."""
    for path in slots:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written, which max_concurrent_runs= requires: {error.strerror}",
                remedy="run it in a folder that can be written",
            ) from None
        _held.add(file)
        if _lock(file):
            os.ftruncate(file, 0)
            os.write(file, f"{run} (process {os.getpid()})".encode())
            return file
        _close(file)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(file, 0, os.SEEK_SET)
        return True

    def _unlock(file: int) -> None:
        """Do nothing: the system unlocks a file that is closed."""

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        # A copy in a process that was forked at this moment would keep it locked.
        fcntl.flock(file, fcntl.LOCK_UN)


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8") or "unknown"
    return "unknown"


def _close(file: int) -> None:
    _held.discard(file)
    os.close(file)


def _close_all() -> None:
    for file in [*_held]:
        _close(file)


if hasattr(os, "register_at_fork"):
    # A forked process that outlives this one, which was killed, must not keep its files locked.
    os.register_at_fork(after_in_child=_close_all)
