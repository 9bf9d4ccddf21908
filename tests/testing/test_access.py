"""Permissions of the roles of functions, state machines, jobs and schedules in a local AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lokki_tf import Pipeline, step
from lokki_tf.runtime.envelope import freeze
from lokki_tf.terraform.permissions import MOST_ARNS
from lokki_tf.testing import Execution, LocalAws, LocalAwsError

ROLE = "arn:aws:iam::123456789012:role/other"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account of these tests alone."""
    with LocalAws(retry_delay_scale=0.0) as account:
        yield account


@step
def large() -> str:
    return "x" * 300_000


@step
def length(text: str) -> int:
    return len(text)


@step
def total(lengths: list[int]) -> int:
    return sum(lengths)


def pair(name: str) -> Pipeline:
    """Return a pipeline in which one step writes an object and another one reads it."""
    return Pipeline(name, steps=[length(large())])


def role_of(aws: LocalAws, step_name: str, pipeline: str) -> str:
    return f"{pipeline}-{step_name}_role-{aws.region}"


def acting(aws: LocalAws, role: str, service: str) -> Any:
    """Return a client that acts as a role."""
    taken = aws.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="test"
    )["Credentials"]
    return boto3.client(
        service,
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )


@contextmanager
def without(aws: LocalAws, role: str, sid: str) -> Iterator[None]:
    """Remove a statement from a role's policy within a block."""
    iam = aws.client("iam")
    whole = iam.get_role_policy(RoleName=role, PolicyName="lokki")["PolicyDocument"]
    left = [one for one in whole["Statement"] if one["Sid"] != sid]
    assert len(left) == len(whole["Statement"]) - 1
    changed = json.dumps({**whole, "Statement": left})
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=changed)
    yield
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=json.dumps(whole))


def test_a_run_has_the_roles_that_terraform_writes(aws: LocalAws, tmp_path: Any) -> None:
    """Names, trust policies and policies are those of the synthesized folder."""
    pipeline = Pipeline("same", steps=[length(large())], schedule="rate(1 day)")
    made = pipeline.synth(tmp_path)
    resources = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    aws.register(pipeline)
    iam = aws.client("iam")
    references = {
        "${data.aws_caller_identity.account.account_id}": "123456789012",
        "${data.aws_region.region.id}": aws.region,
        "${data.aws_partition.partition.partition}": "aws",
        "${aws_s3_bucket.bucket.arn}": f"arn:aws:s3:::same-123456789012-{aws.region}",
    }
    for name in ("large", "length"):
        function = f"arn:aws:lambda:{aws.region}:123456789012:function:same-{name}"
        references[f"${{aws_lambda_function.{name}.arn}}"] = function
        group = f"arn:aws:logs:{aws.region}:123456789012:log-group:/aws/lambda/same-{name}"
        references[f"${{aws_cloudwatch_log_group.{name}_logs.arn}}"] = group

    def known(text: str) -> Any:
        for reference, value in references.items():
            text = text.replace(reference, value)
        assert "${" not in text
        return text

    compared = 0
    for key, role in resources["aws_iam_role"].items():
        if key == "schedule_role":
            continue
        found = iam.get_role(RoleName=known(role["name"]))["Role"]
        trust = json.loads(known(role["assume_role_policy"]))
        assert found["AssumeRolePolicyDocument"] == trust
        policy = resources["aws_iam_role_policy"][key.replace("_role", "_policy")]
        document = iam.get_role_policy(RoleName=found["RoleName"], PolicyName=policy["name"])
        assert document["PolicyDocument"] == json.loads(known(policy["policy"]))
        compared += 1
    assert compared == 3


def test_the_key_of_an_existing_bucket_is_granted(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions and maps use the key that artifact_bucket_kms_key names; without it they fail."""

    @step
    def three() -> list[str]:
        return ["x" * 100_000] * 3

    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="locked")
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    }
    s3.put_bucket_encryption(Bucket="locked", ServerSideEncryptionConfiguration={"Rules": [rule]})
    pipeline = Pipeline("in-locked", steps=[three().map(length).agg(total)])
    monkeypatch.chdir(tmp_path)
    settings = '[aws]\nartifact_bucket = "locked"\n'
    Path("lokki.toml").write_text(settings)
    assert "GenerateDataKey" in str(aws.run(pipeline).cause)
    Path("lokki.toml").write_text(f'{settings}artifact_bucket_kms_key = "{key}"\n')
    assert aws.values(aws.run(pipeline)) == {"total": 300_000}


def test_a_step_writes_below_its_own_name(aws: LocalAws) -> None:
    """Nor can it replace what steps, maps and notices of any pipeline have in the same bucket."""
    aws.register(Pipeline("narrow", steps=[length(large())]))
    s3 = acting(aws, role_of(aws, "large", "narrow"), "s3")
    bucket = f"narrow-123456789012-{aws.region}"
    s3.put_object(Bucket=bucket, Key="runs/large/run/one.json.gz", Body=b"")
    for folder in ("length", "large2", "-maps", "-notices", "run"):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key=f"runs/{folder}/run/one.json.gz", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="literals/one.json.gz", Body=b"")


def test_forged_references_load_nothing(aws: LocalAws) -> None:
    """A function reads its pipeline's objects alone, wherever its role would let it read."""
    aws.register(pair("forged"))
    aws.register(pair("forged-too"))
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    aws.client("iam").put_role_policy(
        RoleName=role_of(aws, "length", "forged"),
        PolicyName="everything",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    form, data = freeze({"never", "loaded"})
    own, other = (f"{name}-123456789012-{aws.region}" for name in ("forged", "forged-too"))
    answers = {}
    for bucket, key in (
        (own, f"runs/large/run/old.{form}"),
        (own, f"runs/large/run/{'0' * 64}.{form}"),
        (own, f"runs/../outside.{form}"),
        (own, f"code/large.{form}"),
        (other, f"runs/large/run/old.{form}"),
    ):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
        event = {"node": "length", "run": "r", "store": f"s3://{bucket}", "inline": 1_000}
        event["args"] = {"0": {"ref": f"s3://{bucket}/{key}"}}
        answer = aws.client("lambda").invoke(
            FunctionName="forged-length", Payload=json.dumps(event)
        )
        answers[bucket, key] = json.loads(answer["Payload"].read())
    accepted, *refused = answers.values()
    assert accepted == {"value": 2}
    assert {one["errorType"] for one in refused} == {"UntrustedReferenceError"}


def test_a_state_machine_of_many_steps_calls_its_own_alone(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its policy names a pattern, which covers longer names, and tags, which those do not have."""

    def numbered(number: int) -> Any:
        return step(name=f"step{number}")(lambda: number)

    pipeline = Pipeline("many", steps=[numbered(each)() for each in range(MOST_ARNS + 1)])
    monkeypatch.chdir(tmp_path)
    Path("lokki.toml").write_text("[stage.prod]\n")
    aws.register(pipeline, stage="prod")
    aws.register(pair("many-prod-too"))
    assert aws.run(pipeline).succeeded
    assert aws.run(pipeline, stage="prod").succeeded
    functions = acting(aws, f"many.state_machine_role-{aws.region}", "lambda")
    for name in ("many-prod-step0", "many-prod-too-large"):
        with pytest.raises(ClientError, match="AccessDenied"):
            functions.invoke(FunctionName=name)


def test_a_state_machine_of_many_jobs_submits_its_own_alone(aws: LocalAws) -> None:
    """As with functions: a job definition of a longer name has other tags."""

    def job(name: str) -> Any:
        return step(name=name, job_type="batch")(lambda: name)

    calls = [job(f"job{number}")() for number in range(MOST_ARNS // 2 + 1)]
    aws.register(Pipeline("crowd", steps=calls))
    aws.register(Pipeline("crowd-prod", steps=[job("other")()]))
    batch = acting(aws, f"crowd.state_machine_role-{aws.region}", "batch")
    own = {"jobName": "tried", "jobQueue": "crowd-fargate"}
    batch.submit_job(jobDefinition="crowd-job0", **own)
    with pytest.raises(ClientError, match="AccessDenied"):
        batch.submit_job(jobDefinition="crowd-prod-other", **own)


def test_a_denial_says_who_what_where_and_what_is_missing(aws: LocalAws) -> None:
    """A step without the permission to read fails with S3's error and the missing statement."""
    aws.register(pair("denied"))
    role = role_of(aws, "length", "denied")
    with without(aws, role, "Read"):
        execution = aws.run(pair("denied"))
    assert execution.error in ("AccessDenied", "ClientError")  # as botocore's version has it
    message = json.loads(str(execution.cause))["errorMessage"]
    assert "(AccessDenied) when calling the GetObject operation" in message
    resource = message.partition(" on resource: ")[2].partition(" because")[0]
    assert resource.startswith(f"arn:aws:s3:::denied-123456789012-{aws.region}/runs/")
    missing = json.loads(message[message.index("{") :])
    assert missing == {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}
    assert f"assumed-role/{role}/denied-length is not authorized" in message
    assert f"Missing in a policy of arn:aws:iam::123456789012:role/{role}" in message
    aws.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="pasted",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [missing]}),
    )
    assert aws.run(pair("denied")).succeeded


def executed(aws: LocalAws, name: str, role: str, sid: str) -> Execution:
    """Run a pipeline whose role lacks a statement."""
    with without(aws, role, sid):
        return aws.execute(name)


def test_a_machine_that_may_not_invoke_fails_as_in_aws(aws: LocalAws) -> None:
    """The error of lambda:invoke is Lambda.AWSLambdaException, with the message of Lambda."""
    aws.register(pair("uninvoked"))
    role = f"uninvoked.state_machine_role-{aws.region}"
    execution = executed(aws, "uninvoked", role, "Invoke")
    assert (execution.status, execution.error) == ("FAILED", "Lambda.AWSLambdaException")
    assert "is not authorized to perform: lambda:InvokeFunction" in str(execution.cause)


@pytest.mark.parametrize(
    ("sid", "error"),
    [
        ("StartMaps", "States.Permissions"),
        ("FollowMaps", "States.Permissions"),
        ("ItemsAndResults", "States.ItemReaderFailed"),
    ],
)
def test_a_map_requires_what_aws_documents(aws: LocalAws, sid: str, error: str) -> None:
    """A Distributed Map fails without the permissions to start children and use the bucket."""
    pipeline = Pipeline("mapping", steps=[items().map(length)])
    aws.register(pipeline)
    execution = executed(aws, "mapping", f"mapping.state_machine_role-{aws.region}", sid)
    assert (execution.status, execution.error) == ("FAILED", error)


@step
def another() -> list[str]:
    import boto3

    taken = boto3.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="more")["Credentials"]
    keys = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    boto3.client("sqs", **keys).list_queues()
    try:
        boto3.client("sns", **keys).list_topics()
    except Exception as error:
        return ["sqs", f"sns: {error.response['Error']['Code']}"]
    return []


@step
def items() -> list[str]:
    return ["a", "bb"]


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:ListMultipartUploadParts"])
def test_each_right_of_a_result_writer_is_required(aws: LocalAws, action: str) -> None:
    """The permissions for large results are also required for small ones."""
    pipeline = Pipeline("writing", steps=[items().map(length)])
    aws.register(pipeline)
    role = f"writing.state_machine_role-{aws.region}"
    deny = {"Effect": "Deny", "Action": action, "Resource": "arn:aws:s3:::*/manifest.json"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam = aws.client("iam")
    iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    execution = aws.execute("writing")
    iam.delete_role_policy(RoleName=role, PolicyName="deny")
    assert execution.error == "States.ResultWriterFailed"
    assert "explicit deny" in str(execution.cause)


def test_a_log_that_may_not_be_written_is_not_there(aws: LocalAws) -> None:
    """Lambda does not report a denied log; the step runs, and the denial is recorded."""
    aws.register(pair("silent"))
    with without(aws, role_of(aws, "large", "silent"), "Logs"):
        assert aws.execute("silent").succeeded
    assert aws.logs("silent-large") == []
    assert aws.logs("silent-length") != []
    denied = [one for one in aws.iam_decisions if not one.allowed and "silent" in one.principal]
    assert {one.action for one in denied} == {"logs:CreateLogStream"}


@pytest.mark.parametrize("sid", ["Tracing", "Sampling"])
def test_traces_that_may_not_be_sent_are_in_the_record_alone(aws: LocalAws, sid: str) -> None:
    """Denials by X-Ray do not fail the run."""
    aws.register(pair("untraced"))
    execution = executed(aws, "untraced", f"untraced.state_machine_role-{aws.region}", sid)
    assert execution.succeeded
    denied = [one for one in aws.iam_decisions if not one.allowed and "untraced" in one.principal]
    assert denied[-1].action.startswith("xray:")


def test_a_machine_whose_log_may_not_be_delivered_is_refused(aws: LocalAws) -> None:
    """UpdateStateMachine fails as in AWS and does not change the state machine."""
    arn = aws.register(pair("undelivered"))
    states = aws.client("stepfunctions")
    before = states.describe_state_machine(stateMachineArn=arn)
    role = f"undelivered.state_machine_role-{aws.region}"
    refusal = pytest.raises(ClientError, match="not authorized to access the Log Destination")
    with without(aws, role, "LogDelivery"), refusal:
        states.update_state_machine(
            stateMachineArn=arn,
            loggingConfiguration={**before["loggingConfiguration"], "level": "ERROR"},
        )
    after = states.describe_state_machine(stateMachineArn=arn)
    assert after["loggingConfiguration"] == before["loggingConfiguration"]


def test_roles_are_taken_by_the_services_that_they_trust(aws: LocalAws) -> None:
    """Functions, state machines and schedules cannot have a role that trusts another service."""
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="foreign", AssumeRolePolicyDocument=json.dumps(document))
    arn = role["Role"]["Arn"]
    machine = aws.register(pair("trusted"))
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        aws.client("lambda").update_function_configuration(FunctionName="trusted-large", Role=arn)
    with pytest.raises(ClientError, match=r"principal states\.amazonaws\.com, nor the regional"):
        aws.client("stepfunctions").update_state_machine(stateMachineArn=machine, roleArn=arn)
    with pytest.raises(ClientError, match="EventBridge Scheduler to assume the role"):
        schedule(aws, machine, arn)


def schedule(aws: LocalAws, machine: str, role: str) -> None:
    """Create the schedule ``nightly``."""
    aws.client("scheduler").create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": machine, "RoleArn": role, "Input": "{}"},
    )


def test_a_schedule_starts_its_machine_by_its_role(aws: LocalAws) -> None:
    """The role's trust is bound to the account and the schedule's group; it may start the machine.

    The conditions are those that synth writes.
    """
    machine = aws.register(pair("scheduled"))
    group = f"arn:aws:scheduler:{aws.region}:123456789012:schedule-group/default"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": "123456789012", "aws:SourceArn": group}
        },
    }
    iam = aws.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="starts", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    schedule(aws, machine, role)
    with pytest.raises(LocalAwsError, match="states:StartExecution"):
        aws.run_schedule("nightly", "default")
    allow = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="starts", PolicyName="start", PolicyDocument=document)
    started = aws.run_schedule("nightly", "default")
    states = aws.client("stepfunctions")
    assert states.describe_execution(executionArn=started)["stateMachineArn"] == machine
    with pytest.raises(LocalAwsError, match="no schedule 'weekly'"):
        aws.run_schedule("weekly")


def test_a_boundary_limits_a_role(aws: LocalAws) -> None:
    """An action that the role's policy allows and its permissions boundary does not is denied."""
    aws.register(pair("bounded"))
    iam = aws.client("iam")
    statement = {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iam.create_policy(PolicyName="limits", PolicyDocument=document)["Policy"]["Arn"]
    role = role_of(aws, "large", "bounded")
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=policy)
    execution = aws.execute("bounded")
    assert "because no permissions boundary allows the s3:PutObject action" in str(execution.cause)


def test_a_bucket_policy_denies_whom_it_names(aws: LocalAws) -> None:
    """A Deny with a condition on the role applies to that role alone."""
    aws.register(pair("bucket"))
    bucket = f"bucket-123456789012-{aws.region}"
    role = f"arn:aws:iam::123456789012:role/{role_of(aws, 'length', 'bucket')}"
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document)
    execution = aws.execute("bucket")
    assert "with an explicit deny in a resource-based policy" in str(execution.cause)


def test_only_tls_is_let_in_where_the_bucket_demands_it(aws: LocalAws) -> None:
    """The bucket policy of synth that requires TLS allows requests on loopback."""
    from lokki_tf.terraform import iam

    aws.register(pair("secure"))
    bucket = f"secure-123456789012-{aws.region}"
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=iam.tls_only(f"arn:aws:s3:::{bucket}"))
    assert aws.execute("secure").succeeded
    deny = iam.tls_only(f"arn:aws:s3:::{bucket}").replace('"false"', '"true"')
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=deny)
    assert not aws.execute("secure").succeeded
    with pytest.raises(ClientError, match="explicit deny"):  # the operator's requests too
        aws.client("s3").list_objects_v2(Bucket=bucket)


def test_code_acts_as_the_functions_role(aws: LocalAws) -> None:
    """A step's code has the identity of its role's session, with its permissions only."""

    @step
    def identity() -> dict[str, str]:
        import boto3

        sts = boto3.client("sts")
        found = {"arn": sts.get_caller_identity()["Arn"]}
        for service, call in (
            ("sns", lambda c: c.list_topics()),
            ("sqs", lambda c: c.list_queues()),
            ("iam", lambda c: c.list_roles()),
            ("dynamodb", lambda c: c.list_tables()),
            ("ec2", lambda c: c.describe_vpcs()),
            ("lambda", lambda c: c.list_functions()),
            ("s3", lambda c: c.head_bucket(Bucket="none")),
            ("sts", lambda c: c.assume_role(RoleArn=ROLE, RoleSessionName="more")),
        ):
            try:
                call(boto3.client(service))
            except Exception as error:
                found[service] = error.response["Error"]["Code"]
        return found

    found = aws.values(aws.run(Pipeline("who", steps=[identity()])))["identity"]
    role = role_of(aws, "identity", "who")
    assert found == {
        "arn": f"arn:aws:sts::123456789012:assumed-role/{role}/who-identity",
        "sns": "AuthorizationError",
        "sqs": "AccessDenied",
        "iam": "AccessDenied",
        "dynamodb": "AccessDeniedException",
        "ec2": "UnauthorizedOperation",
        "lambda": "AccessDeniedException",
        "s3": "403",
        "sts": "AccessDenied",
    }


def test_code_may_take_another_role_that_trusts_its_own(aws: LocalAws) -> None:
    """After AssumeRole the code has the permissions of the other role only."""
    name = role_of(aws, "another", "takes")
    pipeline = Pipeline("takes", steps=[another()])
    aws.register(pipeline)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::123456789012:role/{name}"},
        "Action": "sts:AssumeRole",
    }
    allow = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    iam = aws.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=document)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="other", PolicyName="lists", PolicyDocument=document)
    assert aws.values(aws.run(pipeline)) == {"another": ["sqs", "sns: AuthorizationError"]}


def test_without_enforcement_everything_is_allowed_and_nothing_recorded() -> None:
    """With enforce_iam=False, roles have no effect."""
    with LocalAws(retry_delay_scale=0.0, enforce_iam=False) as aws:
        aws.register(pair("free"))
        with without(aws, f"free.state_machine_role-{aws.region}", "Invoke"):
            assert aws.execute("free").succeeded
        assert aws.iam_decisions == []


def test_rights_that_nothing_needs_are_listed(aws: LocalAws) -> None:
    """A permission is unused until a decision uses it; a reset removes the record."""
    aws.register(pair("rights"))
    role = f"arn:aws:iam::123456789012:role/{role_of(aws, 'large', 'rights')}"

    def unused() -> set[str]:
        return {one.action for one in aws.unused_rights() if one.role == role}

    assert "s3:PutObject" in unused()
    assert aws.execute("rights").succeeded
    assert unused() == set()
    reading = [one for one in aws.iam_decisions if one.action == "s3:GetObject"][-1]
    assert (reading.allowed, reading.statements, reading.message) == (True, ("lokki.Read",), "")
    aws.reset()
    assert (aws.iam_decisions, aws.unused_rights()) == ([], [])
