"""What engines and registries say when something goes wrong, in the house's words.

They have no codes: Docker's engine and podman's, ECR and other registries are told apart by
their texts alone. What none of the patterns knows is told as it was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lokki_tf.errors import ImageError

_AGAIN = "then run the command again: what is done is not done again"
_DISK = (
    "no space left on device|disk quota exceeded",
    "the disk is full",
    f"make room where the container engine keeps its images, `docker system prune` for example; "
    f"{_AGAIN}",
)
_TAKEN = "immutable|ImageTagAlreadyExists|cannot be overwritten"
_PUSH: tuple[tuple[str, str, str], ...] = (
    _DISK,
    (
        "does not exist in the registry|name unknown|NAME_UNKNOWN|repository .*not found",
        "there is no such repository",
        "make it first: for ECR apply the stack that synth writes beside the pipeline's, or "
        "`aws ecr create-repository`",
    ),
    (
        _TAKEN,
        "the tag is there already, with another image, and the repository does not let go of it",
        "leave the tag out, which makes the content's hash one, or choose another",
    ),
    (
        "unauthorized|authentication required|no basic auth|denied|forbidden|status:? 40[13]",
        "the registry refuses you",
        "for ECR see that your AWS credentials are allowed to push to this repository, for "
        "another registry log in with `docker login`",
    ),
    (
        "connection refused|no such host|i/o timeout|dial tcp|TLS handshake|certificate|"
        "HTTP response to HTTPS client|connection reset|unexpected EOF",
        "the registry cannot be reached",
        f"see that image_repository in [aws] names it rightly and that it is there; {_AGAIN}",
    ),
)
_BUILD: tuple[tuple[str, str, str], ...] = (
    _DISK,
    (
        "No module named '?pip'?",
        "the base image has no pip, which installs the packages that steps declare",
        "choose one that has it, base in [image], or write a Dockerfile of your own",
    ),
    (
        "pull access denied|manifest unknown|manifest for .* not found|initializing source|"
        "short-name|toomanyrequests|failed to resolve source metadata|No such image",
        "the base image cannot be pulled",
        "see that base in [image] names one that there is, for this processor, and that its "
        "registry can be reached",
    ),
    (
        "exec format error",
        "the base image is for another processor than this machine's",
        "build on a machine with that processor, or let the engine emulate it (binfmt, QEMU)",
    ),
    (
        "Hash mismatch|DO NOT MATCH THE HASHES|No matching distribution|Could not find a version",
        "the packages that steps declare cannot be installed in the base image",
        "see that the base image has the Python and the C library that they were resolved for; "
        "an index other than PyPI is named in UV_DEFAULT_INDEX or UV_INDEX",
    ),
)
_MOST_LINES = 15


class TagTaken(ImageError):
    """A repository whose tags do not move has this one already."""


def push_failure(uri: str, said: str) -> ImageError:
    """The error for an image that could not be pushed.

    Args:
        uri: The image.
        said: What the engine said.
    """
    what, remedy = _found(
        _PUSH, said, f"see what the registry says to `docker push {uri}`; {_AGAIN}"
    )
    kind = TagTaken if re.search(_TAKEN, said, re.IGNORECASE) else ImageError
    return kind(f"the image {uri} could not be pushed: {_joined(what, said)}", remedy=remedy)


def build_failure(name: str, said: str, log: Sequence[str]) -> ImageError:
    """The error for an image that could not be built, with the end of the build's log.

    Args:
        name: The image.
        said: What the engine said at last.
        log: All that it said before.
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
