"""Stages: one pipeline, several times in one account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import pytest
from applied import Applied, stack

from lokki_tf import Pipeline, flow, main, step
from lokki_tf.config import load_config
from lokki_tf.errors import ConfigError, NamingError

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.testing import LocalAws

STAGES = """
[aws]
tags = { team = "data" }
[stage.dev.lambda]
env = { GREETING = "here" }
[stage.prod.lambda]
env = { GREETING = "there" }
memory_size = 2048
"""


@step
def greet() -> str:
    import os

    return os.environ["GREETING"] + "!" * 300_000


@step
def measure(text: str) -> list[Any]:
    return [text.rstrip("!"), len(text)]


def pipeline(name: str = "greeting") -> Pipeline:
    return Pipeline(name, steps=[measure(greet())], schedule="rate(1 day)")


def config(tmp_path: Path, stage: str | None, toml: str = STAGES, **environ: str) -> Config:
    (tmp_path / "lokki.toml").write_text(toml)
    return load_config(tmp_path, environ=environ, stage=stage)


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "cdk.tf.json").read_text())
    return found


def names(resources: dict[str, Any]) -> set[str]:
    """What the resources of a stack are called in AWS, and the keys of objects."""
    fields = ("name", "function_name", "bucket", "group_name")
    return {
        one[field]
        for kind, members in resources.items()
        if kind not in ("aws_iam_role_policy", "aws_s3_object")
        for one in members.values()
        for field in fields
        if field in one and not one[field].startswith("${aws_")
    }


def test_a_stage_names_everything_that_stands_in_aws(tmp_path: Path) -> None:
    """No name of one stage is a name of another or of the pipeline without one."""
    found = {}
    for stage in (None, "dev", "prod"):
        made = pipeline().synth(tmp_path / "out", config=config(tmp_path, stage))
        assert made.folder.name == (f"greeting-{stage}" if stage else "greeting")
        resources = written(made.folder)["resource"]
        found[stage] = names(resources)
        machine = resources["aws_sfn_state_machine"]["state_machine"]
        assert machine["name"] == made.folder.name
        assert machine["tags"].get("lokki:stage") == stage
        assert machine["tags"]["lokki:pipeline"] == "greeting"
        assert len(found[stage]) >= 8
    assert not found[None] & found["dev"]
    assert not found["dev"] & found["prod"]
    assert not found[None] & found["prod"]


def test_without_a_stage_nothing_says_stage(tmp_path: Path) -> None:
    """Stages in a file have no effect if no stage is selected."""
    made = pipeline().synth(tmp_path / "out", config=config(tmp_path, None))
    assert "stage" not in (made.folder / "cdk.tf.json").read_text()


def test_the_environment_names_a_stage_and_an_argument_another(tmp_path: Path) -> None:
    """LOKKI_STAGE holds where nothing is said; what is said overrides it."""
    assert config(tmp_path, None, LOKKI_STAGE="dev").stage == "dev"
    assert config(tmp_path, "prod", LOKKI_STAGE="dev").stage == "prod"
    assert config(tmp_path, None, LOKKI_STAGE="").stage is None


@pytest.mark.parametrize(
    ("toml", "stage", "says"),
    [
        ("[stage.'a b']\n", None, r"the stage 'a b'(.|\n)*lokki.toml:1"),
        ("[stage.dev]\nstage = 'x'\n", "dev", r"no field 'stage'(.|\n)*lokki.toml:2"),
        (
            "[terraform]\nbackend = 's3'\nbucket = 'b'\nkey = 'k'\n[stage.dev]\n",
            "dev",
            r"one for all stages(.|\n)*lokki.toml:4",
        ),
        ("[terraform]\n\nbackend = 's3'\n", None, r"needs a bucket(.|\n)*lokki.toml:3"),
        ("[stage.dev.terraform]\nbackend = 's3'\n", "dev", r"needs a bucket(.|\n)*lokki.toml:2"),
    ],
)
def test_what_would_mix_stages_is_refused(
    tmp_path: Path, toml: str, stage: str | None, says: str
) -> None:
    """A name that AWS refuses, and a state that stages share, are reported with their line."""
    with pytest.raises(ConfigError, match=says):
        config(tmp_path, stage, toml)


def test_stages_may_have_the_same_key_in_buckets_of_their_own(tmp_path: Path) -> None:
    """Where a stage says its own bucket or key, the state is its own."""
    toml = "[terraform]\nbackend = 's3'\nbucket = 'b'\nkey = 'k'\n[stage.dev.terraform]\n"
    assert config(tmp_path, "dev", toml + "bucket = 'dev'").terraform.key == "k"
    assert config(tmp_path, "dev", toml + "key = 'dev'").terraform.bucket == "b"


def test_a_name_that_a_stage_makes_too_long_is_refused(tmp_path: Path) -> None:
    """A state machine's name has 80 characters, the stage's among them; check says so too."""
    settings = config(tmp_path, "prod")
    long = pipeline("p" * 78)
    assert any(one.error is NamingError for one in long.check(config=settings))
    with pytest.raises(NamingError, match="83 characters"):
        long.synth(tmp_path / "out", config=settings)
    assert not (tmp_path / "out").exists()


def test_commands_take_a_stage(tmp_path: Path) -> None:
    """synth and check have --stage; one that is not there is an error that names the others."""
    (tmp_path / "lokki.toml").write_text(STAGES)
    script = tmp_path / "pipeline.py"
    script.write_text(
        "from lokki_tf import Pipeline, main, step\n"
        "@step\ndef one(): ...\nmain(Pipeline('daily', steps=[one()]))\n"
    )

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return forked.run(
            [str(script), *args],
            cwd=tmp_path,
        )

    done = command("synth", "--stage", "prod")
    assert done.returncode == 0
    assert done.stderr.startswith("daily-prod: 1 function")
    assert (tmp_path / "terraform-out" / "stacks" / "daily-prod" / "cdk.tf.json").exists()
    assert command("check", "--stage", "dev").returncode == 0
    done = command("check", "--stage", "prd")
    assert done.returncode == 2
    assert "did you mean 'prod'?" in done.stderr


@stack
def stage_dev(aws: LocalAws, folder: Path) -> Path:
    """The stage dev of a pipeline."""
    return pipeline().synth(folder / "out", config=config(folder, "dev")).folder


@stack
def stage_prod(aws: LocalAws, folder: Path) -> Path:
    """The stage prod of the same pipeline."""
    return pipeline().synth(folder / "out", config=config(folder, "prod")).folder


def test_stages_exist_in_one_account_and_are_destroyed_one_by_one(applied: Applied) -> None:
    """Both stages are applied and one is destroyed: the other runs as before."""
    for stage, word in (("dev", "here"), ("prod", "there")):
        assert applied.values(f"stage_{stage}") == {"measure": [word, len(word) + 300_000]}
    applied.remove("stage_dev")
    pages = applied.aws.client("stepfunctions").get_paginator("list_state_machines").paginate()
    names = {one["name"] for page in pages for one in page["stateMachines"]}
    assert names & {"greeting-dev", "greeting-prod"} == {"greeting-prod"}
    assert applied.values("stage_prod") == {"measure": ["there", 300_005]}


SCRIPT = """
import os
from lokki_tf import Flow, Pipeline, flow, main, step, task

stage = os.environ.get("LOKKI_STAGE", "none")
policy = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], '
    '"Resource": ["arn:aws:s3:::data-%s/*"]}]}' % stage
)


@step(policies=[policy])
def load(bucket: str) -> list[str]:
    return [bucket, os.environ.get("LOKKI_STAGE", "none")]


pipe = Pipeline("reading", steps=[load(f"data-{stage}")])

if __name__ == "__main__":
    main(pipe)
"""
TOML = "[stage.dev]\n[stage.prod.lambda]\nmemory_size = 256\n"


def script(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "pipeline.py").write_text(SCRIPT)
    (folder / "lokki.toml").write_text(TOML)
    return forked.run(
        ["pipeline.py", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
    )


@pytest.mark.parametrize(
    ("options", "environ", "stage"),
    [
        (["--stage", "prod"], {}, "prod"),
        (["--stage=prod"], {"LOKKI_STAGE": "dev"}, "prod"),
        ([], {"LOKKI_STAGE": "dev"}, "dev"),
        ([], {}, "none"),
    ],
    ids=str,
)
def test_the_stage_reaches_code_that_builds(
    tmp_path: Path, options: list[str], environ: dict[str, str], stage: str
) -> None:
    """``--stage`` is in ``LOKKI_STAGE`` while the script builds, in runs and in functions."""
    ran = script(tmp_path, "run", *options, "--json", **environ)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, [f"data-{stage}", stage]), ran.stderr
    made = script(tmp_path, "synth", *options, **environ)
    assert made.returncode == 0, made.stderr
    name = "reading" if stage == "none" else f"reading-{stage}"
    text = (tmp_path / "terraform-out" / "stacks" / name / "cdk.tf.json").read_text()
    assert f"arn:aws:s3:::data-{stage}/*" in text
    (function,) = json.loads(text)["resource"]["aws_lambda_function"].values()
    variables = function["environment"]["variables"]
    assert variables.get("LOKKI_STAGE", "none") == stage


def test_a_run_takes_a_stage_that_there_is(tmp_path: Path) -> None:
    """``run --stage`` refuses a stage that the settings do not have."""
    ran = script(tmp_path, "run", "--stage", "test")
    assert ran.returncode != 0
    assert "there is no stage 'test'" in ran.stderr


def test_commands_in_a_process_of_another_leave_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``main`` with arguments sets the stage for the command alone, and runs nothing again."""
    (tmp_path / "lokki.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOKKI_STAGE", raising=False)
    seen = []

    @step
    def look() -> str:
        return os.environ["LOKKI_STAGE"]

    @flow
    def looking():
        seen.append(os.environ.get("LOKKI_STAGE"))
        return look()

    with pytest.raises(SystemExit) as ended:
        main(looking, ["run", "--stage", "prod"])
    assert ended.value.code in (0, None)
    assert "prod" in seen
    assert "LOKKI_STAGE" not in os.environ


def test_a_flow_is_built_for_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow's function sees the stage of ``synth(stage=…)``, and is built again for another."""
    (tmp_path / "lokki.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)

    @step
    def take(bucket: str) -> str:
        return bucket

    @flow
    def staged():
        return take(f"data-{os.environ.get('LOKKI_STAGE')}")

    for stage in ("dev", "prod"):
        made = staged.synth(tmp_path / stage, stage=stage)
        assert f"data-{stage}" in (made.folder / "statemachine.json").read_text()
    assert staged.local_run().result == "data-None"


def test_a_schedule_says_for_which_time_it_starts_a_run(applied: Applied) -> None:
    """The execution's input has the time for run_context(), and is otherwise empty."""
    at = "2030-01-31T09:00:00Z"
    started = applied.aws.run_schedule("greeting-prod", at=at)
    found = applied.aws.client("stepfunctions").describe_execution(executionArn=started)
    assert json.loads(found["input"]) == {"lokki": {"scheduled_at": at}}
