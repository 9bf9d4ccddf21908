"""The commands of ``main(pipe)``.

The result alone goes to stdout, all else to stderr. Exit codes: 0 done, 1 the pipeline
failed or has errors, 2 wrong use.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import traceback
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import LokkiError, MissingToolError, OutputError, StepFailed
from lokki_tf.pipeline import Pipeline
from lokki_tf.reporting import LogLevel
from lokki_tf.runtime.envelope import json_text

from .parameters import taken, with_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from lokki_tf.local import Event, Run
    from lokki_tf.model import Finding, FlowParameter, PackageSet

FAILED, WRONG_USE = 1, 2
_STATE = Path(".lokki", "state.db")
"""Where ``run --resume`` keeps results."""

_HELP = """{name}: {nodes}, here and in AWS.

\b
  python {script} run       runs it here and prints its result
  python {script} check     says what is wrong, before anything is written
  python {script} synth     writes Terraform; then, in the folder that it names:
                            terraform init && terraform apply
  python {script} graph     draws it
"""


_stage_option = click.option(
    "--stage",
    metavar="NAME",
    help="The stage of lokki.toml, [stage.NAME], that is meant; LOKKI_STAGE unless given.",
)


def main(pipeline: Any, args: Sequence[str] | None = None) -> None:
    """The command line of a pipeline; call it from the end of its script.

    Args:
        pipeline: The pipeline.
        args: Arguments instead of those of the process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    if not isinstance(pipeline, Pipeline):
        click.echo(f"main() takes a Pipeline, and {pipeline!r} is none", err=True)
        raise SystemExit(WRONG_USE)
    try:
        command_line(pipeline)(args=args, prog_name=f"python {_script()}")
    except LokkiError as error:
        _say(error)
        misused = isinstance(error, MissingToolError | OutputError)
        raise SystemExit(WRONG_USE if misused else FAILED) from None


def command_line(pipeline: Pipeline) -> click.Group:
    """The commands of a pipeline, as a click group."""
    text = _HELP.format(name=pipeline.name, nodes=_size(pipeline), script=_script())
    group = click.Group(help=text, context_settings={"help_option_names": ["-h", "--help"]})
    for command in (_run, _check, _synth, _graph):
        group.add_command(command(pipeline))
    build = _synth(pipeline)
    build.name, build.help = "build", "Another name of synth."
    group.add_command(build)
    return group


def _run(pipeline: Pipeline) -> click.Command:
    @click.command("run")
    @click.option(
        "--executor", type=click.Choice(["thread", "process"]), default="thread", show_default=True
    )
    @click.option("--max-workers", type=click.IntRange(min=1), help="Steps that run at once.")
    @click.option("--strict", is_flag=True, help="Serialize every value as AWS would.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
    @click.option(
        "--state",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Keep results in this file; a step whose code and inputs are there does not run.",
    )
    @click.option(
        "--resume",
        is_flag=True,
        help=f"Go on from what earlier runs have done; with {_STATE} unless --state names a file.",
    )
    @click.option(
        "--gantt",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Draw when each step ran into this SVG file, also where the run fails.",
    )
    @click.option(
        "--log-format",
        type=click.Choice(["human", "json"]),
        help="Write a log to stderr instead of progress.",
    )
    @click.option(
        "--log-level",
        type=click.Choice(list(LogLevel.__members__), case_sensitive=False),
        help="Write a log from this level on.",
    )
    def run(
        executor: str = "thread",
        max_workers: int | None = None,
        strict: bool = False,
        as_json: bool = False,
        quiet: bool = False,
        log_format: str | None = None,
        log_level: str | None = None,
        state: Path | None = None,
        resume: bool = False,
        gantt: Path | None = None,
        **given: Any,
    ) -> None:
        """Run the pipeline here; print its result alone on stdout."""
        parameters = taken(given)
        live = executor == "thread"
        reports = nullcontext() if quiet else _reports(pipeline, log_format, log_level, live)
        try:
            with _stdout_to_stderr(), reports as on_event:
                ran = pipeline.local_run(
                    parameters,
                    executor=executor,
                    max_workers=max_workers,
                    strict=strict,
                    on_event=on_event,
                    state=state or (_STATE if resume else None),
                )
        except BaseException as error:
            _draw(pipeline, gantt, getattr(error, "run", None))
            if isinstance(error, StepFailed) and error.__cause__ is not None:
                traceback.print_exception(error.__cause__, file=sys.stderr)
            raise
        _draw(pipeline, gantt, ran)
        result = ran.result
        # Whatever the result holds, the pipeline is done: what cannot be printed is escaped.
        click.echo(_shown(result, as_json).encode(errors="backslashreplace"))

    with_parameters(run, _parameters(pipeline))
    return run


def _size(pipeline: Pipeline) -> str:
    try:
        return _count(len(pipeline.definition.graph.nodes or pipeline.definition.steps), "step")
    except LokkiError:
        return "steps"  # a command will tell what is wrong


def _parameters(pipeline: Pipeline) -> tuple[FlowParameter, ...]:
    try:
        return pipeline.definition.parameters
    except LokkiError:
        return ()


def _draw(pipeline: Pipeline, file: Path | None, ran: Run | None) -> None:
    """Writes the picture of a run, where one is wanted and there was one."""
    if file is None or ran is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        beside.write_text(pipeline.to_gantt(ran), encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        raise OutputError(
            f"{file} cannot be written: {error.strerror}", remedy="name another file: --gantt FILE"
        ) from None


def _check(pipeline: Pipeline) -> click.Command:
    @click.command("check")
    @click.option("--template-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @_stage_option
    def check(template_file: Path | None, stage: str | None) -> None:
        """Say all that is wrong or doubtful; exit 1 if there are errors."""
        from lokki_tf.config import load_config

        findings = pipeline.check(template_file, config=load_config(stage=stage))
        for finding in findings:
            click.echo(_rendered(finding), err=True)
        errors = sum(finding.severity == "error" for finding in findings)
        warnings = len(findings) - errors
        click.echo(f"{pipeline.name}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
        if errors:
            raise SystemExit(FAILED)

    return check


def _synth(pipeline: Pipeline) -> click.Command:
    @click.command("synth")
    @click.option(
        "--output",
        "-o",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="CDKTF_OUTDIR",
        help="The output folder; build_dir of lokki.toml, or terraform-out, unless given.",
    )
    @click.option("--region", help="AWS region; the environment's unless given.")
    @click.option("--template-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option(
        "--upgrade", is_flag=True, help="Look for newer versions of packages that steps declare."
    )
    @_stage_option
    def synth(
        output: Path | None,
        region: str | None,
        template_file: Path | None,
        upgrade: bool,
        stage: str | None,
    ) -> None:
        """Write Terraform, and all that it refers to, into one folder."""
        for finding in pipeline.early_findings():
            click.echo(_rendered(finding), err=True)
        made = pipeline.synth(
            output,
            region=region,
            template_file=template_file,
            upgrade=upgrade,
            on_packages=_fetching,
            stage=stage,
        )
        for file in made.permissions:
            click.echo(f"role {file.stem!r} of yours needs the policy {_quoted(file)}", err=True)
        layers = f"{_count(made.layers, 'layer')}, " if made.layers else ""
        click.echo(
            f"{made.folder.name}: {_count(made.functions, 'function')}, {layers}"
            "one state machine\n"
            f"Next:\n  cd {_quoted(made.folder)}\n  terraform init && terraform apply",
            err=True,
        )

    return synth


def _graph(pipeline: Pipeline) -> click.Command:
    @click.command("graph")
    @click.option(
        "--format",
        "form",
        type=click.Choice(["mermaid", "dot", "svg"]),
        default="mermaid",
        show_default=True,
    )
    def graph(form: str) -> None:
        """Print the graph, for Mermaid or Graphviz, or as a picture."""
        draw = {"mermaid": pipeline.to_mermaid, "dot": pipeline.to_dot, "svg": pipeline.to_svg}
        click.echo(draw[form](), nl=False)

    return graph


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """What steps print goes to stderr, that of worker processes as well."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


def _reports(
    pipeline: Pipeline, log_format: str | None, log_level: str | None, live: bool
) -> AbstractContextManager[Callable[[Event], None] | None]:
    """Who tells of a run: the log, if options or settings want one or the script has one;
    else progress."""
    from lokki_tf.config import load_config
    from lokki_tf.reporting import configure_logging, is_configured, listener_for

    settings = load_config().logging
    level = log_level or settings.level
    if log_format or log_level or settings.format == "json":
        configure_logging(
            level,
            json_output=(log_format or settings.format) == "json",
            show_timestamps=settings.show_timestamps,
            progress_interval=settings.progress_interval,
        )
    if is_configured():
        return nullcontext()  # local_run writes the log by itself
    return listener_for(
        pipeline.graph if pipeline.graph.nodes else None,
        level=level,
        progress_interval=settings.progress_interval,
        live=live,
    )


def _fetching(packages: PackageSet) -> None:
    number = _count(len(packages.requirements), "requirement")
    click.echo(f"resolving {number} for {packages.target} …", err=True)


def _shown(result: Any, as_json: bool) -> str:
    """A string as it is, what JSON says exactly as JSON, all else as Python shows it."""
    if isinstance(result, str) and not as_json:
        return result
    try:
        if as_json or json_text(result) is not None:
            return json.dumps(result, indent=2 if isinstance(result, dict) else None)
    except (TypeError, ValueError, RecursionError) as error:
        raise LokkiError(f"the result is no JSON: {error}", remedy="leave --json out") from None
    try:
        return repr(result)
    except Exception as error:
        return f"<a {type(result).__name__} that cannot be shown: {error}>"


def _rendered(finding: Finding) -> str:
    return f"{finding.severity} [{finding.rule}] {finding}"


def _say(error: LokkiError) -> None:
    click.echo("\n".join((f"error: {error}", *getattr(error, "__notes__", ()))), err=True)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _quoted(folder: Path) -> str:
    """A folder as a shell takes it."""
    text = str(_shortest(folder))
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _shortest(folder: Path) -> Path:
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder


def _script() -> str:
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "pipeline.py"
