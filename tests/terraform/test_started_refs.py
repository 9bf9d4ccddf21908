"""State machines that are started by a reference to Terraform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import (
    DAG,
    Flow,
    MicroFunctions,
    Pipeline,
    TerraformRef,
    flow,
    start_pipeline,
    step,
    task,
)
from lokki_tf.errors import BindingError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws

MACHINE = TerraformRef("aws_sfn_state_machine.other.arn")
VARIABLE = "LOKKI_REF_AWS_SFN_STATE_MACHINE_OTHER_ARN"
# A state machine that is written by hand, and returns what a pipeline of one step does.
OWN = """
resource "aws_iam_role" "other" {
  name = "NAME"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
    }]
  })
}

resource "aws_sfn_state_machine" "other" {
  name       = "NAME"
  role_arn   = aws_iam_role.other.arn
  definition = jsonencode({
    StartAt = "doubled"
    States  = {
      doubled = {
        Type       = "Pass"
        Parameters = { doubled = { "value.$" = "States.Array($.number, $.number)" } }
        End        = true
      }
    }
  })
}
"""


@step
def doubled(number: int) -> list[int]:
    return [number, number]


@step
def last(values: Any) -> Any:
    return values


@flow
def ref_target(number: int):
    return doubled(number)


@flow
def ref_by_flow():
    return start_pipeline(MACHINE, {"number": 3}).next(last)


def by_calls() -> Pipeline:
    return Pipeline("ref-by-calls", steps=[last(start_pipeline(MACHINE, {"number": 3}))])


def by_arrows() -> DAG:
    last_task = task(lambda other: other, name="last")
    start_pipeline(MACHINE, {"number": 3}) >> last_task
    return DAG("ref-by-arrows", tasks=[last_task])


def by_builder() -> Flow:
    last_task = task(lambda other: other, name="last")
    return Flow("ref-by-builder").add(start_pipeline(MACHINE, {"number": 3})).add(last_task)


def by_routes() -> MicroFunctions:
    pipe = MicroFunctions("first", name="ref-by-routes")

    @pipe.fn(default_next="other")
    def first() -> dict[str, int]:
        return {"n": 3}

    pipe.start_pipeline(MACHINE, {"number": "n"}, result="found", next="end")

    @pipe.fn(terminates=True)
    def end(found: list[int], n: int) -> dict[str, Any]:
        return {"found": found}

    return pipe


STYLES = {
    "calls": (by_calls, [3, 3]),
    "flow": (lambda: ref_by_flow, [3, 3]),
    "arrows": (by_arrows, [3, 3]),
    "builder": (by_builder, [3, 3]),
    "routes": (by_routes, {"found": [3, 3]}),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_starts_a_reference(
    style: str, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of the reference, a name or an ARN, is that of the pipeline that is started."""
    build, expected = STYLES[style]
    pipeline = build()
    arn = local_aws.register(ref_target)
    for value in ("ref-target", arn):
        monkeypatch.setenv(VARIABLE, value)
        assert pipeline.started_pipelines == [ref_target]
        assert pipeline.local_run().result == expected
        assert pipeline.local_run(strict=True).result == expected
        execution = local_aws.run(pipeline)
        assert [*local_aws.values(execution).values()] == [expected]
    roles = {one.principal for one in local_aws.iam_decisions if "ref-by" in one.principal}
    assert roles
    refused = [one for one in local_aws.iam_decisions if not one.allowed]
    assert [one for one in refused if "ref-by" in one.principal] == []


@pytest.mark.parametrize("style", STYLES)
def test_rights_are_those_on_the_reference(style: str, tmp_path: Path) -> None:
    """A role may start exactly that state machine, and follow its executions."""
    made = STYLES[style][0]().synth(tmp_path).folder / "cdk.tf.json"
    policies = json.loads(made.read_text())["resource"]["aws_iam_role_policy"]
    statements = _statements(policies)
    assert statements["StartPipelines"] == ["${aws_sfn_state_machine.other.arn}"]
    assert statements["FollowPipelines"] == [
        '${replace(aws_sfn_state_machine.other.arn, ":stateMachine:", ":execution:")}:*'
    ]
    (rule,) = statements["HearOfPipelines"]
    assert rule.endswith(":rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")


def test_a_reference_without_a_value_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local runs name the reference, or the pipeline that is not there, with the remedy."""
    monkeypatch.chdir(tmp_path)
    pipeline = by_calls()
    assert pipeline.started_pipelines == []
    assert pipeline.check() == []
    with pytest.raises(ConfigError, match="the start of pipeline 'other' needs the") as error:
        pipeline.local_run()
    assert VARIABLE in str(error.value)
    assert error.value.place is not None
    assert error.value.place.file == __file__
    monkeypatch.setenv(VARIABLE, "arn:aws:states:us-east-1:123456789012:stateMachine:ref-targte")
    with pytest.raises(BindingError, match=r"'ref-targte' is started(.|\n)*'ref-target'\?"):
        pipeline.local_run()
    (tmp_path / "lokki.toml").write_text(f'[local.refs]\n"{MACHINE.address}" = "ref-target"\n')
    monkeypatch.delenv(VARIABLE)
    assert pipeline.local_run().result == [3, 3]


def test_parameters_of_a_reference_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a local value, the parameters are those of the pipeline with that name."""
    monkeypatch.setenv(VARIABLE, "ref-target")
    start = start_pipeline(MACHINE, {"day": "monday"})
    with pytest.raises(BindingError, match="'ref-target', which is started here, has no parameter"):
        Pipeline("ref-misfit", steps=[start]).local_run()


def test_a_pipeline_may_start_a_reference_with_its_own_name() -> None:
    """The name in a reference is no pipeline's, so it is no recursion."""
    pipeline = Pipeline("other", steps=[start_pipeline(MACHINE, {"number": 3})])
    assert pipeline.check() == []


def _statements(policies: dict[str, Any]) -> dict[str, Any]:
    """Return the resources of the statements by Sid; expressions with quotes are no JSON."""
    found: dict[str, Any] = {}
    for policy in policies.values():
        part = '":stateMachine:", ":execution:"'
        text = policy["policy"].replace(part, json.dumps(part)[1:-1])
        for one in json.loads(text)["Statement"]:
            found[one["Sid"]] = one["Resource"]
    return found


def started(pipeline: Any, folder: Path) -> Path:
    made: Path = pipeline.synth(folder).folder
    (made / "own.tf").write_text(OWN.replace("NAME", f"of-{pipeline.name}"))
    return made


@stack
def ref_started_by_calls(aws: LocalAws, folder: Path) -> Path:
    """A pipeline that starts a state machine beside it."""
    return started(by_calls(), folder)


@stack
def ref_started_by_routes(aws: LocalAws, folder: Path) -> Path:
    """A routed pipeline that starts a state machine beside it."""
    return started(by_routes(), folder)


@pytest.mark.terraform
def test_terraform_knows_what_is_started(applied: Applied) -> None:
    """With real Terraform, the state machine beside a pipeline is started by its own ARN."""
    assert applied.values("ref_started_by_calls") == {"last": [3, 3]}
    assert applied.values("ref_started_by_routes") == {"end": {"found": [3, 3]}}
    iam = applied.aws.client("iam")
    machine = applied.outputs["ref_started_by_calls"]["state_machine_arn"]
    found = applied.aws.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    name = found["roleArn"].rpartition("/")[2]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
        for one in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    statements = {one["Sid"]: one["Resource"] for each in documents for one in each["Statement"]}
    arn = "arn:aws:states:us-east-1:123456789012:{}:of-ref-by-calls"
    assert statements["StartPipelines"] == [arn.format("stateMachine")]
    assert statements["FollowPipelines"] == [f"{arn.format('execution')}:*"]
    decisions = [one for one in applied.aws.iam_decisions if "ref-by" in one.principal]
    assert decisions
    assert all(one.allowed for one in decisions)
