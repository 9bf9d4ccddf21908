"""The account of a local AWS, as the interpreter and Lambda see it from inside the server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from lokki_tf.testing.functions.runner import Function, Runner
from lokki_tf.testing.machines.services import Callbacks, Invocation, ServiceError, Settings

ACCOUNT_ID = "123456789012"
ACCESS_KEY = "AKIAIOSFODNN7LOCALAWS"


@dataclass(frozen=True)
class ServerSettings:
    """How a local AWS behaves.

    Args:
        region: the region that clients use.
        retry_delay_scale: what the waits before retries are multiplied by.
        wait_scale: what the waits of ``Wait`` states are multiplied by.
        workers: how many Lambda processes there are at a time.
    """

    region: str = "us-east-1"
    retry_delay_scale: float = 1.0
    wait_scale: float = 1.0
    workers: int = 64


def client_environment(endpoint: str, region: str) -> dict[str, str]:
    """Return the variables with which boto3, the AWS CLI and Terraform use a local AWS."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "local-aws-has-no-secrets",
        "AWS_SESSION_TOKEN": "local-aws",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    }


class Account:
    """What runs in the account: functions and machines.

    Args:
        endpoint: the server's URL.
        settings: how it behaves.
    """

    def __init__(self, endpoint: str, settings: ServerSettings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.environment = client_environment(endpoint, settings.region)
        self.runner = Runner(self.environment, write_log, settings.workers)
        self.callbacks = Callbacks()
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
        return Settings(
            self.region(region),
            self.callbacks,
            self.settings.retry_delay_scale,
            self.settings.wait_scale,
        )

    def close(self) -> None:
        """End all worker processes."""
        self.runner.close()


class Region:
    """The services of one region, as ``machines.services.Services`` wants them."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self._name = name
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
        from lokki_tf.testing.moto_gaps.lambda_functions import invoke

        return invoke(self._account, self._name, function, payload, qualifier=qualifier, kind=kind)

    def client(self, service: str) -> Any:
        """Return a boto3 client of this very server."""
        import boto3

        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    region_name=self._name,
                    endpoint_url=self._account.endpoint,
                    aws_access_key_id=ACCESS_KEY,
                    aws_secret_access_key="local",
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


def settings_from(environment: Mapping[str, str] = os.environ) -> ServerSettings:
    """Read the settings that the parent process gave."""
    return ServerSettings(
        region=environment.get("LOCAL_AWS_REGION", "us-east-1"),
        retry_delay_scale=float(environment.get("LOCAL_AWS_RETRY_DELAY_SCALE", "1")),
        wait_scale=float(environment.get("LOCAL_AWS_WAIT_SCALE", "1")),
        workers=int(environment.get("LOCAL_AWS_WORKERS", "64")),
    )


def settings_to(settings: ServerSettings) -> dict[str, str]:
    """Write the settings as variables for the child process."""
    return {
        "LOCAL_AWS_REGION": settings.region,
        "LOCAL_AWS_RETRY_DELAY_SCALE": str(settings.retry_delay_scale),
        "LOCAL_AWS_WAIT_SCALE": str(settings.wait_scale),
        "LOCAL_AWS_WORKERS": str(settings.workers),
    }


__all__ = [
    "ACCESS_KEY",
    "ACCOUNT_ID",
    "Account",
    "Region",
    "ServerSettings",
    "ServiceError",
    "client_environment",
    "settings_from",
    "settings_to",
    "write_log",
]
