"""Options are declared once: the reference, and the types of keyword arguments, equal the table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import finding_examples
import pytest
from golden_files import agrees_with_golden
from pages import Page
from reference import arguments

import lokki_tf
from lokki_tf import RetryConfig, Task
from lokki_tf.authoring import keywords
from lokki_tf.config import Config, LambdaConfig
from lokki_tf.errors import OptionError
from lokki_tf.model import MapOptions, Option, PipelineOptions, StepOptions, options
from lokki_tf.model.signatures import signature_of
from lokki_tf.terraform.settings import options_in_effect

DOCS = Path(__file__).parents[1] / "docs" / "reference"
NOT_IN_MODEL = {"name", "when", "retry_count", "retries", "delay", "backoff"}
"""Keywords of steps that become another option, or part of the step."""


def test_the_reference_is_the_declarations(request: pytest.FixtureRequest) -> None:
    """Generated pages of ``docs/reference`` are the texts that declarations in the code give.

    The examples of findings run in a process of their own, without what other tests have imported.
    """
    code = "import json, reference, sys; json.dump(reference.reference(), sys.stderr)"
    made = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))},
        capture_output=True,
        text=True,
        check=True,
    )
    for name, text in json.loads(made.stderr.splitlines()[-1]).items():
        agrees_with_golden(request, name, text, DOCS)


def test_every_public_name_is_in_the_reference() -> None:
    """The page of the API documents each public name, and uses it in an example that runs."""
    page = Page(DOCS / "api.md")
    shown = {one.rpartition(".")[2] for one in re.findall(r"^::: (\S+)$", page.text, re.MULTILINE)}
    assert shown >= set(lokki_tf.__all__)
    code = page.script()
    assert {one for one in lokki_tf.__all__ if not re.search(rf"\b{one}\b", code)} == set()


def test_every_rule_is_in_the_reference() -> None:
    """The page of findings has each rule of ``check``, and no other."""
    listed = {rule for rules in finding_examples.GROUPS.values() for rule in rules}
    assert listed == finding_examples.rules_in_code()


def test_keywords_are_the_declared_options() -> None:
    """Type checkers accept each option of steps and pipelines, and no other name."""
    of_steps = arguments(keywords.TaskKeywords)
    assert set(of_steps) - NOT_IN_MODEL == set(options(StepOptions))
    assert set(arguments(keywords.PipelineKeywords)) == set(options(PipelineOptions))


@pytest.mark.parametrize(("kind", "given"), [
    (StepOptions, keywords.StepKeywords), (PipelineOptions, keywords.PipelineKeywords),
])  # fmt: skip
def test_keywords_have_the_types_of_the_options(kind: Any, given: Any) -> None:
    """An option's keyword has the option's type, or one that authoring converts to it."""
    converted = {
        "tuple[str, ...]": "Sequence[str", "Mapping[str, str]": "Mapping[str, str]",
        "tuple[RetryConfig, ...]": "Retry", "tuple[ErrorType, ...]": "Catch",
        "tuple[str | TerraformRef, ...]": "Sequence[str | TerraformRef]",
        "tuple[Trigger, ...]": "Trigger",
    }  # fmt: skip
    steps = {"on_failure": "OnFailure", "cleanup": "Cleanup"}
    types = arguments(given)
    for name, one in options(kind).items():
        text = one.type.removesuffix(" | None")
        rule = next((rule for rule in one.rules if rule.choices), None)
        if rule is not None and types[name].startswith("Literal"):
            text = f"Literal{list(rule.choices)}".replace("'", '"')
        assert types[name].startswith(steps.get(name, converted.get(text, text))), name


def test_a_setting_has_the_name_of_its_option() -> None:
    """A setting that replaces an option's default has the option's name; ``env`` adds to it."""
    declared = options(StepOptions).values()
    names = {(one.name, key.partition(".")[2]) for one in declared for key in one.settings}
    assert {name for name, key in names if name != key} == {"env_variables"}


def test_a_task_has_the_defaults_of_a_retry_configuration() -> None:
    """``@task`` without ``delay`` and ``backoff`` retries as ``RetryConfig`` does."""
    parameters = signature_of(Task).parameters
    for name in ("retries", "delay", "backoff"):
        assert parameters[name].default == options(RetryConfig)[name].default


@pytest.mark.parametrize("name", ["step", "task", "Task"])
def test_help_lists_every_option(name: str) -> None:
    """The docstrings of ``step`` and ``task`` contain each option with its documentation."""
    text = " ".join((getattr(lokki_tf, name).__doc__ or "").split())
    for one in options(StepOptions).values():
        assert f"{one.name}: {' '.join(one.doc.split())}" in text


@pytest.mark.parametrize("kind", [MapOptions, RetryConfig, StepOptions, PipelineOptions])
def test_every_option_is_documented_and_allows_its_default(kind: Any) -> None:
    """Each has one line of documentation, and its default breaks no rule."""
    for one in options(kind).values():
        assert one.doc
        assert not one.doc.endswith(".")
        for rule in one.rules:
            at_another_default = one.name == "timeout_seconds" and rule.service == "Batch"
            assert at_another_default or one.refused_by(one.default, rule.service) is None


def test_settings_of_options_exist_and_apply() -> None:
    """A setting that an option names has the option's default, and replaces it."""
    for one in options(StepOptions).values():
        for setting in one.settings:
            table, _, name = setting.partition(".")
            config = Config()
            value = getattr(config.lambda_ if table == "lambda" else config.batch, name)
            same = value.lower() if isinstance(value, str) else value
            assert same == one.default or setting == "batch.timeout_seconds"

    pipe = lokki_tf.Pipeline(steps=[work()])
    config = Config(lambda_=LambdaConfig(memory_size=1024, role="arn:aws:iam::123456789012:role/r"))
    (found,) = options_in_effect(pipe.definition, config).values()
    assert (found.memory_size, found.role) == (1024, "arn:aws:iam::123456789012:role/r")


@pytest.mark.parametrize("make", [
    lambda **given: lokki_tf.Pipeline(steps=[work()], **given),
    lambda **given: lokki_tf.DAG(**given),
    lambda **given: lokki_tf.Flow(**given), lambda **given: lokki_tf.flow(**given)(make_nothing),
    lambda **given: lokki_tf.MicroFunctions("start", **given),
])  # fmt: skip
def test_unknown_options_of_pipelines_are_refused(make: Any) -> None:
    """A misspelt option of a pipeline is an error with the name that was meant, in every style."""
    with pytest.raises(OptionError, match=r"'shedule'\n.*\n  did you mean 'schedule'"):
        make(shedule="rate(1 day)")


@lokki_tf.step
def work() -> None: ...


def make_nothing() -> None: ...


def test_an_option_is_found_by_its_name() -> None:
    """A declaration has its name and the annotation of its value."""
    declared = options(StepOptions)["memory_size"]
    assert isinstance(declared, Option)
    assert (declared.name, declared.type, declared.unit) == ("memory_size", "int", "MiB")
