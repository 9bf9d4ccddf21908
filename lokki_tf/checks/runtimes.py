"""Runtimes and architectures that Lambda offers.

Source: AWS Lambda Developer Guide, "Lambda runtimes"; Python versions before 3.9 can no
longer be created. The list ends with what version 5.100 of Terraform's provider accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

RUNTIMES = ("python3.9", "python3.10", "python3.11", "python3.12", "python3.13")
ARCHITECTURES = ("x86_64", "arm64")


def check(definition: Definition) -> Iterator[Finding]:
    """Each step's runtime and architecture."""
    for step in definition.steps:
        for option, value, known in (
            ("python_runtime", step.options.python_runtime, RUNTIMES),
            ("architecture", step.options.architecture, ARCHITECTURES),
        ):
            if value not in known:
                yield Finding(
                    "lambda-runtime",
                    f"step {step.name!r} has {option}={value!r}, which Lambda does not offer",
                    step.place,
                    f"choose one of {', '.join(known)}",
                    error=OptionError,
                )
