"""The commands, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest

import lokki_tf
from lokki_tf.terraform_cli import typed_program

ROOT = Path(__file__).parents[1]
GOOD = """
from lokki_tf import Pipeline, main, step

@step
def load(day="today"):
    print("printed by a step")
    return [1, 2, 3]

@step
def total(rows):
    return sum(rows)

pipe = Pipeline("daily", steps=[total(load())])
if __name__ == "__main__":
    main(pipe)
"""


def command(
    tmp_path: Path, source: str, *args: str, script: str = "pipeline.py"
) -> subprocess.CompletedProcess[str]:
    (tmp_path / script).write_text(source)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return forked.run(
        [str(tmp_path / script), *args],
        cwd=tmp_path,
        env={**buffered, "PYTHONPATH": str(ROOT)},
    )


def test_run_prints_the_result(tmp_path: Path) -> None:
    """The result is on stdout, the progress on stderr, and the exit code is 0."""
    done = command(tmp_path, GOOD, "run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "6"
    assert "load done in" in done.stderr
    assert "total done in" in done.stderr


def test_what_steps_print_does_not_mix_with_the_result(tmp_path: Path) -> None:
    """With stdout read by a program, only the result is there; prints keep their place."""
    done = command(tmp_path, GOOD, "run", "--json")
    assert json.loads(done.stdout) == 6
    assert done.stderr.index("printed by a step") < done.stderr.index("total done in")


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        (b"{", 2, "event.json is not JSON"),
        (b'{"a": "\xff"}', 2, "event.json is not JSON: 'utf-8' codec"),
        (b'{"source": "shop"}', 1, "pipeline.py:15\n"),  # the line of main()
    ],
)
def test_events_that_start_nothing_are_errors_with_a_place(
    tmp_path: Path, written: bytes, code: int, says: str
) -> None:
    """The error has the name of the file, or the line of the script that runs the command."""
    (tmp_path / "event.json").write_bytes(written)
    source = GOOD.replace("load())])", "load())], triggers=Schedule('rate(1 day)'))")
    source = source.replace("import Pipeline", "import Pipeline, Schedule")
    done = command(tmp_path, source, "run", "--event", "event.json")
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("result", "shown"),
    [("'a text'", "a text"), ("{'a': [1]}", '{\n  "a": [\n    1\n  ]\n}'), ("(1, 2)", "(1, 2)")],
)
def test_results_are_shown_as_a_person_expects(tmp_path: Path, result: str, shown: str) -> None:
    """A string is printed unchanged, a dict as JSON, a tuple as its repr."""
    done = command(tmp_path, GOOD.replace("sum(rows)", result), "run", "--quiet")
    assert done.stdout.strip() == shown
    assert "done" not in done.stderr


def test_run_can_write_a_log(tmp_path: Path) -> None:
    """A log replaces the progress, as text or JSON, from the given level."""
    human = command(tmp_path, GOOD, "run", "--log-format", "human").stderr
    assert "[INFO] Step 'load' started" in human
    assert "[SUCCESS] Run of 'daily' completed in" in human
    assert "load done in" not in human
    done = command(tmp_path, GOOD, "run", "--log-format", "json", "--log-level", "success")
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "run_end"
    assert "step_start" not in done.stderr


def test_settings_choose_the_log_of_a_run(tmp_path: Path) -> None:
    """lokki.toml can set JSON or a level, and a wrong value is an error."""
    settings = tmp_path / "lokki.toml"
    settings.write_text('[logging]\nformat = "json"')
    assert '"event": "step_end"' in command(tmp_path, GOOD, "run").stderr
    settings.write_text('[logging]\nlevel = "ERROR"')
    assert "done" not in command(tmp_path, GOOD, "run").stderr
    settings.write_text('[loging]\nlevel = "ERROR"')
    done = command(tmp_path, GOOD, "run")
    assert done.returncode == 1
    assert "lokki.toml:1\n  did you mean 'logging'?" in done.stderr


def test_a_script_may_choose_its_log(tmp_path: Path) -> None:
    """A script that calls configure_logging has its log in place of progress, told once."""
    source = GOOD.replace(
        "from lokki_tf import",
        "import lokki_tf\nlokki_tf.configure_logging()\nfrom lokki_tf import",
    )
    stderr = command(tmp_path, source, "run").stderr
    assert stderr.count("Step 'load' completed") == 1
    assert "done in" not in stderr


def test_a_failing_step_is_exit_code_1(tmp_path: Path) -> None:
    """The step, its error and the user's line are shown; stdout stays empty."""
    done = command(tmp_path, GOOD.replace("sum(rows)", "1 / 0"), "run")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "step 'total' failed" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "pipeline.py" in done.stderr


@pytest.mark.parametrize("args", [["fly"], ["run", "--speed", "9"], ["run", "--max-workers", "0"]])
def test_wrong_use_is_exit_code_2(tmp_path: Path, args: list[str]) -> None:
    """Unknown commands and options are errors that mention --help."""
    done = command(tmp_path, GOOD, *args)
    assert done.returncode == 2
    assert "--help" in done.stderr


def test_main_of_something_else_is_exit_code_2(tmp_path: Path) -> None:
    """main() with another object is an error that requires a pipeline."""
    done = command(tmp_path, GOOD.replace("main(pipe)", "main(load)"), "run")
    assert done.returncode == 2
    assert "main() requires a Pipeline" in done.stderr


@pytest.mark.parametrize("name", ["synth", "build"])
def test_synth_ends_with_the_two_commands_to_run_next(tmp_path: Path, name: str) -> None:
    """Terraform is written to terraform-out/stacks, and the output says how to apply it."""
    done = command(tmp_path, GOOD, name)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "terraform-out/stacks/daily/cdk.tf.json").exists()
    assert "cd terraform-out/stacks/daily\n  terraform init && terraform apply" in done.stderr


IMAGES = GOOD.replace("@step\ndef load", "@step(package='image')\ndef load").replace(
    "@step\ndef total", "@step(job_type='batch')\ndef total"
)


def test_synth_ends_with_what_has_to_be_typed(tmp_path: Path) -> None:
    """The repository's stack and the image come first, with the options and quotes they need."""
    (tmp_path / "lokki.toml").write_text("[stage.prod.lambda]\nmemory_size = 1024")
    options = ["--stage", "prod", "--output", "my out"]
    done = command(tmp_path, IMAGES, "synth", *options)
    assert done.stderr.splitlines()[-6:] == [
        "daily-prod: 1 function, 1 job, one state machine",
        "Next:",
        "  terraform -chdir='my out/stacks/daily-prod-images' init && "
        "terraform -chdir='my out/stacks/daily-prod-images' apply",
        "  python pipeline.py images --output 'my out' --stage prod",
        "  cd 'my out/stacks/daily-prod'",
        "  terraform init && terraform apply",
    ]
    assert (tmp_path / "my out/stacks/daily-prod-images/cdk.tf.json").exists()


@pytest.mark.parametrize("place", ["local", "localhost:5000/team"])
def test_synth_names_no_repository_that_is_not_made(tmp_path: Path, place: str) -> None:
    """Where images go elsewhere, the image is built and one folder is applied."""
    (tmp_path / "lokki.toml").write_text(f'[aws]\nimage_repository = "{place}"')
    done = command(tmp_path, IMAGES, "synth")
    assert done.stderr.splitlines()[-4:] == [
        "Next:",
        "  python pipeline.py images",
        "  cd terraform-out/stacks/daily",
        "  terraform init && terraform apply",
    ]


def test_synth_names_the_program_that_there_is(tmp_path: Path) -> None:
    """OpenTofu is named where it alone is installed, or the one that LOKKI_TERRAFORM names."""
    tofu = tmp_path / "tofu"
    tofu.write_text("#!/bin/sh\n")
    tofu.chmod(0o755)
    assert typed_program({"PATH": str(tmp_path)}) == "tofu"
    assert typed_program({"PATH": ""}) == "terraform"
    assert typed_program({"LOKKI_TERRAFORM": "/my bin/tofu"}) == "'/my bin/tofu'"


def test_cdktf_may_choose_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CDKTF_OUTDIR names the output folder, with the manifest that cdktf reads."""
    monkeypatch.setenv("CDKTF_OUTDIR", str(tmp_path / "elsewhere"))
    assert command(tmp_path, GOOD, "synth").returncode == 0
    manifest = json.loads((tmp_path / "elsewhere/manifest.json").read_text())
    assert manifest["stacks"]["daily"]["workingDirectory"] == "stacks/daily"


def test_check_lists_errors_and_exits_1(tmp_path: Path) -> None:
    """A step whose code cannot be deployed is an error of check, with line and remedy."""
    source = GOOD.replace("@step\ndef total", "log = open(__file__)\n@step\ndef total").replace(
        "sum(rows)", "log.read()"
    )
    done = command(tmp_path, source, "check")
    assert done.returncode == 1
    assert "'log'" in done.stderr
    assert "1 error" in done.stdout
    assert command(tmp_path, GOOD, "check").returncode == 0


LETTERS = GOOD.replace("sum(rows)", "{'größe': '€', 'smile': '😀'}")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", '{\n  "größe": "€",\n  "smile": "😀"\n}\n'),
        ("ascii", '{\n  "gr\\u00f6\\u00dfe": "\\u20ac",\n  "smile": "\\ud83d\\ude00"\n}\n'),
    ],
)
def test_letters_are_printed_as_they_are(tmp_path: Path, encoding: str, shown: str) -> None:
    """A result's letters are escaped only where stdout cannot show them, and JSON stays JSON."""
    (tmp_path / "pipeline.py").write_text(LETTERS, encoding="utf-8")
    for args in (["run", "-q"], ["run", "-q", "--json"]):
        done = subprocess.run(
            [sys.executable, "pipeline.py", *args],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert done.stdout.decode(encoding) == shown
    other = "größe €" if encoding == "utf-8" else "gr\\xf6\\xdfe \\u20ac"
    (tmp_path / "pipeline.py").write_text(GOOD.replace("sum(rows)", "'größe €'"), "utf-8")
    done = subprocess.run(
        [sys.executable, "pipeline.py", "run", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode(encoding) == f"{other}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["synth", "--stage", "prd"], "there is no stage 'prd'"),
        (["check", "--explain", "lod"], "--explain must name a step (load, total), got 'lod'"),
        (["run", "--state", "pipeline.py"], "pipeline.py"),
    ],
)
def test_what_a_command_names_and_is_not_there_is_wrong_use(
    tmp_path: Path, args: list[str], message: str
) -> None:
    """A stage, step or file that cannot be meant is exit code 2, as the README says."""
    done = command(tmp_path, GOOD, *args)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    """--version prints the version of lokki_tf."""
    shown = f"lokki_tf {lokki_tf.__version__}\n"
    assert command(tmp_path, GOOD, "--version").stdout == shown
    own = [sys.executable, "-m", "lokki_tf", "--version"]
    assert subprocess.run(own, capture_output=True, text=True, check=True).stdout == shown


@pytest.mark.parametrize(
    ("name", "args", "shown"),
    [
        ("pipe line.py", ["pipe line.py"], "python 'pipe line.py' deploy --auto-approve"),
        ("-p.py", ["./-p.py"], "python ./-p.py deploy --auto-approve"),
        ("package/pipe.py", ["-m", "package.pipe"], "python -m package.pipe deploy --auto-approve"),
    ],
)
def test_commands_that_are_suggested_can_be_typed(
    tmp_path: Path, name: str, args: list[str], shown: str
) -> None:
    """Commands in messages name the script as a shell requires it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(GOOD)
    done = subprocess.run(
        [sys.executable, *args, "deploy"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"  {shown} runs without confirmation" in done.stderr


def test_the_help_that_wrong_use_suggests_can_be_typed(tmp_path: Path) -> None:
    """An unknown option names the command for help, with the script quoted as a shell requires."""
    done = command(tmp_path, GOOD, "run", "--fast", script="pipe line.py")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Usage: python 'pipe line.py' run ")
    assert lines[1:3] == ["For help: python 'pipe line.py' run --help", ""]
    assert "--fast" in lines[3]


def test_help_without_a_command(tmp_path: Path) -> None:
    """A script without a command prints its help alone, as wrong use."""
    done = command(tmp_path, GOOD)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")
    assert "runs it locally" in done.stderr
    assert "Error" not in done.stderr


def test_graph_draws(tmp_path: Path) -> None:
    """Mermaid is the default, Graphviz an option."""
    assert "n0 --> n1" in command(tmp_path, GOOD, "graph").stdout
    assert '"load" -> "total"' in command(tmp_path, GOOD, "graph", "--format", "dot").stdout
    assert "total  ← load" in command(tmp_path, GOOD, "graph", "--format", "text").stdout
    assert command(tmp_path, GOOD, "graph", "--format", "svg").stdout.startswith("<svg")


def test_help_teaches(tmp_path: Path) -> None:
    """The help shows what to type."""
    for args in ([], ["--help"], ["-h"]):
        done = command(tmp_path, GOOD, *args)
        assert "terraform init && terraform apply" in done.stdout + done.stderr


FLOW = """
from lokki_tf import flow, main, step

@step
def show(*values):
    return list(values)

@flow
def shown(limit: int, names: list[str] = ["a"], dry_run: bool = False, executor="x", more=None):
    return show(limit, names, dry_run, executor, more)

main(shown)
"""


@pytest.mark.parametrize(
    ("args", "result"),
    [
        (["--limit", "5"], [5, ["a"], False, "x", None]),
        (["--limit", "5", "--names", "b,2", "--dry-run"], [5, ["b", 2], True, "x", None]),
        (["--limit", "5", "--dry_run", "no", "--more", "{}"], [5, ["a"], False, "x", {}]),
        (["--limit", "5", "--executor", "y"], [5, ["a"], False, "y", None]),
    ],
    ids=["default", "flag and list", "false and JSON", "named like an option of run"],
)
def test_parameters_of_a_flow_are_options(
    tmp_path: Path, args: list[str], result: list[object]
) -> None:
    """Each parameter is an option of its type; one of run's own of that name gives way."""
    done = command(tmp_path, FLOW, "run", "--quiet", *args)
    assert json.loads(done.stdout) == result, done.stderr


@pytest.mark.parametrize("args", [[], ["--limit", "x"], ["--limit", "1", "--dry-run", "maybe"]])
def test_parameters_that_do_not_fit_are_wrong_use(tmp_path: Path, args: list[str]) -> None:
    """A missing or mistyped parameter is an error, with exit code 2."""
    done = command(tmp_path, FLOW, "run", *args)
    assert done.returncode == 2
    assert "--limit" in done.stderr or "--dry-run" in done.stderr


@pytest.mark.parametrize("result", ["'\\ud800'", "10 ** 5000", "type('X', (), {'__repr__': 1})()"])
def test_a_result_that_cannot_be_printed_costs_nothing(tmp_path: Path, result: str) -> None:
    """A result that no terminal can show is shown as far as it can be; the run was good."""
    done = command(tmp_path, GOOD.replace("sum(rows)", result), "run", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_notice_that_fails_is_reported_beside_the_error(tmp_path: Path) -> None:
    """The run's own error comes first, followed by that of the on_failure step."""
    source = GOOD.replace("return sum(rows)", "raise ValueError('first')").replace(
        "pipe = Pipeline(",
        "@step\ndef tell(failure):\n    raise KeyError('second')\n\npipe = Pipeline(",
    )
    source = source.replace("steps=[total(load())]", "steps=[total(load())], on_failure=tell")
    done = command(tmp_path, source, "run")
    assert done.returncode == 1
    error, note = done.stderr.rstrip().splitlines()[-3::2]
    assert error == "error: step 'total' failed: ValueError: first"
    assert note == "the on_failure step 'tell' failed as well: KeyError: 'second'"
