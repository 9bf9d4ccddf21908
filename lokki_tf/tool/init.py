"""``lokki-tf init``: a small project that runs, with a test, settings and a workflow for GitHub."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from lokki_tf.errors import NamingError, OutputError

_TEMPLATES = Path(__file__).with_name("templates")
_NAME = "project-name"  # in templates, where it is a valid name
_FILES = {
    "test_pipeline.py": "test_pipeline.py",
    "lokki.toml": "lokki.toml",
    "requirements.txt": "requirements.txt",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/pipeline.yml": "deploy.yml",
}
"""The files of every style beside ``pipeline.py``, and their templates."""


@dataclass(frozen=True, slots=True)
class Style:
    """A way to write pipelines.

    Args:
        words: What it is.
        given: The input of the run that is tested, as Python.
        result: Its result, as Python.
        last: Name of the last step.
    """

    words: str
    given: str
    result: str
    last: str = "report"


_DAY = '{"day": "2024-01-31"}'
STYLES = {
    "calls": Style("steps that call each other", _DAY, '"2024-01-31: 40.00, the largest 20.00"'),
    "flow": Style(
        "a chain in a function, with a map", _DAY, '"2024-01-31: 48.00, the largest 24.00"'
    ),
    "dag": Style("tasks and arrows", _DAY, '"40.00, the largest 20.00"'),
    "routes": Style(
        "steps that return the next step", '{"amount": 2500.0}', '{"charged": 2500.0}', "charge"
    ),
}


@click.command("init")
@click.argument("name")
@click.option(
    "--style",
    type=click.Choice(list(STYLES)),
    default="calls",
    show_default=True,
    help="How the pipeline is written: "
    + "; ".join(f"{name}, {style.words}" for name, style in STYLES.items())
    + ".",
)
def init_command(name: str, style: str) -> None:
    """Write a small project into the new folder NAME: a pipeline of this name, and its test.

    It also has settings, a workflow that tests and deploys it on GitHub, and a README.
    """
    from lokki_tf.cli.common import quoted

    try:
        folder = write_project(name, style)
    except NamingError as error:
        raise click.BadParameter(f"{error.message}; {error.remedy}", param_hint="NAME") from None
    click.echo(f"{name}: {', '.join(('pipeline.py', *_FILES))}")
    click.echo("Next:", err=True)
    for line in (
        f"cd {shlex.quote(quoted(folder))}",
        "pip install -r requirements.txt",
        "python pipeline.py run       # here",
        "python -m pytest             # also as a state machine, on a local AWS",
        "lokki-tf doctor              # what a deployment requires",
        "python pipeline.py deploy    # to AWS, after a confirmation",
    ):
        click.echo(f"  {line}", err=True)


def write_project(name: str, style: str, parent: Path | None = None) -> Path:
    """Write a project into a new folder.

    Args:
        name: Name of the folder and of the pipeline.
        style: One of :data:`STYLES`.
        parent: The folder in which the new one is made; the working folder by default.

    Returns:
        The new folder.

    Raises:
        NamingError: If it is no name of a pipeline.
        OutputError: If the folder exists and is not empty, or cannot be written.
    """
    from lokki_tf.checks.names import findings_of

    for finding in findings_of("pipeline", name, None):
        raise finding.as_error()
    folder = (parent or Path()) / name
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(
                f"{folder} exists, and nothing was written",
                remedy="choose another name, or delete it",
            )
        files = {"pipeline.py": f"{style}.py", **_FILES}
        for path, template in files.items():
            _write(folder / path, _filled(template, name, STYLES[style]))
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            remedy="check the permissions and the space of this disk",
        ) from None
    return folder


def _filled(template: str, name: str, style: Style) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    for token, value in {
        _NAME: name,
        "__INPUT__": style.given,
        "__RESULT__": style.result,
        "__LAST__": style.last,
    }.items():
        text = text.replace(token, value)
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
