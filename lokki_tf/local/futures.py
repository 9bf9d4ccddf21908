"""Runs nodes on an executor of ``concurrent.futures``: processes, or a custom one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from lokki_tf.model import Node

from .calls import interrupt, overdue
from .frames import clock
from .identity import Identity
from .remote import ARGUMENTS, Batch, Outcome, RemoteCall, unpacked
from .schedule import Schedule
from .strict import not_sent
from .tasks import Call, Pull, Refeed, Task
from .work import Work, listed

MOST_CALLS = 1024
"""Number of calls submitted at once if the executor does not say how many it runs."""


def _runs_pipeline(call: Call) -> bool:
    node = call.frame.plan.nodes[call.index]
    return isinstance(node, Node) and not node.step.has_code


class Futures:
    """One run on an executor. The calling thread submits calls and receives their results.

    Args:
        work: The work of the run.
        executor: Runs the calls.
        limit: Largest number of calls, or batches of calls, submitted at once.
        inherited: Whether its workers have inherited the functions.
        folders: Where processes share large buffers, see :mod:`.shared`.
        renew: Returns another executor after one of its workers has died; without it, that ends
            the run.
    """

    def __init__(
        self,
        work: Work,
        executor: Executor,
        limit: int,
        *,
        inherited: bool = False,
        folders: tuple[str, ...] = (),
        renew: Callable[[Executor], Executor] | None = None,
    ) -> None:
        self._work = work
        self._journal = work.journal
        self._schedule = Schedule(work.journal.root, workers=limit)
        self._timers = self._schedule.timers
        self.executor = executor
        self._renew = renew
        self._limit = limit
        self._inherited = inherited
        self._folders = folders
        self._running: dict[Future[Any], list[Call]] = {}
        self._tasks: dict[Future[Any], Task] = {}
        """What is done with generators in processes of their own."""
        self._threads: list[Thread] = []
        """Threads that wait for these, and in which pipelines run that are nodes of this one."""
        self._ended: SimpleQueue[Future[Any] | None] = SimpleQueue()
        work.interrupts.append(lambda: self._ended.put(None))

    def run(self) -> None:
        """Run until all nodes have ended, or, after a failure, those that had begun.

        Raises:
            KeyboardInterrupt: Immediately, even if the executor is busy.
        """
        try:
            while True:
                self._hand_out()
                if self._schedule.is_over:
                    return
                self._receive()
        except BaseException:
            self._cancel()
            interrupt(self._threads)
            raise

    def _hand_out(self) -> None:
        while len(self._running) + len(self._tasks) < self._limit:
            task = self._schedule.pick()
            if task is None:
                break
            if self._is_of_generator(task):
                self._begin(task)
            elif isinstance(task, Call) and task.frame.plan.functions[task.index] is not None:
                self._submit(self._batch(task))
            else:
                task.carry_out(self._work)
                task.settle(self._schedule)
        if self._journal.root.stopped:
            self._cancel()

    def _is_of_generator(self, task: Task) -> bool:
        """Return whether a task calls, or continues, what may be a generator that feeds a map."""
        if self._work.feeders is None:
            return False
        if isinstance(task, Call) and not isinstance(task, Refeed):
            return task.index in task.frame.plan.fed
        return isinstance(task, Refeed | Pull)

    def _begin(self, task: Task) -> None:
        """Carry out a task in a thread, which waits for the process of its generator."""
        feeders = self._work.feeders
        if feeders is not None and isinstance(task, Call):
            feeders.provide(1 + sum(isinstance(one, Call) for one in self._tasks.values()))
        future = self._in_thread(lambda: task.carry_out(self._work))
        self._tasks[future] = task
        future.add_done_callback(self._ended.put)

    def _batch(self, call: Call) -> list[Call]:
        """Return the call, with those that are submitted together with it."""
        owner, calls = call.frame.owner, [call]
        most = 1 if owner is None else owner.node.options.batch_size
        while len(calls) < most:
            other = self._schedule.pick_beside(call)
            if other is None:
                break
            calls.append(other)
        return calls

    def _submit(self, calls: list[Call]) -> None:
        remote_calls: list[RemoteCall] = []
        sent: list[Call] = []
        for call in calls:
            if self._work.recall(call.frame, call.index):
                self._schedule.ended(call.frame, call.index)
                continue
            if not call.begun:
                self._journal.begin(call.frame, call.index)
                call.begun = True
            try:
                args, kwargs = self._work.arguments(call.frame, call.index)
                # Evaluated here: a condition is quick, and often a lambda, which cannot be pickled.
                holds = self._work.holds(call.frame, call.index, args, kwargs)
            except Exception as error:
                self._failed(call, error)
                continue
            if not holds:
                self._work.skip(call.frame, call.index)
                self._schedule.ended(call.frame, call.index)
            else:
                plan = call.frame.plan
                function, around = plan.functions[call.index], plan.around.get(call.index)
                context = self._work.identity.sent(call.frame, call.index)
                remote_calls.append(
                    RemoteCall(
                        *(function, args, kwargs, around, context),
                        inherited=self._inherited,
                        folders=self._folders,
                    )
                )
                sent.append(call)
        if not sent:
            return
        submitted = Batch(remote_calls) if len(remote_calls) > 1 else remote_calls[0]
        if _runs_pipeline(sent[0]):  # its run is here; a started one has an executor of its own
            walked = sent[0].index in sent[0].frame.plan.walks
            self._wait_for(
                self._in_thread(partial(self._walk, sent[0]) if walked else submitted), sent
            )
            return
        try:
            try:
                future = self.executor.submit(submitted)
            except BrokenExecutor:
                if self._renew is None:
                    raise
                self.executor = self._renew(self.executor)
                future = self.executor.submit(submitted)
        except BrokenExecutor as error:
            self._died(sent, error)
        except Exception as error:
            for call in sent:
                self._failed(call, error)
        else:
            self._wait_for(future, sent)

    def _walk(self, call: Call) -> Outcome:
        """Run a routed pipeline, whose steps run in this thread."""
        began = clock()
        try:
            _, kwargs = self._work.arguments(call.frame, call.index)
            value = self._work.walk(call.frame, call.index, kwargs)
        except BaseException as error:
            return Outcome("raised", error, clock() - began)
        return Outcome("returned", value, clock() - began)

    def _in_thread(self, call: Callable[[], Any]) -> Future[Any]:
        """Call a function in a daemon thread, for which the process does not wait after Ctrl-C."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled

        def carry_out() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=carry_out, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        self._threads.append(thread)
        thread.start()
        return future

    def _wait_for(self, future: Future[Any], calls: list[Call]) -> None:
        self._running[future] = calls
        future.add_done_callback(self._ended.put)

    def _receive(self) -> None:
        try:
            future = self._ended.get(timeout=self._timers.wait(clock()))
        except Empty:
            return
        if future is None:  # the time of the run is over
            raise KeyboardInterrupt
        task = self._tasks.pop(future, None)
        if task is None:
            self._settle(self._running.pop(future), future)
        else:
            future.result()  # raises an interrupt
            task.settle(self._schedule)

    def _settle(self, calls: list[Call], future: Future[Any]) -> None:
        try:
            result = future.result()
            outcomes = result if isinstance(result, list) else [result]
        except BrokenExecutor as error:
            self._died(calls, error)
        except CancelledError as error:
            for call in calls:
                if self._journal.root.stopped:
                    call.frame.withdraw(call.index)
                    self._schedule.dropped(call.frame)
                else:  # by other code that uses the executor
                    self._failed(call, error)
        except Exception as error:
            # Calls return errors and never raise, so this is an error of the transport, not of the
            # step.
            for call in calls:
                self._stuck(call, ARGUMENTS, error)
        else:
            for call in reversed(calls[len(outcomes) :]):  # calls after one that failed
                self._schedule.put_back(call)
            for call, outcome in zip(calls, outcomes, strict=False):
                self._record(call, outcome)

    def _record(self, call: Call, outcome: Outcome) -> None:
        try:
            outcome = unpacked(outcome)
        except Exception as error:
            self._stuck(call, "the result", error)
            return
        settings, node = call.frame.plan.settings, call.frame.plan.nodes[call.index]
        if outcome.parts or outcome.lines:
            settings.recording.add(
                Identity.called(call.frame, call.index), outcome.parts, outcome.lines
            )
        late = isinstance(node, Node) and outcome.seconds > settings.of(node.step).call_seconds
        late = late and call.index not in call.frame.plan.walks
        if outcome.kind == "returned" and late:
            self._failed(call, overdue(), outcome.seconds)
        elif outcome.kind == "returned":
            try:
                value = outcome.payload
                if call.index in call.frame.plan.callbacks:
                    value = self._work.answer(call.frame, call.index)
                elif call.index in call.frame.plan.mapped:
                    value = listed(value)
                self._work.refuse(call.frame, call.index, value)
            except Exception as error:
                self._failed(call, error, outcome.seconds)
                return
            self._work.done(call.frame, call.index, value, outcome.seconds)
            self._schedule.ended(call.frame, call.index)
        elif outcome.kind == "stuck":
            self._stuck(call, *outcome.payload)
        elif isinstance(outcome.payload, KeyboardInterrupt):
            raise outcome.payload
        else:
            self._failed(call, outcome.payload, outcome.seconds)

    def _failed(self, call: Call, error: BaseException, seconds: float | None = None) -> None:
        call.delay = self._journal.failed(call.frame, call.index, error, seconds)
        call.settle(self._schedule)

    def _stuck(self, call: Call, what: str, error: BaseException | str) -> None:
        node = call.frame.plan.nodes[call.index]
        refused = not_sent(node, what, error)
        if isinstance(error, BaseException):
            refused.__cause__ = error
        self._journal.give_up(call.frame, call.index, refused)
        self._schedule.ended(call.frame, call.index)

    def _died(self, calls: list[Call], error: BrokenExecutor) -> None:
        """Retry calls that a worker's end has ended, or fail: which worker it was is unknown."""
        for call in calls:
            renewed = self._renew is not None
            call.delay = self._journal.died(call.frame, call.index, error, renewed=renewed)
            call.settle(self._schedule)

    def _cancel(self) -> None:
        for future in list(self._running):
            future.cancel()
