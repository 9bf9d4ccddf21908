"""Values of references to Terraform where Terraform does not run: in local runs and ``aws.run``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lokki_tf.errors import ConfigError

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model import TerraformRef

    from .settings import Config

VARIABLES = "LOKKI_REF_"
"""How the names of environment variables with values begin; the address in capitals follows."""


def variable_of(ref: TerraformRef) -> str:
    """Return the name of the environment variable with a reference's value.

    Args:
        ref: The reference.
    """
    plain = re.sub(r"[^A-Z0-9]+", "_", ref.address.upper()).strip("_")
    return f"{VARIABLES}{plain}"


def local_value(ref: TerraformRef, config: Config, what: str, place: Place | None = None) -> str:
    """Return the value of a reference from the environment or ``[local.refs]``.

    Args:
        ref: The reference.
        config: Settings, as in ``lokki.toml``.
        what: What needs the value, for the error.
        place: Its source location.

    Raises:
        ConfigError: If there is none.
    """
    variable = variable_of(ref)
    known = os.environ.get(variable) or config.local.refs.get(ref.address)
    if known is None:
        raise ConfigError(
            f"{what} needs the value of {ref!r}, which only Terraform knows",
            place=place,
            remedy=f'write "{ref.address}" = "…" below [local.refs] in lokki.toml, or set the '
            f"environment variable {variable}",
        )
    return ref.filled(known)
