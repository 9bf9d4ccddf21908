"""States in JSONata.

Source: Step Functions Developer Guide, "Transforming data with JSONata in Step Functions" and
"Passing data between states with variables". Messages are those of AWS, observed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lokki_tf.testing import LocalAws
from lokki_tf.testing.state_machines.definition import check
from lokki_tf.testing.state_machines.execution import Execution

Interpret = Callable[..., Execution]
Output = Callable[[Execution], Any]
INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition in JSONata that starts at its first state."""
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


def passing(output: Any, **more: Any) -> dict[str, Any]:
    """Return a Pass state with an output."""
    return {"Type": "Pass", "Output": output, "End": True, **more}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("{% $states.input.a %}", {"b": [1, None]}),
        ("{% $states.input.a.b %}", [1, None]),
        ("{% $states.input.none %}", None),
        ("{% $string($states.input.none) %}", "null"),
        ("{% 1 + 2 %}", 3),
        ("{% $states.input.(a.b[0] = 1 ? 'yes' : 'no') %}", "yes"),
        ("{% $map([1, 2], function($v) { $v * 2 }) %}", [2, 4]),
        ("{% $states.context.State.Name %}", "A"),
        ("{% $states.context.Execution.Input.none %}", None),
        (" {% 1 %}", " {% 1 %}"),
        ({"x": ["{% 1 %}", {"y.$": "$.a"}]}, {"x": [1, {"y.$": "$.a"}]}),
        ("{% $partition([1, 2, 3, 4, 5], 2) %}", [[1, 2], [3, 4], [5]]),
        ("{% $range(0, 6, 3) %}", [0, 3, 6]),
        ("{% $range(3, 1, -1) %}", [3, 2, 1]),
        ("{% $hash('a', 'MD5') %}", "0cc175b9c0f1b6a831c399e269772661"),
        ("{% $random(7) = $random(7) %}", True),
        ("{% $length($uuid()) %}", 36),
        ("{% $parse('{\"a\": [null]}') %}", {"a": [None]}),
    ],
)
def test_expressions(interpret: Interpret, output: Output, expression: Any, found: Any) -> None:
    """Texts between the marks are expressions, also inside of objects and arrays."""
    value = {"a": {"b": [1, None]}, "none": None}
    assert output(interpret(machine(A=passing(expression)), value)) == found


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "{% $states.input.no %}",
            "'$states.input.no' specified for the field 'Output/x' returned",
        ),
        ("{% $no %}", "returned nothing (undefined)."),
        ("{% $eval('1') %}", "threw an error during evaluation. T1006: "),
        ("{% 1 + 'a' %}", "threw an error during evaluation. T2002: "),
        ("{% function($x) { $x } %}", "returned an unsupported result type."),
    ],
)
def test_errors(interpret: Interpret, expression: str, message: str) -> None:
    """An expression without a result is an error, which the history records with its place."""
    run = interpret(machine(A=passing({"x": expression})))
    assert run.error == "States.QueryEvaluationError"
    assert message in str(run.cause)
    [failed] = [each for each in run.history.events if each["type"] == "EvaluationFailed"]
    assert failed["evaluationFailedEventDetails"] == {
        "error": run.error,
        "cause": run.cause,
        "location": "Output/x",
        "state": "A",
    }


def test_task(interpret: Interpret, output: Output) -> None:
    """A task has Arguments, limits of time that are expressions, and its result in Output."""
    state = {
        "Type": "Task",
        "Resource": INVOKE,
        "Arguments": {"FunctionName": f"{FUNCTION}f", "Payload": {"n": "{% $states.input.n %}"}},
        "TimeoutSeconds": "{% $states.input.n * 20 %}",
        "Assign": {"twice": "{% $states.result.Payload %}", "same": "{% $states.input.n %}"},
        "Output": {"in": "{% $states.input.n %}", "out": "{% $states.result.Payload %}"},
        "Next": "B",
    }
    after = passing({"seen": "{% $states.input %}", "twice": "{% $twice + $same %}"})
    run = interpret(machine(A=state, B=after), {"n": 3}, f=lambda event: event["n"] * 2)
    assert output(run) == {"seen": {"in": 3, "out": 6}, "twice": 9}
    [scheduled] = [e for e in run.history.events if e["type"] == "TaskScheduled"]
    assert scheduled["taskScheduledEventDetails"]["timeoutInSeconds"] == 60


def test_catch(interpret: Interpret, output: Output) -> None:
    """A catcher has the error in $states.errorOutput, and evaluation errors can be caught."""

    def fail(event: Any) -> None:
        raise KeyError("k")

    catch = {
        "ErrorEquals": ["KeyError", "States.QueryEvaluationError"],
        "Assign": {"error": "{% $states.errorOutput.Error %}"},
        "Output": {"was": "{% $states.input %}"},
        "Next": "B",
    }
    for payload, error in (("{% 1 %}", "KeyError"), ("{% $no %}", "States.QueryEvaluationError")):
        state = {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": {"FunctionName": f"{FUNCTION}fail", "Payload": payload},
            "Catch": [catch],
            "End": True,
        }
        after = passing({"error": "{% $error %}", "in": "{% $states.input %}"})
        run = interpret(machine(A=state, B=after), 7, fail=fail)
        assert output(run) == {"error": error, "in": {"was": 7}}


def test_choice(interpret: Interpret, output: Output) -> None:
    """A choice rule has a Condition, and an Output and Assign of its own."""
    state = {
        "Type": "Choice",
        "Choices": [
            {
                "Condition": "{% $states.input.n > 5 %}",
                "Assign": {"size": "large"},
                "Output": "{% $states.input.n %}",
                "Next": "B",
            },
            {"Condition": "{% $states.input.n = 0 %}", "Next": "C"},
        ],
        "Assign": {"size": "small"},
        "Default": "B",
    }
    definition = machine(
        A=state, B=passing({"size": "{% $size %}", "in": "{% $states.input %}"}), C=passing("none")
    )
    assert output(interpret(definition, {"n": 9})) == {"size": "large", "in": 9}
    assert output(interpret(definition, {"n": 2})) == {"size": "small", "in": {"n": 2}}
    assert output(interpret(definition, {"n": 0})) == "none"
    state["Choices"][0]["Condition"] = "{% $states.input.n %}"  # type: ignore[index]
    run = interpret(definition, {"n": 9})
    assert "Expected 'boolean', but was 'number' for value: 9" in str(run.cause)


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_map(interpret: Interpret, output: Output, mode: str) -> None:
    """A Map state has Items, an ItemSelector with the item in the context, and numbers as results.

    The children of a Distributed Map are in the language of the definition.
    """
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    processor = machine(
        B={
            "Type": "Pass",
            "Output": "{% $states.input.value * 10 + $states.input.index %}",
            "End": True,
        }
    )
    del processor["QueryLanguage"]
    state = {
        "Type": "Map",
        "Items": "{% $states.input.values[$ > 1] %}",
        "ItemSelector": {
            "value": "{% $states.context.Map.Item.Value %}",
            "index": "{% $states.context.Map.Item.Index %}",
        },
        "MaxConcurrency": "{% $states.input.most %}",
        "ItemProcessor": {**processor, "ProcessorConfig": config},
        "Output": {"all": "{% $states.result %}"},
        "End": True,
    }
    assert output(interpret(machine(A=state), {"values": [1, 2, 3], "most": 1})) == {
        "all": [20, 31]
    }
    state["Items"] = "{% 'text' %}"
    run = interpret(machine(A=state), {"values": [], "most": 1})
    assert "Expected 'array', but was 'string' for value: \"text\"" in str(run.cause)


def test_parallel_wait_and_fail(interpret: Interpret, output: Output) -> None:
    """Arguments are the input of all branches; Seconds, Error and Cause are expressions."""
    wait = {"Type": "Wait", "Seconds": "{% $states.input %}", "Output": "waited", "End": True}
    branches = [
        {"StartAt": name, "States": {name: state}}
        for name, state in (("B", wait), ("C", passing("{% $states.input + 1 %}")))
    ]
    state = {
        "Type": "Parallel",
        "Arguments": "{% $states.input.n %}",
        "Branches": branches,
        "Output": "{% $states.result %}",
        "End": True,
    }
    assert output(interpret(machine(A=state), {"n": 2})) == ["waited", 3]
    state = {"Type": "Fail", "Error": "{% 'E' & 1 %}", "Cause": "{% $string($states.input) %}"}
    run = interpret(machine(A=state), {"n": 2})
    assert (run.error, run.cause) == ("E1", '{"n":2}')
    state = {"Type": "Wait", "Timestamp": "{% 'tomorrow' %}", "End": True}
    run = interpret(machine(A=state))
    assert run.error == "States.QueryEvaluationError"
    assert "The Timestamp field cannot be parsed as an ISO-8601" in str(run.cause)


def test_both_languages(interpret: Interpret, output: Output) -> None:
    """A state may have another language than its state machine, and variables are common."""
    first = {"Type": "Pass", "Assign": {"a.$": "$.n"}, "ResultPath": None, "Next": "B"}
    second = {
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Assign": {"b": "{% $a * 2 %}"},
        "Output": {"n": "{% $states.input.n + 1 %}"},
        "Next": "C",
    }
    last = {"Type": "Pass", "Parameters": {"n.$": "$.n", "b.$": "$b"}, "End": True}
    definition = {**machine(A=first, B=second, C=last), "QueryLanguage": "JSONPath"}
    assert output(interpret(definition, {"n": 4})) == {"n": 5, "b": 8}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (passing(1, OutputPath="$.a"), "Field 'OutputPath' is not supported"),
        (passing(1, Parameters={}), "Field 'Parameters' is not supported"),
        (passing(1, QueryLanguage="JSONPath"), "'QueryLanguage' can not be 'JSONPath'"),
        (passing(1, QueryLanguage="SQL"), "must be JSONPath or JSONata"),
        (passing("{% $sum( %}"), "The JSONata expression is not valid"),
        ({"Type": "Wait", "SecondsPath": "$.a", "End": True}, "'SecondsPath' is not supported"),
        ({"Type": "Wait", "Seconds": -1, "End": True}, "Seconds must be an integer"),
        (passing(1, Assign={"states": 1}), "must be a Unicode identifier"),
    ],
)
def test_refused(state: Any, message: str) -> None:
    """Fields of JSONPath, syntax errors and JSONPath in a state machine in JSONata are refused."""
    assert message in ", ".join(map(str, check(json.dumps(machine(A=state)))))


def test_fields_of_jsonata_in_jsonpath() -> None:
    """A state in JSONPath has no fields of JSONata."""
    definition = {**machine(A=passing(1)), "QueryLanguage": "JSONPath"}
    assert "Field 'Output' is not supported" in ", ".join(map(str, check(json.dumps(definition))))


def test_items_of_objects(local_aws: LocalAws) -> None:
    """Readers, batches and writers have Arguments and expressions in JSONata."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="items")
    s3.put_object(Bucket="items", Key="k", Body=b"[1, 2, 3, 4]")
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON", "MaxItems": "{% $states.input.most %}"},
            "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "k"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": "{% 2 %}", "BatchInput": {"b": "{% 1 + 1 %}"}},
        "ItemProcessor": {
            "StartAt": "B",
            "States": {
                "B": passing("{% $sum($states.input.Items) * $states.input.BatchInput.b %}")
            },
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": "items", "Prefix": "{% 'o' & 'ut' %}"},
        },
        "Output": "{% $states.result.ResultWriterDetails.Bucket %}",
        "End": True,
    }
    local_aws.create_state_machine("jsonata", machine(A=state))
    run = local_aws.execute("jsonata", {"most": 3, "bucket": "items"})
    assert run.output == "items", run.cause
    [key] = [
        one["Key"]
        for one in s3.list_objects_v2(Bucket="items", Prefix="out")["Contents"]
        if "SUCCEEDED" in one["Key"]
    ]
    records = json.load(s3.get_object(Bucket="items", Key=key)["Body"])
    assert sorted(json.loads(record["Output"]) for record in records) == [6, 6]


def test_lazy_import() -> None:
    """The package for JSONata is imported only if a state machine uses it."""
    program = (
        "import sys; from lokki_tf.testing.state_machines import interpreter, definition; "
        'definition.check(\'{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}\'); '
        "print('jsonata' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
