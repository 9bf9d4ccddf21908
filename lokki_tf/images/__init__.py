"""From an image's context to a registry: built by a container engine, pushed, with progress.

:mod:`.repositories` tells where an image goes and how to log in there, :mod:`.registry` asks
whether it is there already, :mod:`.build` and :mod:`.push` tell the engine what to do, and
:mod:`.failures` puts what engines and registries say into the house's words. Nothing is half
done: a registry learns of an image last, when all its layers are there, and what has been done
is not done again by a second try.
"""

from .build import Context, build
from .display import shown
from .engine import connect
from .publish import Published, publish
from .push import push
from .registry import has_image
from .repositories import Login, Repository, find_repository

__all__ = [
    "Context",
    "Login",
    "Published",
    "Repository",
    "build",
    "connect",
    "find_repository",
    "has_image",
    "publish",
    "push",
    "shown",
]
