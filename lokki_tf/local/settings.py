"""What holds for the steps of one run: their options in effect, and how long waits are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Step, StepOptions, TerraformRef

from .calls import call, in_thread
from .recording import Recording

if TYPE_CHECKING:
    from datetime import datetime

Function = Callable[..., Any]
LONGEST = 900
"""Seconds that Lambda gives a call at most, and a step that says nothing else."""


def new_id() -> str:
    """Return an id for a run, in the form of the names that AWS gives executions."""
    text = os.urandom(16).hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the steps of a run.

    Args:
        options: Options in effect by step, where they are not those that its author wrote.
        wait_scale: What waits before retries are multiplied by.
        name: The pipeline's name in AWS; empty for the one that its author wrote.
        stage: The stage, if any.
        scheduled_at: The time for which a schedule would have started the run.
        run_id: The run's id.
        started: When it began, as ``time.time()`` counts.
        start: Runs a pipeline that a node starts: its arguments are the pipeline, and parameters
            by name.
        waited: Seconds for which the run has waited for others of the pipeline.
        secrets: Values of secrets by environment variable, by step, which the environment does not
            contain.
        refs: Values of references to Terraform.
        s3: Returns a client of S3, for maps over datasets.
        recording: What the run records for its report.
        parameters: What ``run_context()`` returns as the parameters, unless those of the run: an
            included pipeline has those of the run around it.
    """

    options: Mapping[Step, StepOptions] = field(default_factory=dict)
    wait_scale: float = 1.0
    name: str = ""
    stage: str | None = None
    scheduled_at: datetime | None = None
    run_id: str = field(default_factory=new_id)
    started: float = field(default_factory=time)
    start: Function | None = None
    waited: float = 0.0
    secrets: Mapping[Step, Mapping[str, str]] = field(default_factory=dict, repr=False)
    refs: Mapping[TerraformRef, str] = field(default_factory=dict)
    s3: Callable[[], Any] | None = None
    recording: Recording = field(default_factory=Recording, repr=False, compare=False)
    parameters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        scale: Any = self.wait_scale
        if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 <= scale < 1e9:
            raise OptionError(
                f"wait_scale={scale!r} must be a number of at least 0",
                remedy="write wait_scale=0.01, or leave it out to wait in full",
            )

    def of(self, step: Step) -> StepOptions:
        """The options in effect of a step."""
        return self.options.get(step, step.options)

    def around(self, step: Step) -> Around | None:
        """What the calls of a step have around them; ``None`` for nothing.

        Args:
            step: The step.
        """
        options = self.of(step)
        limit = options.call_seconds if _is_limited(options) else None
        # What the process has anyway needs nothing around the call.
        known = os.environ
        own = {
            name: text
            for name, text in options.env_variables.items()
            if isinstance(text, str) and known.get(name) != text  # values replace references
        }
        own |= self.secrets.get(step, {})
        return Around(own, limit) if own or limit is not None else None


def is_special(options: StepOptions) -> bool:
    """Whether a step's calls may have anything around them."""
    return _is_limited(options) or bool(options.env_variables or options.secrets)


def _is_limited(options: StepOptions) -> bool:
    """Whether a call is ended when it has taken too long, and not only found to have."""
    return "timeout_seconds" in options.given or options.call_seconds < LONGEST


@dataclass(frozen=True, slots=True)
class Around:
    """What a step's calls have around them.

    Args:
        variables: Environment variables.
        limit: Seconds after which a call ends; ``None`` if only its end shows that it took
            too long.
    """

    variables: Mapping[str, str] = field(repr=False)
    limit: float | None

    def call(
        self,
        function: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        alone: bool = False,
        here: bool = False,
    ) -> Any:
        """Call a step's function.

        Args:
            function: The function.
            args: Arguments by position.
            kwargs: Arguments by name.
            alone: Whether the process does nothing else meanwhile.
            here: Whether the call is to be in this thread, however long it takes.

        Raises:
            TimeoutError: If it took too long, and ends here for that.
            Exception: What the function raises.
        """
        with self.environment(alone=alone):
            if self.limit is None or here:
                return call(function, args, kwargs)
            return in_thread(lambda: call(function, args, kwargs), self.limit)

    @contextmanager
    def environment(self, *, alone: bool = False) -> Iterator[None]:
        """The step's environment variables.

        Args:
            alone: As for :meth:`call`.
        """
        if not self.variables:
            yield
            return
        from .environment import overlaid, replaced  # not at the top: few steps have any

        with replaced(self.variables) if alone else overlaid(self.variables):
            yield
