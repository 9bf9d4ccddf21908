"""The account of a local AWS, as the interpreter and Lambda see it from inside the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Any

from lokki_tf.testing.functions.deployed import Function
from lokki_tf.testing.functions.runner import Runner
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.machines.execution import Execution
from lokki_tf.testing.machines.services import Callbacks, Invocation, ServiceError, Settings
from lokki_tf.testing.settings import ServerSettings, client_environment, new_client

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
    """

    def __init__(self, endpoint: str, settings: ServerSettings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.environment = client_environment(endpoint, settings.region)
        self.launcher = Launcher(endpoint, containers=settings.containers)
        self.runner = Runner(self.environment, write_log, self.launcher, settings.workers)
        self.callbacks = Callbacks()
        self.invoke: Invoke = _nothing_deployed
        self.endings: dict[str, Ending] = {}
        self.execution_ended: ExecutionEnded | None = None
        self._regions: dict[str, Region] = {}
        self._lock = Lock()

    def region(self, name: str) -> Region:
        """Return the account's services in a region."""
        with self._lock:
            if name not in self._regions:
                self._regions[name] = Region(self, name)
            return self._regions[name]

    def machine_settings(self, region: str) -> Settings:
        """Return how executions run in a region."""
        more = {} if self.execution_ended is None else {"ended": self.execution_ended}
        return Settings(
            self.region(region),
            self.callbacks,
            self.settings.retry_delay_scale,
            self.settings.wait_scale,
            **more,
        )

    def close(self) -> None:
        """End all worker processes and containers."""
        self.runner.close()
        self.launcher.close()


class Region:
    """The services of one region, as ``machines.services.Services`` wants them."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self._name = name
        self._clients: dict[tuple[str, str | None], Any] = {}
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
        return self._account.invoke(self._name, function, payload, qualifier, kind)

    def ending(self, service: str, resource: str) -> Event | None:
        """Return what is set when a job has ended; None for what else there is."""
        find = self._account.endings.get(service)
        return None if find is None else find(self._name, resource)

    def client(self, service: str, role: str | None = None) -> Any:
        """Return a boto3 client of this very server."""
        key = (service, role)
        with self._lock:
            if key not in self._clients:
                endpoint = self._account.endpoint
                self._clients[key] = new_client(service, endpoint, self._name, role)
            return self._clients[key]


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
