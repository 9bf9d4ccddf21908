"""The errors of a local AWS."""

from __future__ import annotations

from lokki_tf.errors import LokkiError, MissingToolError


class LocalAwsError(LokkiError):
    """A request to the local AWS failed."""


class TerraformFailed(LocalAwsError):
    """Terraform ended with an error. The message contains Terraform's output."""


class ExecutionNotFinished(LocalAwsError):
    """An execution was still running at the end of the waiting time."""


def missing_packages(error: ImportError) -> MissingToolError:
    """Return the error for a required package that is not installed."""
    return MissingToolError(
        f"the local AWS requires the package {error.name!r}, which is not installed",
        remedy="pip install 'lokki-tf[testing]'",
    )
