"""A finding: what a check has to say, as data. Others render it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from lokki_tf.errors import DefinitionError, LokkiError, Place

MOST_LISTED = 50  # more would hide the first
Severity = OneOf["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a pipeline that is wrong, or that its author should know.

    Args:
        rule: The rule's id, ``lambda-memory`` for example.
        message: What is wrong, in one sentence.
        place: Where in the user's code.
        remedy: What to do about it.
        severity: An ``error`` stops synth and deploy, a ``warning`` does not.
        error: The exception that this finding becomes when it stops something.
    """

    rule: str
    message: str
    place: Place | None = None
    remedy: str | None = None
    severity: Severity = "error"
    error: type[DefinitionError] = DefinitionError

    def __str__(self) -> str:
        return str(self.as_error())

    def as_error(self) -> DefinitionError:
        """The exception that says the same."""
        made = self.error(self.message, place=self.place, remedy=self.remedy)
        made.findings = (self,)
        return made

    @classmethod
    def of(cls, error: LokkiError, rule: str = "definition") -> Finding:
        """The finding that says the same as an error.

        Args:
            error: What ended the making or the planning of a pipeline.
            rule: The rule's id.
        """
        kind = type(error) if isinstance(error, DefinitionError) else DefinitionError
        return cls(rule, error.message, error.place, error.remedy, error=kind)


def findings_of(error: LokkiError) -> list[Finding]:
    """What an error says: all the findings that it was raised for, or itself as one."""
    return list(getattr(error, "findings", ())) or [Finding.of(error)]


def raise_errors(findings: list[Finding]) -> None:
    """Raise what stops: one error as it is, several as one that lists them all.

    Args:
        findings: Findings of any severity; warnings are passed over.

    Raises:
        DefinitionError: If any finding is an error.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if len(errors) == 1:
        raise errors[0].as_error()
    if errors:
        shown = "\n".join(f"{number}. {one}" for number, one in enumerate(errors[:MOST_LISTED], 1))
        rest = len(errors) - MOST_LISTED
        more = f"\nand {rest} more" if rest > 0 else ""
        error = DefinitionError(f"{len(errors)} errors in the pipeline:\n{shown}{more}")
        error.findings = tuple(errors)
        raise error
