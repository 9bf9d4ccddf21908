"""What images are called: ``registry/prefix/name:tag``."""

from __future__ import annotations

import re
from typing import NamedTuple

from lokki_tf.errors import ConfigError
from lokki_tf.model.names import digest, shortened

LOCAL = "local"
_NAME_LENGTH = 128  # of 256 that ECR takes, since a prefix may be before it
# Source: the distribution project's reference/regexp.go; ECR takes names of this form too.
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_PREFIX = re.compile(rf"(?:[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)(?:/{_PART})*/?")
_ECR = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


def repository_name(pipeline: str) -> str:
    """The name of a pipeline's repository, in the letters that registries take."""
    plain = re.sub(r"[^a-z0-9]+", "-", pipeline.lower()).strip("-")
    if plain == pipeline and len(plain) > 1:
        return shortened(plain, _NAME_LENGTH)
    # Two names that differ in what a registry does not take must not share a repository.
    return f"{shortened(plain or 'pipeline', _NAME_LENGTH - 9)}-{digest(pipeline)}"


class EcrHost(NamedTuple):
    """A registry of ECR: the number of its account, and its region."""

    account: str
    region: str

    @classmethod
    def of(cls, host: str) -> EcrHost | None:
        """The registry of a host, or ``None`` if it is not one of ECR's."""
        match = _ECR.fullmatch(host)
        return cls(match[1], match[2]) if match else None


def image_repository(setting: str | None, pipeline: str) -> str:
    """Where a pipeline's images are: ``registry/prefix/name``.

    Args:
        setting: ``image_repository`` of ``[aws]``. Without it, or where it is ``local``, the
            result has no registry.
        pipeline: The pipeline's name.

    Raises:
        ConfigError: If the setting is neither a registry nor the beginning of a repository.
    """
    name = repository_name(pipeline)
    if setting is None or setting == LOCAL:
        return name
    if _PREFIX.fullmatch(setting):
        return f"{setting.rstrip('/')}/{name}"
    raise ConfigError(
        f"image_repository = {setting!r} in [aws] is no repository",
        remedy="write the registry and, if you like, a prefix in small letters: "
        '"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team", or "local"; the pipeline\'s '
        "name is put behind it",
    )


def image_tag(tag: str) -> str:
    """The tag that the user gave.

    Raises:
        ConfigError: If registries refuse it.
    """
    if _TAG.fullmatch(tag):
        return tag
    raise ConfigError(
        f"{tag!r} is no tag of an image",
        remedy="a tag has at most 128 letters, digits, dots, - and _, and begins with a letter, "
        "a digit or _; without one, the content's hash is the tag",
    )
