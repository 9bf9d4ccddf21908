"""References to resources that users manage in .tf files beside the generated one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import (
    DAG,
    Alarms,
    EventPattern,
    MicroFunctions,
    Parameter,
    Pipeline,
    S3Created,
    S3Csv,
    S3Objects,
    Schedule,
    TerraformRef,
    allow,
    build_terraform,
    flow,
    start_pipeline,
    step,
    task,
)
from lokki_tf.config import AwsConfig, Config, LambdaConfig, load_config
from lokki_tf.errors import (
    BindingError,
    ConfigError,
    NamingError,
    OptionError,
    PlaceholderError,
    StepFailed,
)
from lokki_tf.operate.deployed import deployed_from
from lokki_tf.operate.stack import Stack

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.testing import LocalAws

TABLE = TerraformRef("aws_dynamodb_table.rows.arn")
BUCKET = TerraformRef("aws_s3_bucket.raw.bucket")
TEXT = TerraformRef("local.text")
MACHINE = TerraformRef("aws_sfn_state_machine.other.arn")
ODD = 'quoted "text", back\\slash, ${not.terraform} %{if}\nline €'
OWN = (
    'resource "aws_s3_bucket" "raw" {\n  bucket = "raw-data"\n}\n'
    'resource "aws_sns_topic" "alerts" { name = "ref-alerts" }\n'
    'resource "aws_dynamodb_table" "rows" {\n'
    '  name         = "ref-rows"\n'
    '  billing_mode = "PAY_PER_REQUEST"\n'
    '  hash_key     = "id"\n'
    '  attribute {\n    name = "id"\n    type = "S"\n  }\n'
    "}\n"
    "locals {\n"
    '  text = "quoted \\"text\\", back\\\\slash, $${not.terraform} %%{if}\\nline €"\n'
    "}\n"
)


@step(
    env_variables={"TABLE": TerraformRef("aws_dynamodb_table.rows.name"), "TEXT": TEXT},
    policies=[
        allow("dynamodb:PutItem", TABLE),
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::" + BUCKET},
    ],
)
def load(bucket: str, more: list[Any], *, text: str = "") -> list[Any]:
    return [bucket, more, text, os.environ["TABLE"], os.environ["TEXT"]]


@step(
    env_variables={"TABLE": TerraformRef("aws_dynamodb_table.rows.name")},
    policies=[allow("dynamodb:PutItem", TABLE)],
)
def put(rows: list[Any]) -> int:
    import boto3

    item = {"id": {"S": json.dumps(rows)}}
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item=item)
    return len(rows)


@step
def size(text: str) -> int:
    return len(text)


calls = Pipeline(
    "ref-calls", steps=[put(load(BUCKET, [BUCKET, 1, {"text": TEXT}], text="<" + TEXT + ">"))]
)


@step
def lines(text: str) -> list[str]:
    return [text, text * 2]


@step
def joined(item: str, bucket: str) -> str:
    return item + bucket


@step
def both(items: list[str], text: str) -> list[str]:
    return [*items, text]


@step
def key_of(item: dict[str, Any]) -> Any:
    return item.get("Key", item)


@step
def two(first: list[Any], second: list[Any]) -> list[list[Any]]:
    return [first, second]


@flow
def ref_datasets() -> list[list[Any]]:
    prefix = TerraformRef("aws_s3_bucket.raw.bucket") + "/"
    objects = S3Objects(BUCKET, prefix).map(key_of).agg(both, "objects")
    return two(objects, S3Csv(BUCKET, prefix + "rows.csv").map(key_of).agg(both, "rows"))


@step(job_type="batch", env_variables={"TEXT": TEXT})
def in_job(bucket: str) -> list[str]:
    return [bucket, os.environ["TEXT"]]


in_jobs = Pipeline("ref-jobs", steps=[in_job(BUCKET)])


@flow
def ref_chain() -> list[str]:
    return lines(BUCKET).map(joined, TEXT).agg(both, TEXT)


@task(env_variables={"TEXT": TEXT})
def first() -> str:
    return os.environ["TEXT"]


@task
def second(first: str) -> str:
    return first[::-1]


first >> second
operators = DAG("ref-operators", tasks=[second])


pipe = MicroFunctions("begin", name="ref-routed")


@pipe.fn(
    terminates=True,
    template_props={
        "Environment": {"Variables": {"TEXT": TEXT}},
        "Policies": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": TABLE}],
    },
)
def begin(**kwargs: object) -> dict[str, object]:
    return {"text": os.environ["TEXT"]}


STYLES = {"calls": calls, "chain": ref_chain, "operators": operators, "routed": pipe}
RESULTS: dict[str, Any] = {
    "calls": {"put": 5},
    "chain": {"both": [f"raw-data{ODD}", f"raw-dataraw-data{ODD}", ODD]},
    "operators": {"second": ODD[::-1]},
}


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose lokki.toml and environment have the values that Terraform has in tests."""
    (tmp_path / "lokki.toml").write_text(
        '[local.refs]\n"aws_s3_bucket.raw.bucket" = "raw-data"\n'
        '"aws_dynamodb_table.rows.name" = "ref-rows"\n'
        '"aws_dynamodb_table.rows.arn" = "arn:aws:dynamodb:us-east-1:123456789012:table/ref-rows"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKKI_REF_LOCAL_TEXT", ODD)


def written(pipeline: Any, folder: Path) -> dict[str, Any]:
    made = pipeline.synth(folder).folder
    found: dict[str, Any] = json.loads((made / "cdk.tf.json").read_text())
    return found


@pytest.mark.parametrize(
    "address",
    [
        *("aws_dynamodb_table.rows.arn", "aws_subnet.a[0].id", "aws_s3_bucket.b.website[0].x[12]"),
        *("var.topic_arn", "local.x", "module.net.subnet", "module.net[1].subnet.id"),
        *("data.aws_vpc.main.id", "_a._b-c._d"),
    ],
)
def test_addresses_of_values_are_accepted(address: str) -> None:
    """Attributes, variables, locals, outputs of modules and data sources, with indices."""
    assert TerraformRef(address).expression == f"${{{address}}}"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("${aws_s3_bucket.b.arn}", r"without \$\{ and \}"),
        ('aws_s3_bucket.b["x"].arn', "contains quotes; define a local"),
        ("aws_s3_bucket.b .arn", "is not the address"),
        ("aws_s3_bucket.b.arn\n", "is not the address"),
        ("aws_s3_bucket.b.*.arn", "is not the address"),
        ("aws_s3_bucket.b[*].arn", "is not the address"),
        ("1a.b.c", "is not the address"),
        ("jsonencode(local.a)", "is not the address"),
        ("aws_s3_bucket.b", "names no single value"),
        ("data.aws_vpc.main", "names no single value"),
        ("module.net", "names no single value"),
        ("var", "names no single value"),
        ("each.value.arn", "begins with each"),
        ("", "is not the address"),
        (3, "must have an address as a string"),
    ],
)
def test_other_addresses_are_refused(address: Any, says: str) -> None:
    """An error says what is wrong with an address, and gives examples."""
    with pytest.raises(OptionError, match=says) as error:
        TerraformRef(address)
    assert "aws_dynamodb_table.rows.arn" in str(error.value)


def test_text_is_added_and_never_made() -> None:
    """A reference is extended with +; every use as a text is an error."""
    extended = "a:" + BUCKET + "/b" + "/*"
    assert extended.expression == "a:${aws_s3_bucket.raw.bucket}/b/*"
    assert repr(extended) == "'a:' + TerraformRef('aws_s3_bucket.raw.bucket') + '/b/*'"
    for use in (str, "{}".format, lambda ref: f"{ref}/*"):
        with pytest.raises(PlaceholderError, match="has no text here"):
            use(BUCKET)
    for text in ('"', "\\", "${x", "%{x", "\n", "$"):
        with pytest.raises(OptionError, match="cannot be added"):
            BUCKET + text
    with pytest.raises(TypeError):
        BUCKET + 3  # type: ignore[operator]


def test_every_option_is_written_as_the_expression(tmp_path: Path) -> None:
    """Environment, layers, roles, queues, topics and policies contain the references."""

    @step(
        layers=[TerraformRef("var.layer")],
        role=TerraformRef("aws_iam_role.runs.arn"),
        env_variables={"A": "x" + TABLE, "B": "${plain}"},
        tags={"a": "b"},
    )
    def one() -> int:
        return 1

    @step(
        job_type="batch",
        job_queue=TerraformRef("aws_batch_job_queue.q.arn"),
        env_variables={"TEXT": TEXT},
        policies=[allow("s3:GetObject", TerraformRef("aws_s3_bucket.raw.arn") + "/*")],
    )
    def two(number: int) -> int:
        return number

    topic = TerraformRef("aws_sns_topic.alerts.arn")
    pipeline = Pipeline("options", steps=[two(one())], on_failure=topic, alarms=Alarms(topic))
    made = written(pipeline, tmp_path)["resource"]
    function = made["aws_lambda_function"]["one"]
    assert function["layers"] == ["${var.layer}"]
    assert function["role"] == "${aws_iam_role.runs.arn}"
    variables = function["environment"]["variables"]
    assert variables["A"] == "x${aws_dynamodb_table.rows.arn}"
    assert variables["B"] == "$${plain}"
    alarm = made["aws_cloudwatch_metric_alarm"]["alarm_failed"]
    assert alarm["alarm_actions"] == ["${aws_sns_topic.alerts.arn}"]
    notices = made["aws_lambda_function"]["notices"]["environment"]["variables"]
    assert notices["LOKKI_NOTIFY"] == "${aws_sns_topic.alerts.arn}"
    publish = made["aws_iam_role_policy"]["notices_policy"]["policy"]
    assert '"Resource": ["${aws_sns_topic.alerts.arn}"]' in publish
    own = json.loads(made["aws_iam_role_policy"]["two_policy_2"]["policy"])
    assert own == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": ["${aws_s3_bucket.raw.arn}/*"],
            }
        ],
    }
    machine = made["aws_sfn_state_machine"]["state_machine"]
    assert 'two_queue = "${aws_batch_job_queue.q.arn}"' in machine["definition"]
    submit = made["aws_iam_role_policy"]["state_machine_policy"]["policy"]
    assert '"${aws_batch_job_queue.q.arn}"' in submit
    assert "aws_batch_job_queue" not in made
    needed = tmp_path / "stacks/options/permissions/aws_iam_role.runs.arn.json"
    assert "arn:aws:logs:REGION:ACCOUNT:log-group" in needed.read_text()


SETTINGS = """
[aws]
kms_key = { ref = "aws_kms_key.k.arn" }
permissions_boundary = { ref = "aws_iam_policy.b.arn" }
artifact_bucket = { ref = "aws_s3_bucket.code.bucket" }
vpc = { id = { ref = "module.net.vpc_id" }, subnets = [{ ref = "aws_subnet.a[0].id" }, "subnet-1"] }
[lambda]
env = { A = { ref = "var.a" }, B = "b" }
role = { ref = "aws_iam_role.runs.arn" }
[batch]
job_queue = { ref = "aws_batch_job_queue.q.arn" }
[schedule]
role = { ref = "aws_iam_role.runs.arn" }
[state_machine]
role = { ref = "aws_iam_role.machine.arn" }
"""


def test_settings_are_written_as_the_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables { ref = "…" } of lokki.toml are references, and strings stay what they are."""

    @step
    def one() -> int:
        return 1

    (tmp_path / "lokki.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    assert load_config().batch.job_queue == TerraformRef("aws_batch_job_queue.q.arn")
    found = written(Pipeline("settings", steps=[one()], schedule="rate(1 day)"), tmp_path / "out")
    made, data = found["resource"], found["data"]
    function = made["aws_lambda_function"]["one"]
    assert function["kms_key_arn"] == "${aws_kms_key.k.arn}"
    assert function["role"] == "${aws_iam_role.runs.arn}"
    assert function["environment"]["variables"]["A"] == "${var.a}"
    assert function["environment"]["variables"]["B"] == "b"
    group = made["aws_security_group"]["functions_security_group"]
    assert group["vpc_id"] == "${module.net.vpc_id}"
    assert group["description"] == "Lambda functions of a pipeline: out, never in"
    assert data["aws_subnets"]["subnets"]["filter"][0]["values"] == [
        *("${aws_subnet.a[0].id}", "subnet-1"),
    ]
    assert data["aws_s3_bucket"]["bucket"]["bucket"] == "${aws_s3_bucket.code.bucket}"
    machine = made["aws_sfn_state_machine"]["state_machine"]
    assert machine["role_arn"] == "${aws_iam_role.machine.arn}"
    assert machine["encryption_configuration"]["kms_key_id"] == "${aws_kms_key.k.arn}"
    logs = made["aws_cloudwatch_log_group"]["one_logs"]
    assert logs["kms_key_id"] == "${aws_kms_key.k.arn}"
    schedule = made["aws_scheduler_schedule"]["schedule"]
    assert schedule["target"]["role_arn"] == "${aws_iam_role.runs.arn}"
    permissions = {path.stem for path in (tmp_path / "out/stacks/settings/permissions").iterdir()}
    assert permissions == {"aws_iam_role.runs.arn", "aws_iam_role.machine.arn"}


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[aws]\nregion = { ref = "var.region" }', "must be known before Terraform runs"),
        ('[terraform]\nbucket = { ref = "var.state" }', "must be known before Terraform runs"),
        ('[lambda]\nsecrets = { A = { ref = "var.a" } }', "must be known before Terraform runs"),
        ('[aws]\nkms_key = { ref = "aws_kms_key.k" }', "names no single value"),
        ('[aws.vpc]\nsubnets = [{ ref = "a b" }]', "is not the address"),
        (
            '[aws]\nkms_key = { reference = "aws_kms_key.k.arn" }',
            r"expected a string or a reference",
        ),
        ('[local.refs]\naws_kms_key.k.arn = "x"', "expected a string"),
    ],
)
def test_wrong_references_in_settings_are_errors_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, says: str
) -> None:
    """The error has the file and line of the setting."""
    (tmp_path / "lokki.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says) as error:
        load_config()
    assert "lokki.toml:2" in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        *({"description": TEXT}, {"memory_size": TEXT}, {"tags": {"a": TEXT}}, {"include": [TEXT]}),
        *({"secrets": {"A": TEXT}}, {"requirements": [TEXT]}, {"python_runtime": TEXT}),
    ],
)
def test_what_must_be_known_is_no_reference(options: dict[str, Any]) -> None:
    """Options that form names, zips or limits refuse references, with the place."""
    with pytest.raises(OptionError, match="must be known before Terraform runs") as error:
        step(**options)(lambda: 1)
    assert error.value.place is not None
    assert error.value.place.file == __file__


def test_a_repository_of_images_has_no_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository's stack is separate, so a key in the pipeline's stack does not exist there."""

    @step(package="image")
    def one() -> int:
        return 1

    (tmp_path / "lokki.toml").write_text('[aws]\nkms_key = { ref = "aws_kms_key.k.arn" }')
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline("imaged", steps=[one()])
    with pytest.raises(ConfigError, match="in a stack of its own"):
        pipeline.synth(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_queue_is_known_by_its_arn(tmp_path: Path) -> None:
    """IAM names queues by their ARNs, so a reference to a name is refused."""

    @step(job_type="batch", job_queue=TerraformRef("aws_batch_job_queue.q.name"))
    def one() -> int:
        return 1

    with pytest.raises(OptionError, match="must be the queue's ARN"):
        Pipeline("queued", steps=[one()]).synth(tmp_path)


@pytest.mark.parametrize(
    ("write", "error", "says"),
    [
        (lambda: Parameter("x", str, default=TEXT), OptionError, "default of parameter 'x'"),
        (lambda: defaulted.definition, OptionError, "default of parameter 'where'"),
        (lambda: start_pipeline(MACHINE, trust=True), OptionError, "bucket with the results"),
        (lambda: start_pipeline(TerraformRef("a.b.name")), OptionError, "refer to the ARN of a"),
        (lambda: lines({TEXT: 1}), BindingError, "as a key of a dict"),
        (lambda: step(name=TEXT)(closed.step.function), NamingError, "must be a string, got Terr"),
        (lambda: ref_chain_of_text.local_run({"text": TEXT}), BindingError, "text must be str"),
    ],
)
def test_other_places_refuse_references(write: Any, error: Any, says: str) -> None:
    """Defaults of parameters, names, keys of dicts and parameters of runs are no references."""
    with pytest.raises(error, match=says) as caught:
        write()
    assert caught.value.place.file == __file__


@flow
def defaulted(where: str = TEXT) -> str:
    return joined(where, "")


@flow
def ref_chain_of_text(text: str) -> str:
    return joined(text, "")


def test_a_step_with_a_reference_as_its_default_is_an_error() -> None:
    """A default is code of the step, which exists in Lambda, where the reference does not."""

    @step
    def named(where: str = TEXT) -> str:
        return where

    (found,) = (one for one in Pipeline("p", steps=[named()]).check() if one.severity == "error")
    assert "it exists only while the pipeline is built" in found.message


def test_parts_of_references_are_selected_inside_steps() -> None:
    """A reference has no parts while the pipeline is written."""

    @flow
    def inner(where: str) -> Any:
        return load(where, [where[0]])  # type: ignore[index]

    @flow
    def outer() -> Any:
        return inner(BUCKET)

    with pytest.raises(BindingError, match="of which no part can be selected"):
        _ = outer.definition


def test_a_reference_is_a_text_for_included_flows() -> None:
    """A parameter of an included flow that is no text refuses a reference."""

    @flow
    def inner(count: int) -> Any:
        return load("a", [count])

    @flow
    def outer() -> Any:
        return inner(TEXT)  # type: ignore[arg-type]

    with pytest.raises(BindingError, match="requires int for count"):
        _ = outer.definition


def test_annotations_are_compared_with_a_text() -> None:
    """check warns of a reference where a step takes something else."""
    found = Pipeline("warned", steps=[joined("a", load("b", BUCKET))])  # type: ignore[arg-type]
    assert any(
        "is given the text of TerraformRef('aws_s3_bucket.raw.bucket')" in one.message
        for one in found.check()
    )


@pytest.mark.parametrize("style", RESULTS)
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.usefixtures("values")
def test_local_runs_use_the_values(style: str, strict: bool, deployment: Deployment) -> None:
    """Arguments and environments have the values of [local.refs] and the environment."""
    if style == "calls":  # whose last step needs a table
        ran = Pipeline("ref-calls", steps=[load(BUCKET, [1, {"t": TEXT}], text="<" + TEXT + ">")])
        found = ran.local_run(strict=strict).result
        assert found == ["raw-data", [1, {"t": ODD}], f"<{ODD}>", "ref-rows", ODD]
    else:
        assert [STYLES[style].local_run(strict=strict).result] == [*RESULTS[style].values()]


@pytest.mark.usefixtures("values")
def test_a_run_on_the_local_aws_uses_the_values(local_aws: LocalAws) -> None:
    """Resources that are registered without Terraform have the values, in all styles."""
    local_aws.client("dynamodb").create_table(
        TableName="ref-rows",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for style, result in RESULTS.items():
        assert local_aws.values(local_aws.run(STYLES[style])) == result
    assert local_aws.values(local_aws.run(pipe))["begin"]["text"] == ODD


@pytest.mark.parametrize("where", ["local_run", "aws"])
def test_a_missing_value_is_named(
    where: str, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a value a run ends before its first step, with the reference and the remedy."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        ref_chain.local_run() if where == "local_run" else deployment.run(ref_chain)
    text = str(error.value)
    assert "TerraformRef('aws_s3_bucket.raw.bucket')" in text
    assert '"aws_s3_bucket.raw.bucket" = "…" below [local.refs]' in text
    assert "LOKKI_REF_AWS_S3_BUCKET_RAW_BUCKET" in text


def test_only_what_a_run_needs_must_have_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """References in policies, roles, layers and topics need no value in a local run."""

    @step(
        role=TerraformRef("aws_iam_role.r.arn"),
        layers=[TerraformRef("var.layer")],
        policies=[allow("s3:GetObject", TABLE)],
    )
    def one() -> int:
        return 1

    monkeypatch.chdir(tmp_path)
    assert Pipeline("few", steps=[one()], on_failure=TABLE, alarms=TABLE).local_run().result == 1


def test_variables_of_a_run_are_values(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """variables= of LocalAws gives references to variables their values."""
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline("ref-variable", steps=[lines(TerraformRef("var.word"))])
    arn = deployment.aws.register(pipeline, {"word": "hello"})
    assert deployment.aws.values(deployment.aws.execute(arn)) == {"lines": ["hello", "hellohello"]}


def test_a_reference_has_reserved_bytes() -> None:
    """2,048 bytes of a state's input are kept for each reference."""

    @step
    def many(*rows: Any) -> int:
        return len(rows)

    def limit(*more: Any) -> int:
        from lokki_tf.asl import compile_state_machine

        pipeline = Pipeline("sized", steps=[many(lines("a"), *more)])
        return compile_state_machine(pipeline.definition).limits["lines"]

    assert limit(*[BUCKET] * 3) - limit(*[BUCKET] * 6) in range(3 * 2_048, 3 * 2_048 + 300)


@flow
def ref_started(text: str) -> str:
    return joined(text, "!")


@pytest.mark.usefixtures("values")
def test_a_started_pipeline_receives_references(deployment: Deployment) -> None:
    """Parameters of start_pipeline() may be references, locally and in AWS."""
    start = start_pipeline(ref_started.name, {"text": TEXT})
    pipeline = Pipeline("ref-starter", steps=[start])
    assert pipeline.local_run().result == f"{ODD}!"
    assert [*deployment.run(pipeline).values()] == [f"{ODD}!"]


def test_build_terraform_takes_references(tmp_path: Path) -> None:
    """Layers, policies and environment of orchwipy's call may be references."""
    made = build_terraform(
        plant=pipe,
        layers=[TerraformRef("var.layer")],
        policies=[allow("sns:Publish", TerraformRef("var.topic"))],
        environment={"OTHER": TABLE},
        outdir=tmp_path,
    )
    found = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    function = found["aws_lambda_function"]["begin"]
    assert function["layers"] == ["${var.layer}"]
    variables = function["environment"]["variables"]
    assert (variables["OTHER"], variables["TEXT"]) == (
        *("${aws_dynamodb_table.rows.arn}", "${local.text}"),
    )
    assert "${var.topic}" in found["aws_iam_role_policy"]["begin_policy_2"]["policy"]


@stack
def ref_calls(aws: LocalAws, folder: Path) -> Path:
    """A pipeline with resources of the user's own, which also has a topic for failures."""
    made = calls.synth(folder).folder
    (made / "own.tf").write_text(OWN)
    return made


@stack
def ref_chains(aws: LocalAws, folder: Path) -> Path:
    made = ref_chain.synth(folder).folder
    own = OWN.replace("raw-data", "raw-chain").replace("ref-", "chain-")
    (made / "own.tf").write_text(own)
    return made


@stack
def ref_jobs(aws: LocalAws, folder: Path) -> Path:
    """A job, whose arguments and environment are inside JSON."""
    made = in_jobs.synth(folder).folder
    (made / "own.tf").write_text(OWN.replace("raw-data", "raw-jobs").replace("ref-", "jobs-"))
    return made


def fill(aws: LocalAws, bucket: str) -> list[list[Any]]:
    """Store what the datasets read, and return the result."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key=f"{bucket}/rows.csv", Body=b"n\n1\n")
    s3.put_object(Bucket=bucket, Key="other", Body=b"")
    return [[f"{bucket}/rows.csv", "objects"], [{"n": "1"}, "rows"]]


@pytest.mark.usefixtures("values")
def test_references_locate_datasets(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locations of datasets have the values in local runs, and in AWS without Terraform."""
    deployment.aws.client("s3").create_bucket(Bucket="raw-data")
    result = fill(deployment.aws, "raw-data")
    assert deployment.run(ref_datasets) == {"two": result}
    for name, value in deployment.aws.environment.items():
        monkeypatch.setenv(name, value)
    assert ref_datasets.local_run().result == result
    assert ref_datasets.local_run(strict=True).result == result


@stack
def ref_reads(aws: LocalAws, folder: Path) -> Path:
    """Datasets in a bucket that the user's own files make."""
    made = ref_datasets.synth(folder).folder
    own = OWN.replace('"raw-data"', '"raw-reads"\n  force_destroy = true\n')
    (made / "own.tf").write_text(own.replace("ref-", "reads-"))
    return made


@pytest.mark.terraform
def test_a_role_may_read_datasets_of_references(applied: Applied) -> None:
    """With real Terraform, locations and rights of datasets have the resources' values."""
    result = fill(applied.aws, "raw-reads")
    assert applied.values("ref_reads") == {"two": result}


matched = {"topic": [TEXT], "text": ["${not.terraform} %{if}"], "more": {"a": [None, TABLE]}}
by_events = Pipeline(
    "ref-events",
    steps=[size(Parameter("text", str))],
    triggers=EventPattern(
        {"source": ["shop"], "detail": matched},
        bus=TerraformRef("aws_cloudwatch_event_bus.shop.name"),
        parameters={"text": "detail.topic"},
    ),
)


@stack
def ref_events(aws: LocalAws, folder: Path) -> Path:
    """A trigger with references in its pattern, on a bus of the user's own."""
    made = by_events.synth(folder).folder
    bus = 'resource "aws_cloudwatch_event_bus" "shop" { name = "shop" }\n'
    own = OWN.replace("raw-data", "raw-events").replace("ref-", "events-")
    (made / "own.tf").write_text(own + bus)
    return made


@pytest.mark.terraform
def test_events_match_what_terraform_knows(applied: Applied) -> None:
    """References in event patterns have their values, and other texts stay what they are."""
    aws, arn = applied.aws, applied.outputs["ref_events"]["state_machine_arn"]
    table = aws.client("dynamodb").describe_table(TableName="events-rows")["Table"]["TableArn"]
    detail = {"topic": ODD, "text": "${not.terraform} %{if}", "more": {"a": table}}
    wrong = [{**detail, "topic": "other"}, {**detail, "more": {"a": "other"}}]
    entries = [
        {"Source": "shop", "DetailType": "o", "EventBusName": "shop", "Detail": json.dumps(one)}
        for one in (*wrong, detail)
    ]
    aws.client("events").put_events(Entries=entries)
    states, until = aws.client("stepfunctions"), time.monotonic() + 30
    while not (found := states.list_executions(stateMachineArn=arn)["executions"]):
        assert time.monotonic() < until
        time.sleep(0.1)
    (one,) = (states.describe_execution(executionArn=one["executionArn"]) for one in found)
    assert json.loads(one["input"])["text"] == ODD


def test_references_in_patterns_match_any_value_locally() -> None:
    """An event is mapped without Terraform; other parts of triggers are no references."""
    detail = {"topic": "any", "text": "${not.terraform} %{if}", "more": {"a": "other"}}
    event = {"source": "shop", "id": "1", "detail": detail}
    assert by_events.local_run(event=event).result == 3
    with pytest.raises(BindingError, match="no trigger"):
        by_events.local_run(event={**event, "detail": {**detail, "text": "x"}})
    for pattern in ({"source": [{"prefix": TEXT}]}, {TEXT: ["a"]}, {"source": TEXT}):
        with pytest.raises(OptionError, match="the pattern"):
            EventPattern(pattern)
    with pytest.raises(OptionError, match="timezone must be the name of a time zone"):
        Schedule("rate(1 hour)", timezone=TEXT)


TOPIC = TerraformRef("aws_sns_topic.alerts.arn")
guarded = Pipeline(
    "ref-guarded",
    steps=[lines(Parameter("text", str)).map(joined, BUCKET, execution_type="express")],
    triggers=S3Created(prefix="in/", parameters={"text": "detail.object.key"}),
    max_concurrent_runs=1,
    on_failure=TOPIC,
    alarms=TOPIC,
    dashboard=True,
)
GUARDS = """
resource "aws_kms_key" "data" { description = "data" }
resource "aws_iam_policy" "limit" {
  name   = "limit"
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.all] })
}
locals { all = { Effect = "Allow", Action = "*", Resource = "*" } }
"""


@stack
def ref_guarded(aws: LocalAws, folder: Path) -> Path:
    """A pipeline whose data, roles and bucket are those of the user's own resources."""
    config = Config(
        aws=AwsConfig(
            artifact_bucket=BUCKET,
            kms_key=TerraformRef("aws_kms_key.data.arn"),
            permissions_boundary=TerraformRef("aws_iam_policy.limit.arn"),
        ),
        lambda_=LambdaConfig(versions=True),
    )
    made = guarded.synth(folder, config=config)
    assert made.others_buckets == (repr(BUCKET),)
    own = OWN.replace('"raw-data"', '"raw-guarded"\n  force_destroy = true\n')
    (made.folder / "own.tf").write_text(own.replace("ref-", "guarded-") + GUARDS)
    return made.folder


@pytest.mark.terraform
def test_keys_boundaries_and_buckets_are_those_of_terraform(applied: Applied) -> None:
    """A run takes a slot, decrypts variables of published versions, and maps in such a bucket."""
    found = applied.aws.execute(applied.outputs["ref_guarded"]["state_machine_arn"], {"text": "a"})
    assert applied.aws.values(found) == {"joined_map": ["araw-guarded", "aaraw-guarded"]}
    roles = applied.aws.client("iam").list_roles(PathPrefix="/")["Roles"]
    own = [one["RoleName"] for one in roles if one["RoleName"].startswith("ref-guarded")]
    get = applied.aws.client("iam").get_role
    limits = [get(RoleName=name)["Role"]["PermissionsBoundary"] for name in own]
    assert {one["PermissionsBoundaryArn"].rpartition("/")[2] for one in limits} == {"limit"}
    own_decisions = [one for one in applied.aws.iam_decisions if "ref-guarded" in one.principal]
    assert own_decisions
    assert all(one.allowed for one in own_decisions)


@pytest.mark.terraform
def test_terraform_fills_in_what_it_knows(applied: Applied) -> None:
    """With real Terraform, arguments, environments and policies have the resources' values."""
    aws = applied.aws
    arn = applied.outputs["ref_calls"]["state_machine_arn"]
    execution = aws.execute(arn)
    assert aws.values(execution) == {"put": 5}
    (item,) = aws.client("dynamodb").scan(TableName="ref-rows")["Items"]
    assert json.loads(item["id"]["S"]) == [
        *("raw-data", ["raw-data", 1, {"text": ODD}], f"<{ODD}>", "ref-rows", ODD),
    ]
    chain = applied.outputs["ref_chains"]["state_machine_arn"]
    assert aws.values(aws.execute(chain)) == {
        "both": [f"raw-chain{ODD}", f"raw-chainraw-chain{ODD}", ODD]
    }
    assert applied.values("ref_jobs") == {"in_job": ["raw-jobs", ODD]}


def test_the_bucket_of_a_reference_is_that_of_the_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results are read from the bucket that Terraform returned, else from that of [local.refs]."""
    bucket = TerraformRef("aws_s3_bucket.code.bucket")
    config = Config(aws=AwsConfig(artifact_bucket=bucket, region="us-east-1"))
    stack = Stack(calls.definition, config, tmp_path, "", "")
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:ref-calls"
    outputs = {"state_machine_arn": arn, "function_arns": {}, "bucket": "code-1"}
    assert deployed_from(stack, outputs).store == "s3://code-1/ref-calls"
    unknown = deployed_from(stack, {**outputs, "bucket": None})
    with pytest.raises(ConfigError, match="pipeline's bucket needs the value of TerraformRef"):
        _ = unknown.store
    monkeypatch.setenv("LOKKI_REF_AWS_S3_BUCKET_CODE_BUCKET", "code-2")
    assert unknown.store == "s3://code-2/ref-calls"


def test_a_cleanup_receives_references(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call of cleanup= may have references as arguments, locally and in AWS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKKI_REF_AWS_S3_BUCKET_RAW_BUCKET", "raw-data")
    rows = lines("a")
    cleaned = Pipeline("ref-cleaned", steps=[rows], cleanup=closed(rows, BUCKET))
    assert cleaned.local_run().result == ["a", "aa"]
    assert deployment.run(cleaned)["lines"] == ["a", "aa"]
    monkeypatch.setenv("LOKKI_REF_AWS_S3_BUCKET_RAW_BUCKET", "other")
    with pytest.raises(StepFailed, match="step 'closed' failed"):
        cleaned.local_run()


@step
def closed(lines: list[str], bucket: str) -> None:
    if bucket != "raw-data":
        raise ValueError(bucket)  # which fails the run
