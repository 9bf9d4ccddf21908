"""Runtimes and architectures that Lambda offers.

Source: AWS Lambda Developer Guide, "Lambda runtimes",
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html. Python versions before 3.9 can
no longer be created. A deprecated runtime receives no security patches and no support any more.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, StepOptions, options
from lokki_tf.model.declarations import LAMBDA
from lokki_tf.model.options import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

DEPRECATED = ("python3.9", "python3.10")
"""Deprecated runtimes that can still be created.

Source: the guide above, "Deprecated runtimes"; for 3.10 also the notice of AWS Health "Lambda end
of support for Python 3.10".
"""
DEPRECATIONS = {
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""The date on which AWS deprecates each runtime, as the guide above announced it in September 2026.
"""


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step's runtime and architecture."""
    for step in definition.steps:
        for name in ("python_runtime", "architecture"):
            value = getattr(step.options, name)
            rule = options(StepOptions)[name].refused_by(value, LAMBDA)
            if rule is not None:
                yield Finding(
                    "lambda-runtime",
                    f"step {step.name!r} has {name}={value!r}, which Lambda does not offer",
                    step.place,
                    f"choose {rule.expected}",
                    error=OptionError,
                )
        if step.options.python_runtime in DEPRECATED and not step.in_image:
            since = day_text(DEPRECATIONS[step.options.python_runtime])
            yield Finding(
                "lambda-runtime-deprecated",
                f"step {step.name!r} has python_runtime={step.options.python_runtime!r}, which AWS "
                f"deprecated on {since}: it receives no security patches any more "
                '(AWS Lambda Developer Guide, "Lambda runtimes")',
                step.place,
                f"choose a newer runtime, preferably {RUNTIMES[-1]}",
                severity="warning",
            )


def day_text(day: date) -> str:
    """Return a date in words: ``31 October 2026``.

    Args:
        day: The date.
    """
    return f"{day.day} {day:%B %Y}"
