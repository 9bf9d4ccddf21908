"""Names of variables and objects with which functions, jobs and state machines find their data."""

from __future__ import annotations

# Variables of a function's or container's environment.
STORE, STEP = "LOKKI_STORE", "LOKKI_STEP"
STAGE = "LOKKI_STAGE"  # as lokki_tf.config names it
EVENT = "LOKKI_EVENT"
STATE_MACHINE = "LOKKI_STATE_MACHINE"
SUBMITTED = "LOKKI_SUBMITTED"  # how often the job was submitted before, if its code may ask
# The folders of notices, of maps' results, and of results of started pipelines; no step's name
# begins with a hyphen.
NOTICES, MAPS, STARTS = "-notices", "-maps", "-starts"
DIGEST_LENGTH = 64  # of SHA-256 in hexadecimal digits, the name of most objects
PART_DIGEST_LENGTH = 32  # of its first half, in references to parts of objects
# Endings of a job's objects, and of the array of a result's items.
EVENT_SUFFIX, ANSWER, ERROR = ".event.json", "answer.json", "error.json"
ITEMS = "items.json"
CARDS, CARD_SUFFIX = "cards", ".card.json.gz"  # what steps add to the report of their run
TAKEN = "taken"  # the number of steps before, in a routed pipeline
TRIGGERS = "triggers.json"  # the file with the triggers, beside the handler
JOB_DIED = "Batch.JobDied"
"""The error of a job that ended without reporting one."""
