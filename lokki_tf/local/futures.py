"""Runs nodes on an executor of ``concurrent.futures``: processes, or whatever the user gives."""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import Empty, SimpleQueue

from .journal import clock
from .remote import Job, Outcome, unpacked
from .schedule import Schedule, Timers
from .strict import cannot_travel
from .work import Work

REMEDY = (
    "executor='thread' shares memory and hands on anything; for other processes put the "
    "function at the top level of a module, and take and return what pickle takes"
)
DEATH = (
    "a worker process ended without a word: it had no memory left, compiled code crashed, or "
    "a step called os._exit(); or a script that is imported again by its workers starts a run "
    'outside of its `if __name__ == "__main__":`'
)


class Futures:
    """One run on an executor. The calling thread hands out and receives.

    Args:
        work: What is called.
        schedule: Who is ready.
        executor: Runs the calls.
        limit: Most calls handed to it at once.
        inherited: Whether its workers have inherited the functions.
    """

    def __init__(
        self,
        work: Work,
        schedule: Schedule,
        executor: Executor,
        limit: int,
        *,
        inherited: bool = False,
    ) -> None:
        self._work = work
        self._journal = work.journal
        self._schedule = schedule
        self._executor = executor
        self._limit = limit
        self._inherited = inherited
        self._ready = deque(schedule.first())
        self._timers = Timers()
        self._running: dict[Future[Outcome], int] = {}
        self._ended: SimpleQueue[Future[Outcome]] = SimpleQueue()

    def run(self) -> None:
        """Run until all nodes have ended, or until those have that ran when one failed.

        Raises:
            KeyboardInterrupt: At once, whatever the executor does.
        """
        try:
            while True:
                self._hand_out()
                if not self._running and not self._timers:
                    return
                self._receive()
        except BaseException:
            self._cancel()
            raise

    def _hand_out(self) -> None:
        while self._ready and len(self._running) < self._limit and not self._journal.stopping:
            self._submit(self._ready.popleft())
        if self._journal.stopping:
            self._ready.clear()
            self._timers.clear()
            self._cancel()

    def _submit(self, index: int) -> None:
        self._journal.begin(index)
        function = self._work.nodes[index].step.function
        try:
            args, kwargs = self._work.arguments(index)
            job = Job(function, args, kwargs, inherited=self._inherited)
            future = self._executor.submit(job)
        except BrokenExecutor as error:
            self._died(index, error)
        except Exception as error:
            self._failed(index, error)
        else:
            self._running[future] = index
            future.add_done_callback(self._ended.put)

    def _receive(self) -> None:
        try:
            future = self._ended.get(timeout=self._timers.wait(clock()))
        except Empty:
            pass
        else:
            self._settle(self._running.pop(future), future)
        self._ready.extend(self._timers.due(clock()))

    def _settle(self, index: int, future: Future[Outcome]) -> None:
        try:
            outcome = unpacked(future.result())
        except BrokenExecutor as error:
            self._died(index, error)
        except CancelledError as error:
            if self._journal.stopping:
                self._journal.withdraw(index)
            else:  # by someone else who has the executor
                self._failed(index, error)
        except Exception as error:
            # Calls never raise, they return what was raised: so this is the way, not the step.
            self._stuck(index, "the function or an argument", error)
        else:
            self._record(index, outcome)

    def _record(self, index: int, outcome: Outcome) -> None:
        if outcome.kind == "returned":
            self._journal.done(index, outcome.payload, outcome.seconds)
            self._ready.extend(self._schedule.ended(index))
        elif outcome.kind == "stuck":
            self._stuck(index, *outcome.payload)
        elif isinstance(outcome.payload, KeyboardInterrupt):
            raise outcome.payload
        else:
            self._failed(index, outcome.payload, outcome.seconds)

    def _failed(self, index: int, error: BaseException, seconds: float | None = None) -> None:
        delay = self._journal.failed(index, error, seconds)
        if delay is not None:
            self._timers.add(clock() + delay, index)

    def _stuck(self, index: int, what: str, error: BaseException | str) -> None:
        node = self._work.nodes[index]
        refused = cannot_travel(node, what, error, way="to another process", remedy=REMEDY)
        if isinstance(error, BaseException):
            refused.__cause__ = error
        self._journal.give_up(index, refused)

    def _died(self, index: int, error: BrokenExecutor) -> None:
        failed = self._journal.step_failed(index, error)
        failed.remedy = DEATH
        self._journal.give_up(index, failed)

    def _cancel(self) -> None:
        for future in list(self._running):
            future.cancel()
