"""``ResultWriter``: what came of a Distributed Map's children goes to S3.

As on AWS, the order of the results in a file is that of nothing: here it is that of the children's
random names, so that whoever relies on the order of items sees it. Files are split earlier than
AWS does, so that whoever reads the first file only sees that too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lokki_tf.testing.machines.failures import StateFailure
from lokki_tf.testing.machines.frame import StateRun
from lokki_tf.testing.machines.map_run import MapRun
from lokki_tf.testing.machines.templates import fill
from lokki_tf.testing.machines.values import Json, dump, load, moment_text

if TYPE_CHECKING:
    from lokki_tf.testing.machines.execution import Execution

RESULTS_PER_FILE = 500
FAILED = "States.ResultWriterFailed"
_FILES = {"SUCCEEDED": "SUCCEEDED", "PENDING": "PENDING"}


def write_results(run: StateRun, value: Json, map_run: MapRun) -> Json:
    """Write the results and their manifest.

    Returns:
        The state's result: where the manifest is.

    Raises:
        StateFailure: if they cannot be written.
    """
    writer = run.state["ResultWriter"]
    place = fill(writer.get("Parameters", {}), run.view(value))
    prefix = place.get("Prefix", "")
    prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
    folder = f"{prefix}{map_run.arn.rpartition(':')[2]}"
    s3 = run.frame.settings.services.client("s3")
    try:
        _authorize(run, f"arn:aws:s3:::{place['Bucket']}/{folder}/manifest.json")
        files = _write_files(s3, place["Bucket"], folder, map_run, writer.get("WriterConfig", {}))
        manifest = {
            "DestinationBucket": place["Bucket"],
            "MapRunArn": map_run.arn,
            "ResultFiles": files,
        }
        key = f"{folder}/manifest.json"
        s3.put_object(Bucket=place["Bucket"], Key=key, Body=dump(manifest).encode())
    except Exception as error:  # what S3 says
        raise StateFailure(FAILED, f"The results could not be written: {error}") from None
    map_run.results_written = True
    return {
        "MapRunArn": map_run.arn,
        "ResultWriterDetails": {"Bucket": place["Bucket"], "Key": key},
    }


def _authorize(run: StateRun, resource: str) -> None:
    """Decide on what the upload of large results requires, however small they are.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states", of
    ``ResultWriter``.

    Raises:
        ServiceError: if the role may not.
    """
    for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
        run.frame.settings.services.authorize(f"s3:{action}", resource)


def _write_files(s3: Any, bucket: str, folder: str, map_run: MapRun, config: Json) -> Json:
    groups: dict[str, list[Execution]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for position, child in enumerate(map_run.children):
        groups[_FILES.get(map_run.status_of(position), "FAILED")].append(child)
    files: dict[str, list[Json]] = {}
    for name, children in groups.items():
        files[name] = []
        for part in _parts(sorted(children, key=lambda child: child.name)):
            ending = "jsonl" if config.get("OutputType") == "JSONL" else "json"
            key = f"{folder}/{name}_{len(files[name])}.{ending}"
            body = _body([_shown(name, child, config) for child in part], config).encode()
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            files[name].append({"Key": key, "Size": len(body)})
    return files


def _parts(children: Sequence[Execution]) -> Iterator[Sequence[Execution]]:
    for begin in range(0, len(children), RESULTS_PER_FILE):
        yield children[begin : begin + RESULTS_PER_FILE]


def _shown(name: str, child: Execution, config: Json) -> Json:
    if name == "PENDING":
        return pending_record(child)
    if name == "FAILED" or config.get("Transformation", "NONE") == "NONE":
        return record(child)
    return load(child.output_text or "null")


def _body(shown: list[Json], config: Json) -> str:
    if config.get("Transformation") == "FLATTEN":
        shown = [
            item for value in shown for item in (value if isinstance(value, list) else [value])
        ]
    if config.get("OutputType") == "JSONL":
        return "\n".join(map(dump, shown))
    return dump(shown)


def record(child: Execution) -> dict[str, Json]:
    """Return a child that has ended, as a result file has it."""
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


def pending_record(child: Execution) -> dict[str, Json]:
    """Return a child that has not begun, as a result file has it."""
    return {
        "ExecutionArn": child.arn,
        "Input": child.input_text,
        "InputDetails": {"Included": True},
        "Name": child.name,
        "StateMachineArn": child.machine_arn,
        "Status": "PENDING",
    }
