"""Slots of a pipeline's executions, and the function that takes one before the first step.

A pipeline with ``max_concurrent_runs=`` has an object in its bucket for each slot, which names the
execution that holds it. An execution takes a slot with a conditional write: of an object that does
not exist, or of one whose ETag has not changed since it was read (Amazon S3 User Guide, "How to
prevent object overwrites with conditional writes"). A slot is free if its holder does not run, so
none has to be released. The function's event::

    {"node": "Check for other runs", "pipeline": "prices", "slots": 1,
     "execution": "arn:…:execution:prices:…", "redriven": 0}

A redriven execution does not enter its first state again. The command ``redrive`` therefore takes a
slot before the redrive. Until the execution runs, its slot counts as held for a minute.
"""

from __future__ import annotations

import json
import os
import time

from .busy import FOLDER, AlreadyRunning, busy_text
from .names import STORE
from .store import client as store_client
from .store import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FRESH = 60
"""Seconds for which an execution that is about to run holds its slot."""
_TRIES = 10
_ABSENT = ("NoSuchKey", "AccessDenied", "403", "404")  # the latter without s3:ListBucket
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")


def handle(event: dict[str, Any], context: Any = None) -> None:
    """Take a slot for an execution.

    Args:
        event: As described at the top of this module.
        context: Lambda's context.

    Raises:
        AlreadyRunning: If other executions hold all of them.
    """
    slots = Slots(store_client(), _executions(event["execution"]), os.environ[STORE])
    holders = slots.take(event["slots"], event["execution"], event["redriven"])
    if holders:
        names = [one.rpartition(":")[2] for one in holders]
        raise AlreadyRunning(busy_text(event["pipeline"], names))


class Slots:
    """The slots of a pipeline.

    Args:
        store: A client of S3.
        executions: A client of Step Functions.
        root: ``s3://bucket/prefix`` of the pipeline.
    """

    def __init__(self, store: Any, executions: Any, root: str) -> None:
        self._store = store
        self._executions = executions
        self._bucket, self._prefix = split(f"{root}/{FOLDER}/")

    def take(self, slots: int, execution: str, redrives: int) -> list[str]:
        """Take a slot, unless the execution holds one.

        Args:
            slots: The number of slots.
            execution: ARN of the execution.
            redrives: How often it was redriven, when it runs with the slot.

        Returns:
            ARNs of the executions that hold all slots; empty if the execution has one.
        """
        found = [_Slot(self, f"{self._prefix}{number}.json") for number in range(slots)]
        holders = []
        for one in sorted(found, key=lambda slot: slot.holder != execution):
            holder = one.take(execution, redrives)
            if holder is None:
                return []
            holders.append(holder)
        return holders

    def read(self, key: str) -> dict[str, Any]:
        """Return an object with its ETag and its age in seconds; empty if it does not exist."""
        from botocore.exceptions import ClientError

        try:
            answer = self._store.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return {}
            raise
        known = json.loads(answer["Body"].read())
        age = time.time() - answer["LastModified"].timestamp()
        return {**known, "tag": answer["ETag"], "age": age}

    def write(self, key: str, known: dict[str, Any], tag: str | None) -> None:
        """Write an object that does not exist, or that still has an ETag."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        body = json.dumps({**known, "time": time.time()}).encode()
        self._store.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)

    def runs(self, execution: str) -> tuple[bool, int]:
        """Return whether an execution runs, and how often it was redriven; -1 if it is unknown.

        The description of its data is not requested, which may be encrypted (Step Functions API
        Reference, "DescribeExecution": ``includedData``).
        """
        from botocore.exceptions import ClientError

        try:
            answer = self._executions.describe_execution(
                executionArn=execution, includedData="METADATA_ONLY"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return False, -1
            raise
        return answer["status"] == "RUNNING", answer.get("redriveCount", 0)


class _Slot:
    """A slot, as it was read last.

    Args:
        slots: All slots.
        key: Key of its object.
    """

    def __init__(self, slots: Slots, key: str) -> None:
        self._slots = slots
        self._key = key
        self._known = slots.read(key)

    @property
    def holder(self) -> str | None:
        """ARN of the execution that has taken it."""
        return self._known.get("execution")

    def take(self, execution: str, redrives: int) -> str | None:
        """Take the slot; return the ARN of the execution that holds it instead, if one does."""
        from botocore.exceptions import ClientError

        wanted = {"execution": execution, "redrives": redrives}
        for left in reversed(range(_TRIES)):
            if wanted.items() <= self._known.items():
                return None
            if self.holder != execution and self._is_held():
                return self.holder
            try:
                self._slots.write(self._key, wanted, self._known.get("tag"))
            except ClientError as error:
                if error.response["Error"]["Code"] not in _CHANGED or not left:
                    raise
            else:
                return None
            self._known = self._slots.read(self._key)
        raise AssertionError

    def _is_held(self) -> bool:
        if self.holder is None:
            return False
        runs, redrives = self._slots.runs(self.holder)
        return runs or (redrives < self._known["redrives"] and self._known["age"] < FRESH)


def _executions(execution: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "adaptive", "total_max_attempts": _TRIES})
    return boto3.client("stepfunctions", region_name=execution.split(":")[3], config=config)
