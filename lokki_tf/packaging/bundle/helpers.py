"""Functions of lokki_tf's own, which a pipeline has beside those of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lokki_tf.source.modules import HANDLER, RUNTIME

from ..zips import Zipped
from .runtime_files import all_files


@dataclass(frozen=True, eq=False)
class HelperPackage(Zipped):
    """The zip of a function of lokki_tf's own.

    Args:
        files: The files of the zip, by path.
    """

    files: Mapping[str, bytes]


def helper_package(module: str) -> HelperPackage:
    """Pack a module of the runtime whose function ``handle`` Lambda calls.

    Args:
        module: Its name below :mod:`lokki_tf.runtime`.
    """
    handler = f"from {RUNTIME}.{module} import handle\n\nlambda_handler = handle\n"
    return HelperPackage({f"{HANDLER}.py": handler.encode(), **all_files()})
