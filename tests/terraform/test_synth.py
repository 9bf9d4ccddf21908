"""What synth writes: the same bytes everywhere, one folder, nothing half done."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from thorough import TIMES

from lokki_tf import LokkiError, Pipeline, step
from lokki_tf.errors import DefinitionError, OutputError
from lokki_tf.terraform import cdk
from lokki_tf.terraform.files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING = Path(__file__).parents[1] / "audit" / "pipelines" / "everything.py"


@step
def load(day: str) -> list[int]:
    """Loads a day."""
    return [len(day)]


@step(
    memory_size=1024,
    env_variables={"PLAIN": "${not_a_reference}", "PERCENT": "%{x}"},
    tags={"team": "data"},
    policies=[
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", '
        '"Resource": "arn:aws:s3:::bucket/${aws:username}/*"}]}'
    ],
)
def score(rows: list[int], weights: Any) -> int:
    return sum(rows)


def pipeline(name: str = "daily") -> Pipeline:
    rows = load("2024-01-01")
    return Pipeline(
        name,
        steps=[score(rows, ["w" * 5_000])],
        schedule="rate(1 day)",
        description="Every day",
        tags={"stage": "test"},
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_terraform_is_as_reviewed(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A stack with schedule, policies, tags and a large literal is the golden one.

    It is the same for each CDK library, and for bindings of each major of the AWS provider.
    """
    made = pipeline().synth(tmp_path)
    written = json.loads((made.folder / "cdk.tf.json").read_text())
    for function in written["resource"]["aws_lambda_function"].values():
        assert len(function.pop("source_code_hash")) == 64
    for code in written["resource"]["aws_s3_object"].values():
        code.pop("source_hash")  # zips are compared elsewhere
    written["//"]["metadata"].pop("version")  # the CDK library's
    agrees_with_golden(request, "daily.cdk.tf.json", json.dumps(written, indent=2) + "\n")


def test_the_terraform_of_jobs_is_as_reviewed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A stack with a job on each platform is the golden one, for each library and provider."""
    jobs = [
        step(name=platform, job_type="batch", platform=platform)(score.step.function)
        for platform in ("fargate", "ec2")
    ]
    made = Pipeline("jobs", steps=[job([1], 2) for job in jobs]).synth(tmp_path)
    assert made.images is not None
    for folder, golden in ((made.folder, "jobs"), (made.images, "jobs-images")):
        text = (folder / "cdk.tf.json").read_text()
        if made.image:
            text = text.replace(made.image.tag, "TAG")
        written = json.loads(text)
        for function in written["resource"].get("aws_lambda_function", {}).values():
            function.pop("source_code_hash")
        for code in written["resource"].get("aws_s3_object", {}).values():
            code.pop("source_hash")  # zips are compared elsewhere
        written["//"]["metadata"].pop("version")
        agrees_with_golden(request, f"{golden}.cdk.tf.json", json.dumps(written, indent=2) + "\n")


def test_two_synths_are_the_same_bytes(tmp_path: Path) -> None:
    """In other folders, other processes, with other hash seeds: the same bytes, no path inside."""
    trees = []
    for seed in ("1", "2"):
        folder = tmp_path / f"folder{seed}" / "deeper"
        folder.mkdir(parents=True)
        script = folder.parent / "everything.py"
        script.write_text(EVERYTHING.read_text() + f"pipe.synth({str(folder)!r})\n")
        subprocess.run(
            [sys.executable, str(script)],
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        trees.append(tree(folder))
    assert trees[0] == trees[1]
    for data in trees[0].values():
        assert str(tmp_path).encode() not in data
        assert str(Path(__file__).parents[2]).encode() not in data
        assert b"127.0.0.1" not in data


def test_a_second_synth_takes_away_what_is_gone_and_keeps_the_state(tmp_path: Path) -> None:
    """Files of removed steps are deleted; Terraform's own files are kept."""
    folder = pipeline().synth(tmp_path).folder
    (folder / "terraform.tfstate").write_text("{}")
    (folder / ".terraform.lock.hcl").write_text("# the provider's version")
    assert (folder / "lambdas" / "score").is_dir()
    Pipeline("daily", steps=[load("d")]).synth(tmp_path)
    assert not (folder / "lambdas" / "score").exists()
    assert not any((folder / "literals").glob("*"))
    assert (folder / "lambdas" / "load" / "code.zip").exists()
    assert (folder / "terraform.tfstate").read_text() == "{}"
    assert (folder / ".terraform.lock.hcl").read_text() == "# the provider's version"


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OutputError),
    ],
    ids=["interrupted", "disk full"],
)
def test_a_synth_that_ends_early_leaves_nothing_that_can_be_applied(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    caught: type[BaseException],
) -> None:
    """Whichever write is the last, no Terraform is there; the next synth completes the folder."""
    replace = os.replace
    folder = pipeline().synth(tmp_path).folder
    old = shutil.copytree(folder, tmp_path / "old")
    for writes in count():
        with monkeypatch.context() as patch:
            left = iter(range(writes))

            def limited(source: Path, target: Path, left: Iterator[int] = left) -> None:
                if folder in Path(target).parents and next(left, None) is None:
                    raise error
                replace(source, target)

            patch.setattr(os, "replace", limited)
            try:
                Pipeline("daily", steps=[load("d")]).synth(tmp_path)
                break
            except caught:
                assert not (folder / "cdk.tf.json").exists()
        shutil.rmtree(folder)
        shutil.copytree(old, folder)
    assert writes >= 4
    is_complete(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from lokki_tf import Pipeline, step

@step
def load() -> str:
    return sys.argv[2]

folder = Path(sys.argv[1], "stacks", "daily")
replace = os.replace

writes = 0

def killed(source, target):
    global writes
    replace(source, target)
    writes += folder in Path(target).parents
    if sys.argv[3:] and writes == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = killed
Pipeline("daily", steps=[load()]).synth(sys.argv[1])
"""


def test_synths_in_other_processes(tmp_path: Path) -> None:
    """A killed synth leaves no Terraform; of several at once, one writes after the other."""

    def started(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(script), str(tmp_path), *arguments])

    script = tmp_path / "pipeline.py"
    script.write_text(KILLED)
    folder = pipeline().synth(tmp_path).folder
    for write in range(1, TIMES + 1):
        ended = started(f"changed {write}", str(write)).wait()
        assert ended in (0, -signal.SIGKILL)
        if (folder / "cdk.tf.json").exists():  # killed after the last write, or not at all
            assert write > 1
            is_complete(folder)
    running = [started(text) for text in ("one", "two")]
    assert [each.wait() for each in running] == [0, 0]
    is_complete(folder)


def is_complete(folder: Path) -> None:
    """Assert that a folder has all files that its list names, as one synth wrote them."""
    listed = json.loads((folder / "files.json").read_text())
    assert "cdk.tf.json" in listed
    for path, sha256 in listed.items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == sha256, path


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_new_output_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    """Literals and code can be secret; a folder that exists keeps its mode."""
    pipeline().synth(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    (tmp_path / "old").mkdir(mode=0o755)
    pipeline().synth(tmp_path / "old")
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o755


def test_a_pipeline_with_errors_writes_nothing(tmp_path: Path) -> None:
    """An error in a step's code is found before the first byte is written."""
    handle = open(__file__)  # noqa: SIM115  # what cannot travel is the point
    with handle:

        @step
        def reads() -> str:
            return handle.read()

        with pytest.raises(LokkiError, match="handle"):
            Pipeline("p", steps=[reads()]).synth(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_steps_may_be_called_as_what_the_pipeline_has(tmp_path: Path) -> None:
    """A step named bucket, schedule or Default has resources and a role of its own."""
    names = ["bucket", "bucket_policy", "schedule", "state_machine", "Default", "account", "role"]
    calls = []
    for name in names:

        @step(name=name)
        def work() -> None: ...

        calls.append(work())
    made = Pipeline("names", steps=calls, schedule="rate(1 day)").synth(tmp_path)
    written = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    assert {one["function_name"] for one in written["aws_lambda_function"].values()} == {
        f"names-{name}" for name in names
    }
    roles = [role["name"] for role in written["aws_iam_role"].values()]
    assert len(set(roles)) == len(roles) == len(names) + 2


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be is an error that says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        pipeline().synth(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="cannot be written"):
        pipeline().synth(tmp_path / ("x" * 300))
    with pytest.raises(OutputError, match="cannot be written"):
        write_files(tmp_path / "file", {"a": b""})


def test_a_pipeline_stands_inside_another_stack(tmp_path: Path) -> None:
    """Two constructs in a stack of the user's have files and names of their own."""
    from lokki_tf.terraform import PipelineConstruct

    app = cdk.new_app(tmp_path)
    stack = cdk.core.TerraformStack(app, "mine")
    cdk.aws.provider.AwsProvider(stack, "aws", region="eu-west-1")
    first = PipelineConstruct(stack, "first", pipeline("first"))
    second = PipelineConstruct(stack, "second", pipeline("second"))
    app.synth()
    folder = tmp_path / "stacks" / "mine"
    for construct in (first, second):
        name = construct.node.id
        assert (folder / name / "statemachine.json").exists()
        assert (folder / name / "lambdas" / "score" / "code.zip").exists()
        assert set(construct.functions) == set(construct.roles) == {"load", "score"}
    machines = json.loads((folder / "cdk.tf.json").read_text())["resource"]["aws_sfn_state_machine"]
    assert sorted(machine["name"] for machine in machines.values()) == ["first", "second"]


def test_a_construct_reads_only_the_definition_of_a_pipeline(tmp_path: Path) -> None:
    """Any object with a definition can be a stack's pipeline; nothing else of it is used."""
    from lokki_tf.terraform import PipelineStack

    app = cdk.new_app(tmp_path)
    stack = PipelineStack(app, "data", SimpleNamespace(definition=pipeline("data").definition))
    assert stack.pipeline.content.plan.definition.name == "data"
    assert set(stack.functions) == {"load", "score"}


def test_an_error_in_the_plan_leaves_no_construct_and_no_file(tmp_path: Path) -> None:
    """Planning and resolving come before the first construct and the first file."""
    from lokki_tf.terraform import PipelineConstruct

    stack = cdk.core.TerraformStack(cdk.new_app(tmp_path), "mine")
    (tmp_path / "template.py").write_text("no placeholder")
    before = len(stack.node.children)
    with pytest.raises(DefinitionError, match="cannot be filled"):
        PipelineConstruct(stack, "one", pipeline(), template_file=tmp_path / "template.py")
    assert len(stack.node.children) == before
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["template.py"]


OF_JAVASCRIPT = [
    "constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "toLocaleString",
    "propertyIsEnumerable", "__defineGetter__", "__lookupSetter__",
]  # fmt: skip


def test_steps_have_names_of_javascript_and_of_any_first_character(tmp_path: Path) -> None:
    """JavaScript's own names, digits and hyphens name steps; Terraform's ids begin right."""
    names = [*OF_JAVASCRIPT, "constructor_", "1st", "_1st", "-dash", "9"]
    calls = [step(name=name, tags={name: "t"})(one)() for name in names]
    made = Pipeline("names", steps=calls, tags={"toString": "x"}).synth(tmp_path)
    written = json.loads((made.folder / "cdk.tf.json").read_text())
    functions = written["resource"]["aws_lambda_function"]
    assert {one["tags"]["lokki:step"] for one in functions.values()} == set(names)
    assert set(written["output"]["function_arns"]["value"]) == set(names)
    for kind, found in written["resource"].items():
        assert all(re.fullmatch(r"[A-Za-z_][\w-]*", name) for name in found), kind


def one() -> int:
    return 1


@pytest.mark.parametrize("name", [*OF_JAVASCRIPT, "__proto__", "1st", "-dash"])
def test_pipelines_have_names_of_javascript(tmp_path: Path, name: str) -> None:
    """Such a pipeline has its own name as its folder's and its state machine's."""
    made = Pipeline(name, steps=[step(one)()]).synth(tmp_path)
    assert made.folder == tmp_path / "stacks" / name
    written = json.loads((made.folder / "cdk.tf.json").read_text())
    (machine,) = written["resource"]["aws_sfn_state_machine"].values()
    assert machine["name"] == name
    assert {path.name for path in (tmp_path / "stacks").iterdir()} == {name}
