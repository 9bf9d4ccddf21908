"""Findings: errors and warnings of a check, as data that other modules render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from lokki_tf.errors import DefinitionError, LokkiError, Place

MOST_LISTED = 50  # a longer list would scroll the first out of sight
Severity = OneOf["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """An error or a warning about a pipeline.

    Args:
        rule: Id of the rule, ``lambda-memory`` for example.
        message: What is wrong, in one sentence.
        place: Source location in the user's code.
        remedy: What to do about it.
        severity: An ``error`` prevents synth and deploy, a ``warning`` does not.
        error: The exception to raise for this finding.
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
        """Return the exception for this finding."""
        made = self.error(self.message, place=self.place, remedy=self.remedy)
        made.findings = (self,)
        return made

    @classmethod
    def of(cls, error: LokkiError, rule: str = "definition") -> Finding:
        """Make a finding from an error.

        Args:
            error: The error raised while a pipeline was made or planned.
            rule: Id of the rule.
        """
        kind = type(error) if isinstance(error, DefinitionError) else DefinitionError
        return cls(rule, error.message, error.place, error.remedy, error=kind)


def findings_of(error: LokkiError) -> list[Finding]:
    """Return the findings that an error was raised for, or the error itself as a finding."""
    return list(getattr(error, "findings", ())) or [Finding.of(error)]


def raise_errors(findings: list[Finding]) -> None:
    """Raise the errors among findings: one as it is, several as one exception that lists them.

    Args:
        findings: Findings of any severity; warnings are ignored.

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
