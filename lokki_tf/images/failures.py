"""Errors for failed builds and pushes, from the messages of engines and registries.

Docker's engine, podman's, ECR and other registries have no error codes, so errors are recognised by
their texts. An unknown message is shown unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lokki_tf.errors import ImageError

_AGAIN = "then run the command again: it continues with what is missing"
_DISK = (
    "no space left on device|disk quota exceeded",
    "the disk is full",
    f"free space on the disk of the container engine, with `docker system prune` for example; "
    f"{_AGAIN}",
)
_TAKEN = "immutable|ImageTagAlreadyExists|cannot be overwritten"
_PUSH: tuple[tuple[str, str, str], ...] = (
    _DISK,
    (
        "does not exist in the registry|name unknown|NAME_UNKNOWN|repository .*not found",
        "the repository does not exist",
        "create it first: for ECR apply the images stack that synth writes, or run "
        "`aws ecr create-repository`",
    ),
    (
        _TAKEN,
        "the tag already exists for another image, and the repository's tags are immutable",
        "choose another tag, or none, so that the hash of the content is the tag",
    ),
    (
        "unauthorized|authentication required|no basic auth|denied|forbidden|status:? 40[13]",
        "the registry denies access",
        "for ECR check that your AWS credentials may push to this repository, for "
        "another registry log in with `docker login`",
    ),
    (
        "connection refused|no such host|i/o timeout|dial tcp|TLS handshake|certificate|"
        "HTTP response to HTTPS client|connection reset|unexpected EOF",
        "the registry cannot be reached",
        f"check image_repository in [aws], and that the registry is running; {_AGAIN}",
    ),
)
_BUILD: tuple[tuple[str, str, str], ...] = (
    _DISK,
    (
        "No module named '?pip'?",
        "the base image has no pip, which installs the packages that steps declare",
        "set base in [image] to an image with pip, or write your own Dockerfile",
    ),
    (
        "pull access denied|manifest unknown|manifest for .* not found|initializing source|"
        "short-name|toomanyrequests|failed to resolve source metadata|No such image",
        "the base image cannot be pulled",
        "check that the image in base of [image] exists for this architecture, and that its "
        "registry can be reached",
    ),
    (
        "exec format error",
        "the base image is for another architecture than this computer's",
        "build on a computer with that architecture, or let the engine emulate it (binfmt, QEMU)",
    ),
    (
        "Hash mismatch|DO NOT MATCH THE HASHES|No matching distribution|Could not find a version",
        "the packages that steps declare cannot be installed in the base image",
        "check that the base image has the Python and the C library that they were resolved for; "
        "set UV_DEFAULT_INDEX or UV_INDEX for an index other than PyPI",
    ),
)
_MOST_LINES = 15


class TagTaken(ImageError):
    """The repository's tags are immutable, and it already has this one."""


def push_failure(uri: str, said: str) -> ImageError:
    """Return the error for an image that could not be pushed.

    Args:
        uri: The image.
        said: Message of the engine.
    """
    what, remedy = _found(_PUSH, said, f"check the output of `docker push {uri}`; {_AGAIN}")
    kind = TagTaken if re.search(_TAKEN, said, re.IGNORECASE) else ImageError
    return kind(f"the image {uri} could not be pushed: {_joined(what, said)}", remedy=remedy)


def build_failure(name: str, said: str, log: Sequence[str]) -> ImageError:
    """Return the error for an image that could not be built, with the end of the build's log.

    Args:
        name: The image.
        said: Last message of the engine.
        log: All messages before it.
    """
    lines = [line for text in log for line in text.splitlines() if line.strip()]
    shown = "".join(f"\n  | {line}" for line in lines[-_MOST_LINES:])
    everything = "\n".join([*lines[-_MOST_LINES:], said])
    what, remedy = _found(_BUILD, everything, "correct the Dockerfile or the base image")
    return ImageError(
        f"the image {name} could not be built: {_joined(what, said)}{shown}", remedy=remedy
    )


def _found(
    known: Sequence[tuple[str, str, str]], said: str, otherwise: str
) -> tuple[str | None, str]:
    for pattern, what, remedy in known:
        if re.search(pattern, said, re.IGNORECASE):
            return what, remedy
    return None, otherwise


def _joined(what: str | None, said: str) -> str:
    said = " ".join(said.split())
    said = said if len(said) <= 500 else f"{said[:250]} … {said[-250:]}"
    return f"{what} ({said})" if what else said
