"""Checks of a routed pipeline, for all paths that a run can take.

They visit steps and transitions once each, or a few times where paths join or form loops. They
never enumerate the paths, whose number can be exponential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import as_warnings, default_arguments, missing_arguments, unexpected_arguments
from .passing import Passing
from .steps import no_end, no_start, no_such_step, unreachable

if TYPE_CHECKING:
    from lokki_tf.model import Finding, Routes


def check_routes(routes: Routes, start_at: str | None = None) -> list[Finding]:
    """Return the findings of all rules.

    Args:
        routes: The pipeline.
        start_at: The step that a run starts with; by default the pipeline's first.
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
