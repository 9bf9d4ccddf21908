"""What can go wrong with a local AWS."""

from __future__ import annotations

from lokki_tf.errors import LokkiError, MissingToolError


class LocalAwsError(LokkiError):
    """The local AWS does not do what was asked of it."""


class TerraformFailed(LocalAwsError):
    """Terraform ended with an error; the message has its own words."""


class ExecutionNotFinished(LocalAwsError):
    """An execution was still running when the time to wait for it was over."""


def missing_packages(error: ImportError) -> MissingToolError:
    """Return the error for a package that a local AWS needs and that is not installed."""
    return MissingToolError(
        f"A local AWS needs the package {error.name!r}, which is not installed.",
        remedy="Install it with: pip install 'lokki-tf[testing]'",
    )
