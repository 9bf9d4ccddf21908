"""What moto 5.2 lacks, one gap a function; nothing else changes moto.

======================  ============================================================================
module                  gap
======================  ============================================================================
``batch_jobs``          jobs run in Docker only, and know neither retries nor their account
``batch_resources``     compute environments need a service role and ignore updates; a revision of
                        a job definition takes over what it is not told
``event_targets``       rules of EventBridge call no functions, and ends of executions are no events
``lambda_functions``    functions run in Docker only; ``Qualifier`` of Invoke is not read
``lambda_layers``       layers of other accounts do not exist
``lambda_settings``     functions forget their logging, their tracing when it is updated, and more
``managed_policies``    AWS's own policies cannot be attached
``state_machines``      executions do nothing, or run in an interpreter without limits;
                        ``ValidateStateMachineDefinition``, ``ListStateMachineVersions``,
                        ``RedriveExecution`` and ``StartSyncExecution`` are missing; an
                        execution without a name gets the name None
``storage``             bucket policies deny whatever has a condition; absent objects are 404 to
                        roles that may not list
======================  ============================================================================
"""

from __future__ import annotations

from lokki_tf.testing.account import Account


def close_gaps(account: Account) -> None:
    """Complete moto, before its server starts; all but Batch."""
    from lokki_tf.testing.moto_gaps import (
        event_targets,
        lambda_functions,
        lambda_layers,
        lambda_settings,
        managed_policies,
        state_machines,
        storage,
    )

    event_targets.deliver_events(account)
    lambda_functions.run_functions(account)
    lambda_layers.accept_foreign_layers()
    lambda_settings.keep_settings()
    managed_policies.know_managed_policies()
    state_machines.run_machines(account)
    storage.allow_by_bucket_policies()
    storage.deny_what_may_not_be_listed()


def close_gaps_of_batch(account: Account) -> None:
    """Complete moto's Batch, before its first request.

    Batch needs EC2, whose tables of instance types take as long to load as all the rest.
    """
    from lokki_tf.testing.moto_gaps import batch_jobs

    batch_jobs.run_jobs(account)
