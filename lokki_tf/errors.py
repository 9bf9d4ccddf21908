"""Every error that lokki_tf raises, in one tree.

::

    LokkiError
    ├── DefinitionError          the pipeline, as it is written, is wrong
    │   ├── CycleError           steps that depend on each other
    │   ├── NamingError          a name that AWS rejects, or that is used twice
    │   ├── BindingError         arguments that are missing, unknown or given twice
    │   ├── OptionError          an option that Lambda or Step Functions does not have
    │   ├── ScheduleError        an invalid rate(…), cron(…) or at(…)
    │   ├── PlaceholderError     a value of a later run, used while the pipeline is written
    │   │   └── PlaceholderAttributeError  an attribute of such a value
    │   ├── CaptureError         step code that cannot be deployed to Lambda
    │   ├── TemplateError        a Lambda template that cannot be filled
    │   ├── ConfigError          settings that are invalid or cannot be read
    │   │   ├── NoRegionError    the AWS region is not set
    │   │   └── UnknownStageError  a stage that the settings do not have
    │   ├── RouteError           a step whose next steps cannot be read from its source
    │   └── LimitError           more than an AWS quota allows
    ├── StepFailed               a step raised (its own error is the cause, and a base class
    │                            where Python allows it: ``except ValueError`` catches it too)
    ├── RunTimeoutError          a run that exceeds the pipeline's time limit (a TimeoutError)
    ├── AlreadyRunning           a run while as many as max_concurrent_runs= are going on
    ├── LoopError                a routed run that exceeds its limit of steps
    ├── SecretError              a secret that a local run cannot read
    ├── SerializationError       a value that cannot be serialized between steps
    ├── StateError               a state file that cannot be used, or a value in it
    ├── OutputError              a folder or file that cannot be written
    ├── ImageError               a container image that cannot be built or pushed
    ├── MissingToolError         a missing package, Node, Terraform or container engine
    ├── UnconfirmedError         a change that was not confirmed
    ├── TerraformError           Terraform has failed
    │   ├── ResourceExistsError  a resource in AWS that Terraform's state does not contain
    │   ├── StateLockedError     another process is changing the same stack
    │   └── TerraformInterrupted Ctrl-C while Terraform ran
    ├── AwsError                 AWS returns an error, or cannot be reached
    │   ├── CredentialsError     missing or invalid credentials
    │   ├── NotDeployedError     a pipeline that is not deployed
    │   └── UnknownRunError      a run that does not exist
    └── ExecutionFailed          a run in AWS that did not succeed

Each says what is wrong, where (file and line of the user's code, if known) and what
to do.

Checks of a routed pipeline also issue warnings::

    UserWarning
    ├── MissingArgument          a step may not receive a required argument
    └── DefaultArgument          an argument with a default that no step ever passes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's code.

    Args:
        file: Path of the source file, or a name such as ``<cell 3>``.
        line: Line number, from 1.
        name: Name of the definition at this line, a function's for example.
    """

    file: str
    line: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class LokkiError(Exception):
    """The base class of all errors of lokki_tf.

    Args:
        message: What is wrong, in one sentence.
        place: Source location in the user's code.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, place: Place | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.message]
        if self.place is not None:
            lines.append(f"  at {self.place}")
        if self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)


class DefinitionError(LokkiError):
    """The pipeline, as it is written, is wrong; ``findings`` contains all that was found."""

    findings: tuple[Any, ...] = ()


class CycleError(DefinitionError):
    """Steps depend on each other in a cycle."""


class NamingError(DefinitionError):
    """A name that AWS rejects, or that is used for two different things."""


class BindingError(DefinitionError):
    """A step's arguments are missing, unknown or given twice."""


class OptionError(DefinitionError):
    """An option that Lambda or Step Functions does not have."""


class ScheduleError(DefinitionError):
    """A schedule that is not a valid ``rate(…)``, ``cron(…)`` or ``at(…)``."""


class PlaceholderError(DefinitionError):
    """A value that exists only in a later run is used while the pipeline is written."""


class PlaceholderAttributeError(PlaceholderError, AttributeError):
    """An attribute of such a value is read."""


class CaptureError(DefinitionError):
    """Step code refers to something that cannot be deployed to Lambda."""


class TemplateError(DefinitionError):
    """A Lambda template that cannot be filled."""


class ConfigError(DefinitionError):
    """Settings, in lokki.toml or the environment, are invalid or cannot be read."""


class NoRegionError(ConfigError):
    """The AWS region is not set."""


class UnknownStageError(ConfigError):
    """A stage without a ``[stage.NAME]`` in the settings."""


class RouteError(DefinitionError):
    """The next steps of a step of a routed pipeline cannot be read from its source."""


class LimitError(DefinitionError):
    """The pipeline needs more than an AWS quota allows."""


class StepFailed(LokkiError):
    """A step raised an error; that error is the cause, with its own traceback.

    ``run`` contains the results until then (:class:`lokki_tf.local.Run`), ``items`` the indices of
    the failed items of a map.

    Args:
        message: What is wrong, in one sentence.
        node: Name of the node in the graph.
        step: Name of the step.
        attempts: Number of attempts.
        place: Source location of the node.
    """

    run: Any = None
    items: tuple[int, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """End here: a class that also derives from an error of the user's does not tell that one.

        (Classes of errors may register their subclasses.)
        """

    def __init__(
        self,
        message: str,
        *,
        node: str,
        step: str,
        attempts: int = 1,
        place: Place | None = None,
    ) -> None:
        super().__init__(message, place=place)
        self.node = node
        self.step = step
        self.attempts = attempts

    def __reduce__(self) -> Any:
        """Serialize as a plain error without ``run``: other processes lack the combined class."""
        kept = ("place", "remedy", "attempts", "items")
        state = {name: vars(self)[name] for name in kept if name in vars(self)}
        return _unpickled, (self.message, self.node, self.step), state

    def plain(self) -> StepFailed:
        """The same error, of this class alone where it is of the step's own as well."""
        made = StepFailed(self.message, node=self.node, step=self.step)
        vars(made).update(vars(self))
        made.__cause__ = self.__cause__
        return made


def _unpickled(message: str, node: str, step: str) -> StepFailed:
    return StepFailed(message, node=node, step=step)


class RunTimeoutError(LokkiError, TimeoutError):
    """A run exceeds ``timeout_seconds`` of its pipeline; ``run`` contains the results so far."""

    run: Any = None


class AlreadyRunning(LokkiError):
    """As many runs as ``max_concurrent_runs=`` allows are going on."""

    run: Any = None


class LoopError(LokkiError):
    """A run of a routed pipeline exceeds its limit of steps; ``run`` contains the results."""

    run: Any = None


class SecretError(LokkiError):
    """A secret of a step cannot be read, in a local run."""


class SerializationError(LokkiError):
    """A value cannot be serialized between steps; in a strict run, ``run`` contains the results."""

    run: Any = None
    items: tuple[int, ...] = ()


class StateError(LokkiError):
    """A state file cannot be used, or a value in it cannot be read."""


class OutputError(LokkiError):
    """A folder or file cannot be written."""


class ImageError(LokkiError):
    """A container image cannot be built or pushed."""


class MissingToolError(LokkiError):
    """A package, Node, Terraform or a container engine is required and not available."""


class UnconfirmedError(LokkiError):
    """A command would change or destroy resources without confirmation; nothing was done."""


class TerraformError(LokkiError):
    """Terraform has failed; the message contains Terraform's own."""


class ResourceExistsError(TerraformError):
    """Resources to be created exist in AWS, and Terraform's state does not contain them.

    Args:
        message: What is wrong, in one sentence.
        existing: Address and import ID of each.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, existing: tuple[tuple[str, str], ...], remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.existing = existing


class StateLockedError(TerraformError):
    """Another process is changing the same stack."""


class TerraformInterrupted(TerraformError):
    """Ctrl-C was pressed while Terraform ran; Terraform has ended what it had begun."""


class AwsError(LokkiError):
    """AWS returns an error, or cannot be reached.

    Args:
        message: What is wrong, in one sentence.
        code: AWS's code of the error; empty if it did not answer.
        remedy: What to do about it.
    """

    def __init__(self, message: str, *, code: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class CredentialsError(AwsError):
    """There are no credentials, or AWS rejects them."""


class NotDeployedError(AwsError):
    """The pipeline, or a part of it that a command needs, is not deployed."""


class UnknownRunError(AwsError):
    """The run does not exist."""


class ExecutionFailed(LokkiError):
    """A run in AWS did not succeed.

    Args:
        message: Its status, and the step that failed.
        trace: The step's own traceback, as Lambda reports it; empty if there is none.
        remedy: What to do about it.
    """

    def __init__(self, message: str, *, trace: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.trace = trace


class MissingArgument(UserWarning):
    """A step of a routed pipeline may not receive an argument that it requires."""


class DefaultArgument(UserWarning):
    """An argument of a routed pipeline's step has a default that no other step ever replaces."""
