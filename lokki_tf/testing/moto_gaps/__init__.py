"""Replace parts of moto 5.2 that differ from AWS. Only this package changes moto.

Each module has a function that replaces methods of moto's classes. ``close_gaps`` calls them when
the server starts, those in ``LATE_GAPS`` before the first request to the service.

======================  ============================================================================
module                  difference of moto from AWS
======================  ============================================================================
``access_control``      resources and conditions of policies are ignored, all requests are allowed
``backends``            deleted resources stay in memory
``batch_jobs``          jobs run in Docker only, without retries and without the account's settings
``batch_resources``     compute environments require a service role and ignore updates; a revision
                        of a job definition inherits missing fields from the revision before
``event_targets``       EventBridge rules do not invoke functions, and executions that end cause no
                        events
``job_roles``           jobs do not use their roles
``lambda_functions``    functions run in Docker only; ``Qualifier`` of Invoke is ignored
``lambda_layers``       layers of other accounts are refused
``lambda_roles``        functions accept any role
``lambda_settings``     logging settings, updates of tracing and other settings are not stored
``state_machine_roles``       state machines accept any role
``log_events``          an object for each line of a log
``managed_policies``    AWS managed policies cannot be attached
``schedules``           schedules accept any role and never run
``state_machines``      executions do nothing, or run in an interpreter without limits;
                        ``ValidateStateMachineDefinition``, ``ListStateMachineVersions``,
                        ``RedriveExecution`` and ``StartSyncExecution`` are missing; an
                        execution without a name gets the name None
``state_machine_revisions``   executions ignore versions and aliases; variables to which states
                        refer are not listed
``state_tests``         ``TestState`` is missing
``storage``             requests for missing objects return 404 also without ``s3:ListBucket``;
                        objects have no default encryption
======================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from lokki_tf.testing.account import Account


def close_gaps(account: Account) -> None:
    """Replace methods of moto before the server starts, except those in ``LATE_GAPS``."""
    from lokki_tf.testing.moto_gaps import (
        access_control,
        backends,
        event_targets,
        lambda_functions,
        lambda_layers,
        lambda_roles,
        lambda_settings,
        log_events,
        managed_policies,
        state_machines,
        storage,
    )

    backends.forget_instances()
    backends.find_backends_at_once()
    access_control.control_access(account)
    event_targets.deliver_events(account)
    event_targets.refuse_details()
    lambda_functions.run_functions(account)
    lambda_layers.accept_foreign_layers()
    lambda_roles.check_roles(account)
    lambda_settings.keep_settings()
    log_events.compress_log_events()
    managed_policies.know_managed_policies()
    state_machines.run_state_machines(account)
    storage.deny_what_may_not_be_listed(account)
    storage.return_encryption()
    storage.return_event_bridge()


def _close_gaps_of_batch(account: Account) -> None:
    # Batch imports EC2, whose tables of instance types take as long to load as all other services.
    from lokki_tf.testing.moto_gaps import batch_jobs

    batch_jobs.run_jobs(account)


def _close_gaps_of_scheduler(account: Account) -> None:
    from lokki_tf.testing.moto_gaps import schedules

    schedules.check_roles(account)


LATE_GAPS: dict[str, Callable[[Account], None]] = {
    "batch": _close_gaps_of_batch,
    "scheduler": _close_gaps_of_scheduler,
}
"""By service: the function that replaces methods of moto before the first request."""
