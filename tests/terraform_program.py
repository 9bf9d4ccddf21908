"""A program that answers as Terraform does, without AWS: what it prints is in a file.

``apply`` prints the lines of the file ``events``. At an empty line it waits until the named pipe
``gate`` is opened, or for an interrupt, which it answers as Terraform does.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

RULES = "aws_s3_bucket_lifecycle_configuration.bucket_lifecycle"
FUNCTION = "aws_lambda_function.load"
ROLE = "aws_iam_role.load_role"
EXISTS = (
    "creating IAM Role (daily-load): EntityAlreadyExists: Role with name daily-load already exists."
)


def event(kind: str, address: str = "", action: str = "create", **more: Any) -> str:
    """A line of ``apply -json``."""
    about = {"addr": address, "resource_type": address.partition(".")[0]}
    hook = {"hook": {"resource": about, "action": action}} if address else {}
    return json.dumps({"@level": "info", "@message": "", "type": kind, **hook, **more})


def diagnostic(address: str, summary: str, detail: str = "", severity: str = "error") -> str:
    """A line about an error or warning."""
    return event(
        "diagnostic",
        diagnostic={
            "severity": severity,
            "summary": summary,
            "detail": detail,
            "address": address,
            "range": {"filename": "cdk.tf.json", "start": {"line": 253, "column": 7}},
            "snippet": {"context": f"resource.{address}", "code": "      }"},
        },
    )


def main(folder: Path, command: str, *arguments: str) -> int:
    """Run a command; only those that lokki_tf uses exist."""
    if command == "version":
        print('{"terraform_version": "1.11.4"}')
        return 0
    lines = (folder / "events").read_text().splitlines()
    if lines[:1] == ["no json"] and "-json" in arguments:
        print("flag provided but not defined: -json", file=sys.stderr)
        return 1
    for line in lines:
        if line:
            print(line, flush=True)
        elif not _released(folder):
            return 1
    return int(any('"severity": "error"' in line for line in lines))


def _released(folder: Path) -> bool:
    signals: list[int] = []

    def interrupted(number: int, _: Any) -> None:
        signals.append(number)
        raise InterruptedError

    signal.signal(signal.SIGINT, interrupted)
    try:
        (folder / "gate").read_text()
    except InterruptedError:
        (folder / "signals").write_text(str(len(signals)))
        print(event("apply_complete", FUNCTION), flush=True)
    return not signals


if __name__ == "__main__":
    raise SystemExit(main(Path(__file__).parent, *sys.argv[1:]))
