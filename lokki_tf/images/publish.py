"""Builds and pushes what is not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .build import Context, build
from .engine import connect
from .failures import TagTaken
from .progress import OnProgress, nobody
from .push import push
from .registry import has_image

if TYPE_CHECKING:
    from .repositories import Repository


class Tagged(Context, Protocol):
    """A context that knows its tag."""

    @property
    def tag(self) -> str: ...

    @property
    def content_tag(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Published:
    """An image.

    Args:
        uri: Its name, with the tag.
        built: Whether it was built; not so where the registry had it already.
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
    on_progress: OnProgress = nobody,
    client: Any = None,
) -> Published:
    """Builds an image and pushes it, unless the registry has it.

    A tag that is the content's hash stands for one image for ever, so a registry that has the
    tag has the image. A tag of the user's may stand for another one: it is always pushed.

    Args:
        context: What it is built from.
        repository: Where it goes.
        pushing: Whether it is to be pushed, if the repository is a registry's.
        on_progress: Told of what the engine does.
        client: The engine; the one that :func:`connect` finds unless given.

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
            # Somebody else has pushed the same at the same time, or the registry did not say.
            pushing = False
    return Published(uri, built=True, pushed=pushing)
