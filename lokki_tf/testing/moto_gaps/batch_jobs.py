"""Gap: moto's Batch containers do not know of the account that they belong to.

Jobs need a Docker API, such as podman's; without one they fail at once.
"""

from __future__ import annotations

import os
from threading import current_thread
from typing import Any

from lokki_tf.testing.account import Account


def give_account(account: Account) -> None:
    """Let jobs reach the local AWS: its variables, and the host's network, where it listens."""
    from moto.batch.models import Job

    os.environ.setdefault("MOTO_DOCKER_NETWORK_MODE", "host")
    original = Job._get_container_property

    def get_container_property(self: Any, p: str, default: Any) -> Any:
        if p != "environment":
            return original(self, p, default)
        # A job is the thread that runs it: others ask only to describe it.
        variables = dict(account.environment) if current_thread() is self else {}
        for holder in (self.job_definition.container_properties, self.container_overrides):
            variables |= {each["name"]: each["value"] for each in holder.get(p, ())}
        # moto adds this to the job's own list, once more each time that somebody asks.
        variables["AWS_BATCH_JOB_ID"] = self.job_id
        return [{"name": name, "value": value} for name, value in variables.items()]

    setattr(Job, "_get_container_property", get_container_property)  # noqa: B010
