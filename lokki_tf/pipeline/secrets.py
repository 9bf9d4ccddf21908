"""Secrets of local runs: those that are not in the environment are fetched before the run."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from lokki_tf.checks.secrets import check_secrets
from lokki_tf.errors import LokkiError, SecretError
from lokki_tf.model import raise_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import Step, StepOptions


def fetched_secrets(
    options: Mapping[Step, StepOptions], config: Config
) -> dict[Step, Mapping[str, str]]:
    """Fetch the secrets of a run's steps with the user's credentials.

    Args:
        options: The options in effect by step.
        config: Settings, which contain region, profile and endpoint.

    Returns:
        Values by environment variable, by step, without those that the environment contains.

    Raises:
        DefinitionError: If a step's secrets are not valid.
        SecretError: If a secret cannot be read.
    """
    with_secrets = {step: one for step, one in options.items() if one.secrets}
    for step, one in with_secrets.items():
        raise_errors([*check_secrets(step, one)])
    known: dict[str, str] = {}
    return {
        step: {
            name: _fetched(step, name, source, config, known)
            for name, source in one.secrets.items()
            if name not in os.environ
        }
        for step, one in with_secrets.items()
    }


def _fetched(step: Step, name: str, source: str, config: Config, known: dict[str, str]) -> str:
    if source not in known:
        from lokki_tf.operate.clients import client
        from lokki_tf.operate.refusals import meaning
        from lokki_tf.runtime import secrets

        try:
            known[source] = secrets.values({name: source}, partial(client, config))[name]
        except secrets.SecretError as error:
            cause = error.__cause__
            text = str(error)
            if isinstance(cause, LokkiError):
                text = cause.message
            elif cause is not None:
                text = meaning(cause, "", "", "").message
            raise SecretError(
                f"step {step.name!r} needs the secret {source!r}: {text}",
                place=step.place,
                remedy=f"set the environment variable {name} for local runs, or use credentials "
                "with access to the secret",
            ) from None
    return known[source]
