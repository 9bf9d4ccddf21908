"""Build and push an image, unless the registry has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .build import Context, build
from .engine import connect
from .failures import TagTaken
from .progress import OnProgress, ignore_progress
from .push import push
from .registry import has_image

if TYPE_CHECKING:
    from .repositories import Repository


class Tagged(Context, Protocol):
    """The inputs of an image, and its tag."""

    @property
    def tag(self) -> str: ...

    @property
    def content_tag(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Published:
    """An image.

    Args:
        uri: Name of the image, with the tag.
        built: Whether it was built; ``False`` if the registry already had it.
        pushed: Whether it was pushed.
    """

    uri: str
    built: bool
    pushed: bool


def publish(
    context: Tagged,
    repository: Repository,
    *,
    pushing: bool = True,
    on_progress: OnProgress = ignore_progress,
    client: Any = None,
) -> Published:
    """Build an image and push it, unless the registry has it.

    A tag that is the hash of the content always means the same image, so an image whose tag is in
    the registry is not built. A custom tag may be that of another image, and is always pushed.

    Args:
        context: The inputs of the image.
        repository: Where it is pushed.
        pushing: Whether to push it; never done for a local repository.
        on_progress: Called with each message of the engine.
        client: The engine; by default the result of :func:`connect`.

    Raises:
        MissingToolError: If no engine answers.
        ImageError: If it cannot be built or pushed.
    """
    uri = f"{repository.name}:{context.tag}"
    pushing = pushing and not repository.local
    by_content = context.tag == context.content_tag
    if pushing and by_content and has_image(uri, repository.login):
        return Published(uri, built=False, pushed=False)
    client = client or connect()
    build(context, uri, on_progress=on_progress, client=client)
    if pushing:
        try:
            push(uri, login=repository.login, on_progress=on_progress, client=client)
        except TagTaken:
            if not by_content:
                raise
            # Another process pushed the same image meanwhile, or the registry did not answer.
            pushing = False
    return Published(uri, built=True, pushed=pushing)
