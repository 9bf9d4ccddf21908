"""Terraform or OpenTofu as a program: how it is found and run in a stack's folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import TerraformInterrupted
from lokki_tf.terraform_cli import find_program

from .clients import local_credentials
from .complaints import complaint
from .interrupts import forwarded, left_to_child, write_at_once
from .progress import TerraformWork

if TYPE_CHECKING:
    from .plans import Change
    from .stack import Stack

PARALLELISM = "-parallelism=30"  # Lambda functions are created at the same time
_CHANGES = 2
_NO_JSON = "flag provided but not defined: -json"


@dataclass(frozen=True, slots=True)
class Program:
    """Terraform in a stack's folder.

    Args:
        path: The program.
        version: Its version.
        stack: The stack in whose folder it runs.
        verbose: Whether its own lines are shown, instead of what it does.
    """

    path: str
    version: str
    stack: Stack
    verbose: bool = False

    @classmethod
    def find(cls, stack: Stack, *, verbose: bool = False) -> Program:
        """Find the installed Terraform.

        Args:
            stack: The stack in whose folder it is to run.
            verbose: Whether its own lines are shown, instead of what it does.

        Raises:
            MissingToolError: If it is not installed or too old.
        """
        found = find_program()
        return cls(found.path, found.version, stack, verbose)

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
        if self.verbose:
            self._call("init", "-input=false", each=_print_line)
        else:
            with TerraformWork(f"{self.stack.name}: preparing Terraform") as work:
                self._call("init", "-input=false", say=work.say)  # it may download the provider
        stamp.write_text(self._fingerprint())

    def plan(self, file: Path, *more: str) -> bool:
        """Write a plan, without showing Terraform's own lines.

        Args:
            file: The file to write.
            more: Further arguments of ``plan``.

        Returns:
            Whether it changes anything.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        options = ("-input=false", "-detailed-exitcode", f"-out={file}", PARALLELISM, *more)
        with TerraformWork(f"{self.stack.name}: planning") as work:
            return self._call("plan", *options, say=work.say, good=(0, _CHANGES)) == _CHANGES

    def shown(self, file: Path) -> dict[str, Any]:
        """Return a plan as Terraform's JSON."""
        shown: dict[str, Any] = json.loads(self._asked("show", "-json", str(file)))
        return shown

    def text(self, file: Path) -> str:
        """Return a plan as Terraform prints it."""
        return self._asked("show", *_colours(), str(file))

    def apply(self, file: Path, changes: Sequence[Change] = (), doing: str = "applying") -> None:
        """Apply a plan and show what Terraform does.

        Args:
            file: The plan.
            changes: Its changes.
            doing: What it does, for the user.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        options = ("-input=false", PARALLELISM, str(file))
        if self.verbose:
            self._call("apply", *options, each=_print_line)
            return
        with TerraformWork(f"{self.stack.name}: {doing}", changes) as work:
            code, printed = self._listen("apply", "-json", *options, each=work.take, say=work.say)
        if code and _NO_JSON in printed:  # a program without these events, which has done nothing
            self._call("apply", *options, each=_print_line)
        elif code:
            raise complaint(self.stack, "apply", work.errors or printed)

    def take_over(self, address: str, id_: str) -> None:
        """Import a resource that exists in AWS into the state.

        Args:
            address: The resource in the configuration.
            id_: Its identifier in AWS.

        Raises:
            TerraformError: If Terraform fails, with its text.
        """
        self._call("import", "-input=false", address, id_)

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

    def _call(
        self,
        command: str,
        *arguments: str,
        each: Callable[[str], None] | None = None,
        say: Callable[[str], None] = write_at_once,
        good: Sequence[int] = (0,),
    ) -> int:
        """Run a command and return its exit code.

        Args:
            command: The command.
            arguments: Its arguments.
            each: Receives each line of its output.
            say: Shows a line, also in a signal handler.
            good: Exit codes that are no failure.
        """
        code, printed = self._listen(command, *arguments, each=each, say=say)
        if code not in good:
            raise complaint(self.stack, command, printed)
        return code

    def _listen(
        self,
        command: str,
        *arguments: str,
        each: Callable[[str], None] | None,
        say: Callable[[str], None],
    ) -> tuple[int, str]:
        """Run a command; Ctrl-C is forwarded to it once, so that it ends cleanly.

        Returns:
            The exit code, and what it wrote to stderr, or else to stdout.
        """
        output: list[str] = []
        errors: list[str] = []
        with forwarded(say) as interruption:
            started = self._started(command, *arguments)
            interruption.reach(started)
            listening = threading.Thread(target=_gather, args=(started.stderr, errors), daemon=True)
            listening.start()
            for line in started.stdout or ():
                output.append(line)
                if line.startswith("Outputs:"):  # the caller prints them
                    each = None
                if each is not None:
                    each(line)
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
        return code, "".join(errors) or "".join(output)

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


def _print_line(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def _gather(stream: Any, into: list[str]) -> None:
    into.extend(stream)
