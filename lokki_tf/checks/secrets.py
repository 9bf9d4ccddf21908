"""Secrets of steps: their variables and their sources.

Sources of the names: AWS Secrets Manager API Reference, "CreateSecret"; AWS Systems Manager API
Reference, "PutParameter".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding
from lokki_tf.runtime.secret_sources import PARAMETERS, parts

from .lambda_limits import RESERVED, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Step, StepOptions

_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ARN = re.compile(rf"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{{12}}:secret:{_NAME.pattern}")
_END_OF_ARN = re.compile(r"-[A-Za-z0-9]{6}$")
# Lambda sets them, so a secret would not be fetched. Source: AWS Lambda Developer Guide, "Defined
# runtime environment variables".
_SET_BY_LAMBDA = re.compile(r"LANG|PATH|LD_LIBRARY_PATH|PYTHONPATH|TZ|AWS_XRAY_.*")
_PARAMETER = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_FORMS = '"prod/db", "prod/db#password", "arn:aws:secretsmanager:…" or "ssm:/app/token"'


def check(definition: Definition) -> Iterator[Finding]:
    """Check the secrets of each step."""
    for step in definition.steps:
        if not step.is_condition:  # it has those of its job
            yield from check_secrets(step, step.options)


def check_secrets(step: Step, options: StepOptions) -> Iterator[Finding]:
    """Check the secrets of a step.

    Args:
        step: The step.
        options: Its options in effect.
    """
    for name, source in options.secrets.items():
        reserved = any(one.fullmatch(name) for one in (RESERVED, _SET_BY_LAMBDA))
        reserved = reserved or name.startswith("LOKKI_")
        if reserved or not VARIABLE.fullmatch(name):
            reason = "is reserved" if reserved else "is not a valid name"
            yield _finding(
                step,
                f"step {step.name!r} has a secret for the environment variable {name!r}, which "
                f"{reason}",
                "use letters, digits and _, a letter first",
            )
        if name in options.env_variables:
            yield _finding(
                step,
                f"step {step.name!r} has {name!r} as an environment variable and as a secret",
                "keep one of them",
            )
        problem = _problem(source)
        if problem:
            yield _finding(
                step,
                f"step {step.name!r} has secrets={{{name!r}: {source!r}}}, {problem}",
                f"write for example {_FORMS}",
            )


def _problem(source: str) -> str:
    """Return what is wrong with a source; empty if nothing is."""
    service, name, key = parts(source)
    if not name:
        return "which contains no name"
    if key == "":
        return "which has no key after the #"
    if service == PARAMETERS:
        return "" if _PARAMETER.fullmatch(name) else "which is not the name of a parameter"
    if _ARN.fullmatch(name) and not _END_OF_ARN.search(name):
        return "an ARN without its end, a hyphen and six characters, to which no policy applies"
    fits = (_ARN if name.startswith("arn:") else _NAME).fullmatch(name)
    return "" if fits else "which is not the name or ARN of a secret"


def _finding(step: Step, message: str, remedy: str) -> Finding:
    return Finding("secrets", message, step.place, remedy, error=OptionError)
