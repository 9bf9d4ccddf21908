"""Reports of local runs: what is recorded for them, and their files."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring.places import calling_place
from lokki_tf.errors import OptionError, OutputError
from lokki_tf.model import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from os import PathLike

    from lokki_tf.local import Run, Settings
    from lokki_tf.model import Definition


def report_file(report: str | PathLike[str] | None) -> Path | None:
    """Return the file of a report.

    Args:
        report: As a user names it, or ``None``.

    Raises:
        OptionError: If it does not end with ``.html``, or is a folder.
    """
    if report is None:
        return None
    file = Path(report)
    if file.suffix.lower() not in (".html", ".htm") or file.is_dir():
        raise OptionError(
            f"the report must be an HTML file (FILE.html), got {os.fspath(report)!r}",
            place=calling_place(),
        )
    return file


def write_report(file: Path, html: str) -> None:
    """Write a report; a file that exists is replaced at once.

    Args:
        file: The file.
        html: The page.

    Raises:
        OutputError: If it cannot be written.
    """
    from lokki_tf.terraform.files import replace_file

    try:
        replace_file(file, html.encode())
    except OSError as error:
        raise OutputError(
            f"{file} cannot be written: {error.strerror}",
            remedy="name another file for the report",
        ) from None


class Reported:
    """A local run whose report is made, and written if a file is named.

    Args:
        definition: The pipeline.
        given: The run's parameters, by name.
        settings: What holds for the steps of the run.
        file: The file of the report, if one is written.
    """

    def __init__(
        self,
        definition: Definition,
        given: Mapping[str, Any],
        settings: Settings,
        file: Path | None,
    ) -> None:
        self._file = file
        self._recording = recording = settings.recording
        recording.run_id, recording.began = settings.run_id, settings.started
        recording.stage = settings.stage
        declared = {one.name: one.default for one in definition.parameters}
        values = {**declared, **given}
        recording.parameters = {
            name: value for name, value in values.items() if value is not REQUIRED
        }
        recording.secrets = frozenset(_secrets(settings))

    @contextmanager
    def output(self) -> Iterator[None]:
        """Record what steps print and log, within the context, if a file is written."""
        with nullcontext() if self._file is None else self._recorded():
            yield

    def _recorded(self) -> AbstractContextManager[None]:
        from lokki_tf.local.output import recorded

        recording = self._recording
        recording.has_output = True

        def keep(current: tuple[Any, ...], when: float, text: str) -> None:
            make, *arguments = current
            owner: Any = getattr(make, "__self__", None)
            if hasattr(owner, "called"):  # not of calls elsewhere, such as those of conditions
                recording.line(owner.called(*arguments), when, text)

        return recorded(keep)

    def ended(self, run: Run[Any] | None, error: BaseException | None = None) -> None:
        """Let the run make its report, and write that if a file is named.

        Args:
            run: The run, complete or up to a failure; ``None`` if it has not begun.
            error: The error that ended it.

        Raises:
            OutputError: If the file cannot be written, and nothing else has failed.
        """
        if run is None:
            return
        run.recording, run.failure, run.write_report = self._recording, error, _page
        if self._file is None:
            return
        try:
            write_report(self._file, run.to_html())
        except Exception as own:
            if error is None:
                raise
            error.add_note(f"the report was not written: {own}")  # the run's own error is kept


def _page(run: Run[Any], error: BaseException | None) -> str:
    from lokki_tf.reporting.page.of_run import write_report as page  # imported here: takes time

    return page(run, error)


def _secrets(settings: Settings) -> Iterator[str]:
    """Yield the values of all secrets of the steps."""
    for step, options in settings.options.items():
        known = settings.secrets.get(step, {})
        for name in options.secrets:
            value = known.get(name) or os.environ.get(name)
            if value:
                yield value
