"""Run Batch jobs in containers or processes, with retries and the account's settings.

In moto, jobs run in Docker only, without retries and without the endpoint of the local AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from threading import BoundedSemaphore, Event
from typing import Any
from uuid import uuid4

from moto.batch.exceptions import ClientException
from moto.batch.models import batch_backends
from moto.batch.responses import BatchResponse

from lokki_tf.testing.account import Account
from lokki_tf.testing.images.programs import CannotStart
from lokki_tf.testing.jobs.batch_context import BatchContext
from lokki_tf.testing.jobs.job import Job
from lokki_tf.testing.jobs.orders import LOG_GROUP, JobDefinition, Order
from lokki_tf.testing.moto_gaps.batch_resources import Resources
from lokki_tf.testing.moto_gaps.job_roles import take_roles
from lokki_tf.testing.settings import ACCOUNT_ID

_JOB_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,127}$", re.ASCII)
_NOT_RUN = ("arrayProperties", "nodeOverrides", "eksPropertiesOverride", "ecsPropertiesOverride")
_MOST_ATTEMPTS = 10
_KIB = 1024
_REQUEST_KIB = 30


def run_jobs(account: Account) -> None:
    """Replace moto's backend of Batch."""
    Batch.account = account
    Batch.slots = BoundedSemaphore(account.settings.workers)
    batch_backends.backend = Batch
    account.endings["batch"] = _ending
    setattr(BatchResponse, "submitjob", _submit)  # noqa: B010


def _submit(self: Any) -> str:
    size = len(self.body.encode() if isinstance(self.body, str) else self.body) // _KIB
    if size >= _REQUEST_KIB:
        raise ClientException(
            "Error executing request, Exception : "
            f"Job size must be less than {_REQUEST_KIB} KiB, got {size} KiB"
        )
    job = self.batch_backend.submit(json.loads(self.body))
    return json.dumps({"jobArn": job.order.arn, "jobId": job.order.id, "jobName": job.order.name})


class Batch(Resources):
    """A backend of Batch that runs jobs."""

    account: Account
    slots: BoundedSemaphore
    not_kept = ("_context",)
    """Attributes that are not kept with the state of the account."""
    __module__ = Resources.__module__

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        logs = _Logs(self)
        self._context = BatchContext(
            self.account.launcher,
            logs,
            self.account.environment,
            self.slots,
            lambda job_id: self._jobs.get(job_id),
            partial(take_roles, self.account),
        )

    def submit(self, request: dict[str, Any]) -> Job:
        """Start a job.

        Raises:
            ClientException: If the request is not valid.
        """
        _check(request)
        definition = self._definition(request["jobDefinition"])
        queue = self.get_job_queue(request["jobQueue"])
        if queue is None:
            raise ClientException(f"Job Queue {request['jobQueue']} does not exist.")
        if queue.state != "ENABLED":
            raise ClientException(f"JobQueue {queue.arn} is not in an ENABLED state.")
        job_id = str(uuid4())
        order = Order(
            id=job_id,
            arn=f"arn:aws:batch:{self.region_name}:{self.account_id}:job/{job_id}",
            name=request["jobName"],
            queue_arn=queue.arn,
            environment_name=queue.environments[0].name,
            definition=definition,
            overrides=request.get("containerOverrides") or {},
            parameters=request.get("parameters") or {},
            timeout=request.get("timeout") or {},
            retry=request.get("retryStrategy") or {},
            tags=request.get("tags") or {},
            propagate_tags=request.get("propagateTags"),
            depends_on=tuple(request.get("dependsOn") or ()),
        )
        if order.tags:
            self.tag_resource(order.arn, dict(order.tags))
        job = Job(order, self._context)
        self._jobs[job_id] = job
        queue.jobs.append(job)
        job.start()
        return job

    def describe_jobs(self, jobs: list[str] | None) -> list[dict[str, Any]]:
        """Return jobs by id or ARN."""
        wanted = {each.rpartition("/")[2] for each in jobs or ()}
        return [self._jobs[each].describe() for each in wanted if each in self._jobs]

    def list_jobs(
        self,
        job_queue_name: str | None,
        array_job_id: str | None,
        job_status: str | None = None,
        filters: list[dict[str, Any]] | None = None,
    ) -> list[Any]:
        """Return the jobs of a queue; without a status and filters, those with status RUNNING."""
        queue = self.get_job_queue(job_queue_name or "")
        if queue is None:
            raise ClientException(f"Job queue {job_queue_name} does not exist")
        if filters:
            return [job for job in queue.jobs if any(_passes(job, each) for each in filters)]
        return [job for job in queue.jobs if job.status == (job_status or "RUNNING")]

    def cancel_job(self, job_id: str, reason: str) -> None:
        """End a job that has not started."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.cancel(reason)

    def terminate_job(self, job_id: str, reason: str) -> None:
        """End a job."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.terminate(reason)

    def reset(self) -> None:
        """End all jobs and delete all resources."""
        for job in self._jobs.values():
            job.terminate("The local AWS was reset")
        self._jobs.clear()
        super().reset()

    def _definition(self, identifier: str) -> JobDefinition:
        found = self.get_job_definition(identifier)
        if found is None or found.status != "ACTIVE":
            raise ClientException(f"JobDefinition {identifier} not found or is not ACTIVE.")
        if found.container_properties is None:
            message = f"The local AWS runs only jobs with containerProperties, not {identifier}."
            raise ClientException(message)
        return JobDefinition(
            name=found.name,
            arn=found.arn,
            container=found.container_properties,
            parameters=found.parameters or {},
            timeout=found.timeout or {},
            retry=found.retry_strategy or {},
            platforms=tuple(found.platform_capabilities or ("EC2",)),
            propagate_tags=bool(found.propagate_tags),
        )


class _Logs:
    """The account's CloudWatch Logs, for the output of jobs."""

    def __init__(self, backend: Batch) -> None:
        self._backend = backend

    def open(self, group: str, stream: str) -> None:
        logs = self._backend.logs_backend
        if group == LOG_GROUP:  # Batch creates its default log group
            logs.ensure_log_group(group)
        if group not in logs.groups:
            raise CannotStart(
                "ResourceInitializationError: failed to validate logger args: "
                f"The specified log group does not exist: {group}"
            )
        logs.ensure_log_stream(group, stream)

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        from moto.core.utils import unix_time_millis

        moment = unix_time_millis()
        events = [{"timestamp": moment, "message": line} for line in lines if line]
        logs = self._backend.logs_backend
        if events and group in logs.groups:  # the log group may have been destroyed
            logs.put_log_events(group, stream, events)


def _ending(region: str, job_id: str) -> Event | None:
    job: Any = batch_backends[ACCOUNT_ID][region].get_job_by_id(job_id)
    return None if job is None else job.done


def _passes(job: Job, each: dict[str, Any]) -> bool:
    patterns = [value.lower() for value in each["values"]]
    name = (job.order.name if each["name"] == "JOB_NAME" else job.order.definition.name).lower()
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def _check(request: dict[str, Any]) -> None:
    if not _JOB_NAME.match(request["jobName"]):
        raise ClientException("Job name should match valid pattern")
    for name in _NOT_RUN:
        if request.get(name):
            raise ClientException(f"The local AWS does not support jobs with {name}.")
    attempts = (request.get("retryStrategy") or {}).get("attempts", 1)
    if not 1 <= attempts <= _MOST_ATTEMPTS:
        raise ClientException("Retry attempts must be between 1 and 10")
