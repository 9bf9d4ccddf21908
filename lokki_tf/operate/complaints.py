"""What Terraform complains of: what can be foreseen in our words, all else in its own."""

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
    from .stack import Stack

_FRAME = re.compile(r"^[ \t]*[│╷╵][ ]?", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FIELD = r"^\s*{}:\s*(.+?)\s*$"
_LOCKED = "Error acquiring the state lock"
_EXISTS = re.compile(r"AlreadyExists|AlreadyOwnedByYou|already exist", re.IGNORECASE)
_NAMED = re.compile(r"\(([^()\s]+)\):")
_ADDRESS = re.compile(r"^\s*with ([^\s,]+),", re.MULTILINE)
_ARN = re.compile(r"arn:[^\s'\"]+")


def complaint(stack: Stack, command: str, text: str) -> LokkiError:
    """The error for what Terraform has said.

    Args:
        stack: Where it ran.
        command: What it was told to do.
        text: What it wrote to stderr.
    """
    said = _plain(text)
    if _LOCKED in said:
        return _locked(stack, said)
    if re.search(r"ExpiredToken|token (included in the request )?(is|has) expired", said):
        return CredentialsError("your AWS credentials have expired", remedy=RENEW)
    if re.search(r"No valid credential sources found|InvalidClientTokenId", said):
        return CredentialsError("Terraform finds no AWS credentials that hold", remedy=GIVE)
    if command == "init" and "registry" in said:
        return TerraformError(
            f"Terraform cannot get its AWS provider:\n{_indented(said)}",
            remedy="look at your network and proxy (HTTPS_PROXY), or name a mirror in Terraform's "
            "own settings: https://developer.hashicorp.com/terraform/cli/config/config-file"
            f"{_mirror_advice(said)}",
        )
    if re.search(r"connection refused|no such host|dial tcp", said):
        return AwsError(
            f"AWS cannot be reached: {_line_with(said, 'dial tcp')}",
            remedy="look at endpoint and region under [aws] in lokki.toml, and at your network",
        )
    if "BucketNotEmpty" in said:
        return TerraformError(
            f"the bucket of {stack.name} has got new objects meanwhile, so it stays",
            remedy=f"{stack.command('destroy --force')} takes them along",
        )
    message = f"terraform {command} failed:\n{_indented(said)}"
    taken = tuple(_existing(block) for block in said.split("Error: ") if _EXISTS.search(block))
    if taken:
        return ResourceExistsError(message, existing=taken, remedy=_importing(stack, taken))
    return TerraformError(message, remedy=_remedy(stack, command, said))


def _mirror_advice(said: str) -> str:
    """The settings for the mirror on this machine, if there is one."""
    hosts = ("registry.opentofu.org", "registry.terraform.io")
    mirror = find_mirror(next((host for host in hosts if host in said), hosts[-1]))
    if mirror is None:
        return ""
    return (
        "\nor use the mirror of this machine, with these lines in ~/.terraformrc:\n"
        f"{_indented(installation(mirror))}"
    )


def _remedy(stack: Stack, command: str, said: str) -> str:
    if "Backend configuration changed" in said:
        migrate = stack.command("terraform -- init -migrate-state")
        return f"say what is to become of the state: {migrate}"
    if command == "apply":
        return "what was done stands in the state: run the same again, and it goes on from there"
    return f"nothing was changed; the folder is {stack.folder}"


def _locked(stack: Stack, said: str) -> StateLockedError:
    found = {
        name: match[1] if (match := re.search(_FIELD.format(name), said, re.MULTILINE)) else "?"
        for name in ("ID", "Operation", "Who", "Created")
    }
    doing = found["Operation"].removeprefix("OperationType").lower()
    return StateLockedError(
        f"the state of {stack.name} is locked: {found['Who']} has been at it since "
        f"{found['Created'].partition('.')[0]} (terraform {doing})",
        remedy="wait until that ends; if it has died without giving the lock back:\n"
        f"  {stack.command('terraform -- force-unlock')} {found['ID']}",
    )


def _importing(stack: Stack, existing: tuple[tuple[str, str], ...]) -> str:
    lines = "\n".join(
        f"  {stack.command(f'terraform -- import {shlex.join(one)}')}" for one in existing
    )
    return (
        "the state does not contain what is there: an interrupt came after AWS created it and "
        "before Terraform recorded it, or somebody else created it. If it belongs to this "
        f"pipeline, {stack.command('deploy --import-existing')} imports it into the state and "
        f"continues; by hand, import it (or delete it) and run the same again:\n{lines}"
    )


def _existing(block: str) -> tuple[str, str]:
    """Return the arguments of ``terraform import``: an address and, for most resources, the name.

    Source: the AWS provider's documentation of each resource, "Import".
    """
    address, name = _ADDRESS.search(block), _NAMED.search(block)
    where, id_ = address[1] if address else "ADDRESS", name[1] if name else "ID"
    if where.startswith("aws_scheduler_schedule."):
        id_ = f"{id_}/{id_}"  # its group has the same name
    elif where.startswith("aws_sfn_state_machine.") and (arn := _ARN.search(block)):
        id_ = arn[0]
    return where, id_


def _plain(text: str) -> str:
    """Terraform's words without the frame and the colours around them."""
    return _FRAME.sub("", _COLOUR.sub("", text)).strip()


def _indented(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in lines)


def _line_with(text: str, words: str) -> str:
    return next((line.strip() for line in text.splitlines() if words in line), text[:200])
