"""The server's settings, and the environment variables and boto3 clients to use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT_ID = "123456789012"
ACCESS_KEY = "AKIAIOSFODNN7LOCALAWS"
FAILED = "failed "
"""What the server prints before an error in the place of its URL."""
SECRET_KEY = "local-aws-has-no-secrets"
SDK_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""The packages that Lambda's Python runtime contains in addition to the standard library."""


@dataclass(frozen=True)
class ServerSettings:
    """The settings of the server.

    Args:
        region: The region that clients use.
        retry_delay_scale: The factor for delays before retries.
        wait_scale: The factor for the delays of ``Wait`` states.
        workers: The largest number of Lambda processes at a time, and that of Batch jobs.
        containers: Whether images run in containers if a Docker API is available.
        enforce_iam: Whether roles can do only what their policies allow.
        token: The secret that requests to the private endpoints must contain.
        port: The port; 0 for any that is free.
        persist: The folder that keeps the state between starts; empty for none.
    """

    region: str = "us-east-1"
    retry_delay_scale: float = 1.0
    wait_scale: float = 1.0
    workers: int = 64
    containers: bool = True
    enforce_iam: bool = True
    token: str = ""
    port: int = 0
    persist: str = ""


def client_environment(endpoint: str, region: str) -> dict[str, str]:
    """Return the environment variables that make boto3, the AWS CLI and Terraform use a server.

    Args:
        endpoint: The server's URL.
        region: The region's name.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": "local-aws",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    }


def new_client(
    service: str, endpoint: str, region: str, credentials: Mapping[str, str] | None = None
) -> Any:
    """Return a boto3 client for a local AWS.

    Args:
        service: The service's name in boto3.
        endpoint: The server's URL.
        region: The region's name.
        credentials: Environment variables of a role's session; None for the account's own keys.
    """
    import boto3
    from botocore.config import Config

    given = credentials or {}
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=given.get("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        aws_session_token=given.get("AWS_SESSION_TOKEN"),
        # Otherwise some requests would be sent to hosts such as sync-127.0.0.1, and urllib3 would
        # warn of connections that it closes while many threads read.
        config=Config(inject_host_prefix=False, max_pool_connections=32),
    )


def load_clients(region: str) -> None:
    """Load boto3 and its service models for the services that most pipelines use."""
    for service in ("iam", "s3", "lambda", "stepfunctions"):
        new_client(service, "http://127.0.0.1", region)


def settings_from(environment: Mapping[str, str] = os.environ) -> ServerSettings:
    """Read the settings from the environment variables that the parent process has set."""
    return ServerSettings(
        region=environment.get("LOCAL_AWS_REGION", "us-east-1"),
        retry_delay_scale=float(environment.get("LOCAL_AWS_RETRY_DELAY_SCALE", "1")),
        wait_scale=float(environment.get("LOCAL_AWS_WAIT_SCALE", "1")),
        workers=int(environment.get("LOCAL_AWS_WORKERS", "64")),
        containers=environment.get("LOCAL_AWS_CONTAINERS", "yes") == "yes",
        enforce_iam=environment.get("LOCAL_AWS_ENFORCE_IAM", "yes") == "yes",
        token=environment.get("LOCAL_AWS_TOKEN", ""),
        port=int(environment.get("LOCAL_AWS_PORT", "0")),
        persist=environment.get("LOCAL_AWS_PERSIST", ""),
    )


def settings_to(settings: ServerSettings) -> dict[str, str]:
    """Return environment variables with the settings for the server process."""
    return {
        "LOCAL_AWS_REGION": settings.region,
        "LOCAL_AWS_RETRY_DELAY_SCALE": str(settings.retry_delay_scale),
        "LOCAL_AWS_WAIT_SCALE": str(settings.wait_scale),
        "LOCAL_AWS_WORKERS": str(settings.workers),
        "LOCAL_AWS_CONTAINERS": "yes" if settings.containers else "no",
        "LOCAL_AWS_ENFORCE_IAM": "yes" if settings.enforce_iam else "no",
        "LOCAL_AWS_TOKEN": settings.token,
        "LOCAL_AWS_PORT": str(settings.port),
        "LOCAL_AWS_PERSIST": settings.persist,
    }
