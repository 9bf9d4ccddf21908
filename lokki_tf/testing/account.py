"""The account inside the server process: services for state machines, functions and jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock
from time import time
from typing import Any

from lokki_tf.testing.functions.deployed import Function
from lokki_tf.testing.functions.runner import Runner
from lokki_tf.testing.iam.access import Access, AccessDenied, Directory, Session
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.settings import (
    ACCOUNT_ID,
    ServerSettings,
    client_environment,
    new_client,
)
from lokki_tf.testing.state_machines.archive import Archive
from lokki_tf.testing.state_machines.mocks import Mocks
from lokki_tf.testing.state_machines.record import ExecutionRecord, Settings, ignored
from lokki_tf.testing.state_machines.services import Callbacks, Invocation, ServiceError

Invoke = Callable[[str, str, bytes, str | None, str], Invocation]
"""Invokes a function. The arguments: region, function, payload, qualifier, invocation type."""

ExecutionEnded = Callable[[ExecutionRecord, Event], None]
"""Handles the end of an execution and then sets the event."""

Ending = Callable[[str, str], Event | None]
"""Returns an event that is set when the job with an id ends. The arguments: region, id."""


def _nothing_deployed(*request: object) -> Invocation:
    raise ServiceError("ResourceNotFoundException", "No function was created yet", status=404)


class Account:
    """The state of the account beyond moto's: processes, sessions of roles, callbacks.

    Args:
        endpoint: The server's URL.
        settings: The server's settings.
        directory: The account's roles and policies.
        archive: Where children of Distributed Maps are stored; by default a temporary database.
    """

    def __init__(
        self,
        endpoint: str,
        settings: ServerSettings,
        directory: Directory,
        archive: Archive | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.environment = client_environment(endpoint, settings.region)
        self.launcher = Launcher(endpoint, containers=settings.containers)
        self.access = Access(directory, settings.region, enforced=settings.enforce_iam)
        self.runner = Runner(self.environment, self._write_log, self.launcher, settings.workers)
        self.callbacks = Callbacks()
        self.mocks = Mocks()
        self.archive = archive or Archive()
        self.changes = 0
        """Increases with all that may change the state of the account."""
        self.invoke: Invoke = _nothing_deployed
        self.endings: dict[str, Ending] = {}
        self.execution_ended: ExecutionEnded | None = None
        self.is_closed = False
        """Whether its processes have been ended, so that calls in progress fail."""
        self._regions: dict[tuple[str, str | None], Region] = {}
        self._lock = Lock()
        self.making_clients = Lock()
        """Held while a boto3 client is made, because boto3 sessions are not thread-safe."""

    def region(self, name: str, role: str | None) -> Region:
        """Return the account's services in a region, with the permissions of a role.

        Args:
            name: The region's name.
            role: The ARN of the role; None for all permissions.
        """
        with self._lock:
            key = (name, role)
            if key not in self._regions:
                taken = role is not None and self.access.enforced
                session = self.access.session(str(role), "states") if taken else None
                self._regions[key] = Region(self, name, session)
            return self._regions[key]

    def credentials(self, role: str | None, session: str) -> dict[str, str]:
        """Return environment variables with the credentials of a role.

        Args:
            role: The ARN of the role; None for empty credentials.
            session: The name of the role's session.
        """
        if not self.access.enforced:
            return {}
        if role is None:
            return dict.fromkeys(
                ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), ""
            )
        return self.access.session(role, session).environment

    def forget(self) -> None:
        """Remove sessions and decisions, after the account was reset."""
        with self._lock:
            self._regions.clear()
        self.access.forget()
        self.mocks.clear()

    def execution_settings(self, region: str, role: str | None, key: str | None) -> Settings:
        """Return the settings of a state machine's executions.

        Args:
            region: The region's name.
            role: The ARN of the state machine's role; None for all permissions.
            key: The ARN of the KMS key that encrypts the executions, or None.
        """
        return Settings(
            self.region(region, role),
            self.callbacks,
            self.settings.retry_delay_scale,
            self.settings.wait_scale,
            key=key,
            mocks=self.mocks,
            archive=self.archive,
            ended=self._ended,
        )

    def _ended(self, execution: ExecutionRecord, settled: Event) -> None:
        self.changes += 1
        (self.execution_ended or ignored)(execution, settled)

    def close(self) -> None:
        """End all worker processes and containers."""
        self.is_closed = True
        self.runner.close()
        self.launcher.close()

    def _write_log(self, function: Function, stream: str, lines: Sequence[str]) -> None:
        """Write a function's log if its role has the permission.

        As in AWS, a missing permission is not reported. Source: Lambda Developer Guide, "Sending
        Lambda function logs to CloudWatch Logs".
        """
        if self.access.enforced:
            region, account = function.arn.split(":")[3:5]
            log_group = f"arn:aws:logs:{region}:{account}:log-group:{function.log_group}"
            log_stream = f"{log_group}:log-stream:{stream}"
            principal = self.access.session(function.role, function.name).principal
            actions = ("logs:CreateLogStream", "logs:PutLogEvents")
            if not all(self.access.allows(principal, action, log_stream) for action in actions):
                return
        write_log(function, stream, lines)


class Region:
    """The services of one region; implements ``state_machines.services.Services``.

    Args:
        account: The account.
        name: The region's name.
        session: The role's session that requests are made with; None for all permissions.
    """

    def __init__(self, account: Account, name: str, session: Session | None) -> None:
        self._account = account
        self._name = name
        self._session = session
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    @property
    def region(self) -> str:
        """The region's name."""
        return self._name

    def invoke(
        self, function: str, payload: bytes, *, qualifier: str | None = None, kind: str
    ) -> Invocation:
        """Invoke a function without HTTP.

        Raises:
            ServiceError: If Lambda responds with an error.
        """
        arn = function
        if not function.startswith("arn:"):
            arn = f"arn:aws:lambda:{self._name}:{ACCOUNT_ID}:function:{function}"
        self.authorize("lambda:InvokeFunction", f"{arn}:{qualifier}" if qualifier else arn)
        self._account.changes += 1
        return self._account.invoke(self._name, function, payload, qualifier, kind)

    def ending(self, service: str, resource: str) -> Event | None:
        """Return an event that is set when a Batch job has ended; None for other services."""
        find = self._account.endings.get(service)
        return None if find is None else find(self._name, resource)

    def authorize(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Check a permission that Step Functions needs without making a visible API request.

        Raises:
            ServiceError: If the role's policies do not allow the action.
        """
        if self._session is None:
            return
        kms = action.startswith("kms:")
        try:
            self._account.access.require(
                self._session.principal, action, resource, context, by_resource_alone=kms
            )
        except AccessDenied as denied:
            raise ServiceError("AccessDeniedException", denied.message, status=403) from None

    def client(self, service: str) -> Any:
        """Return a boto3 client for this server with the role's credentials."""
        with self._lock, self._account.making_clients:
            if service not in self._clients:
                environment = self._session.environment if self._session else None
                self._clients[service] = new_client(
                    service, self._account.endpoint, self._name, environment
                )
            return self._clients[service]


def write_log(function: Function, stream: str, lines: Sequence[str]) -> None:
    """Write a function's log to CloudWatch Logs; empty lines are left out."""
    from moto.core.utils import utcnow
    from moto.logs.models import logs_backends

    _, _, _, region, account, *_ = function.arn.split(":")
    logs: Any = logs_backends[account][region]
    logs.ensure_log_group(function.log_group)
    logs.ensure_log_stream(function.log_group, stream)
    group, now = logs.groups[function.log_group], time() * 1000
    written = [line for line in lines if line]
    if group.subscription_filters:
        events = [{"timestamp": now, "message": line} for line in written]
        logs.put_log_events(function.log_group, stream, events)
        return
    # What moto's put_log_events does, in a tenth of its time: it makes an object for each line.
    found = group.streams[stream]
    found.last_ingestion_time = utcnow()
    found.stored_bytes += sum(map(len, written))
    found.upload_sequence_token += 1
    found.events.add((int(now), now, line) for line in written)
