"""Roles of the user's instead of those that are made, and the state machine's settings."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import Pipeline, step
from lokki_tf.config import load_config
from lokki_tf.errors import ConfigError, DefinitionError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.terraform.synth import Synthesized
    from lokki_tf.testing import LocalAws

ROLES = "arn:aws:iam::123456789012:role"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
POLICY = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::inputs/*"}


@step(policies=[json.dumps({"Version": "2012-10-17", "Statement": [POLICY]})])
def rows() -> list[str]:
    return ["x" * 100_000] * 3


@step(role=f"{ROLES}/team/special")
def longer(row: str) -> str:
    return row + "y"


@step
def total(rows: list[str]) -> int:
    return sum(map(len, rows))


def synthesized(tmp_path: Path, toml: str, name: str = "roles") -> Synthesized:
    (tmp_path / "lokki.toml").write_text(toml)
    pipeline = Pipeline(name, steps=[rows().map(longer).agg(total)], schedule="rate(1 day)")
    return pipeline.synth(tmp_path / "out", config=load_config(tmp_path, environ={}))


def resources(made: Synthesized) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    return found


ALL = (
    f'[aws]\nregion = "eu-west-1"\n[lambda]\nrole = "{ROLES}/steps"\n'
    f'[state_machine]\nrole = "{ROLES}/machine"\n[schedule]\nrole = "{ROLES}/schedule"\n'
)


def test_a_role_that_is_given_is_not_made(tmp_path: Path) -> None:
    """With given roles, no role or policy is created; a step's own role takes precedence."""
    found = resources(synthesized(tmp_path, ALL))
    assert "aws_iam_role" not in found
    assert "aws_iam_role_policy" not in found
    functions = found["aws_lambda_function"]
    assert {name: one["role"] for name, one in functions.items()} == {
        "rows": f"{ROLES}/steps",
        "longer": f"{ROLES}/team/special",
        "total": f"{ROLES}/steps",
    }
    assert found["aws_sfn_state_machine"]["state_machine"]["role_arn"] == f"{ROLES}/machine"
    assert found["aws_scheduler_schedule"]["schedule"]["target"]["role_arn"] == f"{ROLES}/schedule"


def test_one_role_of_many_may_be_given(tmp_path: Path) -> None:
    """A step's role= takes that step's place alone."""
    made = synthesized(tmp_path, "")
    assert set(resources(made)["aws_iam_role"]) == {
        "rows_role",
        "total_role",
        "state_machine_role",
        "schedule_role",
    }
    assert [file.name for file in made.permissions] == ["special.json"]


def statements(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text())["Statement"]
    ids = [one.get("Sid", "own") for one in found]
    assert len(set(ids)) == len(ids)
    return dict(zip(ids, found, strict=True))


def test_the_policies_that_given_roles_need_stand_beside_the_terraform(tmp_path: Path) -> None:
    """A file a role, with real ARNs, all that it is given to, and what steps ask for."""
    made = synthesized(tmp_path, ALL)
    files = {file.stem: statements(file) for file in made.permissions}
    assert set(files) == {"machine", "schedule", "special", "steps"}
    assert files["steps"]["Logs"]["Resource"] == [
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/roles-rows:*",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/roles-total:*",
    ]
    assert files["steps"]["Write"]["Resource"] == [
        "arn:aws:s3:::roles-123456789012-eu-west-1/runs/rows/*",
        "arn:aws:s3:::roles-123456789012-eu-west-1/runs/total/*",
    ]
    assert files["steps"]["own"] == {**POLICY, "Resource": [POLICY["Resource"]]}
    assert "own" not in files["special"]
    assert files["machine"]["Invoke"]["Resource"][0].endswith(":function:roles-rows")
    assert files["machine"]["StartMaps"]["Resource"] == [
        "arn:aws:states:eu-west-1:123456789012:stateMachine:roles"
    ]
    assert files["schedule"]["Start"]["Resource"] == files["machine"]["StartMaps"]["Resource"]


def test_the_policies_are_those_of_roles_that_are_made(tmp_path: Path) -> None:
    """What a role of the user's needs is what a made one gets, with names for references."""
    (tmp_path / "given").mkdir()
    given = synthesized(tmp_path / "given", ALL)
    made = resources(synthesized(tmp_path, '[aws]\nregion = "eu-west-1"\n'))
    for file, policy in (("machine", "state_machine_policy"), ("schedule", "schedule_policy")):
        wanted = statements(given.folder / "permissions" / f"{file}.json")
        text = made["aws_iam_role_policy"][policy]["policy"]
        attached = {one["Sid"]: one for one in json.loads(text)["Statement"]}
        assert {sid: one["Action"] for sid, one in wanted.items()} == {
            sid: one["Action"] for sid, one in attached.items()
        }


def test_a_role_covers_maps_inside_maps(deployment: Deployment, tmp_path: Path) -> None:
    """Whatever executions maps start, the role may start, follow and redrive them."""

    @step
    def pairs(item: int) -> list[int]:
        return [item, item]

    @step
    def count(items: list[int]) -> int:
        return len(items)

    deep = pairs(1).map(pairs).map(pairs).map(pairs).agg(count).agg(count).agg(count)
    pipeline = Pipeline("deep", steps=[deep])
    (tmp_path / "lokki.toml").write_text(ALL.replace("eu-west-1", deployment.aws.region))
    made = pipeline.synth(tmp_path / "out", config=load_config(tmp_path, environ={}))
    granted = statements(made.folder / "permissions" / "machine.json")

    def covers(sid: str, arn: str) -> bool:
        return any(fnmatchcase(arn, pattern) for pattern in granted[sid]["Resource"])

    execution = deployment.execute(pipeline)
    assert execution.succeeded
    states, depths, waiting = deployment.aws.client("stepfunctions"), [0, 0, 0], [execution.arn]
    for arn in waiting:
        for run in states.list_map_runs(executionArn=arn)["mapRuns"]:
            children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
            assert covers("StartMaps", arn.rpartition(":")[0].replace("execution", "stateMachine"))
            assert all(covers("FollowMaps", one["executionArn"]) for one in children)
            assert all(covers("RedriveMaps", one["executionArn"]) for one in children)
            waiting += [one["executionArn"] for one in children]
            depths[children[0]["executionArn"].count("/") - 1] += len(children)
    assert depths == [2, 4, 8]


def test_express_items_need_fewer_rights(tmp_path: Path) -> None:
    """They are started again and never redriven; items of an outer map still are."""

    @step(timeout_seconds=60)
    def same(item: Any) -> list[Any]:
        return [item]

    (tmp_path / "lokki.toml").write_text(ALL)
    config = load_config(tmp_path, environ={})
    granted = []
    for chain in (
        same(1).map(same, execution_type="express"),
        same(1).map(same).map(same, execution_type="express"),
    ):
        made = Pipeline("brief", steps=[chain]).synth(tmp_path / "out", config=config)
        granted.append(statements(made.folder / "permissions" / "machine.json"))
    assert granted[1].keys() - granted[0].keys() == {"RedriveMaps"}
    assert granted[0].keys() <= granted[1].keys()


def test_files_of_roles_that_are_gone_go(tmp_path: Path) -> None:
    """A second synth leaves the policies of the roles that it names, and no others."""
    synthesized(tmp_path, ALL)
    made = synthesized(tmp_path, "")
    assert [one.name for one in (made.folder / "permissions").iterdir()] == ["special.json"]


def test_where_the_region_is_unknown_the_policy_says_so(tmp_path: Path) -> None:
    """Without a region in the settings, ARNs contain REGION; --region replaces it."""
    made = synthesized(tmp_path, "")
    text = (made.folder / "permissions" / "special.json").read_text()
    assert "arn:aws:logs:REGION:123456789012:log-group" in text
    pipeline = Pipeline("roles", steps=[rows().map(longer).agg(total)])
    made = pipeline.synth(tmp_path / "other", region="eu-north-1")
    assert "logs:eu-north-1:" in (made.folder / "permissions" / "special.json").read_text()


def test_a_key_is_in_the_policies_too(tmp_path: Path) -> None:
    """With kms_key, the statements for given roles include those for the key."""
    made = synthesized(tmp_path, ALL.replace("[aws]\n", f'[aws]\nkms_key = "{KEY}"\n'))
    files = {file.stem: statements(file) for file in made.permissions}
    assert {"ExecutionsKey", "LogDeliveryKey", "ObjectKey"} <= set(files["machine"])
    assert files["schedule"]["ScheduleKey"]["Condition"]["StringEquals"] == {
        "kms:EncryptionContext:aws:scheduler:schedule:arn": (
            "arn:aws:scheduler:eu-west-1:123456789012:schedule/roles/roles"
        )
    }


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[lambda]\nrole = "admin"\n', r"lambda.role is 'admin': expected an ARN(.|\n)*toml:2"),
        ('[state_machine]\ntype = "EXPRESS"\n', r"expected 'STANDARD'(.|\n)*toml:2"),
        (
            '[state_machine]\nlog_level = "FATAL"\n',
            r"expected 'ALL' or 'ERROR' or 'OFF'(.|\n)*toml:2",
        ),
        ('[lambda]\npython_runtime = "python2.7"\n', r"expected a runtime such as(.|\n)*toml:2"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, toml: str, says: str) -> None:
    """Unknown roles, types and levels are refused, and nothing is written."""
    with pytest.raises(ConfigError, match=says):
        synthesized(tmp_path, toml)
    assert not (tmp_path / "out").exists()


def test_what_lambda_has_no_longer_is_refused_for_each_step(tmp_path: Path) -> None:
    """A runtime of the settings is held against Lambda's, as one of a step is."""
    with pytest.raises(DefinitionError, match=r"step 'rows' has python_runtime='python3.2'"):
        synthesized(tmp_path, '[lambda]\npython_runtime = "python3.2"\n')
    assert not (tmp_path / "out").exists()


def test_a_step_s_role_is_an_arn() -> None:
    """Another text is refused where the pipeline is written, with the step's line."""

    @step(role="admin")
    def work() -> None: ...

    with pytest.raises(OptionError, match=r"role='admin'(.|\n)*test_roles.py:\d+"):
        Pipeline("refused", steps=[work()])


def test_the_state_machine_logs_and_traces_as_configured(tmp_path: Path) -> None:
    """ERROR logs errors; OFF has no log group and no right to deliver logs; tracing goes."""
    found = resources(synthesized(tmp_path, '[state_machine]\nlog_level = "ERROR"\n'))
    logging = found["aws_sfn_state_machine"]["state_machine"]["logging_configuration"]
    assert logging["level"] == "ERROR"
    found = resources(
        synthesized(tmp_path, '[state_machine]\nlog_level = "off"\ntracing = false\n')
    )
    machine = found["aws_sfn_state_machine"]["state_machine"]
    assert machine["logging_configuration"] == {"level": "OFF"}
    assert machine["tracing_configuration"] == {"enabled": False}
    assert set(found["aws_cloudwatch_log_group"]) == {"rows_logs", "longer_logs", "total_logs"}
    policy = found["aws_iam_role_policy"]["state_machine_policy"]["policy"]
    assert "logs:" not in policy
    assert "xray:" not in policy


@stack
def with_given_roles(aws: LocalAws, folder: Path) -> Path:
    """A stack whose roles the user has created with what the files of permissions say."""
    iam = aws.client("iam")
    quiet = ALL.replace(
        "[state_machine]\n", '[state_machine]\nlog_level = "OFF"\ntracing = false\n'
    )
    quiet = quiet.replace("eu-west-1", aws.region)
    made = synthesized(folder, quiet, "given")
    trusted = {"steps": "lambda", "special": "lambda", "machine": "states", "schedule": "scheduler"}
    for file in made.permissions:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": f"{trusted[file.stem]}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        iam.create_role(
            RoleName=file.stem,
            Path="/team/" if file.stem == "special" else "/",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        text = file.read_text()
        iam.put_role_policy(RoleName=file.stem, PolicyName="a", PolicyDocument=text)
    return made.folder


def test_a_pipeline_with_roles_of_the_users_deploys_and_runs(applied: Applied) -> None:
    """Real Terraform applies it without creating a role, and the pipeline runs."""
    assert applied.outputs["with_given_roles"]["role_arns"]["longer"] == f"{ROLES}/team/special"
    assert applied.values("with_given_roles") == {"total": 300_003}


@step
def tell(failure: dict[str, Any]) -> None: ...


def test_a_given_role_sends_notices_too(tmp_path: Path) -> None:
    """The role of [lambda] is that of the function of notices, and its file has what that needs."""
    toml = ALL.replace("[aws]\n", f'[aws]\nkms_key = "{KEY}"\n')
    (tmp_path / "lokki.toml").write_text(toml)
    pipeline = Pipeline("roles", steps=[total(rows())], on_failure=tell)
    made = pipeline.synth(tmp_path / "out", config=load_config(tmp_path, environ={}))
    found = resources(made)
    assert "aws_iam_role" not in found
    assert found["aws_lambda_function"]["notices"]["role"] == f"{ROLES}/steps"
    own = statements(made.folder / "permissions" / "steps.json")
    region = "eu-west-1:123456789012"
    assert own["History"]["Resource"] == [f"arn:aws:states:{region}:execution:roles:*"]
    assert own["Send"]["Resource"] == [f"arn:aws:sqs:{region}:roles-failures"]
    assert own["Invoke"]["Resource"] == [f"arn:aws:lambda:{region}:function:roles-tell"]
    machine = statements(made.folder / "permissions" / "machine.json")
    assert f"arn:aws:lambda:{region}:function:roles-tell" not in machine["Invoke"]["Resource"]


def test_a_key_encrypts_what_could_not_be_sent(tmp_path: Path) -> None:
    """The queue and the variables of the function have the key, with the least rights to it."""
    (tmp_path / "lokki.toml").write_text(f'[aws]\nregion = "eu-west-1"\nkms_key = "{KEY}"\n')
    pipeline = Pipeline("roles", steps=[total(rows())], on_failure=tell)
    found = resources(pipeline.synth(tmp_path, config=load_config(tmp_path, environ={})))
    assert found["aws_sqs_queue"]["failures_queue"]["kms_master_key_id"] == KEY
    assert "sqs_managed_sse_enabled" not in found["aws_sqs_queue"]["failures_queue"]
    assert found["aws_lambda_function"]["notices"]["kms_key_arn"] == KEY
    text = found["aws_iam_role_policy"]["notices_policy"]["policy"]
    own = {one["Sid"]: one for one in json.loads(text)["Statement"]}
    assert own["ExecutionsKey"]["Action"] == ["kms:Decrypt"]
    queue = own["QueueKey"]["Condition"]["StringEquals"]["kms:EncryptionContext:aws:sqs:arn"]
    assert queue == "${aws_sqs_queue.failures_queue.arn}"
