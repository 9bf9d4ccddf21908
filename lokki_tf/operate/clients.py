"""Clients of AWS: all of lokki_tf's calls of AWS are made here, and their errors are translated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lokki_tf.config import is_loopback, refuse_region
from lokki_tf.errors import MissingToolError, NoRegionError

from .refusals import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.config import Config

_LOCALSTACK = "localhost.localstack.cloud"  # LocalStack's name of the loopback address
_DUMMY = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def endpoint(config: Config) -> str | None:
    """Return the URL of another endpoint than Amazon's, if settings or environment name one."""
    return config.aws.endpoint or os.environ.get("AWS_ENDPOINT_URL") or None


def is_local(config: Config) -> bool:
    """Return whether the endpoint is on this computer, where any credentials are accepted."""
    url = endpoint(config)
    return url is not None and (is_loopback(url) or urlsplit(url).hostname == _LOCALSTACK)


def session(config: Config) -> Any:
    """Return a session of botocore according to the settings.

    boto3 would add methods for files and objects that nothing here needs, and import for 0.1 s.

    Args:
        config: ``[aws]`` contains region and profile, which default to those of the environment.

    Raises:
        MissingToolError: If botocore, which is part of boto3, is not installed.
        CredentialsError: If the profile does not exist.
    """
    try:
        from botocore.session import Session
    except ImportError:
        raise MissingToolError(
            "commands that call AWS need the package 'boto3', which is not installed",
            remedy="pip install 'lokki-tf[aws]'",
        ) from None
    # botocore does not read AWS_REGION, and Terraform's provider reads it first.
    region = config.aws.region or os.environ.get("AWS_REGION") or None
    if region:
        refuse_region(region)
    made = Session(profile=config.aws.profile)
    with translated():
        if region:
            made.set_config_variable("region", region)
        made.get_scoped_config()  # an error if the profile does not exist
        if is_local(config) and not _has_credentials(made):
            made.set_credentials(*_DUMMY.values())
    return made


def client(config: Config, service: str, region: str | None = None) -> Any:
    """Return a boto3 client according to the settings.

    Args:
        config: Settings, as in ``lokki.toml``.
        service: boto3's name of the service.
        region: Instead of the settings' region.

    Raises:
        NoRegionError: If no region is set.
    """
    return _client(session(config), config, service, region)


def local_credentials(config: Config) -> Mapping[str, str]:
    """Return environment variables for Terraform: dummy keys for a local AWS, if the user has none.

    Args:
        config: Settings, as in ``lokki.toml``.
    """
    if not is_local(config) or any(os.environ.get(name) for name in _DUMMY):
        return {}
    return {} if session(config).get_credentials().access_key != "local" else dict(_DUMMY)


def credentials_source(config: Config) -> str | None:
    """Return where boto3 finds credentials, without any network; ``None`` if nowhere.

    Roles of containers and of EC2 instances are not found, since only a server has them.

    Args:
        config: Settings, as in ``lokki.toml``.

    Returns:
        botocore's name of the source: ``env``, ``shared-credentials-file``, ``sso`` and so on.
    """
    made = session(config)
    _without_servers(made, "iam-role", "container-role")
    with translated():
        found = made.get_credentials()
    return None if found is None else str(found.method)


def caller_arn(config: Config, seconds: float) -> str:
    """Ask AWS to whom the credentials belong, and return the ARN.

    Args:
        config: Settings, as in ``lokki.toml``.
        seconds: Time limit of the connection, and of the answer.

    Raises:
        AwsError: If AWS rejects the credentials, or cannot be reached in this time.
    """
    from botocore.config import Config as BotoConfig

    once = BotoConfig(
        connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}
    )
    made = _client(session(config), config, "sts", None, once)
    with translated("sts", "get_caller_identity", str(made.meta.endpoint_url)):
        return str(made.get_caller_identity()["Arn"])


def _has_credentials(made: Any) -> bool:
    # Without EC2's metadata service: outside EC2, its timeout takes seconds.
    _without_servers(made, "iam-role")
    return made.get_credentials() is not None


def _without_servers(made: Any, *names: str) -> None:
    for name in names:
        made.get_component("credential_provider").remove(name)


def _client(made: Any, config: Config, service: str, region: str | None, more: Any = None) -> Any:
    from botocore.config import Config as BotoConfig

    region = region or made.get_config_variable("region")
    if not region:
        raise NoRegionError(
            "no AWS region is set",
            remedy='give --region, write region = "…" under [aws] in lokki.toml, or set AWS_REGION',
        )
    local = is_local(config)
    options = BotoConfig(
        connect_timeout=3 if local else 10,
        retries={"mode": "standard", "total_max_attempts": 2 if local else 5},
        inject_host_prefix=not endpoint(config),
        s3={"addressing_style": "path"} if endpoint(config) else None,
        max_pool_connections=32,
    )
    if more is not None:
        options = options.merge(more)
    with translated():
        return made.create_client(
            service, region_name=region, endpoint_url=config.aws.endpoint, config=options
        )


class Aws:
    """AWS for the commands. Clients are made at their first use.

    Args:
        config: Settings, as in ``lokki.toml``.
        region: Instead of the settings' region.
    """

    def __init__(self, config: Config, region: str | None = None) -> None:
        self.config = config
        self._region = region
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    @property
    def region(self) -> str:
        """The region of all calls.

        Raises:
            NoRegionError: If no region is set.
        """
        return str(self.client("stepfunctions").meta.region_name)

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation and return its response.

        Args:
            service: boto3's name of the service.
            operation: boto3's name of the operation.
            parameters: Its parameters.

        Raises:
            AwsError: If AWS refuses or cannot be reached; ``code`` is AWS's error code.
        """
        called = getattr(self.client(service), operation)
        with translated(service, operation, str(self.client(service).meta.endpoint_url)):
            answer: dict[str, Any] = called(**parameters)
        return answer

    def pages(self, service: str, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Call an operation for each page of its response, and yield the pages.

        Args:
            service: boto3's name of the service.
            operation: boto3's name of the operation.
            parameters: Its parameters.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        client = self.client(service)
        with translated(service, operation, str(client.meta.endpoint_url)):
            yield from client.get_paginator(operation).paginate(**parameters)

    def read(self, uri: str) -> bytes:
        """Return the bytes of an object, or of a part of one.

        Args:
            uri: ``s3://bucket/key``, or a reference to a part.

        Raises:
            AwsError: If it cannot be read.
        """
        from lokki_tf.runtime.store import request_of

        answer = self.call("s3", "get_object", **request_of(uri))
        with translated("s3", "get_object", uri):
            body: bytes = answer["Body"].read()
        return body

    def size(self, uri: str) -> int:
        """Return the number of bytes of an object, or of a part of one.

        Args:
            uri: ``s3://bucket/key``, or a reference to a part.

        Raises:
            AwsError: If it cannot be read.
        """
        from lokki_tf.runtime.store import part_of, split

        whole, part = part_of(uri)
        if part is not None:
            return part[1] - part[0]
        bucket, key = split(whole)
        return int(self.call("s3", "head_object", Bucket=bucket, Key=key)["ContentLength"])

    def partition(self) -> str:
        """The partition of AWS that contains the region: ``aws``, ``aws-cn`` and so on."""
        return str(self.client("stepfunctions").meta.partition)

    def account(self) -> str:
        """Return the number of the account to which the credentials belong.

        Raises:
            CredentialsError: If there are no credentials, or AWS rejects them.
        """
        return str(self.call("sts", "get_caller_identity")["Account"])

    def client(self, service: str) -> Any:
        """Return boto3's client of a service.

        Args:
            service: boto3's name of the service.
        """
        with self._lock:
            if self._session is None:
                self._session = session(self.config)
            if service not in self._clients:
                self._clients[service] = _client(self._session, self.config, service, self._region)
            return self._clients[service]
