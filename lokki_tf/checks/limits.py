"""Limits of pipelines that are part of other ones: they have no effect there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import Finding
from lokki_tf.model.durations import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition


def check(definition: Definition) -> Iterator[Finding]:
    """Warn of ``timeout_seconds`` of pipelines that are included."""
    for one in definition.unused_limits:
        yield Finding(
            "unused-limit",
            f"included pipeline {one.pipeline!r} may take {duration(one.seconds)} "
            f"(timeout_seconds=), which has no effect in pipeline {definition.name!r}",
            one.place,
            "give timeout_seconds= to its steps or to the pipeline that includes it; or start it "
            "with start_pipeline(), which keeps its limit",
            severity="warning",
        )
