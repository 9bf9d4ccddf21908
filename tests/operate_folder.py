"""A pipeline's folder as its owner has it, and commands typed in it, on the local AWS."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lokki_tf.testing import LocalAws

ROOT = Path(__file__).parents[1]
# The provider waits 55 seconds for these, even on a local AWS.
NO_LIFECYCLE = {"aws_s3_bucket_lifecycle_configuration": {"bucket_lifecycle": {"count": 0}}}
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

    interrupted: subprocess.CompletedProcess[str]
    """What its first deployment printed, which was interrupted."""
    deployment: subprocess.CompletedProcess[str]
    """What its deployment printed."""

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
        (folder / "test_override.tf.json").write_text(json.dumps({"resource": NO_LIFECYCLE}))
        return folder

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a user without an AWS account."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        fixed = {"PYTHONPATH": str(ROOT), "HOME": str(self.path), "NO_COLOR": "1"}
        return {**own, **fixed, "AWS_EC2_METADATA_DISABLED": "true", **(more or {})}

    def command(self, *args: str) -> list[str]:
        """A command line."""
        return [sys.executable, str(self.script), *args[:1], *self.options, *args[1:]]

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """A command without a terminal, so that questions cannot be answered."""
        return subprocess.run(
            self.command(*args),
            cwd=self.path,
            env=self.environment(env),
            capture_output=True,
            text=True,
            check=False,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    def interrupt(self, when: str, *args: str) -> tuple[int, str]:
        """A command that gets Ctrl-C after a line; its exit code, and what it says from then on.

        Args:
            when: A part of the line.
            args: The command.
        """
        process = subprocess.Popen(
            self.command(*args),
            cwd=self.path,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Tests that run in the background inherit a SIGINT that is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        seen = next(line for line in process.stdout if when in line)
        assert seen
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        return process.returncode, rest

    def interrupt_deployment(
        self, when: str, ready: Callable[[], None]
    ) -> subprocess.CompletedProcess[str]:
        """Deploy, answer yes, and send Ctrl-C after a line.

        Args:
            when: A part of the line.
            ready: Returns when it may be sent.
        """
        ours, theirs = pty.openpty()
        os.write(ours, b"y\n")
        command = self.command("deploy")
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment(),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if when in line:
                break
        ready()
        process.send_signal(signal.SIGINT)
        stdout, rest = process.communicate(timeout=120)
        os.close(ours)
        os.close(theirs)
        stderr = "".join(said) + rest
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def answer(self, text: str, *args: str) -> subprocess.CompletedProcess[str]:
        """A command at a terminal, whose question is answered."""
        ours, theirs = pty.openpty()
        try:
            os.write(ours, f"{text}\n".encode())
            return self.run(*args, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)


def settings_for(aws: LocalAws) -> str:
    """The lines that `python -m lokki_tf local-aws` tells to write."""
    return f'[aws]\nendpoint = "{aws.endpoint_url}"\nregion = "{aws.region}"\n'
