"""Common parts of the commands: texts, exit codes, options."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lokki_tf.config import STAGE_VARIABLE, AwsConfig, stage_in_environment
from lokki_tf.errors import LokkiError
from lokki_tf.model import options
from lokki_tf.model.wording import count as count
from lokki_tf.model.wording import quoted as quoted
from lokki_tf.model.wording import rendered as rendered
from lokki_tf.runtime.envelope import json_text

from .parameters import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lokki_tf.config import Config
    from lokki_tf.model import FlowParameter
    from lokki_tf.pipeline import Pipeline

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130  # as in shells: 128 plus SIGINT's number
STAGE = "lokki_tf.stage"
COMPLETION_VARIABLE = "_LOKKI_TF_PIPELINE_COMPLETE"
"""Set while a shell completes the arguments of a pipeline's script, see ``lokki-tf completion``."""
OWN_PROCESS = object()
"""Key of the context's object that marks arguments from the process's command line."""


template_option = click.option(
    "--template-file", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
"""Add ``--template-file`` to a command."""


def output_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds ``--output`` to a command.

    Args:
        text: Its help.
    """
    return click.option(
        "--output",
        "-o",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="CDKTF_OUTDIR",
        help=text,
    )


def setting_option(
    flag: str, kind: Any, name: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds an option with the documentation of the setting it overrides.

    Args:
        flag: The option.
        kind: The class with the setting.
        name: The setting's name.
    """
    text = options(kind)[name].doc.partition(";")[0]
    return click.option(flag, help=f"{text}; by default that of the settings.")


region_option = setting_option("--region", AwsConfig, "region")
"""Add ``--region`` to a command."""


def stage_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--stage`` to a command; :func:`settings` uses it."""
    option = click.option(
        "--stage",
        metavar="NAME",
        expose_value=False,
        callback=_keep_stage,
        help="The stage, [stage.NAME] in lokki.toml; by default that of LOKKI_STAGE.",
    )
    return option(command)


def _keep_stage(context: click.Context, _: click.Parameter, stage: str | None) -> None:
    context.meta[STAGE] = stage
    if stage is None or os.environ.get(STAGE_VARIABLE) == stage or context.resilient_parsing:
        return
    if context.obj is OWN_PROCESS:
        _run_again(stage)
    inside = stage_in_environment(stage)
    inside.__enter__()
    context.call_on_close(lambda: inside.__exit__(None, None, None))


def _run_again(stage: str) -> None:
    """Run the user's script again with the stage in the environment.

    The script made its pipeline before it called :func:`main`, and the pipeline may depend on the
    stage: names of buckets, policies. Nothing is done if the process was started in another way
    than its arguments show, by ``%run`` in a notebook for example.
    """
    own = sys.argv[1:]
    if not own or sys.orig_argv[-len(own) :] != own:
        return
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, STAGE_VARIABLE: stage}
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(sys.executable, command, environment)
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


def settings() -> Config:
    """Return the settings of the command's stage."""
    from lokki_tf.config import load_config

    context = click.get_current_context(silent=True)
    return load_config(stage=context.meta.get(STAGE) if context else None)


def checked_report(file: Path | None) -> Path | None:
    """Return the file of ``--report``.

    Args:
        file: The file that a user names.

    Raises:
        click.UsageError: If it does not end with ``.html``.
    """
    from lokki_tf.errors import OptionError
    from lokki_tf.pipeline.reports import report_file

    try:
        return report_file(file)
    except OptionError as error:
        raise click.UsageError(f"--report: {error.message}") from None


def parameters_of(pipeline: Pipeline) -> tuple[FlowParameter, ...]:
    """Return the parameters of a run; empty if the pipeline has errors, which commands report."""
    try:
        return pipeline.definition.parameters
    except LokkiError:
        return ()


def shown(result: Any, as_json: bool) -> str:
    """Return a result as text: strings unchanged, exact JSON, otherwise Python's ``repr``."""
    if isinstance(result, str) and not as_json:
        return result
    try:
        if as_json or json_text(result) is not None:
            indent = 2 if isinstance(result, dict) else None
            return as_json_text(result, indent=indent, allow_nan=not as_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise LokkiError(
            f"the result cannot be serialized as JSON: {error}", remedy="leave --json out"
        ) from None
    try:
        return repr(result)
    except Exception as error:
        return f"<a {type(result).__name__} that cannot be shown: {error}>"


def as_json_text(value: Any, **options: Any) -> str:
    """Return JSON in which only those characters are escaped that stdout cannot show.

    Args:
        value: A value that JSON can represent.
        options: Further arguments of :func:`json.dumps`.
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return json.dumps(value, **options)
    return text


def write(text: str) -> None:
    """Print a line on stdout; characters that its encoding lacks are escaped."""
    encoding = _encoding()
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect the steps' output to stderr, also in worker processes."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    # A buffer that is flushed at the end would show all prints after the log.
    by_lines = getattr(sys.stdout, "line_buffering", True)
    if not by_lines:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text file
    try:
        yield
    finally:
        sys.stdout.flush()
        if not by_lines:
            sys.stdout.reconfigure(line_buffering=False)  # type: ignore[union-attr]  # as above
        os.dup2(own, 1)
        os.close(own)


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def is_typed() -> bool:
    """Return whether a command line started the script: no notebook, prompt or ``python -c``."""
    return bool(getattr(sys.modules["__main__"], "__file__", None) and sys.argv and sys.argv[0])


def typed() -> str:
    """Return the command that runs this script, from the working folder."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and file:  # python -m package.pipeline
        return f"python -m {shlex.quote(spec.name.removesuffix('.__main__'))}"
    if not is_typed():
        return "python pipeline.py"
    return f"python {quoted(Path(sys.argv[0]).absolute())}"


def given_flags() -> Iterator[str]:
    """Yield the running command's own options that its command line has, as ``--json``."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(str(option.name))
        own = option.expose_value and not str(option.name).startswith(OWN)
        if own and given is ParameterSource.COMMANDLINE:
            yield option.opts[0]


def given_options(*names: str) -> Iterator[str]:
    """Return the options of the running command, quoted for a shell.

    Args:
        names: Names of parameters; ``--stage`` is always among them.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    given = {name: context.params.get(name) for name in names} | {"stage": context.meta.get(STAGE)}
    for name, value in given.items():
        if value:
            text = quoted(value.absolute()) if isinstance(value, Path) else shlex.quote(value)
            yield f"--{name.replace('_', '-')} {text}"
