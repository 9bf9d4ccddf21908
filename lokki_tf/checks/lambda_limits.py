"""Limits of Lambda.

Source: AWS Lambda Developer Guide, "Lambda quotas": 5 layers, 4 kB of environment variables. The
limits of single numbers are declared with the options, in :mod:`lokki_tf.model.options`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, StepOptions, options
from lokki_tf.model.declarations import LAMBDA, whole
from lokki_tf.model.options import YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Step

MOST_LAYERS = 5
ENVIRONMENT_BYTES = 4_096
_LAYER = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+(:\d+)?")
VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Source: AWS Lambda Developer Guide, "Reserved environment variables".
RESERVED = re.compile(
    r"AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY"
    r"|SESSION_TOKEN|LAMBDA_.*)|_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_TASK_ROOT"
    r"|LAMBDA_RUNTIME_DIR"
)


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step's memory, time, storage, layers and environment."""
    for step in definition.steps:
        if step.is_job:
            continue
        yield from _ranges(step)
        yield from _layers(step)
        yield from _environment(step)


def _ranges(step: Step) -> Iterator[Finding]:
    for name, declared in options(StepOptions).items():
        value = getattr(step.options, name)
        if name == "timeout_seconds" and step.options.callback:
            declared = replace(declared, rules=(whole(1, YEAR, service=LAMBDA),))
        rule = declared.refused_by(value, LAMBDA)
        if rule is not None and not rule.choices:  # those have a check of their own
            yield _finding(
                step,
                f"step {step.name!r} has {name}={value!r}; Lambda requires {rule.expected} "
                f"{declared.unit}",
                f"write {name}= a whole number in that range",
            )
    expected = step.options.expected_seconds
    if expected is not None and (not isinstance(expected, int | float) or expected <= 0):
        yield _finding(
            step,
            f"step {step.name!r} has expected_seconds={expected!r}, which must be a duration",
            "write the seconds that a call usually takes, more than 0",
        )


def _layers(step: Step) -> Iterator[Finding]:
    layers = step.options.layers
    of_requirements = bool(step.options.requirements)
    if len(layers) + of_requirements > MOST_LAYERS:
        more = " and one of its requirements" if of_requirements else ""
        yield _finding(
            step,
            f"step {step.name!r} has {len(layers)} layers{more}; Lambda allows {MOST_LAYERS}",
            "combine packages in fewer layers",
        )
    for layer in layers:
        # The value of a Terraform reference is known only when it is applied.
        if not isinstance(layer, str):
            continue
        match = _LAYER.fullmatch(layer)
        if match is None and "${" not in layer:
            yield _finding(
                step,
                f"step {step.name!r} has the layer {layer!r}, which must be a layer's ARN",
                "write an ARN such as arn:aws:lambda:us-east-1:123456789012:layer:name:1",
            )
        elif match is not None and match[1] is None:
            yield Finding(
                "lambda-limits",
                f"step {step.name!r} has the layer {layer!r}, whose version is missing",
                step.place,
                "add a version at the end, :1 for example, which AWS requires",
                severity="warning",
            )


def _environment(step: Step) -> Iterator[Finding]:
    variables = step.options.env_variables
    for name in variables:
        if not VARIABLE.fullmatch(name) or RESERVED.fullmatch(name):
            reason = "Lambda reserves" if RESERVED.fullmatch(name) else "is not a valid name"
            yield _finding(
                step,
                f"step {step.name!r} sets the environment variable {name!r}, which {reason}",
                "use letters, digits and _, a letter first",
            )
    known = {name: text for name, text in variables.items() if isinstance(text, str)}
    size = sum(len(name.encode()) + len(text.encode()) for name, text in known.items())
    if size > ENVIRONMENT_BYTES - 512:  # the rest is for the handler's own variables
        yield _finding(
            step,
            f"step {step.name!r} has {size:,} bytes of environment variables; Lambda allows "
            f"{ENVIRONMENT_BYTES:,} in total",
            "store large settings in a file, in S3 or in Parameter Store",
        )


def _finding(step: Step, message: str, remedy: str) -> Finding:
    return Finding("lambda-limits", message, step.place, remedy, error=OptionError)
