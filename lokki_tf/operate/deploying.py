"""Plans of a stack, their application, and its removal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, TerraformError, UnconfirmedError
from lokki_tf.terraform.files import MANIFEST, sha256_of
from lokki_tf.terraform.scratch import scratch_folder

from .clients import Aws
from .plans import Change, changes
from .program import Program

if TYPE_CHECKING:
    from .stack import Stack

_AT_ONCE = 1000  # objects that S3 deletes with one call
_OF_DEPLOYMENTS = ("code/", "helpers/", "layers/", "literals/")
"""What the keys of objects that deployments put into the bucket begin with."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that waits to be applied.

    Args:
        program: Terraform.
        file: The plan.
        changes: What it does to resources.
        is_empty: Whether it changes nothing, outputs included.
        of: Digest of what it was made of.
        command: Whose plan it is: ``deploy`` or ``destroy``.
    """

    program: Program
    file: Path
    changes: Sequence[Change]
    is_empty: bool
    of: str
    command: str

    @property
    def text(self) -> str:
        """The plan in Terraform's own words."""
        return self.program.text(self.file)

    def apply(self) -> dict[str, Any]:
        """Applies it, and returns the outputs.

        Raises:
            TerraformError: With Terraform's own words; or if the folder is another by now: a plan
                knows names and hashes of zips, and their contents are read when it is applied.
        """
        stack = self.program.stack
        if _digest(stack.folder) != self.of:
            raise TerraformError(
                f"the Terraform of {stack.name} has been written anew since the plan was shown, "
                f"and nothing of it was applied: {stack.folder}",
                remedy=f"run it again for another plan: {stack.command(self.command)}",
            )
        self.program.apply(self.file)
        return self.program.outputs()


@contextmanager
def planned(program: Program, *, destroy: bool = False) -> Iterator[Planned]:
    """A plan of a stack, in a temporary folder that only this user can read.

    Args:
        program: Terraform in the stack's folder.
        destroy: Whether everything is to go.

    Raises:
        TerraformError: With Terraform's own words.
    """
    if not destroy:
        _require_complete(program.stack)
    program.init()
    command = "destroy" if destroy else "deploy"
    with scratch_folder() as scratch:
        file, of = scratch / "plan", _digest(program.stack.folder)
        some = program.plan(file, *(["-destroy"] if destroy else []))
        found = changes(program.shown(file)) if some else ()
        yield Planned(program, file, found, not some, of, command)


def _require_complete(stack: Stack) -> None:
    """Compare the files of a stack's folder with the list that ``synth`` has made of them.

    Raises:
        TerraformError: If one is missing or has other contents: Terraform would upload it under
            the hash of the one that is listed.
    """
    listed = stack.folder / MANIFEST
    if not listed.is_file():
        return  # the stack of a repository: Terraform alone
    for name, sha256 in json.loads(listed.read_text()).items():
        path = stack.folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            raise TerraformError(
                f"{path} is not the file that synth has written; nothing was changed",
                remedy=f"write the folder again: {stack.command('synth')}",
            )


def _digest(folder: Path) -> str:
    """A digest of the files in a folder, without those that Terraform itself keeps there."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        own = inside.parts[0].startswith(".") or ".tfstate" in inside.name
        if not own and path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            found.update(f"{inside}\0{content}\0".encode())
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is in a pipeline's own bucket and was not put there by Terraform.

    Versions of code, layers and literals that earlier deployments had are deleted with the bucket;
    only the rest, results of runs for example, is data that users may want to keep.

    Args:
        aws: The account.
        bucket: The bucket; empty if the pipeline has none of its own.
        versions: Keys and versions, delete markers included.
        data: Keys of those that are data.
        size: Bytes of all versions of data.
    """

    aws: Aws
    bucket: str
    versions: tuple[tuple[str, str], ...]
    data: frozenset[str]
    size: int

    @classmethod
    def of(cls, aws: Aws, going: Sequence[Change]) -> Leftovers:
        """Looks into the bucket that a plan is to destroy.

        Args:
            aws: The account.
            going: What the plan does.

        Raises:
            AwsError: If it cannot be looked into.
        """
        gone = [one for one in going if one.action == "delete"]
        bucket = next((one.before["bucket"] for one in gone if one.type == "aws_s3_bucket"), "")
        managed = {one.before["key"] for one in gone if one.type == "aws_s3_object"}
        found: list[tuple[str, str]] = []
        data: set[str] = set()
        size = 0
        for page in aws.pages("s3", "list_object_versions", Bucket=bucket) if bucket else ():
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if one["Key"] not in managed:
                    found.append((one["Key"], one["VersionId"]))
                    if not one["Key"].startswith(_OF_DEPLOYMENTS):
                        data.add(one["Key"])
                        size += one.get("Size", 0)
        return cls(aws, bucket, tuple(found), frozenset(data), size)

    def refuse(self, stack: Stack) -> None:
        """Refuses to destroy a bucket that contains data.

        Raises:
            UnconfirmedError: If it does.
        """
        if self.data:
            raise UnconfirmedError(
                f"the bucket {self.bucket} holds {self}, and nothing was destroyed",
                remedy=f"copy what you want to keep; {stack.command('destroy --force')} deletes "
                "the rest along with the bucket",
            )

    def delete(self) -> None:
        """Deletes all of it, every version.

        Raises:
            AwsError: If something of it cannot be deleted.
        """
        for begin in range(0, len(self.versions), _AT_ONCE):
            part = self.versions[begin : begin + _AT_ONCE]
            listed = [{"Key": key, "VersionId": version} for key, version in part]
            delete = {"Objects": listed, "Quiet": True}
            told = self.aws.call("s3", "delete_objects", Bucket=self.bucket, Delete=delete)
            for one in told.get("Errors", ()):
                raise AwsError(
                    f"{one['Key']} in {self.bucket} cannot be deleted: {one.get('Message')}",
                    code=one.get("Code", ""),
                )

    def __str__(self) -> str:
        count = len(self.data)
        return f"{count:,} object{'s' * (count != 1)} of runs ({readable(self.size)})"


def running(aws: Aws, going: Sequence[Change]) -> int:
    """How many executions a plan to destroy would cut off.

    AWS ends them at their next transition: Step Functions API Reference, ``DeleteStateMachine``.

    Args:
        aws: The account.
        going: What the plan does.

    Raises:
        AwsError: If it does not say.
    """
    machines = [
        one.before["arn"]
        for one in going
        if one.action == "delete" and one.type == "aws_sfn_state_machine"
    ]
    return sum(
        len(page["executions"])
        for arn in machines
        for page in aws.pages(
            "stepfunctions", "list_executions", stateMachineArn=arn, statusFilter="RUNNING"
        )
    )


def readable(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
