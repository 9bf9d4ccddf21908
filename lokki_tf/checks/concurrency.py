"""``when_busy=`` requires ``max_concurrent_runs=``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition


def check(definition: Definition) -> Iterator[Finding]:
    """Check that a pipeline which does something when it is busy can be busy."""
    if definition.max_concurrent_runs is None and definition.when_busy != "queue":
        yield Finding(
            "concurrency",
            f"pipeline {definition.name!r} has when_busy={definition.when_busy!r} and any number "
            "of runs at once",
            definition.place,
            "write max_concurrent_runs=1, or leave out when_busy=",
            error=OptionError,
        )
