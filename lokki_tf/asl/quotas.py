"""Quotas of Step Functions, and of AWS Batch for jobs that it starts.

Sources: AWS Step Functions Developer Guide, "Service quotas" and "Passing data between
states with variables"; AWS Batch API Reference, ``SubmitJob`` and ``RegisterJobDefinition``.
"""

from __future__ import annotations

STATE_BYTES = 262_144  # input or output of a state, a task or an execution, UTF-8
ALL_VARIABLES_BYTES = 10 * 1024 * 1024  # all variables of an execution
HISTORY_EVENTS = 25_000  # of an execution, its end included
DEFINITION_BYTES = 1_048_576  # a state machine's definition
STATE_NAME_LENGTH = 80
VARIABLE_NAME_LENGTH = 80
JOB_NAME_LENGTH = 128  # of a job, and of a job definition
JOB_ID_LENGTH = 36
EXECUTION_NAME_LENGTH = 80
BUCKET_NAME_LENGTH = 63
CAUSE_BYTES = 34_000  # an error and its cause, of at most 32,768 characters
