"""An AWS Batch job, from its submission to its end.

The stages: wait for the jobs that it depends on, wait for a free slot, run attempts until one
succeeds or no retry is left, record the status.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from lokki_tf.testing.images.programs import CannotStart, Program, Running
from lokki_tf.testing.jobs.attempts import EXITED, Attempt, now
from lokki_tf.testing.jobs.batch_context import BatchContext
from lokki_tf.testing.jobs.orders import OVERRIDES_CHARACTERS, Order
from lokki_tf.testing.jobs.retries import is_retried

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING = "STARTING", "RUNNING"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
BEFORE_STARTING = (SUBMITTED, PENDING, RUNNABLE)
TIMED_OUT = "Job attempt duration exceeded timeout"
NOT_STARTED = "Task failed to start"
TOO_LONG = f"Container Overrides length must be at most {OVERRIDES_CHARACTERS}"
DEPENDENCY_FAILED = "Dependent Job failed"
_POLL_SECONDS = 0.02


_OF_RUNNING = ("context", "done", "_end_requested", "_end_reason")


class _Ended(Exception):
    """The job was terminated or cancelled."""


@dataclass
class Job:
    """A job that was submitted.

    Args:
        order: The job's definition and parameters.
        context: What all jobs of the region share.
    """

    order: Order
    context: BatchContext
    status: str = field(default=SUBMITTED, init=False)
    status_reason: str | None = field(default=None, init=False)
    created: int = field(default_factory=now, init=False)
    started: int | None = field(default=None, init=False)
    stopped: int | None = field(default=None, init=False)
    attempts: list[Attempt] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.done = Event()
        self._end_requested = Event()
        self._end_reason = ""

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept with the state of the account."""
        return {key: item for key, item in vars(self).items() if key not in _OF_RUNNING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what was kept; a job that was running has failed."""
        vars(self).update(state)
        self.__post_init__()
        self.done.set()
        if self.status not in (SUCCEEDED, FAILED):
            self.status, self.stopped = FAILED, now()
            self.status_reason = "The local AWS ended while the job was running."

    def start(self) -> None:
        """Run in a new thread."""
        Thread(target=self.run, name=self.order.arn, daemon=True).start()

    def terminate(self, reason: str) -> None:
        """End the job in any status, as ``TerminateJob`` does."""
        if not self._end_requested.is_set():
            self._end_reason = reason
            self._end_requested.set()

    def cancel(self, reason: str) -> None:
        """End the job if it has not started, as ``CancelJob`` does."""
        if self.status in BEFORE_STARTING:
            self.terminate(reason)

    def run(self) -> None:
        """Run to the end in the calling thread."""
        try:
            self._wait_for_others()
            succeeded, reason = self._run_attempts()
        except _Ended:
            succeeded, reason = False, self._end_reason
        except Exception as error:  # a bug must fail the job, because other threads wait for it
            succeeded, reason = False, f"{type(error).__name__}: {error}"
        self.status_reason = reason
        self.stopped = now()
        self.status = SUCCEEDED if succeeded else FAILED
        self.done.set()

    def describe_short(self) -> dict[str, Any]:
        """Return the entry of the job in the response of ``ListJobs``."""
        found: dict[str, Any] = {
            "jobArn": self.order.arn,
            "jobId": self.order.id,
            "jobName": self.order.name,
            "jobDefinition": self.order.definition.arn,
            "createdAt": self.created,
            "startedAt": self.started,
            "stoppedAt": self.stopped,
            "status": self.status,
            "statusReason": self.status_reason,
        }
        if self.attempts and self.attempts[-1].exit_code is not None:
            found["container"] = {"exitCode": self.attempts[-1].exit_code}
        return {key: value for key, value in found.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        """Return the entry of the job in the response of ``DescribeJobs``."""
        order, container = self.order, self.order.container
        if order.command is not None:
            container["command"] = list(order.command)
        if self.attempts:
            container |= self.attempts[-1].container
        tags_propagate = order.propagate_tags
        if tags_propagate is None:
            tags_propagate = order.definition.propagate_tags
        found = {
            **self.describe_short(),
            "jobQueue": order.queue_arn,
            "attempts": [each.describe() for each in self.attempts if each.stopped is not None],
            "container": container,
            "dependsOn": [dict(each) for each in order.depends_on],
            "eksAttempts": [],
            "parameters": order.all_parameters,
            "platformCapabilities": list(order.definition.platforms),
            "propagateTags": tags_propagate,
            "retryStrategy": order.retry_strategy,
            "tags": dict(order.tags),
        }
        if order.seconds is not None:
            found["timeout"] = {"attemptDurationSeconds": int(order.seconds)}
        return found

    def _wait_for_others(self) -> None:
        waiting = [each["jobId"] for each in self.order.depends_on if "jobId" in each]
        self.status = PENDING if waiting else SUBMITTED
        for other in (self.context.find(job_id) for job_id in waiting):
            while other is not None and not other.done.wait(_POLL_SECONDS):
                self._check()
            if other is not None and other.status == FAILED:
                self.terminate(DEPENDENCY_FAILED)
                self._check()

    def _run_attempts(self) -> tuple[bool, str]:
        if self.order.overrides_length(self._own_variables(1)) > OVERRIDES_CHARACTERS:
            return False, TOO_LONG
        while True:
            self.status = RUNNABLE
            while not self.context.slots.acquire(timeout=_POLL_SECONDS):
                self._check()
            try:
                attempt = self._attempt()
            finally:
                self.context.slots.release()
            if attempt.exit_code == 0 and attempt.status_reason == EXITED:
                return True, attempt.status_reason
            # Batch retries neither attempts that exceeded the timeout nor terminated ones.
            if attempt.status_reason == TIMED_OUT or not is_retried(
                self.order.retry_strategy,
                attempt.number,
                status_reason=attempt.status_reason,
                reason=attempt.reason,
                exit_code=attempt.exit_code,
            ):
                return False, attempt.status_reason

    def _attempt(self) -> Attempt:
        self._check()
        attempt = self._new_attempt()
        self.attempts.append(attempt)
        self.status = STARTING
        try:
            running = self._launch(attempt)
        except CannotStart as error:
            attempt.reason = error.reason
            attempt.status_reason = error.reason if self.order.on_fargate else NOT_STARTED
            attempt.stopped = now()
            return attempt
        try:
            attempt.started = self.started = now()
            self.status = RUNNING
            self._watch(attempt, running)
        finally:
            self.context.launcher.forget(running)
            attempt.stopped = now()
        return attempt

    def _watch(self, attempt: Attempt, running: Running) -> None:
        limit = self.order.seconds
        deadline = None if limit is None else time.monotonic() + limit
        while (code := running.wait(_POLL_SECONDS)) is None:
            if self._end_requested.is_set():
                attempt.exit_code = running.stop()
                attempt.status_reason = self._end_reason
                raise _Ended
            if deadline is not None and time.monotonic() > deadline:
                attempt.exit_code = running.stop()
                attempt.status_reason = TIMED_OUT
                return
        attempt.exit_code = code

    def _launch(self, attempt: Attempt) -> Running:
        order, logs = self.order, self.context.logs
        credentials = self.context.take_roles(order, attempt.stream)
        logs.open(order.log_group, attempt.stream)
        own = self._own_variables(attempt.number)
        variables = {**self.context.environment, **credentials, **order.variables, **own}
        program = Program(order.image, order.command, variables)
        return self.context.launcher.start(
            program, lambda lines: logs.write(order.log_group, attempt.stream, lines)
        )

    def _own_variables(self, attempt: int) -> dict[str, str]:
        return {
            "AWS_BATCH_CE_NAME": self.order.environment_name,
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JOB_ID": self.order.id,
            "AWS_BATCH_JQ_NAME": self.order.queue_arn.rpartition("/")[2],
        }

    def _new_attempt(self) -> Attempt:
        task = uuid4().hex
        arn = self.order.arn.replace(":batch:", ":ecs:").partition(":job/")[0]
        cluster = f"{self.order.environment_name}_Batch"
        return Attempt(
            number=len(self.attempts) + 1,
            stream=f"{self.order.log_prefix}/default/{task}",
            task_arn=f"{arn}:task/{cluster}/{task}",
        )

    def _check(self) -> None:
        if self._end_requested.is_set():
            raise _Ended
