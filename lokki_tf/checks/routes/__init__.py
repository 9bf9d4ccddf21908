"""Checks of a routed pipeline, over all ways that a run can take.

They look at steps and transitions once each, or a few times where ways meet and turn back; the
ways themselves, of which there are too many, are never gone through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import as_warnings, default_arguments, missing_arguments, unexpected_arguments
from .passing import Passing
from .steps import no_end, no_start, no_such_step, unreachable

if TYPE_CHECKING:
    from lokki_tf.model import Finding, Routes


def check_routes(routes: Routes, start_at: str | None = None) -> list[Finding]:
    """What all rules find.

    Args:
        routes: The pipeline.
        start_at: The step that a run starts with; the pipeline's first one unless given.
    """
    start = routes.start if start_at is None else start_at
    found = [*no_start(routes, start), *no_such_step(routes)]
    if start not in routes.by_name:
        return found
    passing = Passing(routes, start)
    return [
        *found,
        *missing_arguments(passing),
        *unexpected_arguments(passing),
        *no_end(passing),
        *unreachable(passing),
        *default_arguments(passing),
    ]


__all__ = ["as_warnings", "check_routes"]
