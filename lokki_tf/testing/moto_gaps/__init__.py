"""What moto 5.2 lacks, one gap a function; nothing else changes moto.

======================  ============================================================================
module                  gap
======================  ============================================================================
``access_control``      resources and conditions of policies are ignored, nothing is denied
``batch_jobs``          jobs run in Docker only, and know neither retries nor their account
``batch_resources``     compute environments need a service role and ignore updates; a revision of
                        a job definition takes over what it is not told
``event_targets``       rules of EventBridge call no functions, and ends of executions are no events
``job_roles``           jobs have no roles
``lambda_functions``    functions run in Docker only; ``Qualifier`` of Invoke is not read
``lambda_layers``       layers of other accounts do not exist
``lambda_roles``        functions can have any role
``lambda_settings``     functions forget their logging, their tracing when it is updated, and more
``machine_roles``       state machines can have any role
``managed_policies``    AWS's own policies cannot be attached
``schedules``           schedules can have any role, and never run
``state_machines``      executions do nothing, or run in an interpreter without limits;
                        ``ValidateStateMachineDefinition``, ``ListStateMachineVersions``,
                        ``RedriveExecution`` and ``StartSyncExecution`` are missing; an
                        execution without a name gets the name None
``storage``             absent objects are 404 to roles that may not list
======================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from lokki_tf.testing.account import Account


def close_gaps(account: Account) -> None:
    """Complete moto, before its server starts; all but what is loaded late."""
    from lokki_tf.testing.moto_gaps import (
        access_control,
        event_targets,
        lambda_functions,
        lambda_layers,
        lambda_roles,
        lambda_settings,
        managed_policies,
        state_machines,
        storage,
    )

    access_control.control_access(account)
    event_targets.deliver_events(account)
    lambda_functions.run_functions(account)
    lambda_layers.accept_foreign_layers()
    lambda_roles.check_roles(account)
    lambda_settings.keep_settings()
    managed_policies.know_managed_policies()
    state_machines.run_machines(account)
    storage.deny_what_may_not_be_listed(account)


def _close_gaps_of_batch(account: Account) -> None:
    # Batch needs EC2, whose tables of instance types take as long to load as all the rest.
    from lokki_tf.testing.moto_gaps import batch_jobs

    batch_jobs.run_jobs(account)


def _close_gaps_of_scheduler(account: Account) -> None:
    from lokki_tf.testing.moto_gaps import schedules

    schedules.check_roles(account)


LATE_GAPS: dict[str, Callable[[Account], None]] = {
    "batch": _close_gaps_of_batch,
    "scheduler": _close_gaps_of_scheduler,
}
"""What completes a service before its first request."""
