"""Find the folder that a container image was built from, by the image's URI.

Folders are registered by ``LocalAws.register_image``, or by the file ``image.json`` in a deployed
folder. The file contains an object or a list of objects such as
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
    """The folder that an image was built from.

    Args:
        uri: ``repository:tag``; the part before the repository is ignored.
        app: The folder with the files of the image's working directory.
        entry: The Python file in ``app`` that the image starts.
    """

    uri: str
    app: Path
    entry: str

    def __post_init__(self) -> None:
        if not (self.app / self.entry).is_file():
            raise LocalAwsError(
                f"the folder {self.app} of the image {self.uri} does not contain {self.entry}",
                remedy="name the folder that is copied into the image, and the script in it that "
                "the image starts",
            )


class Registry:
    """The registered folders, by the URIs of their images."""

    def __init__(self) -> None:
        self._folders: dict[str, ImageFolder] = {}
        self._lock = Lock()

    def add(self, folder: ImageFolder) -> None:
        """Register a folder."""
        with self._lock:
            self._folders[_plain(folder.uri)] = folder

    def find(self, uri: str) -> ImageFolder | None:
        """Return the folder of an image, or None if it is not registered."""
        with self._lock:
            return self._folders.get(_plain(uri))


def folders_in(folder: Path) -> Iterator[ImageFolder]:
    """Yield the images in the ``image.json`` of a folder, if the file exists.

    Raises:
        LocalAwsError: If the file is not valid.
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
            f"{path} must describe images, but reading it failed: {error!r}",
            remedy='write {"uri": "repository:tag", "app": "image/app", "entry": "entry.py"}',
        ) from None


def _plain(uri: str) -> str:
    """Return an image's URI without the registry, which differs between accounts."""
    host, slash, rest = uri.partition("/")
    return rest if slash and ("." in host or ":" in host) else uri
