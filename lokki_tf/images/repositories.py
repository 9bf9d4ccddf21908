"""The repository of a pipeline's images, and its login."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.config.image_names import LOCAL, EcrHost, image_repository, repository_name
from lokki_tf.errors import ImageError

from .registry import Login, digest_of, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.config import AwsConfig


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of images.

    Args:
        name: Its name, with the registry, without a tag.
        login: Credentials, if known.
        local: Whether images stay in this computer's engine and are never pushed.
    """

    name: str
    login: Login | None = None
    local: bool = False


def find_repository(
    aws: AwsConfig,
    pipeline: str,
    ecr: Callable[[str | None], Any],
    region: str | None = None,
) -> Repository:
    """Find the repository of a pipeline's images.

    Args:
        aws: ``[aws]``: ``image_repository`` names the registry; without it, the repository is the
            one in ECR that the pipeline's images stack creates.
        pipeline: Name of the pipeline.
        ecr: Returns a client of ECR for a region; ``None`` means that of the environment.
        region: AWS region; by default that of the settings.

    Raises:
        ConfigError: If the setting is not the name of a repository.
        ImageError: If ECR has no such repository, or denies the request.
    """
    region = region or aws.region
    if aws.image_repository == LOCAL:
        return Repository(image_repository(LOCAL, pipeline), local=True)
    if aws.image_repository is None:
        name = _in_ecr(ecr(region), repository_name(pipeline), pipeline)
    else:
        name = image_repository(aws.image_repository, pipeline)
    return Repository(name, _login(aws, name, region, ecr))


def _login(
    aws: AwsConfig, name: str, region: str | None, ecr: Callable[[str | None], Any]
) -> Login | None:
    host = split(f"{name}:tag")[0]
    own = EcrHost.of(host)
    if own:
        return _ecr_login(ecr(own.region))
    known = _of_docker(name)
    if known is None and aws.endpoint:  # not AWS itself, so its registry has another host
        return _ecr_login(ecr(region))
    return known


def base_digest(base: str) -> str:
    """Return the digest that the tag of a base image has at the moment.

    Raises:
        ImageError: If its registry does not say it.
    """
    digest = digest_of(base, _of_docker(base))
    if digest is None:
        raise ImageError(
            f"no registry returns the digest of the base image {base}",
            remedy="check its name and your network, and log in with `docker login` if its "
            "registry requires that",
        )
    return digest


def _of_docker(name: str) -> Login | None:
    """Return the credentials that ``docker login`` has stored, in its file or a keychain."""
    try:
        from docker import auth
        from docker.errors import DockerException
    except ImportError:
        return None  # connecting to the engine reports what is missing
    try:
        registry, _ = auth.resolve_repository_name(name)
        found = auth.load_config().resolve_authconfig(registry) or {}
    except DockerException as error:
        raise ImageError(
            f"Docker's configuration has a login for {name} that cannot be read: {error}",
            remedy="log in again with `docker login`",
        ) from error
    user, password = found.get("username") or found.get("Username"), found.get("password")
    password = password or found.get("Password")
    return Login(user, password) if user and password else None


def _in_ecr(client: Any, name: str, pipeline: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.describe_repositories(repositoryNames=[name])
    except client.exceptions.RepositoryNotFoundException as error:
        raise ImageError(
            f"ECR has no repository {name!r} for the images of {pipeline!r}",
            remedy=f"run synth and apply the stack {pipeline}-images first, which creates it; or "
            "set image_repository in [aws] to another registry",
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error
    return str(found["repositories"][0]["repositoryUri"])


def _ecr_login(client: Any) -> Login:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.get_authorization_token()["authorizationData"][0]
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error
    user, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return Login(user, password)


def _refused(error: Exception) -> ImageError:
    return ImageError(
        f"ECR denies access: {error}",
        remedy="check that the environment, or profile in [aws], has AWS credentials and a region "
        "(`aws sts get-caller-identity`), and that they may use ECR; without AWS write "
        'image_repository = "local" into [aws], or --no-push',
    )
