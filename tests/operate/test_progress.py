"""How Terraform's work is shown, on terminals and elsewhere."""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from terraform_program import EXISTS, FUNCTION, ROLE, RULES, diagnostic, event

from lokki_tf import Pipeline, step
from lokki_tf.config import Config
from lokki_tf.errors import ResourceExistsError, TerraformError
from lokki_tf.operate import progress
from lokki_tf.operate.plans import Change
from lokki_tf.operate.program import Program
from lokki_tf.operate.progress import TerraformWork, done_text
from lokki_tf.operate.stack import Stack
from lokki_tf.reporting.notebook import NotebookOutput

CHANGES = [
    Change("create", "aws_lambda_function", "daily-load", (), {}, FUNCTION),
    Change("create", "aws_iam_role", "daily-load", (), {}, ROLE),
    Change("create", "aws_s3_bucket_lifecycle_configuration", "daily", (), {}, RULES),
]
CHILD = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from test_progress import CHANGES, program
from lokki_tf.errors import LokkiError
found = program(Path({folder!r}))
try:
    found.plan(Path("plan")) if "plan" in sys.argv else found.apply(Path("plan"), CHANGES)
except LokkiError as error:
    print(type(error).__name__, error)
print("end")
"""


class Clock:
    """A clock that a test advances."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@step
def load() -> int:
    return 1


def program(folder: Path, *lines: str, verbose: bool = False) -> Program:
    """A program in a folder, whose `apply` prints the lines."""
    script = folder / "terraform.py"
    if not script.exists():
        shutil.copy(Path(__file__).parents[1] / "terraform_program.py", script)
        (folder / "events").write_text("\n".join(lines) + "\n")
        os.mkfifo(folder / "gate")
        starter = folder / "terraform"
        starter.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
        starter.chmod(0o755)
    definition = Pipeline("daily", steps=[load()]).definition
    stack = Stack(definition, Config(), folder, "python pipeline.py")
    return Program(str(folder / "terraform"), "1.11.4", stack, verbose)


def started(*addresses: str) -> list[str]:
    """Lines about resources whose creation begins."""
    return [event("version"), *(event("apply_start", one) for one in addresses)]


class Screen:
    """A terminal that a child process writes to.

    Args:
        folder: The folder of the program.
        command: ``plan`` or ``apply``.
    """

    def __init__(self, folder: Path, command: str) -> None:
        here = Path(__file__).parent
        paths = [str(here), str(here.parent), str(here.parents[1])]
        code = CHILD.format(paths=paths, folder=str(folder))
        env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI")}
        self.child = pexpect.spawn(
            sys.executable,
            ["-c", code, command],
            env={**env, "TERM": "xterm"},
            encoding="utf-8",
            dimensions=(24, 100),
        )
        self._screen = pyte.Screen(100, 24)
        self._stream = pyte.Stream(self._screen)

    @property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def until(self, text: str) -> list[str]:
        """Wait for a text, and return what the terminal shows then."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self._stream.feed(self.child.read_nonblocking(10_000, 0.1))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                break
            if any(text in line for line in self.lines):
                return self.lines
        assert text in "\n".join(self.lines)
        return self.lines


def test_a_terminal_shows_what_is_in_progress(tmp_path: Path) -> None:
    """The terminal shows resources in progress, with a note; nothing of it remains at the end."""
    program(
        tmp_path,
        *started(FUNCTION, RULES),
        event("apply_complete", FUNCTION),
        "",
        event("apply_complete", RULES),
    )
    screen = Screen(tmp_path, "apply")
    rules, whole = screen.until("1/3")
    assert rules.startswith("+ lifecycle rules of the bucket  the provider waits about a minute")
    assert rules.endswith(" s")
    assert whole.startswith("daily: applying")
    (tmp_path / "gate").write_text("")
    assert screen.until("end") == ["end"]


def test_a_terminal_shows_that_a_plan_is_made(tmp_path: Path) -> None:
    """While Terraform plans, the terminal shows for how long; nothing of it remains."""
    program(tmp_path, "Refreshing state...", "", "done")
    screen = Screen(tmp_path, "plan")
    (line,) = screen.until("daily: planning")
    assert line.endswith(" s")
    (tmp_path / "gate").write_text("")
    assert screen.until("end") == ["end"]


def test_ctrl_c_reaches_terraform_once(tmp_path: Path) -> None:
    """Ctrl-C is reported above what is in progress, and Terraform receives it once."""
    program(tmp_path, *started(FUNCTION), "")
    screen = Screen(tmp_path, "apply")
    screen.until("+ Lambda function daily-load")
    screen.child.sendintr()
    lines = screen.until("end")
    assert lines[0].startswith("interrupted: Terraform finishes the operations in progress")
    assert lines[1] == "TerraformInterrupted terraform apply was interrupted"
    assert not any("daily: applying" in line for line in lines)
    assert (tmp_path / "signals").read_text() == "1"


def test_lines_without_a_terminal() -> None:
    """Without a terminal a line each ten seconds names what is in progress, in plain text."""
    stream, clock = io.StringIO(), Clock()
    clock.now = -12.0  # Terraform takes seconds to begin
    with TerraformWork("daily: applying", CHANGES, stream=stream, clock=clock) as work:
        clock.now = 0.0
        for line in started(FUNCTION, ROLE, RULES):
            work.take(line)
        clock.now = 9.0
        work.take(event("apply_complete", ROLE))
        clock.now = 10.0
        work.take(event("apply_progress", RULES))
        work.take(event("apply_progress", FUNCTION))
        clock.now = 12.0
        work.take(event("apply_errored", FUNCTION))
        work.take(diagnostic(FUNCTION, "no such runtime"))
        clock.now = 20.0
        work.take(event("apply_progress", RULES))
    assert stream.getvalue().splitlines() == [
        "daily: applying 3 changes …",
        "  1 of 3 done; in progress: + Lambda function daily-load (10 s), "
        "+ lifecycle rules of the bucket (10 s; the provider waits about a minute)",
        "+ Lambda function daily-load failed after 12 s",
        "  2 of 3 done; in progress: "
        "+ lifecycle rules of the bucket (20 s; the provider waits about a minute)",
    ]
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_notebook_has_the_lines_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook one output has the lines, an interrupt's with the next event, until the end."""
    shown: list[str] = []
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(NotebookOutput, "__enter__", lambda self: self)
    monkeypatch.setattr(NotebookOutput, "flush", lambda self: shown.append(self.getvalue()))
    monkeypatch.setattr(NotebookOutput, "_show", lambda self, text: shown.append(text))
    with TerraformWork("daily: applying", CHANGES) as work:
        work.say("interrupted")
        work.take(event("log"))
    first = "daily: applying 3 changes …\n"
    assert shown == [first, f"{first}interrupted\n", ""]


def test_data_sources_are_no_changes() -> None:
    """Reading a data source is neither counted nor shown."""
    stream, clock = io.StringIO(), Clock()
    with TerraformWork("daily: applying", CHANGES[:1], stream=stream, clock=clock) as work:
        work.take(event("apply_start", "data.aws_region.region", "read"))
        clock.now = 11.0
        work.take(event("apply_progress", "data.aws_region.region", "read"))
        work.take(event("apply_complete", "data.aws_region.region", "read"))
    assert stream.getvalue() == "daily: applying …\n"


@pytest.mark.parametrize(
    "line", ["[]", "3", '"text"', "null", "{}", '{"type": "diagnostic", "diagnostic": {}}', "{"]
)
def test_unexpected_lines_end_nothing(line: str) -> None:
    """A line that is no event, or lacks parts of it, is no error."""
    with TerraformWork("daily: applying", stream=io.StringIO()) as work:
        work.take(line)
        work.take(event("log"))
        work.take(event("apply_complete", FUNCTION))


def test_errors_are_whole_with_the_step(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An error has Terraform's text, the resource, and the line of the step that it belongs to."""
    detail = "The runtime parameter of python3.8 is no longer supported.\nChoose another one."
    found = program(
        tmp_path,
        *started(FUNCTION),
        event("apply_errored", FUNCTION),
        diagnostic(FUNCTION, "creating Lambda Function (daily-load)", detail),
        diagnostic(RULES, "another error"),
        diagnostic(ROLE, "a warning", severity="warning"),
    )
    with pytest.raises(TerraformError) as caught:
        found.apply(Path("plan"), CHANGES)
    text = str(caught.value)
    for part in (
        "Error: creating Lambda Function (daily-load)",
        f"with {FUNCTION},",
        "on cdk.tf.json line 253, in resource.aws_lambda_function.load:",
        *detail.splitlines(),
        "Error: another error",
        f"with {RULES},",
        f"step 'load' is at {found.stack.definition.steps[0].place}",
    ):
        assert part in text
    assert "a warning" not in text
    printed = capfd.readouterr().err
    assert "Warning: a warning" in printed
    assert "+ Lambda function daily-load failed after 0 s" in printed


def test_resources_that_exist_can_be_imported(tmp_path: Path) -> None:
    """The error of a resource that exists has its address and its name, as without events."""
    found = program(tmp_path, *started(ROLE), diagnostic(ROLE, EXISTS))
    with pytest.raises(ResourceExistsError) as caught:
        found.apply(Path("plan"), CHANGES)
    assert caught.value.existing == ((ROLE, "daily-load"),)


def test_verbose_has_terraforms_own_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With verbose, Terraform's lines are shown as they are, without its outputs."""
    program(tmp_path, "aws_x.y: Creating...", "Apply complete!", "Outputs:", "secret = 1").apply(
        Path("plan"), CHANGES
    )
    assert capfd.readouterr().err.startswith("daily: applying 3 changes …\naws_x.y: Creating...\n")
    found = program(tmp_path, verbose=True)
    found.apply(Path("plan"), CHANGES)
    assert capfd.readouterr().err == "aws_x.y: Creating...\nApply complete!\n"


def test_a_program_without_events_is_run_without_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program that refuses -json applies the plan all the same, and its lines are shown."""
    program(tmp_path, "no json", "applied").apply(Path("plan"), CHANGES)
    assert capfd.readouterr().err == "daily: applying 3 changes …\nno json\napplied\n"


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (["create", "create", "update"], "2 made, 1 changed in 68 s"),
        (["replace", "delete"], "1 replaced, 1 destroyed in 68 s"),
        ([], "outputs changed in 68 s"),
    ],
)
def test_what_was_done(actions: list[Any], text: str) -> None:
    """The summary counts changes by what was done."""
    changes = [Change(action, "aws_x", "name", (), {}, "aws_x.y") for action in actions]
    assert done_text(changes, 67.6) == text
