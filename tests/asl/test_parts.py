"""Parts in a compiled state machine need no state and no copy, and no bytes if unused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden_files import agrees_with_golden

from lokki_tf import Parameter, Pipeline, flow, step
from lokki_tf.asl import compile_state_machine


@step
def load(day: str) -> Any:
    return {"rows": [], "ends": (1, 2)}


@step
def clean(rows: Any, bound: Any = None) -> Any:
    return rows


@step(job_type="batch")
def heavy(rows: Any) -> Any:
    return rows


@step
def use(*values: Any) -> Any:
    return values


def parts() -> Any:
    """All places where parts may be: arguments, containers, maps, parameters, jobs."""

    @flow
    def written(given: dict = {"day": "mon"}) -> Any:  # type: ignore[type-arg] # noqa: B006
        whole = load(given["day"])
        mapped = whole["rows"].map(clean, bound=whole["ends"][0])
        again = whole["ends"].map(clean, mode="inline")
        job = heavy(whole["rows"])
        return use(
            mapped[-1], [whole["${x}"], again[0]], job.next(clean)["k"], job["rows"].map(clean)
        )

    return written


def test_the_machine_with_parts_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """The machine of a pipeline with parts is the golden one."""
    text = json.dumps(parts().generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "parts.statemachine.json", text + "\n")


def test_the_machine_with_sub_pipelines_and_parameters_is_as_reviewed(
    request: pytest.FixtureRequest,
) -> None:
    """The machine of a parent of two sub-pipelines, with a parameter, is the golden one."""

    @flow
    def monthly(day: str, bound: int = 2) -> Any:
        return load(day)["rows"].map(clean, bound=bound)

    weekly = Pipeline("weekly", steps=[clean(load(Parameter("day", str, default="mon")))])
    day = Parameter("day", str)
    parent = Pipeline("parent", steps=[use(monthly(day), weekly(day=day), weekly())])
    text = json.dumps(parent.generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "sub-pipelines.statemachine.json", text + "\n")


def test_sub_pipelines_need_no_state() -> None:
    """An included pipeline has the states of its steps, and no others."""
    rows = load("mon")
    plain = compile_state_machine(Pipeline("p", steps=[use(clean(rows))]).definition).definition
    sub = Pipeline("sub", steps=[clean(load(Parameter("day")))])
    nested = compile_state_machine(Pipeline("p", steps=[use(sub(day="mon"))]).definition).definition
    assert len(nested["States"]) == len(plain["States"])


def test_parts_need_no_state_and_no_room() -> None:
    """A step that receives three parts has the state and the limits of one that receives all."""
    whole = load("mon")
    plain = compile_state_machine(Pipeline("p", steps=[use(whole)]).definition)
    parted = compile_state_machine(
        Pipeline("p", steps=[use(whole["a"], whole["b"], whole)]).definition
    )
    assert plain.definition["States"].keys() == parted.definition["States"].keys()
    once = compile_state_machine(Pipeline("p", steps=[use(whole["a"], whole["b"])]).definition)
    assert abs(once.limits["load"] - plain.limits["load"]) < 600


def test_without_parts_the_machine_has_no_byte_of_them() -> None:
    """A machine without parts does not contain what selects them."""
    rows = load("mon")
    text = json.dumps(Pipeline("p", steps=[rows.map(clean, bound=rows)]).generate_step_functions())
    assert not any(key in text for key in ('"part', '"parts"', '"wholes"', '"of"'))
    representative = Path(__file__).parents[1] / "golden" / "representative.statemachine.json"
    assert '"wholes"' not in representative.read_text()
