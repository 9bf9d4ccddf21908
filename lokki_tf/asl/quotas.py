"""What Step Functions allows.

Sources: AWS Step Functions Developer Guide, "Service quotas" and "Passing data between
states with variables".
"""

from __future__ import annotations

STATE_BYTES = 262_144  # input or output of a state, a task or an execution, UTF-8
VARIABLE_BYTES = 262_144  # one variable, and also all that one Assign sets
ALL_VARIABLES_BYTES = 10 * 1024 * 1024  # all variables of an execution
DEFINITION_BYTES = 1_048_576  # a state machine's definition
STATE_NAME_LENGTH = 80
VARIABLE_NAME_LENGTH = 80
EXECUTION_NAME_LENGTH = 80
MACHINE_NAME_LENGTH = 80
HISTORY_EVENTS = 25_000
