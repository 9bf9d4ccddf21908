"""A pipeline's folder as its owner has it, and commands typed in it, on the local AWS."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import forked

from lokki_tf.terraform_cli import find_program
from lokki_tf.testing import LocalAws
from lokki_tf.testing.provider import ProviderProcess, program_in
from lokki_tf.testing.terraform import SLOW

ROOT = Path(__file__).parents[1]
# The provider waits 55 seconds for these, even on a local AWS.
NO_LIFECYCLE = {"resource": {kind: {"bucket_lifecycle": {"count": 0}} for kind in SLOW}}
SQUARES = """
from pathlib import Path
from lokki_tf import flow, main, step

@step
def load(limit: int) -> list[int]:
    print("printed by load")
    return list(range(limit))

@step(when=lambda numbers: len(numbers) > 100)
def archive(numbers: list[int]) -> None: ...

@step
def square(number: int) -> int:
    return number ** 2

@step(retry=1)
def total(numbers: list[int], gate: str) -> dict:
    if gate and not Path(gate).exists():
        raise ValueError("the gate is shut")
    return {"sum": sum(numbers), "text": "x" * 300_000}

@flow
def squares(limit: int = 3, gate: str = ""):
    numbers = load(limit=limit)
    return [numbers.map(square).agg(total, gate=gate), archive(numbers)]

if __name__ == "__main__":
    main(squares)
"""


class Folder:
    """A folder with a pipeline and its settings.

    Args:
        path: Where it is.
        source: The pipeline.
        settings: What ``lokki.toml`` says.
        options: Options of every command.
    """

    interrupted: tuple[int, str, str]
    """What :meth:`interrupt` returned of its first deployment."""
    deployment: subprocess.CompletedProcess[str]
    """What its deployment printed."""
    provider: ProviderProcess | None = None
    """The provider that :meth:`keep_provider` has started."""

    def __init__(self, path: Path, source: str, settings: str, options: Sequence[str] = ()) -> None:
        self.path = path
        self.options = options
        self.script = path / "pipeline.py"
        self.script.write_text(source)
        (path / "lokki.toml").write_text(settings)

    def stack(self, name: str) -> Path:
        """The folder of a stack's Terraform, which leaves out what takes a minute."""
        folder = self.path / "terraform-out" / "stacks" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test_override.tf.json").write_text(json.dumps(NO_LIFECYCLE))
        return folder

    def keep_provider(self, name: str) -> None:
        """Start a provider to which Terraform connects from now on, in the folder of a stack.

        Args:
            name: The stack.
        """
        self.close()
        stack = self.stack(name)
        program = program_in(stack / ".terraform") or self._installed_provider()
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        self.provider = ProviderProcess(program, stack, self.environment(keys))

    def _installed_provider(self) -> Path:
        scratch = self.path / "provider"
        scratch.mkdir()
        required = {"aws": {"source": "hashicorp/aws"}}
        text = json.dumps({"terraform": {"required_providers": required}})
        (scratch / "main.tf.json").write_text(text)
        subprocess.run([find_program().path, "init"], cwd=scratch, check=True, capture_output=True)
        program = program_in(scratch / ".terraform")
        assert program is not None
        return program

    def close(self) -> None:
        """End the provider."""
        if self.provider is not None:
            self.provider.close()
            self.provider = None

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a user without an AWS account."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        fixed = {"PYTHONPATH": str(ROOT), "HOME": str(self.path), "NO_COLOR": "1"}
        kept = self.provider.environment if self.provider else {}
        return {**own, **fixed, "AWS_EC2_METADATA_DISABLED": "true", **kept, **(more or {})}

    def command(self, *args: str) -> list[str]:
        """A command line."""
        return [sys.executable, str(self.script), *args[:1], *self.options, *args[1:]]

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        text: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """A command without a terminal, so that questions cannot be answered.

        What a command that does not end has printed is in the error.
        """
        environment = self.environment(env)
        try:
            return forked.run(
                self.command(*args)[1:], cwd=self.path, env=environment, stdin=stdin, text=text
            )
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{late}\n{late.stdout}\n{late.stderr}") from None

    def interrupt(
        self,
        when: str,
        *args: str,
        stdin: int = subprocess.DEVNULL,
        ready: Callable[[], None] = lambda: None,
    ) -> tuple[int, str, str]:
        """A command that gets Ctrl-C after a line.

        Args:
            when: A part of the line.
            args: The command.
            stdin: A file descriptor.
            ready: Returns when Ctrl-C may be sent.

        Returns:
            The exit code, and what the command prints until then and from then on.
        """
        process = subprocess.Popen(
            self.command(*args),
            cwd=self.path,
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Tests that run in the background inherit a SIGINT that is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        before = []
        for line in process.stdout:
            before.append(line)
            if when in line:
                break
        assert when in before[-1]
        ready()
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        return process.returncode, "".join(before), rest

    def answer(self, text: str, *args: str) -> subprocess.CompletedProcess[str]:
        """A command at a terminal, whose question is answered."""
        with terminal(text) as stdin:
            return self.run(*args, stdin=stdin)


@contextmanager
def terminal(text: str) -> Iterator[int]:
    """Yield a terminal's file descriptor, at which a line is typed.

    Args:
        text: The line.
    """
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{text}\n".encode())
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def settings_for(aws: LocalAws) -> str:
    """The lines that `python -m lokki_tf local-aws` tells to write."""
    return f'[aws]\nendpoint = "{aws.endpoint_url}"\nregion = "{aws.region}"\n'
