"""The text of generated pages of the reference, from declarations in the code."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import click
import finding_examples

from lokki_tf import Pipeline, step
from lokki_tf.authoring import keywords
from lokki_tf.cli import command_line
from lokki_tf.config import ENVIRONMENT, STAGE_VARIABLE, Config
from lokki_tf.model import (
    Alarms,
    MapOptions,
    Option,
    PipelineOptions,
    RetryConfig,
    StepOptions,
    options,
)
from lokki_tf.model.triggers import KINDS

COMMANDS = """\
`main(pipe)` gives a script these commands, each with `--help`. Options for the parameters of the
run are added to `run`, `start` and `invoke`: `--day 2024-01-01`.

Only the result goes to stdout, everything else to stderr. Exit codes: 0 success; 1 the pipeline
failed or has errors, or AWS or Terraform returned an error; 2 wrong use, or a missing requirement
of the command; 130 Ctrl-C. `--version` prints lokki_tf's. In a notebook, `main(pipe, ["check"])`
runs a command, and `main(pipe)` lists what to write instead.

Without a pipeline there is `python -m lokki_tf`; see its `--help`.
"""
FINDINGS = """\
`check`, `synth` and `deploy` report errors and warnings about a pipeline, each with the rule's
name, your file and line, and a remedy. Errors prevent `synth` and `deploy`, warnings do not. In the
examples, `from lokki_tf import *` is above the code, and a step `work` alone is a whole pipeline.
Code without the name of a file is `pipeline.py`.
"""
AGAIN = "`LOKKI_GOLDEN=write pytest tests/test_reference.py` writes it again"
GENERATED = f"<!-- Generated from {{}}; {AGAIN}. -->\n"
"""A comment for developers, which readers of the page do not see."""


def reference() -> dict[str, str]:
    """Return the texts of all generated pages by their file."""
    made = {
        "options.md": [*_options()],
        "settings.md": [*_settings()],
        "commands.md": [*_commands()],
        "findings.md": [*_findings()],
    }
    return {name: "\n".join(parts) + "\n" for name, parts in made.items()}


def _options() -> Iterator[str]:
    yield "# Options\n"
    yield GENERATED.format("the declarations in `lokki_tf/model/options.py`")
    yield from _steps()
    yield from _pipelines()


def arguments(kind: Any) -> dict[str, str]:
    """Return the annotations of a class of keywords, without ``| None``, which means the default.

    Args:
        kind: The class; its own keywords are before the inherited ones.
    """
    bases = [one for one in getattr(kind, "__orig_bases__", ()) if hasattr(one, "__total__")]
    inherited = {name: text for base in bases for name, text in arguments(base).items()}
    every = {name: one.__forward_arg__ for name, one in kind.__annotations__.items()}
    own = {name: _user_type(text) for name, text in every.items() if name not in inherited}
    return own | inherited


def _user_type(annotation: str) -> str:
    return annotation.removesuffix(" | None").replace("OneOf[", "Literal[").replace("'", '"')


def _steps() -> Iterator[str]:
    types = _code(arguments(keywords.NamedStepKeywords))
    yield "## Steps\n"
    yield "Options of `@step`, `@task` and `@pipe.fn`. A `name` of the step, by default the"
    yield "function's, and a condition `when` are accepted by `@step` and `@task`; `retry_count=3`"
    yield "is short for `retry=RetryConfig(retries=3)`. `None` means the default.\n"
    own = options(StepOptions)
    both = {name: one for name, one in own.items() if not one.only}
    yield from _table(both, types)
    for service, title in (("Lambda", "Lambda functions"), ("Batch", 'jobs (`job_type="batch"`)')):
        yield f"\n### Only for {title}\n"
        yield from _table({name: one for name, one in own.items() if one.only == service}, types)
    yield "\n### `RetryConfig`\n"
    yield "`@task(retries=…, delay=…, backoff=…)` is short for"
    yield "`retry=RetryConfig(…, jitter=True)`.\n"
    yield from _table(options(RetryConfig), _model_types(RetryConfig))
    yield "\n### `.map`\n"
    yield "Options of `.map(step, …)`, beside further arguments of the step.\n"
    yield from _table(options(MapOptions), _model_types(MapOptions))


def _pipelines() -> Iterator[str]:
    yield "\n## Pipelines\n"
    yield "Options of `Pipeline`, `@flow`, `DAG`, `Flow` and `MicroFunctions`.\n"
    yield from _table(options(PipelineOptions), _code(arguments(keywords.PipelineKeywords)))
    yield "\n### `Alarms`\n"
    yield "`alarms=TOPIC` is short for `alarms=Alarms(TOPIC)`.\n"
    yield from _table(options(Alarms), _model_types(Alarms))
    yield "\n### Triggers\n"
    yield "Values of `triggers=`. Their `parameters` are paths in the event, those of a `Schedule`"
    yield "values, or `Schedule.day`, `.week`, `.month`, `.hour` and `.time`."
    for name, kind in KINDS.items():
        yield f"\n#### `{name}`\n"
        own, types = options(kind), _model_types(kind)
        inherited = {*options(kind.__mro__[1])}
        order = sorted(own, key=inherited.__contains__)
        yield from _table({one: own[one] for one in order}, types)


def _settings() -> Iterator[str]:
    variables = {path: name for name, path in ENVIRONMENT.items()}
    yield "# Settings\n"
    yield GENERATED.format("the declarations in `lokki_tf/config/settings.py`")
    yield "Fields of `lokki.toml`, and the environment variables that set them. Options of a step"
    yield f"override `[lambda]` and `[batch]`. `{STAGE_VARIABLE}` selects the stage."
    yield 'A `TerraformRef` is written as a table: `kms_key = { ref = "aws_kms_key.data.arn" }`.'
    for path, kind in _tables(Config):
        title = f"`[{'.'.join(path)}]`" if path else "Above the first table"
        yield f"\n## {title}\n"
        types = {
            name: f"{text}; `{variables[*path, name]}`" if (*path, name) in variables else text
            for name, text in _model_types(kind).items()
        }
        yield from _table(options(kind), types)


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield GENERATED.format("the command line")
    yield COMMANDS
    group: Any = command_line(Pipeline("daily", steps=[step(_nothing)()]))
    context = click.Context(group, info_name="pipeline.py")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        yield f"\n## `{name}`\n"
        yield f"{_paragraphs(command.help or '')}\n"
        yield "| option | meaning |"
        yield "|---|---|"
        for one in command.params:
            if isinstance(one, click.Option) and not one.hidden:
                yield f"| {_option_names(one)} | {_option_help(one)} |"
            elif isinstance(one, click.Argument):
                yield f"| `{one.human_readable_name}` | an argument |"


def _findings() -> Iterator[str]:
    yield "# Findings of `check`\n"
    yield GENERATED.format("examples that are run (`tests/finding_examples.py`)")
    yield FINDINGS
    for title, rules in finding_examples.GROUPS.items():
        yield f"\n## {title}"
        for rule, example in rules.items():
            yield f"\n### `{rule}`\n"
            yield f"{example.why}\n"
            if example.code:
                yield from _shown(example.code)
                yield f"```text\n{finding_examples.found(rule, example)}\n```"


def _shown(code: str) -> Iterator[str]:
    """Yield the files of an example, each but the script with its name above."""
    for name, text in finding_examples.files(code).items():
        if name != "pipeline.py":
            yield f"`{name}`:\n"
        language = {"py": "python", "toml": "toml"}.get(name.rpartition(".")[2], "text")
        yield f"```{language}\n{text.strip()}\n```\n"


def _nothing() -> None: ...


def _paragraphs(text: str) -> str:
    paragraphs = inspect.cleandoc(text).replace("\b\n", "").split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)


def _option_names(one: click.Option) -> str:
    metavar = "" if one.is_flag or one.count else f" {one.metavar or one.type.name.upper()}"
    if isinstance(one.type, click.Choice):
        metavar = f" {'|'.join(map(str, one.type.choices))}"
    names = [*one.opts, *one.secondary_opts]
    return _cell(", ".join(f"`{name}{metavar}`" for name in names))


def _option_help(one: click.Option) -> str:
    text = " ".join((one.help or "").split())
    shown = (
        one.show_default
        and not isinstance(one.default, bool)
        and isinstance(one.default, int | str)
    )
    text += f" Default: `{one.default}`." if shown else ""
    return _cell(text)


def _tables(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, kind
    hints = get_type_hints(kind)
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[one.name]):
            yield from _tables(hints[one.name], (*path, one.name.rstrip("_")))


def _model_types(kind: Any) -> dict[str, str]:
    return _code({name: _user_type(one.type) for name, one in options(kind).items()})


def _code(types: Mapping[str, str]) -> dict[str, str]:
    special = {
        "OnFailure": "a step, a task, `str` or `TerraformRef`",
        "Cleanup": "a step, a task or a call",
        "Mapping[str, str]": "a dict of strings",
        "Mapping[str, str | TerraformRef]": "a dict of strings or `TerraformRef`",
        "Sequence[str | Mapping[str, Any]]": "a list of dicts or `str`",
        "Retry | Sequence[Retry]": "one of these or a list",
        "tuple[ErrorType, ...]": "an error or several",
    }
    return {name: special.get(text, f"`{text}`") for name, text in types.items()}


def _table(declared: Mapping[str, Option], types: Mapping[str, str]) -> Iterator[str]:
    yield "| name | type | default | meaning | allowed |"
    yield "|---|---|---|---|---|"
    for name, one in declared.items():
        cells = (f"`{name}`", types[name], _default(one), _meaning(one), _allowed(one, types[name]))
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Return a table's cell, in which code may contain a vertical bar."""
    text = re.sub(r"`([^`]*\|[^`]*)`", lambda found: f"<code>{found[1]}</code>", text)
    return text.replace("|", "&#124;")


def _default(one: Option) -> str:
    value = one.default
    if value is None or (not isinstance(value, int | float | str) and not value):
        return ""
    if isinstance(value, tuple):
        return f"`({value[0].__name__},)`"
    text = f"`{value!r}`".replace("'", '"')
    return f"{text} {one.unit}" if one.unit else text


def _meaning(one: Option) -> str:
    text = f"{one.doc}, in {one.unit}" if one.unit and one.default is None else one.doc
    if not one.settings:
        return text
    return f"{text}; default from {' or '.join(f'`{name}`' for name in one.settings)}"


def _allowed(one: Option, type_: str) -> str:
    shown = [rule for rule in one.rules if not (rule.choices and "Literal" in type_)]
    text = "; ".join(
        rule.expected + (f" ({rule.service})" if rule.service else "") for rule in shown
    )
    return ". ".join(filter(None, (text, one.source and f"Source: {one.source}")))
