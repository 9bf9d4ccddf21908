"""``LocalAws.run``: a pipeline's state machine and code, registered without Terraform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forked
import pytest

from lokki_tf import MicroFunctions, Pipeline, ReturnUpdates, flow, step
from lokki_tf.errors import BindingError, OptionError
from lokki_tf.testing import LocalAws, LocalAwsError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account to which no other test deploys."""
    with LocalAws("eu-west-1", retry_delay_scale=0.0) as account:
        yield account


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def doubled(item: int) -> tuple[int]:
    return (2 * item,)


@step
def large(items: list[Any]) -> tuple[Any, str]:
    return tuple(items), "x" * 500_000


@flow
def squares(count: int = 3):
    return numbers(count).map(doubled).agg(large)


def test_a_run_gives_what_a_local_run_gives(aws: LocalAws) -> None:
    """Parameters, maps, tuples and values beyond 256 KiB are the same, in another region too."""
    for given in ({}, {"count": 5}):
        execution = aws.run(squares, given)
        assert aws.values(execution) == {"large": squares.local_run(given).result}


def test_wrong_parameters_are_refused_before_anything_is_registered(aws: LocalAws) -> None:
    """An unknown or missing parameter is the error that a local run gives."""

    @flow
    def never(count: int):
        return numbers(count)

    for given, says in (({"number": 5}, "no parameter 'number'"), ({}, "'count' must have")):
        with pytest.raises(BindingError, match=says):
            aws.run(never, given)
        with pytest.raises(BindingError, match=says):
            never.local_run(given)
    names = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert "never" not in {one["name"] for one in names}


def test_what_has_not_changed_is_left_as_it_is(aws: LocalAws) -> None:
    """A second run keeps the functions of the first; a changed option replaces its function."""
    created: list[str] = []

    def remember(params: dict[str, Any], **_: Any) -> None:
        created.append(json.loads(params["body"])["FunctionName"])

    aws.client("lambda").meta.events.register("before-call.lambda.CreateFunction", remember)

    def made(memory: int) -> Pipeline:
        @step(memory_size=memory)
        def changing(items: list[int]) -> int:
            return len(items)

        return Pipeline("kept", steps=[changing(numbers(2))])

    aws.run(made(256))
    assert sorted(created) == ["kept-changing", "kept-numbers"]
    created.clear()
    aws.run(made(256))
    assert created == []
    assert aws.values(aws.run(made(512))) == {"changing": 2}
    assert created == ["kept-changing"]


@pytest.mark.parametrize("value", [0, 0.0, False], ids=repr)
def test_equal_literals_of_other_types_are_registered_again(aws: LocalAws, value: Any) -> None:
    """0, 0.0 and False are equal in Python, and each arrives with its own type."""

    @step
    def kind(value: Any) -> str:
        return type(value).__name__

    execution = aws.run(Pipeline("kinds", steps=[kind(value)]))
    assert aws.values(execution) == {"kind": type(value).__name__}


def test_a_failed_step_is_the_executions_error(aws: LocalAws) -> None:
    """The result object has status, error and cause, and values() refuses with them."""

    @step
    def fails() -> None:
        raise ValueError("on purpose")

    execution = aws.run(Pipeline("failing", steps=[fails()]), name="monday")
    assert (execution.name, execution.status, execution.error) == ("monday", "FAILED", "ValueError")
    with pytest.raises(LocalAwsError, match="on purpose"):
        aws.values(execution)


def test_a_state_machine_of_terraform_is_not_replaced(aws: LocalAws) -> None:
    """A name that is taken is an error with the remedy; after reset() the name is free."""
    definition = {"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}
    aws.create_state_machine("taken", definition)
    pipeline = Pipeline("taken", steps=[numbers(1)])
    with pytest.raises(LocalAwsError, match=r"already has .* 'taken'(.|\n)*reset"):
        aws.run(pipeline)
    aws.reset()
    assert aws.values(aws.run(pipeline)) == {"numbers": [0]}


def test_jobs_and_functions_in_the_image_run(aws: LocalAws) -> None:
    """A function of the image, and jobs on Fargate and EC2, run from the image's files."""

    @step(package="image")
    def scaled(item: int) -> float:
        return item / 2

    @step(job_type="batch")
    def total(items: list[float]) -> float:
        return sum(items)

    @step(job_type="batch", platform="ec2", env_variables={"UNIT": "${km}"})
    def labelled(value: float) -> tuple[str]:
        return (f"{value} {os.environ['UNIT']}",)

    pipeline = Pipeline("mixed", steps=[labelled(total(numbers(4).map(scaled)))])
    assert aws.values(aws.run(pipeline)) == {"labelled": ("3.0 ${km}",)}


def test_layers_may_be_variables(aws: LocalAws) -> None:
    """A layer's Terraform variable takes its value from the call; without one it is an error."""
    pipe = MicroFunctions(beginner="only", name="layered")

    @pipe.fn(terminates=True, template_props={"Layers": [{"Ref": "More"}]})
    def only(**state):
        return ReturnUpdates(None)

    with pytest.raises(OptionError, match=r"'More', which has no value(.|\n)*variables="):
        aws.run(pipe)
    arn = "arn:aws:lambda:eu-west-1:210987654321:layer:more:1"
    assert aws.run(pipe, variables={"More": arn}).succeeded
    function = aws.client("lambda").get_function_configuration(FunctionName="layered-only")
    assert [layer["Arn"] for layer in function["Layers"]] == [arn]


SCRIPT = """
from lokki_tf import flow, main, step

@step
def halves(count: int) -> list[float]:
    print("printed by a step")
    return [1 / (2 - n) for n in range(count)]

@step
def total(numbers: list[float]) -> tuple:
    return tuple(numbers)

@flow
def daily(count: int = 2):
    return total(halves(count))

if __name__ == "__main__":
    main(daily)
"""


def _command(
    folder: Path, *arguments: str, script: str = SCRIPT
) -> subprocess.CompletedProcess[str]:
    (folder / "pipeline.py").write_text(script)
    return forked.run(
        ["pipeline.py", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_command_prints_the_result_alone(tmp_path: Path) -> None:
    """`run --local-aws` prints what `run` prints, with its progress on stderr."""
    done = _command(tmp_path, "--local-aws")
    assert (done.returncode, done.stdout) == (0, "(0.5, 1.0)\n"), done.stderr
    assert "halves done in" in done.stderr
    quiet = ("--json", "--quiet", "--count", "1")
    done, here = _command(tmp_path, "--local-aws", *quiet), _command(tmp_path, *quiet)
    assert (done.stdout, done.stderr) == ("[0.5]\n", "printed by a step\n")
    assert (here.stdout, here.stderr) == (done.stdout, done.stderr)
    silent = SCRIPT.replace('print("printed by a step")', "pass")
    done = _command(tmp_path, "--local-aws", *quiet, script=silent)
    assert (done.stdout, done.stderr) == ("[0.5]\n", "")


def test_lines_are_printed_while_the_run_goes_on(tmp_path: Path) -> None:
    """What a step prints is shown when its call ends, not at the end of the run."""
    wait = f"""
    import pathlib, time
    while not pathlib.Path({str(tmp_path / "go")!r}).exists():
        time.sleep(0.05)
    return tuple(numbers)"""
    (tmp_path / "pipeline.py").write_text(SCRIPT.replace("\n    return tuple(numbers)", wait))
    running = subprocess.Popen(
        [sys.executable, "pipeline.py", "run", "--local-aws"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert any(line == "printed by a step\n" for line in running.stderr)
    (tmp_path / "go").touch()  # until then the run cannot end
    printed, rest = running.communicate(timeout=60)
    assert printed == "(0.5, 1.0)\n"
    assert "total done in" in rest


def test_a_step_that_fails_is_shown_with_its_traceback(tmp_path: Path) -> None:
    """The exit code is 1, and the error names the step, the exception and the line."""
    done = _command(tmp_path, "--local-aws", "--count", "3")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr.splitlines()[-1]
    assert "printed by a step" in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert "return [1 / (2 - n) for n in range(count)]" in done.stderr
    assert "redrive" not in done.stderr


def test_a_pipeline_that_asks_is_refused(tmp_path: Path) -> None:
    """The command would wait for the answer without a sign; the error says who asks instead."""
    script = SCRIPT.replace("@step\ndef total", "@step(callback=True)\ndef total")
    done = _command(tmp_path, "--local-aws", script=script)
    assert done.returncode == 1
    assert "step 'total' waits for an answer; run --local-aws asks for none" in done.stderr
    assert "LocalAws.run(pipeline, answers={'total': …})" in done.stderr


@pytest.mark.parametrize("option", [("--strict",), ("--max-workers", "2"), ("--resume",)], ids=str)
def test_options_of_local_runs_are_refused(tmp_path: Path, option: tuple[str, ...]) -> None:
    """An option that an execution would ignore is wrong use."""
    done = _command(tmp_path, "--local-aws", *option)
    assert done.returncode == 2
    assert f"{option[0]} cannot be combined with --local-aws" in done.stderr


@step
def absent(key: str) -> tuple[int, str]:
    """Read an object that is not there, in the bucket of this run's results."""
    import os

    import boto3
    from botocore.exceptions import ClientError

    bucket = os.environ.get("BUCKET", "absent-123456789012-us-east-1")
    try:
        boto3.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, ""


def test_an_absent_object_is_forbidden_to_who_may_not_list(local_aws: LocalAws) -> None:
    """In the pipeline's bucket S3 answers 403, for its roles may not list; 404 where one may."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="listed")
    steps = [absent("no/such"), absent_elsewhere("no/such")]
    values = local_aws.values(local_aws.run(Pipeline("absent", steps=steps)))
    assert values["absent"] == (403, "AccessDenied")
    assert values["absent_elsewhere"] == (404, "NoSuchKey")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="absent-123456789012-us-east-1", Key="no/such")


LISTS = {
    "Effect": "Allow",
    "Action": ["s3:ListBucket", "s3:GetObject"],
    "Resource": ["arn:aws:s3:::listed", "arn:aws:s3:::listed/*"],
}
absent_elsewhere = step(
    name="absent_elsewhere",
    env_variables={"BUCKET": "listed"},
    policies=[json.dumps({"Version": "2012-10-17", "Statement": [LISTS]})],
)(absent.step.function)


def test_a_state_machine_may_not_list_either(local_aws: LocalAws) -> None:
    """Step Functions reports S3.S3Exception, and not NoSuchKey, of what its role may not list."""
    bucket = "absent-123456789012-us-east-1"
    local_aws.register(Pipeline("absent", steps=[absent("x")]))
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    role = "absent.state_machine_role-us-east-1"
    local_aws.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [reads]}),
    )
    read = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": bucket, "Key": "no/such"},
        "End": True,
    }
    machine = local_aws.create_state_machine("reads", {"StartAt": "R", "States": {"R": read}})
    local_aws.client("stepfunctions").update_state_machine(
        stateMachineArn=machine, roleArn=f"arn:aws:iam::123456789012:role/{role}"
    )
    execution = local_aws.execute(machine)
    assert (execution.status, execution.error) == ("FAILED", "S3.S3Exception")
