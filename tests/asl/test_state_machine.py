"""Compiled machines: their shape, their variables, their limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from golden_files import agrees_with_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains, pipelines

from lokki_tf import Pipeline, RetryConfig, step
from lokki_tf.asl import compile_state_machine, filled, quotas
from lokki_tf.asl.references import reference_bytes
from lokki_tf.asl.text import filled_bytes, render
from lokki_tf.checks import check_state_machine
from lokki_tf.config import Config
from lokki_tf.errors import LimitError
from lokki_tf.model import Wait
from lokki_tf.model.retries import DEATHS
from lokki_tf.terraform.template_values import longest_values


@step
def load(day: str) -> list[int]:
    """Loads a day."""
    return []


@step(retry=RetryConfig(retries=3, delay=0.5, exceptions=(ConnectionError,), max_delay=9))
def clean(rows: Any, bound: Any = (1, 2)) -> Any:
    return rows


@step
def count(rows: Any) -> int:
    return len(rows)


@step(name="put-together", expected_seconds=3)
def put_together(**parts: Any) -> Any:
    return parts


def representative() -> Pipeline:
    rows = load("2024-01-01")
    cleaned = clean(rows, bound=({"x"}, b"y"))
    numbers = [count(rows), count(cleaned), {"inner": count([cleaned, "${x} %{y}"])}]
    return Pipeline(
        "representative",
        steps=[put_together(rows=rows, numbers=numbers, awkward={"a.$": "$"})],
        description="Two ways through the same rows",
    )


def test_the_representative_machine_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """The machine of a pipeline with branches, retries and odd literals is the golden one."""
    text = render(compile_state_machine(representative().definition).definition)
    agrees_with_golden(request, "representative.statemachine.json", text)


def states_of(machine: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting = [machine]
    while waiting:
        scope = waiting.pop()
        for name, state in scope["States"].items():
            assert name not in found
            found[name] = state
            waiting.extend(state.get("Branches", []))
    return found


@given(pipeline=pipelines(most=12, answered=True))
@settings(max_examples=150, deadline=None)
def test_every_machine_is_sound(pipeline: Pipeline) -> None:
    """No undefined variable, no shared name, no unreached state, and no state that does nothing."""
    machine = compile_state_machine(pipeline.definition)
    assert check_state_machine(machine.definition) == []
    states = states_of(machine.definition)
    by_type: dict[str, set[str]] = {}
    for name, state in states.items():
        by_type.setdefault(state["Type"], set()).add(name)
    nodes = pipeline.graph.nodes
    waits = {node.name for node in nodes if isinstance(node, Wait)}
    assert by_type.pop("Wait", set()) == waits
    tasks = by_type.pop("Task", set()) | by_type.pop("Map", set())
    assert tasks == {node.name for node in nodes} - waits
    if not waits and not any(node.step.options.callback for node in pipeline.graph.walk()):
        assert set(by_type) <= {"Parallel"}
    assert all(len(name) <= quotas.STATE_NAME_LENGTH for name in states)


@given(pipeline=pipelines(most=6, jobs=True), chain=chains(jobs=True), topic=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_state_only_fails(pipeline: Pipeline, chain: Any, topic: bool) -> None:
    """``on_failure=`` adds no state, and a failed job leads to no ``Fail``, so a redrive helps."""
    for one in (pipeline, chain[0]):
        given = "arn:aws:sns:us-east-1:123456789012:failures" if topic else load.step
        machine = compile_state_machine(replace(one.definition, on_failure=given)).definition
        assert check_state_machine(machine) == []
        assert machine == compile_state_machine(one.definition).definition
        assert '"Fail"' not in json.dumps(machine)


def test_batch_tries_a_job_again_that_was_killed() -> None:
    """A job that retries listed errors itself has Batch's attempts, and the machine is sound."""

    @step(job_type="batch", retry=RetryConfig(retries=2, exceptions=(KeyError,)))
    def train() -> int:
        return 1

    machine = compile_state_machine(Pipeline("p", steps=[train()]).definition).definition
    assert check_state_machine(machine) == []
    given = machine["States"]["train"]["Parameters"]["RetryStrategy"]
    assert given["Attempts"] == 3
    assert {one["Action"] for one in given["EvaluateOnExit"]} == {"EXIT"}


def test_the_output_names_terminal_nodes() -> None:
    """The execution's output is an object from each terminal node's name to its envelope."""
    machine = compile_state_machine(Pipeline("p", steps=[put_together(a=1)]).definition).definition
    assert machine["States"]["put-together"]["ResultSelector"] == {"put-together.$": "$.Payload"}


def test_names_that_differ_in_a_hyphen_stay_apart() -> None:
    """Nodes whose names become the same identifier have variables of their own."""

    @step(name="a-b")
    def first() -> int:
        return 1

    @step(name="a_b")
    def second() -> int:
        return 2

    x, y = first(), second()
    pipeline = Pipeline("p", steps=[count([x, y]), count([y, x])])
    assert check_state_machine(compile_state_machine(pipeline.definition).definition) == []


def test_a_step_named_states_does_not_take_the_reserved_variable() -> None:
    """$states is Step Functions' own name."""

    @step(name="states")
    def states() -> int:
        return 1

    machine = compile_state_machine(Pipeline("p", steps=[count(states())]).definition).definition
    assert "states.$" not in machine["States"]["states"]["Assign"]


def test_large_literals_stand_in_the_bucket() -> None:
    """A literal beyond 4 kB is an object that the definition refers to."""
    machine = compile_state_machine(Pipeline("p", steps=[count(["x" * 5_000])]).definition)
    assert len(machine.objects) == 1
    assert len(render(machine.definition)) < 2_000


def test_twelve_results_of_60_kb_cannot_overflow_their_consumer() -> None:
    """Inline limits of results that meet add up to less than a state may hold."""
    calls = [count([number]) for number in range(12)]
    machine = compile_state_machine(Pipeline("p", steps=[clean(calls)]).definition)
    limits = [limit for name, limit in machine.limits.items() if name != "clean"]
    assert min(limits) > 20_000
    assert sum(limits) < quotas.STATE_BYTES


def test_a_lone_result_may_fill_a_state() -> None:
    """A result that meets no other has nearly all of a state's 256 KiB."""
    machine = compile_state_machine(Pipeline("p", steps=[count(load("d"))]).definition)
    assert all(limit > 250_000 for limit in machine.limits.values())


def test_more_results_than_references_fit_are_refused() -> None:
    """A step that takes 1,000 results is an error that tells the way out."""
    calls = [count([number]) for number in range(1_000)]
    with pytest.raises(LimitError, match=r"contains 1000 results.*\n.*map"):
        compile_state_machine(Pipeline("p", steps=[clean(calls)]).definition)


@step(callback=True, catch=LookupError)
def ask(number: int) -> Any:
    """Ask."""


def test_more_failures_than_fit_are_refused() -> None:
    """Failures of eight answers do not fit into a state; the remedies that the error names do."""
    asked = [ask(number) for number in range(8)]
    with pytest.raises(LimitError, match="can have 272,000 bytes") as caught:
        compile_state_machine(Pipeline("p", steps=[clean(asked)]).definition)
    assert "let fewer of these steps have catch=" in str(caught.value)
    compile_state_machine(Pipeline("p", steps=[clean(asked[:7])]).definition)
    compile_state_machine(Pipeline("p", steps=[clean([count(one) for one in asked])]).definition)


def test_as_many_ends_as_their_references_leave_room_for_are_taken() -> None:
    """900 results are one output: references of the longest bucket and execution fit into it."""
    machine = compile_state_machine(Pipeline("p", steps=[load("d") for _ in range(900)]).definition)
    uri = f"s3://{'b' * 63}/p/runs/load/{'e' * 80}/{'0' * 64}.pickle.gz"
    reference = len(json.dumps({"ref": uri}))
    longest = {name: max(reference, limit) for name, limit in machine.limits.items()}
    assert sum(len(f'"{name}":,') + size for name, size in longest.items()) < quotas.STATE_BYTES
    assert min(machine.limits.values()) > 200
    with pytest.raises(LimitError, match="'load and 999 more' contains 1000 results"):
        compile_state_machine(Pipeline("p", steps=[load("d") for _ in range(1_000)]).definition)


def test_the_longest_reference_is_as_long_as_is_planned() -> None:
    """For values and for jobs' answers, with the longest names of bucket and execution."""

    @step(name="s" * 50, job_type="batch")
    def train(rows: list[Any]) -> int: ...

    start = f"s3://{'b' * 63}/pipe/runs"
    answer = f"{start}/{'s' * 50}/{'e' * 80}/{'s' * 31}-12345678.{'i' * 36}.answer.json"
    value = f"{start}/load/{'e' * 80}/{'0' * 64}.pickle.gz"
    graph = Pipeline("pipe", steps=[train(load("d"))]).definition.graph
    sizes = {one.name: reference_bytes(one, "pipe") for one in graph.walk()}
    assert sizes["load"] == len(json.dumps({"ref": value}))
    assert sizes["s" * 50] == len(json.dumps({"at": answer})) + len("ref") - len("at")


def test_a_definition_beyond_a_megabyte_is_refused() -> None:
    """Step Functions takes 1,048,576 bytes of definition."""
    call: Any = 0
    for _ in range(1_700):
        call = clean(call, bound="x" * 300)
    pipeline = Pipeline("p", steps=[call])
    assert any("1,048,576" in one.message for one in pipeline.check())
    with pytest.raises(LimitError, match="1,048,576"):
        pipeline.synth()


def test_the_definition_is_measured_as_terraform_writes_it(tmp_path: Path) -> None:
    """900 calls need less than a megabyte once the placeholders are filled, so they are taken."""
    calls = [clean(load(f"day {number}"), bound="${x} %{y}") for number in range(450)]
    pipeline = Pipeline("p", steps=calls)
    assert not [one for one in pipeline.check() if one.severity == "error"]
    machine, config = compile_state_machine(pipeline.definition), Config()
    values = longest_values(pipeline.definition, machine, config)
    text = machine.text(values)
    written = json.dumps(filled(machine.definition, values), indent=2, ensure_ascii=False) + "\n"
    if "\n" not in text:
        plain = filled(machine.definition, values)
        written = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    assert filled_bytes(text, values) == len(written.encode())
    for region in ("eu-west-1", "us-gov-west-1", "cn-north-1"):
        known = longest_values(pipeline.definition, machine, config.in_region(region))
        assert filled_bytes(text, known) <= filled_bytes(text, values)


def test_compiling_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Sets in literals have no order, and yet the machine's text is always the same."""
    import subprocess
    import sys

    code = (
        "from lokki_tf import step, Pipeline\n"
        "from lokki_tf.asl import compile_state_machine\n"
        "from lokki_tf.authoring import places\n"
        "@step\ndef f(a, b=None): return a\n"
        "x, y = f({'p','q','r','s'}), f(frozenset('abcdef'))\n"
        "p = Pipeline('p', steps=[f({x, y, 'z', 'w'}, b={('k',): {'m','n'}})])\n"
        "m = compile_state_machine(p.definition)\nprint(m.definition, m.objects)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    texts = {
        subprocess.run(
            [sys.executable, str(script)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_retries_have_the_numbers_of_the_configuration() -> None:
    """MaxAttempts equals retries; waits are whole seconds of at least 1."""
    machine = compile_state_machine(Pipeline("p", steps=[clean(1)]).definition).definition
    transient, throttled, own = machine["States"]["clean"]["Retry"]
    assert "Lambda.ServiceException" in transient["ErrorEquals"]
    assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert own == {
        "ErrorEquals": ["ConnectionError", *DEATHS],
        "IntervalSeconds": 1,
        "MaxAttempts": 3,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 9,
    }
    sent = machine["States"]["clean"]["Parameters"]["Payload"]
    assert json.dumps(sent["retry"]) == '["builtins.ConnectionError"]'


class Declined(ConnectionError): ...


@step(
    retry=[
        RetryConfig(retries=0, exceptions=(Declined,)),
        RetryConfig(retries=2, delay=60, exceptions=("States.Timeout", "Lambda.ServiceException")),
        RetryConfig(retries=5, exceptions=(ConnectionError, "Runtime.OutOfMemory")),
        RetryConfig(retries=1),
    ]
)
def charge(order: int) -> int:
    return order


def test_each_retrier_is_one_of_the_state() -> None:
    """Retriers keep their order; a base class names its listed subclasses; names are AWS's."""
    state = compile_state_machine(Pipeline("p", steps=[charge(1)]).definition).definition["States"]
    retry = [(one["ErrorEquals"], one["MaxAttempts"]) for one in state["charge"]["Retry"]]
    assert "Lambda.ServiceException" not in retry[0][0]
    assert retry[2:] == [
        (["Declined"], 0),
        (["Sandbox.Timedout", "States.Timeout", "Lambda.ServiceException"], 2),
        (["ConnectionError", "Declined", *DEATHS], 5),
        (["States.ALL"], 1),
    ]
    assert state["charge"]["Parameters"]["Payload"]["retry"] == [
        f"{__name__}.Declined",
        "builtins.ConnectionError",
        "States.Timeout",
    ]
