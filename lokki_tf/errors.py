"""Every error that lokki_tf raises, in one tree.

::

    LokkiError
    ├── DefinitionError          the pipeline, as it is written, is wrong
    │   ├── CycleError           steps that wait for each other
    │   ├── NamingError          a name that AWS refuses, or that two things share
    │   ├── BindingError         arguments that are missing, unknown or given twice
    │   ├── OptionError          an option that Lambda or Step Functions does not have
    │   ├── ScheduleError        no valid rate(…), cron(…) or at(…)
    │   ├── PlaceholderError     a value of a later run, used as if it were here
    │   │   └── PlaceholderAttributeError  an attribute of such a value
    │   ├── CaptureError         step code that cannot travel to Lambda
    │   ├── TemplateError        a Lambda template that cannot be filled
    │   ├── ConfigError          settings that cannot be read, or that there are not
    │   │   ├── NoRegionError    nothing says in which AWS region
    │   │   └── UnknownStageError  a stage that the settings do not have
    │   ├── RouteError           a step whose next steps cannot be read from its source
    │   └── LimitError           more than an AWS quota allows
    ├── StepFailed               a step raised (its own error is the cause, and a base class
    │                            where Python allows it: ``except ValueError`` catches it too)
    ├── LoopError                a routed run that takes more steps than it may
    ├── SerializationError       a value that cannot travel between steps
    ├── StateError               a file of kept values that cannot be used, or a value in it
    ├── OutputError              a folder or file that cannot be written
    ├── ImageError               a container image that cannot be built or pushed
    ├── MissingToolError         a package, Node, Terraform or engine that is needed and not there
    ├── UnconfirmedError         a change that nobody has agreed to
    ├── TerraformError           Terraform has failed
    │   ├── StateLockedError     somebody else is changing the same stack
    │   └── TerraformInterrupted Ctrl-C while Terraform ran
    ├── AwsError                 AWS refuses, or cannot be reached
    │   ├── CredentialsError     no credentials, or such as AWS does not take
    │   ├── NotDeployedError     what a command is for does not stand in AWS
    │   └── UnknownRunError      a run that there is not
    └── ExecutionFailed          a run in AWS that did not succeed

Each says what is wrong, where (file and line of the user's code, where there is one)
and what to do.

Checks of a routed pipeline warn besides::

    UserWarning
    ├── MissingArgument          a step may not be handed what it requires
    └── DefaultArgument          an argument with a default that no step ever hands on
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
        name: What stands there, a function's name for example.
    """

    file: str
    line: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class LokkiError(Exception):
    """The root of all errors of lokki_tf.

    Args:
        message: What is wrong, in one sentence.
        place: Where in the user's code.
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
    """The pipeline, as it is written, is wrong; ``findings`` holds all that was found."""

    findings: tuple[Any, ...] = ()


class CycleError(DefinitionError):
    """Steps wait for each other in a circle."""


class NamingError(DefinitionError):
    """A name that AWS refuses, or that two different things share."""


class BindingError(DefinitionError):
    """A step's arguments are missing, unknown or given twice."""


class OptionError(DefinitionError):
    """An option that Lambda or Step Functions does not have."""


class ScheduleError(DefinitionError):
    """A schedule that is no valid ``rate(…)``, ``cron(…)`` or ``at(…)``."""


class PlaceholderError(DefinitionError):
    """A value that exists only in a later run is used as if it were here."""


class PlaceholderAttributeError(PlaceholderError, AttributeError):
    """An attribute of such a value is read."""


class CaptureError(DefinitionError):
    """Step code refers to something that cannot travel to Lambda."""


class TemplateError(DefinitionError):
    """A Lambda template that cannot be filled."""


class ConfigError(DefinitionError):
    """Settings, in lokki.toml or the environment, that cannot be read or that there are not."""


class NoRegionError(ConfigError):
    """Nothing says in which AWS region."""


class UnknownStageError(ConfigError):
    """A stage that no ``[stage.NAME]`` of the settings describes."""


class RouteError(DefinitionError):
    """A step of a routed pipeline, from whose source its next steps cannot be read."""


class LimitError(DefinitionError):
    """The pipeline needs more than an AWS quota allows."""


class StepFailed(LokkiError):
    """A step raised an error; that error is the cause, with its own traceback.

    Args:
        node: Name of the node in the graph.
        step: Name of the step.
        attempts: How often it was tried.

    ``run`` holds what the run had done until then (:class:`lokki_tf.local.Run`), ``items``
    the indices of the items of a map that failed.
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

    def plain(self) -> StepFailed:
        """The same error, of this class alone where it is of the step's own as well."""
        made = StepFailed(self.message, node=self.node, step=self.step)
        vars(made).update(vars(self))
        made.__cause__ = self.__cause__
        return made


class LoopError(LokkiError):
    """A run of a routed pipeline takes more steps than it may; ``run`` holds what was done."""

    run: Any = None


class SerializationError(LokkiError):
    """A value cannot travel between steps; in a strict run, ``run`` holds what was done."""

    run: Any = None
    items: tuple[int, ...] = ()


class StateError(LokkiError):
    """A file of kept values cannot be used, or a value in it cannot be read."""


class OutputError(LokkiError):
    """A folder or file cannot be written."""


class ImageError(LokkiError):
    """A container image cannot be built or pushed."""


class MissingToolError(LokkiError):
    """A package, Node, Terraform or a container engine is needed and not there."""


class UnconfirmedError(LokkiError):
    """A command would change or destroy what nobody has agreed to; nothing was done."""


class TerraformError(LokkiError):
    """Terraform has failed; the message has its own words."""


class StateLockedError(TerraformError):
    """Somebody else is changing the same stack."""


class TerraformInterrupted(TerraformError):
    """Ctrl-C while Terraform ran; it has ended what it had begun."""


class AwsError(LokkiError):
    """AWS refuses, or cannot be reached.

    Args:
        message: What is wrong, in one sentence.
        code: AWS's own name of the error; empty if it never answered.
        remedy: What to do about it.
    """

    def __init__(self, message: str, *, code: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class CredentialsError(AwsError):
    """There are no credentials, or AWS does not take them."""


class NotDeployedError(AwsError):
    """The pipeline, or what a command needs of it, does not stand in AWS."""


class UnknownRunError(AwsError):
    """There is no such run."""


class ExecutionFailed(LokkiError):
    """A run in AWS did not succeed.

    Args:
        message: What became of it, and of which step.
        trace: The step's own traceback, as Lambda tells it; empty if there is none.
        remedy: What to do about it.
    """

    def __init__(self, message: str, *, trace: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.trace = trace


class MissingArgument(UserWarning):
    """A step of a routed pipeline may not be handed an argument that it requires."""


class DefaultArgument(UserWarning):
    """An argument of a routed pipeline's step has a default that no other step ever replaces."""
