"""Terraform's errors: known ones get a message and a remedy, others keep Terraform's text."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from lokki_tf.errors import (
    AwsError,
    CredentialsError,
    LokkiError,
    ResourceExistsError,
    StateLockedError,
    TerraformError,
)
from lokki_tf.terraform_cli import find_mirror, installation

from .refusals import GIVE, RENEW

if TYPE_CHECKING:
    from lokki_tf.model import Step

    from .stack import Stack

_FRAME = re.compile(r"^[ \t]*[│╷╵][ ]?", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FIELD = r"^\s*{}:\s*(.+?)\s*$"
_LOCKED = "Error acquiring the state lock"
_EXISTS = re.compile(r"AlreadyExists|AlreadyOwnedByYou|already exist", re.IGNORECASE)
_NAMED = re.compile(r"\(([^()\s]+)\):")
_ADDRESS = re.compile(r"^\s*with ([^\s,]+),", re.MULTILINE)
_ENDS = ("", "_code", "_job", "_logs", "_policy", "_role")
"""What the ids of a step's resources have after the step's name."""
_ARN = re.compile(r"arn:[^\s'\"]+")


def complaint(stack: Stack, command: str, text: str) -> LokkiError:
    """Return the exception for an error of Terraform.

    Args:
        stack: The stack in whose folder it ran.
        command: Terraform's command, ``plan`` for example.
        text: Its output on stderr.
    """
    said = _plain(text)
    if _LOCKED in said:
        return _locked(stack, said)
    if re.search(r"ExpiredToken|token (included in the request )?(is|has) expired", said):
        return CredentialsError("your AWS credentials have expired", remedy=RENEW)
    if re.search(r"No valid credential sources found|InvalidClientTokenId", said):
        return CredentialsError("Terraform finds no valid AWS credentials", remedy=GIVE)
    if command == "init" and "registry" in said:
        return TerraformError(
            f"Terraform cannot get its AWS provider:\n{_indented(said)}",
            remedy="check your network and proxy (HTTPS_PROXY), or name a mirror in Terraform's "
            "own settings: https://developer.hashicorp.com/terraform/cli/config/config-file"
            f"{_mirror_advice(said)}",
        )
    if re.search(r"connection refused|no such host|dial tcp", said):
        return AwsError(
            f"AWS cannot be reached: {_line_with(said, 'dial tcp')}",
            remedy="check endpoint and region under [aws] in lokki.toml, and your network",
        )
    if "BucketNotEmpty" in said:
        return TerraformError(
            f"the bucket of {stack.name} received new objects after the plan was made, so it "
            f"was not deleted",
            remedy=f"{stack.command('destroy --force')} deletes them too",
        )
    message = f"terraform {command} failed:\n{_indented(said)}{_steps(stack, said)}"
    taken = tuple(_existing(block) for block in said.split("Error: ") if _EXISTS.search(block))
    if taken:
        return ResourceExistsError(message, existing=taken, remedy=importing(stack, taken))
    return TerraformError(message, remedy=_remedy(stack, command, said))


def _steps(stack: Stack, said: str) -> str:
    """Return lines about the steps of the resources that Terraform's text names."""
    found = dict.fromkeys(step_of(stack, address) for address in _ADDRESS.findall(said))
    lines = [f"\n  step {one.name!r} is at {one.place}" for one in found if one and one.place]
    return "".join(lines)


def step_of(stack: Stack, address: str) -> Step | None:
    """Return the step to which a resource belongs; ``None`` if to none.

    Args:
        stack: The stack.
        address: The resource's address in Terraform: ``aws_iam_role.load_role``.
    """
    id_ = address.rpartition(".")[2]
    steps = {one.name: one for one in stack.definition.steps}
    return next(
        (steps[id_.removesuffix(end)] for end in _ENDS if id_.removesuffix(end) in steps), None
    )


def _mirror_advice(said: str) -> str:
    """Return the settings for the mirror on this computer, if there is one."""
    hosts = ("registry.opentofu.org", "registry.terraform.io")
    mirror = find_mirror(next((host for host in hosts if host in said), hosts[-1]))
    if mirror is None:
        return ""
    return (
        "\nor use the mirror on this computer, with these lines in ~/.terraformrc:\n"
        f"{_indented(installation(mirror))}"
    )


def _remedy(stack: Stack, command: str, said: str) -> str:
    if "Backend configuration changed" in said:
        migrate = stack.command("terraform -- init -migrate-state")
        return f"choose what to do with the state: {migrate}"
    if "undeclared" in said:
        return f"declare what a TerraformRef names in a .tf file of yours in {stack.folder}"
    if command == "apply":
        return "the changes that were made are in the state: run the same command again to continue"
    return f"nothing was changed; the folder is {stack.folder}"


def _locked(stack: Stack, said: str) -> StateLockedError:
    found = {
        name: match[1] if (match := re.search(_FIELD.format(name), said, re.MULTILINE)) else "?"
        for name in ("ID", "Operation", "Who", "Created")
    }
    doing = found["Operation"].removeprefix("OperationType").lower()
    return StateLockedError(
        f"the state of {stack.name} is locked: {found['Who']} has held the lock since "
        f"{found['Created'].partition('.')[0]} (terraform {doing})",
        remedy="wait until that run ends; if it ended without releasing the lock:\n"
        f"  {stack.command('terraform -- force-unlock')} {found['ID']}",
    )


def importing(stack: Stack, existing: tuple[tuple[str, str], ...]) -> str:
    """Return what to do about resources that exist and are not in the state.

    Args:
        stack: The stack.
        existing: Address and import ID of each.
    """
    lines = "\n".join(
        f"  {stack.command(f'terraform -- import {shlex.join(one)}')}" for one in existing
    )
    return (
        "the resource exists but is not in the state: either an interrupt came after AWS "
        "created it and "
        "before Terraform recorded it, or another user or program created it. If it belongs to "
        "this "
        f"pipeline, {stack.command('deploy --import-existing')} imports it into the state and "
        f"continues; by hand, import it (or delete it) and run the same command again:\n{lines}"
    )


def _existing(block: str) -> tuple[str, str]:
    """Return the arguments of ``terraform import``: an address and, for most resources, the name.

    Source: the AWS provider's documentation of each resource, "Import".
    """
    address, name = _ADDRESS.search(block), _NAMED.search(block)
    where, id_ = address[1] if address else "ADDRESS", name[1] if name else "ID"
    if where.startswith("aws_scheduler_schedule."):
        id_ = f"{id_.partition('.')[0]}/{id_}"  # its group has the pipeline's name
    elif where.startswith("aws_sfn_state_machine.") and (arn := _ARN.search(block)):
        id_ = arn[0]
    return where, id_


def _plain(text: str) -> str:
    """Return Terraform's text without its frame and colours."""
    return _FRAME.sub("", _COLOUR.sub("", text)).strip()


def _indented(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in lines)


def _line_with(text: str, words: str) -> str:
    return next((line.strip() for line in text.splitlines() if words in line), text[:200])
