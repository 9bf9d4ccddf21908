"""Checks of routed pipelines: the arguments of each step on all paths, and the transitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .routes import check_routes

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Finding


def check(definition: Definition) -> Iterator[Finding]:
    """Check all paths from the first step."""
    if definition.routes is None:
        return
    for finding in check_routes(definition.routes):
        yield finding if finding.place else replace(finding, place=definition.place)
