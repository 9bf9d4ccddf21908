"""Run AWS Batch jobs, from their submission to their end.

1. ``sizes`` checks a job definition for Fargate.
2. ``orders`` merges a job definition with the parameters of ``SubmitJob``.
3. ``job`` runs the job in a thread, as one or more ``attempts``. ``retries`` decides whether a
   failed attempt is repeated.
4. ``batch_context`` holds what all jobs of a region share: logs, slots, roles.

This package does not import moto.
"""
