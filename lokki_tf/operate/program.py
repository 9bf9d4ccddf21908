"""Terraform or OpenTofu as a program: how it is found and run in a stack's folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import TerraformInterrupted
from lokki_tf.terraform_cli import find_program

from .clients import local_credentials
from .complaints import complaint
from .interrupts import forwarded, left_to_child

if TYPE_CHECKING:
    from .stack import Stack

PARALLELISM = "-parallelism=30"  # Lambda functions are created at the same time
_CHANGES = 2


@dataclass(frozen=True, slots=True)
class Program:
    """Terraform in a stack's folder.

    Args:
        path: The program.
        version: Its version.
        stack: The stack in whose folder it runs.
    """

    path: str
    version: str
    stack: Stack

    @classmethod
    def find(cls, stack: Stack) -> Program:
        """Find the installed Terraform.

        Args:
            stack: The stack in whose folder it is to run.

        Raises:
            MissingToolError: If it is not installed or too old.
        """
        found = find_program()
        return cls(found.path, found.version, stack)

    @property
    def is_initialised(self) -> bool:
        """Whether ``init`` has ever run in the folder."""
        return self._data.is_dir()

    def init(self) -> None:
        """Run ``init`` if it is necessary.

        It is not if Terraform, the configuration's requirements and the providers' lock are
        unchanged since the last time, and the providers still exist.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        stamp, wanted = self._data / "lokki.init", self._fingerprint()
        if stamp.is_file() and stamp.read_text() == wanted and self._has_providers():
            return
        self._run("init", "-input=false", shown=True)  # it may download the provider
        stamp.write_text(self._fingerprint())

    def plan(self, file: Path, *more: str) -> bool:
        """Write a plan, without showing Terraform's progress.

        Args:
            file: The file to write.
            more: Further arguments of ``plan``.

        Returns:
            Whether it changes anything.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        options = ("-input=false", "-detailed-exitcode", f"-out={file}", PARALLELISM, *more)
        return self._run("plan", *options, good=(0, _CHANGES)) == _CHANGES

    def shown(self, file: Path) -> dict[str, Any]:
        """Return a plan as Terraform's JSON."""
        shown: dict[str, Any] = json.loads(self._asked("show", "-json", str(file)))
        return shown

    def text(self, file: Path) -> str:
        """Return a plan as Terraform prints it."""
        return self._asked("show", *_colours(), str(file))

    def apply(self, file: Path) -> None:
        """Apply a plan and show Terraform's output.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        self._run("apply", "-input=false", PARALLELISM, str(file), shown=True)

    def take_over(self, address: str, id_: str) -> None:
        """Import a resource that exists in AWS into the state.

        Args:
            address: The resource in the configuration.
            id_: Its identifier in AWS.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        self._run("import", "-input=false", address, id_)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs as plain values; empty if nothing is deployed.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        found = json.loads(self._asked("output", "-json"))
        return {name: one["value"] for name, one in found.items()}

    def pass_through(self, arguments: Sequence[str]) -> int:
        """Run Terraform as the user would in the folder, and return its exit code.

        Args:
            arguments: All of its arguments.
        """
        with left_to_child() as children:
            child = subprocess.Popen(
                [self.path, *arguments], cwd=self.stack.folder, env=self._environment()
            )
            children.append(child)
            return child.wait()

    def _asked(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.path, *arguments],
            cwd=self.stack.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise complaint(self.stack, arguments[0], done.stderr or done.stdout)
        return done.stdout

    def _run(
        self, command: str, *arguments: str, shown: bool = False, good: Sequence[int] = (0,)
    ) -> int:
        """Run a command; Ctrl-C is forwarded to it once, so that it ends cleanly."""
        output: list[str] = []
        errors: list[str] = []
        with forwarded() as interruption:
            started = self._started(command, *arguments)
            interruption.reach(started)
            listening = threading.Thread(target=_gather, args=(started.stderr, errors), daemon=True)
            listening.start()
            for line in started.stdout or ():
                output.append(line)
                shown = shown and not line.startswith("Outputs:")  # the caller prints them
                if shown:
                    sys.stderr.write(line)
                    sys.stderr.flush()
            code = started.wait()
            listening.join()
        if interruption.count:
            raise TerraformInterrupted(
                f"terraform {command} was interrupted",
                remedy="the changes that were made are in the state: run the same command again "
                'to continue. If a resource then "already exists", the interrupt came before '
                f"Terraform recorded it; {self.stack.command('deploy --import-existing')} "
                "imports it",
            )
        if code not in good:
            raise complaint(self.stack, command, "".join(errors) or "".join(output))
        return code

    def _started(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.path, command, *_colours(), *arguments],
            cwd=self.stack.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0 if os.name == "posix" else None,
        )

    @property
    def _data(self) -> Path:
        return self.stack.folder / os.environ.get("TF_DATA_DIR", ".terraform")

    def _fingerprint(self) -> str:
        """Return a digest of everything on which ``init`` depends."""
        folder = self.stack.folder
        wanted = json.loads((folder / "cdk.tf.json").read_text()).get("terraform", {})
        lock = folder / ".terraform.lock.hcl"
        parts = [self.path, self.version, json.dumps(wanted, sort_keys=True)]
        parts += [lock.read_text() if lock.is_file() else ""]
        parts += sorted(one.name for end in ("tf", "tf.json") for one in folder.glob(f"*.{end}"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _has_providers(self) -> bool:
        # Folders may be links into a mirror or a cache, and the links may be broken.
        folders = os.walk(self._data / "providers", followlinks=True)
        found = [
            Path(folder, name)
            for folder, _, names in folders
            for name in names
            if name.startswith("terraform-provider-")
        ]
        return bool(found) and all(one.is_file() for one in found)

    def _environment(self) -> Mapping[str, str]:
        own = {"TF_IN_AUTOMATION": "1", **local_credentials(self.stack.config)}
        return {**os.environ, **own}


def _colours() -> tuple[str, ...]:
    plain = os.environ.get("NO_COLOR") or not sys.stderr.isatty()
    return ("-no-color",) if plain else ()


def _gather(stream: Any, into: list[str]) -> None:
    into.extend(stream)
