"""Building of an image."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from lokki_tf.errors import ImageError

from .engine import connect
from .failures import build_failure
from .progress import OnProgress, Progress, ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TIME = 315_532_800  # 1 January 1980, as in the zips
# Passes uv's indexes, from which requirements are resolved, to pip, which installs them.
_INDEXES = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
}


class Context(Protocol):
    """The inputs of an image, see :class:`lokki_tf.packaging.ImageContext`."""

    @property
    def platform(self) -> str: ...

    @property
    def base_image(self) -> str: ...

    @property
    def files(self) -> Mapping[str, bytes]: ...


def build(
    context: Context, uri: str, *, on_progress: OnProgress = ignore_progress, client: Any = None
) -> None:
    """Build an image and tag it.

    Args:
        context: The inputs.
        uri: Name of the image, with the tag.
        on_progress: Called with each message of the engine.
        client: The engine; by default the result of :func:`connect`.

    Raises:
        MissingToolError: If no engine answers.
        ImageError: If the build fails.
    """
    client = client or connect()
    log: list[str] = []
    for line in _lines(client, context, uri, log):
        text = str(line.get("stream") or line.get("status") or "").rstrip("\n")
        if text:
            log.append(text)
            detail = line.get("progressDetail") or {}
            on_progress(
                Progress(text, line.get("id", ""), detail.get("current", 0), detail.get("total", 0))
            )
        if "error" in line:
            raise build_failure(uri, str(line["error"]), log)


def _lines(client: Any, context: Context, uri: str, log: list[str]) -> Iterator[dict[str, Any]]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield from client.api.build(
            fileobj=io.BytesIO(tar_files(context.files)),
            custom_context=True,
            tag=uri,
            buildargs={"BASE_IMAGE": context.base_image, **_arguments(context)},
            platform=context.platform,
            rm=True,
            forcerm=True,
            decode=True,
        )
    except (DockerException, RequestException) as error:
        said = getattr(error, "explanation", None) or error
        raise build_failure(uri, str(said), log) from error


def _arguments(context: Context) -> dict[str, str]:
    """Return build arguments for indexes other than PyPI, if the image installs packages."""
    if "app/requirements.lock" not in context.files:
        return {}
    found = {}
    for argument, variables in _INDEXES.items():
        indexes = _addresses(os.environ.get(name, "") for name in variables)
        if indexes:
            found[argument] = " ".join(indexes)
    return found


def _addresses(texts: Iterable[str]) -> list[str]:
    """Return the URLs of indexes, which may have a name before them as uv allows."""
    named = [word for text in texts for word in text.split()]
    found = [word.partition("=")[2] if _is_named(word) else word for word in named]
    for address in found:
        if urlsplit(address).password:
            raise ImageError(
                f"the URL of the index {urlsplit(address).hostname} contains a password, which "
                "would be stored in the image's history",
                remedy="set dockerfile in [image] to your own Dockerfile, which authenticates in "
                "another way",
            )
    return found


def _is_named(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and "/" not in name


def tar_files(files: Mapping[str, bytes]) -> bytes:
    """A tar whose bytes depend on its files alone: not on time, computer, owner or order."""
    folders = {str(one) for path in files for one in PurePosixPath(path).parents} - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({*folders, *files}):
            entry, data = tarfile.TarInfo(path), files.get(path, b"")
            entry.mtime, entry.size, entry.mode = _TIME, len(data), 0o644
            if path not in files:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
