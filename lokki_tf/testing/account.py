"""The account of a local AWS, as the interpreter and Lambda see it from inside the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock
from typing import Any

from lokki_tf.testing.functions.deployed import Function
from lokki_tf.testing.functions.runner import Runner
from lokki_tf.testing.iam.access import Access, AccessDenied, Directory, Session
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.machines.execution import Execution
from lokki_tf.testing.machines.services import Callbacks, Invocation, ServiceError, Settings
from lokki_tf.testing.settings import (
    ACCOUNT_ID,
    ServerSettings,
    client_environment,
    new_client,
)

Invoke = Callable[[str, str, bytes, str | None, str], Invocation]
"""Takes region, function, payload, qualifier and kind of invocation."""

ExecutionEnded = Callable[[Execution, Event], None]
"""Takes an execution, and what to set when its end has been delivered to everything."""

Ending = Callable[[str, str], Event | None]
"""Takes region and id; returns what is set at the end of what has that id."""


def _nothing_deployed(*request: object) -> Invocation:
    raise ServiceError("ResourceNotFoundException", "Lambda is not running", status=404)


class Account:
    """What runs in the account: functions, images and machines.

    Args:
        endpoint: the server's URL.
        settings: how it behaves.
        directory: its roles and policies.
    """

    def __init__(self, endpoint: str, settings: ServerSettings, directory: Directory) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.environment = client_environment(endpoint, settings.region)
        self.launcher = Launcher(endpoint, containers=settings.containers)
        self.access = Access(directory, settings.region, enforced=settings.enforce_iam)
        self.runner = Runner(self.environment, self._write_log, self.launcher, settings.workers)
        self.callbacks = Callbacks()
        self.invoke: Invoke = _nothing_deployed
        self.endings: dict[str, Ending] = {}
        self.execution_ended: ExecutionEnded | None = None
        self._regions: dict[tuple[str, str | None], Region] = {}
        self._lock = Lock()
        self.making_clients = Lock()
        """Held while a client is made, which boto3's session does in one thread only."""

    def region(self, name: str, role: str | None) -> Region:
        """Return the account's services in a region, as a role may use them.

        Args:
            name: the region's name.
            role: ARN of the role; the operator's, who may do everything, without one.
        """
        with self._lock:
            key = (name, role)
            if key not in self._regions:
                taken = role is not None and self.access.enforced
                session = self.access.session(str(role), "states") if taken else None
                self._regions[key] = Region(self, name, session)
            return self._regions[key]

    def credentials(self, role: str | None, session: str) -> dict[str, str]:
        """Return the variables by which a program acts as a role.

        Args:
            role: ARN of the role; without one it gets no credentials.
            session: name of the role's session.
        """
        if not self.access.enforced:
            return {}
        if role is None:
            return dict.fromkeys(
                ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), ""
            )
        return self.access.session(role, session).environment

    def forget(self) -> None:
        """Forget sessions and decisions, after the account was emptied."""
        with self._lock:
            self._regions.clear()
        self.access.forget()

    def machine_settings(self, region: str, role: str, key: str | None) -> Settings:
        """Return how executions run in a region.

        Args:
            region: the region's name.
            role: ARN of the state machine's role.
            key: ARN of the key of KMS that encrypts them.
        """
        more = {} if self.execution_ended is None else {"ended": self.execution_ended}
        return Settings(
            self.region(region, role),
            self.callbacks,
            self.settings.retry_delay_scale,
            self.settings.wait_scale,
            key=key,
            **more,
        )

    def close(self) -> None:
        """End all worker processes and containers."""
        self.runner.close()
        self.launcher.close()

    def _write_log(self, function: Function, stream: str, lines: Sequence[str]) -> None:
        """Write a function's log, as far as its role may: Lambda does not report a denial.

        Source: Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs".
        """
        if self.access.enforced:
            place = ":".join(function.arn.split(":")[3:5])
            log_stream = f"arn:aws:logs:{place}:log-group:{function.log_group}:log-stream:{stream}"
            principal = self.access.session(function.role, function.name).principal
            actions = ("logs:CreateLogStream", "logs:PutLogEvents")
            if not all(self.access.allows(principal, action, log_stream) for action in actions):
                return
        write_log(function, stream, lines)


class Region:
    """The services of one region, as ``machines.services.Services`` wants them.

    Args:
        account: the account.
        name: the region's name.
        session: by which requests are made; the operator's without one.
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
        """Invoke a function without going through HTTP.

        Raises:
            ServiceError: if Lambda refuses.
        """
        arn = function
        if not function.startswith("arn:"):
            arn = f"arn:aws:lambda:{self._name}:{ACCOUNT_ID}:function:{function}"
        self.authorize("lambda:InvokeFunction", f"{arn}:{qualifier}" if qualifier else arn)
        return self._account.invoke(self._name, function, payload, qualifier, kind)

    def ending(self, service: str, resource: str) -> Event | None:
        """Return what is set when a job has ended; None for what else there is."""
        find = self._account.endings.get(service)
        return None if find is None else find(self._name, resource)

    def authorize(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Decide on what AWS does by the role without a request of its own.

        Raises:
            ServiceError: if the role may not.
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
        """Return a boto3 client of this very server, with the role's credentials."""
        with self._lock, self._account.making_clients:
            if service not in self._clients:
                environment = self._session.environment if self._session else None
                self._clients[service] = new_client(
                    service, self._account.endpoint, self._name, environment
                )
            return self._clients[service]


def write_log(function: Function, stream: str, lines: Sequence[str]) -> None:
    """Write a function's log to CloudWatch Logs."""
    from moto.core.utils import unix_time_millis
    from moto.logs.models import logs_backends

    _, _, _, region, account, *_ = function.arn.split(":")
    logs = logs_backends[account][region]
    logs.ensure_log_group(function.log_group)
    logs.ensure_log_stream(function.log_group, stream)
    moment = unix_time_millis()
    events = [{"timestamp": moment, "message": line} for line in lines if line]
    logs.put_log_events(function.log_group, stream, events)
