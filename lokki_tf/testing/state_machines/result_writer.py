"""``ResultWriter`` of a Distributed Map: write the records of the children to S3.

As in AWS, the results in a file have an arbitrary order. Here they are sorted by the children's
random names, so that code that relies on the order of the items fails in tests. The files are
smaller than in AWS, so that code that reads the first file only fails as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.map_run import MapRun
from lokki_tf.testing.state_machines.queries import arguments
from lokki_tf.testing.state_machines.values import Json, dump, load, moment_text

if TYPE_CHECKING:
    from lokki_tf.testing.state_machines.record import ExecutionRecord

RESULTS_PER_FILE = 500
FAILED = "States.ResultWriterFailed"
_FILES = ("FAILED", "PENDING", "SUCCEEDED")
"""Kinds of files, each with the children of that status; all others are listed as failed."""


def write_results(run: StateRun, value: Json, map_run: MapRun[ExecutionRecord]) -> Json:
    """Write the results and a manifest that lists the files.

    Returns:
        The state's result: the bucket and key of the manifest.

    Raises:
        StateFailure: If an object cannot be written.
    """
    writer = run.state["ResultWriter"]
    destination = arguments(run, writer, value, "ResultWriter/")
    prefix = destination.get("Prefix", "")
    prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
    folder = f"{prefix}{map_run.arn.rpartition(':')[2]}"
    s3 = run.frame.settings.services.client("s3")
    try:
        _authorize(run, f"arn:aws:s3:::{destination['Bucket']}/{folder}/manifest.json")
        files = _write_files(
            s3, destination["Bucket"], folder, map_run, writer.get("WriterConfig", {})
        )
        manifest = {
            "DestinationBucket": destination["Bucket"],
            "MapRunArn": map_run.arn,
            "ResultFiles": files,
        }
        key = f"{folder}/manifest.json"
        s3.put_object(Bucket=destination["Bucket"], Key=key, Body=dump(manifest).encode())
    except Exception as error:  # from boto3
        raise StateFailure(FAILED, f"The results could not be written: {error}") from None
    return {
        "MapRunArn": map_run.arn,
        "ResultWriterDetails": {"Bucket": destination["Bucket"], "Key": key},
    }


def _authorize(run: StateRun, resource: str) -> None:
    """Check the permissions that the upload of large results requires, for results of any size.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states", the
    section about ``ResultWriter``.

    Raises:
        ServiceError: If the role's policies do not allow an action.
    """
    for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
        run.frame.settings.services.authorize(f"s3:{action}", resource)


def _write_files(
    s3: Any, bucket: str, folder: str, map_run: MapRun[ExecutionRecord], config: Json
) -> Json:
    """Write the files of each status, and return their list for the manifest."""
    groups: dict[str, list[int]] = {name: [] for name in _FILES}
    for position in map_run.children.by_name():
        status = map_run.children.status(position)
        groups[status if status in groups else "FAILED"].append(position)
    files: dict[str, list[Json]] = {}
    for name, positions in groups.items():
        files[name] = []
        for part in _parts(positions):
            ending = "jsonl" if config.get("OutputType") == "JSONL" else "json"
            key = f"{folder}/{name}_{len(files[name])}.{ending}"
            children = map_run.children.load(part)
            body = _body([_shown(name, child, config) for child in children], config).encode()
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            files[name].append({"Key": key, "Size": len(body)})
    return files


def _parts(positions: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the positions of the children of each file."""
    for begin in range(0, len(positions), RESULTS_PER_FILE):
        yield positions[begin : begin + RESULTS_PER_FILE]


def _shown(name: str, child: ExecutionRecord, config: Json) -> Json:
    """Return what a file contains for a child: its record, or only its output.

    Args:
        name: The kind of file.
        child: The child.
        config: ``WriterConfig`` of the state.
    """
    if name == "PENDING":
        return pending_record(child)
    if name == "FAILED" or config.get("Transformation", "NONE") == "NONE":
        return record(child)
    return load(child.output_text or "null")


def _body(shown: list[Json], config: Json) -> str:
    """Return the text of a file; with ``FLATTEN``, outputs that are lists are joined."""
    if config.get("Transformation") == "FLATTEN":
        shown = [
            item for value in shown for item in (value if isinstance(value, list) else [value])
        ]
    if config.get("OutputType") == "JSONL":
        return "\n".join(map(dump, shown))
    return dump(shown)


def record(child: ExecutionRecord) -> dict[str, Json]:
    """Return the record of a child that has ended, as written to a result file."""
    found: dict[str, Json] = {
        **pending_record(child),
        "StartDate": moment_text(child.start_date),
        "Status": child.status,
        "StopDate": child.stop_date and moment_text(child.stop_date),
        "RedriveCount": child.redrive_count,
    }
    if child.output_text is not None:
        found |= {
            "Output": child.output_text,
            "OutputDetails": {"Included": True},
            "RedriveStatus": "NOT_REDRIVABLE",
            "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
        }
    else:
        found |= {"Cause": child.cause, "Error": child.error, "RedriveStatus": "REDRIVABLE"}
    return {key: value for key, value in sorted(found.items()) if value is not None}


def pending_record(child: ExecutionRecord) -> dict[str, Json]:
    """Return the record of a child that has not started, as written to a result file."""
    return {
        "ExecutionArn": child.arn,
        "Input": child.input_text,
        "InputDetails": {"Included": True},
        "Name": child.name,
        "StateMachineArn": child.state_machine_arn,
        "Status": "PENDING",
    }
