"""Building and pushing of a pipeline's container image.

:mod:`.repositories` finds the repository and its login, :mod:`.registry` checks whether the image
is already there, :mod:`.build` and :mod:`.push` send commands to the container engine, and
:mod:`.failures` converts messages of engines and registries to errors of this package. A registry
receives an image's tag last, after all layers, so an interrupted command leaves nothing incomplete.
A second attempt repeats only what is missing.
"""

from .build import Context, build
from .display import shown
from .engine import connect
from .publish import Published, publish
from .push import push
from .registry import Login, has_image
from .repositories import Repository, base_digest, find_repository

__all__ = [
    "Context",
    "Login",
    "Published",
    "Repository",
    "base_digest",
    "build",
    "connect",
    "find_repository",
    "has_image",
    "publish",
    "push",
    "shown",
]
