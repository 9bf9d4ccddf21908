"""Plans of a stack, their application, and its removal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, ResourceExistsError, TerraformError, UnconfirmedError
from lokki_tf.terraform.files import MANIFEST, sha256_of
from lokki_tf.terraform.scratch import scratch_folder

from .clients import Aws
from .complaints import importing
from .plans import Change, changes
from .program import Program

if TYPE_CHECKING:
    from .stack import Stack

_AT_ONCE = 1000  # the most objects that S3 deletes in one call
_CALLS_AT_ONCE = 16
_OF_DEPLOYMENTS = ("code/", "helpers/", "layers/", "literals/")
"""Prefixes of the keys of objects that deployments put into the bucket."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A Terraform plan that can be applied.

    Args:
        program: The program, Terraform or OpenTofu.
        file: The plan.
        changes: Its changes of resources.
        is_empty: Whether it changes neither resources nor outputs.
        of: Digest of the files from which it was made.
        command: The command that made it: ``deploy`` or ``destroy``.
    """

    program: Program
    file: Path
    changes: Sequence[Change]
    is_empty: bool
    of: str
    command: str

    @property
    def text(self) -> str:
        """The plan as Terraform prints it."""
        return self.program.text(self.file)

    def apply(self) -> dict[str, Any]:
        """Apply the plan and return the outputs.

        Raises:
            TerraformError: If Terraform fails, with its text, or if the folder's files have
                changed: a plan contains names and hashes of zips, whose contents are read when it
                is applied.
            ResourceExistsError: If a function that it creates exists.
        """
        stack = self.program.stack
        if _digest(stack.folder) != self.of:
            raise TerraformError(
                f"the Terraform of {stack.name} has been written again since the plan was "
                f"shown, and nothing was applied: {stack.folder}",
                remedy=f"run the command again for a new plan: {stack.command(self.command)}",
            )
        refuse_existing(stack, self.changes)
        doing = "destroying" if self.command == "destroy" else "applying"
        self.program.apply(self.file, self.changes, doing)
        return self.program.outputs()


def refuse_existing(stack: Stack, coming: Sequence[Change]) -> None:
    """Raise an error for functions that a plan would create and that exist.

    Terraform's AWS provider would repeat their creation for ten minutes before it reports that:
    ``ResourceConflictException`` also means that another change of a function goes on.

    Args:
        stack: The stack.
        coming: The plan's changes.

    Raises:
        ResourceExistsError: With the functions.
    """
    created = [
        one for one in coming if one.type == "aws_lambda_function" and one.action == "create"
    ]
    if not created:
        return
    aws = Aws(stack.config)
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        exist = pool.map(lambda one: _function_exists(aws, one.name), created)
        existing = tuple(
            (o.address, o.name) for o, is_so in zip(created, exist, strict=True) if is_so
        )
    if existing:
        names = ", ".join(name for _, name in existing)
        raise ResourceExistsError(
            f"nothing was applied: to be created, but in AWS already: {names}",
            existing=existing,
            remedy=importing(stack, existing),
        )


def _function_exists(aws: Aws, name: str) -> bool:
    try:
        aws.call("lambda", "get_function", FunctionName=name)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        return False
    return True


@contextmanager
def planned(program: Program, *, destroy: bool = False) -> Iterator[Planned]:
    """Yield a plan of a stack, in a temporary folder that only this user can read.

    Args:
        program: Terraform in the stack's folder.
        destroy: Whether everything is to be destroyed.

    Raises:
        TerraformError: If Terraform fails, with its text.
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
        return  # the stack of an image repository has Terraform files only
    for name, sha256 in json.loads(listed.read_text()).items():
        path = stack.folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            raise TerraformError(
                f"{path} is not the file that synth wrote; nothing was changed",
                remedy=f"write the folder again: {stack.command('synth')}",
            )


def _digest(folder: Path) -> str:
    """Return a digest of the files in a folder, without Terraform's own files."""
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
    """The content of a pipeline's own bucket that Terraform did not put there.

    Code, layers and literals of earlier deployments are deleted with the bucket. All other objects,
    results of runs for example, are data that users may want to keep.

    Args:
        aws: The account.
        bucket: The bucket; empty if the pipeline has no bucket of its own.
        versions: Keys and versions, delete markers included.
        data: Keys of the objects that are data.
        size: Bytes of all versions of data.
    """

    aws: Aws
    bucket: str
    versions: tuple[tuple[str, str], ...]
    data: frozenset[str]
    size: int

    @classmethod
    def of(cls, aws: Aws, going: Sequence[Change]) -> Leftovers:
        """List the content of the bucket that a plan would destroy.

        Args:
            aws: The account.
            going: The plan's changes.

        Raises:
            AwsError: If the bucket cannot be listed.
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
        """Raise an error if the bucket contains data.

        Raises:
            UnconfirmedError: If it contains data.
        """
        if self.data:
            raise UnconfirmedError(
                f"the bucket {self.bucket} contains {self}, and nothing was destroyed",
                remedy=f"copy what you want to keep; {stack.command('destroy --force')} "
                "deletes the bucket with its objects",
            )

    def delete(self) -> None:
        """Delete every version of every object.

        Raises:
            AwsError: If an object cannot be deleted.
        """
        for begin in range(0, len(self.versions), _AT_ONCE):
            part = self.versions[begin : begin + _AT_ONCE]
            listed = [{"Key": key, "VersionId": version} for key, version in part]
            delete = {"Objects": listed, "Quiet": True}
            answer = self.aws.call("s3", "delete_objects", Bucket=self.bucket, Delete=delete)
            for one in answer.get("Errors", ()):
                raise AwsError(
                    f"{one['Key']} in {self.bucket} cannot be deleted: {one.get('Message')}",
                    code=one.get("Code", ""),
                )

    def __str__(self) -> str:
        count = len(self.data)
        return f"{count:,} object{'s' * (count != 1)} of runs ({readable(self.size)})"


def running(aws: Aws, going: Sequence[Change]) -> int:
    """Return how many running executions a plan to destroy would end.

    AWS ends them at their next transition: Step Functions API Reference, ``DeleteStateMachine``.

    Args:
        aws: The account.
        going: The plan's changes.

    Raises:
        AwsError: If AWS refuses.
    """
    state_machines = [
        one.before["arn"]
        for one in going
        if one.action == "delete" and one.type == "aws_sfn_state_machine"
    ]
    return sum(
        len(page["executions"])
        for arn in state_machines
        for page in aws.pages(
            "stepfunctions", "list_executions", stateMachineArn=arn, statusFilter="RUNNING"
        )
    )


def readable(size: float) -> str:
    """Return a number of bytes with a unit, ``1.5 MB`` for example."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
