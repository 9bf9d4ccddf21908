"""Which folder an image's URI stands for.

A pipeline's folder tells of its images in ``image.json``: an object, or a list of them, such as
``{"uri": "daily:3f2a", "app": "image/app", "entry": "entry.py"}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lokki_tf.testing.errors import LocalAwsError

FILE = "image.json"


@dataclass(frozen=True)
class ImageFolder:
    """The folder that an image is made of.

    Args:
        uri: ``repository:tag``; the registry before it makes no difference.
        app: what the image has in its working directory.
        entry: the Python file in it that the image starts.
    """

    uri: str
    app: Path
    entry: str

    def __post_init__(self) -> None:
        if not (self.app / self.entry).is_file():
            raise LocalAwsError(
                f"The image {self.uri} has no {self.entry} in {self.app}.",
                remedy="Name the folder that is copied into the image, and its entry script.",
            )


class Registry:
    """The folders that are known."""

    def __init__(self) -> None:
        self._folders: dict[str, ImageFolder] = {}
        self._lock = Lock()

    def add(self, folder: ImageFolder) -> None:
        """Let an image's URI stand for a folder."""
        with self._lock:
            self._folders[_plain(folder.uri)] = folder

    def find(self, uri: str) -> ImageFolder | None:
        """Return the folder of an image, or None if there is none."""
        with self._lock:
            return self._folders.get(_plain(uri))


def folders_in(folder: Path) -> Iterator[ImageFolder]:
    """Yield the images that a configuration's folder tells of.

    Raises:
        LocalAwsError: if its file says something else than it should.
    """
    path = folder / FILE
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_text())
        for image in found if isinstance(found, list) else [found]:
            app = (folder / image["app"]).resolve()
            yield ImageFolder(image["uri"], app, image.get("entry", "entry.py"))
    except (KeyError, TypeError, ValueError) as error:
        raise LocalAwsError(
            f"{path} does not describe an image: {error!r}.",
            remedy='It holds {"uri": "repository:tag", "app": "image/app", "entry": "entry.py"}.',
        ) from None


def _plain(uri: str) -> str:
    """Return an image's URI without the registry, which differs from account to account."""
    host, slash, rest = uri.partition("/")
    return rest if slash and ("." in host or ":" in host) else uri
