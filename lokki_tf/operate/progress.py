"""How Terraform's work is shown: what it does now, instead of its lines.

``terraform apply -json`` prints an event a line. On a terminal the resources in progress are shown
in the display of runs, elsewhere as a line every ten seconds. The text of errors is put together
from Terraform's diagnostics, in the form in which Terraform prints them.

Source: Terraform's documentation, "Machine-readable UI"; OpenTofu's has the same events.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, Any

from lokki_tf.local import Event
from lokki_tf.reporting.display import ProgressDisplay
from lokki_tf.reporting.levels import LogLevel
from lokki_tf.reporting.lines import is_terminal
from lokki_tf.reporting.notebook import NotebookOutput, in_notebook

from .interrupts import write_at_once
from .plans import Change

INTERVAL = 10.0  # seconds between two lines without a terminal; Terraform's events come as often
_LISTED = 3  # the most resources that such a line names
_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±"}
_NOTES = {
    # The provider reads the rules until they have not changed for a while: in versions 5 and 6,
    # also at an AWS that returns them at once.
    "aws_s3_bucket_lifecycle_configuration": "the provider waits about a minute",
}
"""What the user may wonder about, by type of resource."""


class TerraformWork:
    """Work of Terraform that is shown while it goes on. It is a context manager.

    Args:
        title: What is done: ``daily: planning``.
        changes: The changes of the plan that is applied.
        stream: Where to show it; ``sys.stderr`` by default.
        clock: Returns the time, as ``time.time`` does.
    """

    def __init__(
        self,
        title: str,
        changes: Sequence[Change] = (),
        *,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.is_understood = False
        """Whether an event has come: programs without them print text."""
        self._title = title
        self._kinds = {one.address: one for one in changes}
        self._running: dict[str, tuple[str, float]] = {}  # by address: name and begin
        self._ended = 0
        self._total = sum(1 + (one.action == "replace") for one in changes)
        self._errors: list[str] = []
        self._clock = clock
        self._stream = stream or sys.stderr
        self._display: ProgressDisplay | None = None
        self._opened = ExitStack()
        self._later: list[str] | None = None  # what a signal handler says, in a notebook
        self._shown = 0.0

    def __enter__(self) -> TerraformWork:
        begin = self._clock()
        if in_notebook():
            self._stream, self._later = self._opened.enter_context(NotebookOutput()), []
        elif is_terminal(self._stream):
            total = self._total or None
            notes = {
                f"{sign} {one.in_words}": _NOTES[one.type]
                for one in self._kinds.values()
                for sign in _SIGNS.values()
                if one.type in _NOTES
            }
            self._display = self._opened.enter_context(
                ProgressDisplay(
                    total, stream=self._stream, level=LogLevel.ERROR, notes=notes, clock=self._clock
                )
            )
        self._tell("run_started", None, begin)
        self._shown = begin
        if self._display is None:
            number = f" {self._total:,} changes" if self._total > 1 else ""
            self._write(f"{self._title}{number} …")
        return self

    def __exit__(self, *_: Any) -> None:
        self._opened.close()

    @property
    def errors(self) -> str:
        """Terraform's errors, in the form in which it prints them; empty if there are none."""
        return "\n".join(self._errors)

    @property
    def say(self) -> Callable[[str], None]:
        """A function that shows a line, also in a signal handler."""
        if self._later is not None:
            return self._later.append  # a handler may have interrupted a message to the notebook
        return self._display.say if self._display is not None else write_at_once

    def take(self, line: str) -> None:
        """Show a line of Terraform's output.

        Args:
            line: An event as JSON, or any other text.
        """
        while self._later:
            self._write(self._later.pop(0))
        try:
            event = json.loads(line)
            kind, about = event["type"], event.get("hook", {}).get("resource", {})
        except (ValueError, TypeError, KeyError, AttributeError):
            if not self.is_understood and line.strip():
                self._write(line.rstrip())
            return
        self.is_understood = True
        address, action = about.get("addr", ""), event.get("hook", {}).get("action", "")
        if kind == "diagnostic":
            self._note(event["diagnostic"])
        elif action == "read":  # a data source is no change
            return
        elif kind == "apply_start":
            if not self._running and not self._ended:
                self._shown = self._clock()  # Terraform itself takes seconds to begin
            self._running[address] = (self._name_of(address, action), self._clock())
            self._tell("step_started", address)
        elif kind in ("apply_complete", "apply_errored") and address in self._running:
            self._end(address, failed=kind == "apply_errored")
        self._remind()

    def _end(self, address: str, *, failed: bool) -> None:
        self._tell("step_finished", address)
        name, begin = self._running.pop(address)
        self._ended += 1
        if failed:
            seconds = self._clock() - begin
            self._write(f"{name} failed after {seconds:.0f} s", "red")

    def _note(self, diagnostic: Mapping[str, Any]) -> None:
        text = diagnostic_text(diagnostic)
        if diagnostic.get("severity") == "error":
            self._errors.append(text)
        else:
            self._write(text, "yellow")

    def _remind(self) -> None:
        """Write what is in progress, without a terminal and not often."""
        now = self._clock()
        if self._display is not None or not self._running or now - self._shown < INTERVAL:
            return
        self._shown = now
        names = []
        for address, (name, begin) in list(self._running.items())[:_LISTED]:
            note = _NOTES.get(address.rpartition(".")[0].rpartition(".")[2], "")
            names.append(f"{name} ({now - begin:.0f} s{'; ' if note else ''}{note})")
        if len(self._running) > _LISTED:
            names.append(f"and {len(self._running) - _LISTED:,} more")
        self._write(f"  {self._ended:,} of {self._total:,} done; in progress: {', '.join(names)}")

    def _name_of(self, address: str, action: str = "") -> str:
        """Return the name of a resource in words, after the sign of what happens to it."""
        change = self._kinds.get(address)
        if change is None:
            return f"{_SIGNS.get(action, ' ')} {address}"
        sign = _SIGNS.get(action or change.action, " ")
        return f"{sign} {change.in_words}"

    def _tell(self, kind: Any, address: str | None, begin: float | None = None) -> None:
        if self._display is None:
            return
        name = None if address is None else self._running[address][0]
        now = self._clock() if begin is None else begin
        self._display(Event(kind, name, name, now, pipeline=self._title))

    def _write(self, text: str, style: str = "") -> None:
        if self._display is not None:
            self._display.say(text, style)
            return
        self._stream.write(f"{text}\n")
        self._stream.flush()


def diagnostic_text(diagnostic: Mapping[str, Any]) -> str:
    """Return a diagnostic as Terraform prints it, without its frame.

    Args:
        diagnostic: The object ``diagnostic`` of an event.
    """
    severity = str(diagnostic.get("severity", "error")).capitalize()
    parts = [f"{severity}: {diagnostic.get('summary', '')}"]
    address, place = diagnostic.get("address"), diagnostic.get("range")
    where = []
    if address:
        where.append(f"  with {address},")
    if place:
        line = f"  on {place.get('filename')} line {place.get('start', {}).get('line')}"
        snippet = (diagnostic.get("snippet") or {}).get("context")
        where.append(f"{line}, in {snippet}:" if snippet else f"{line}:")
    if where:
        parts.append("\n".join(where))
    if diagnostic.get("detail"):
        parts.append(str(diagnostic["detail"]))
    return "\n\n".join(parts) + "\n"


def done_text(changes: Sequence[Change], seconds: float) -> str:
    """Return what an application has done: ``31 made, 2 changed in 68 s``.

    Args:
        changes: The changes that were applied.
        seconds: The time that it took.
    """
    words = {"create": "made", "update": "changed", "replace": "replaced", "delete": "destroyed"}
    counts = {word: sum(one.action == action for one in changes) for action, word in words.items()}
    parts = [f"{number:,} {word}" for word, number in counts.items() if number]
    return f"{', '.join(parts) or 'outputs changed'} in {seconds:.0f} s"
