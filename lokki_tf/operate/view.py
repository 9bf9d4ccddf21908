"""An execution as a local run is shown: for tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import Definition

    from .states import StepState


@dataclass(slots=True)
class RunView:
    """What a table shows of an execution, as of a local run.

    Args:
        definition: The pipeline.
        duration: Seconds since its start, or until its end.
        steps: Its steps.
        outputs: Previews of their results.
    """

    definition: Definition
    duration: float
    steps: Sequence[StepState]
    outputs: Mapping[str, Any]

    @property
    def status(self) -> dict[str, str]:
        """The status of each step, by name."""
        return {one.node: one.status for one in self.steps}

    @property
    def timings(self) -> dict[str, tuple[float, float]]:
        """The duration of each step that has ended, as its end."""
        return {one.node: (0.0, one.duration) for one in self.steps if one.duration is not None}

    @property
    def errors(self) -> dict[str, str]:
        """The error of each step that has failed, by name."""
        return {one.node: one.error for one in self.steps if one.error}

    @property
    def failed_items(self) -> dict[str, dict[int, BaseException]]:
        """Nothing: of the items of a map, only their number is known."""
        return {}
