"""OrchWiPy's examples as its README has them: run, checked, drawn, and deployed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack
from strategies import imported

from lokki_tf import (
    ConditionalReturns,
    Functions,
    LokkiError,
    MicroFunctions,
    MissingArgument,
    ReturnUpdates,
    build_terraform,
)
from lokki_tf.errors import LoopError, OptionError
from lokki_tf.packaging import package_steps
from seeds import orchwipy_sample, orchwipy_tea

ROOT = Path(__file__).parents[2]

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.testing import LocalAws


@pytest.mark.parametrize("choice", ["c", "t", "x"])
def test_each_way_gives_the_same_deployed(choice: str, deployment: Deployment) -> None:
    """The sample's three ways end alike here and in the state machine."""
    orch = orchwipy_sample.orch
    run = orch.local_run({"greeting": "Hi there", "choice": choice})
    execution = deployment.execute(orch, {"greeting": "Hi there", "choice": choice})
    last = list(run.outputs)[-1]
    assert deployment.aws.values(execution) == {last: run.result}
    assert orch.run(greeting="Hi there", choice=choice) == run.result == {}


def test_the_readmes_example_runs_and_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """run, run_from, check_graph and save_dot, called as the README calls them."""
    monkeypatch.setattr("builtins.input", lambda prompt: "t")
    pipe = orchwipy_tea.pipe
    assert pipe.run(choice=None) == {}
    assert pipe.run_from(step="coffee", beans=3) == {}
    assert pipe.check_graph("start") is True
    assert pipe.check_graph(start_at="start") is True
    out = io.StringIO()
    pipe.save_dot(out, top_node="start")
    assert "choice = 'c' ?" in out.getvalue()
    assert "Put 3 beans" in capsys.readouterr().out


def test_the_missing_argument_is_reported_word_for_word() -> None:
    """Exactly the README's warning, and nothing else."""
    # In a Python of its own: pytest gathers warnings before they are written.
    script = (
        "from seeds.orchwipy_tea import pipe\n"
        "def tea(**kwargs):\n    return {'$next': 'coffee'}\n"
        "pipe.fn()(tea)\npipe.check_graph(start_at='start')\n"
    )
    file = Path(__file__).parents[1] / "seeds"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.py")
        path.write_text(script)
        told = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (file.parent, ROOT)))},
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stderr == (
        ":0: MissingArgument: {'beans'} : caller history ['start', 'tea'] -> coffee\n"
    )


def test_the_warning_can_be_caught() -> None:
    """pytest, unittest and filters see a MissingArgument."""
    pipe = deepcopy(orchwipy_tea.pipe)

    @pipe.fn()
    def tea(**kwargs):
        return {"$next": "coffee"}

    with pytest.warns(MissingArgument, match="beans"):
        pipe.check_graph("start")


@stack
def without_a_template(aws: LocalAws, folder: Path) -> Path:
    """What build_terraform writes."""
    plant = orchwipy_sample.orch
    return build_terraform(plant=plant, layers=[], policies=[], outdir=folder).folder


def test_terraform_takes_the_place_of_the_template(applied: Applied) -> None:
    """What build_terraform writes can be applied and gives the result."""
    given = {"greeting": "Hi", "choice": "c"}
    assert applied.values("without_a_template", given) == {"drink": {}}


@stack
def with_variables(aws: LocalAws, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A stack whose layers are variables of Terraform."""
    layer = aws.client("lambda").publish_layer_version(
        LayerName="more", Content={"ZipFile": _zip()}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orchwipy_tea.pipe, "_name", "tea")  # another stack has its own
        made = build_terraform(
            plant=orchwipy_tea.pipe,
            layers=["AllOfThem"],
            policies=[{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
            environment={"STAGE": "test"},
            timeout=20,
            max_steps_in_run=7,
            outdir=folder,
        )
    written = json.loads((made.folder / "cdk.tf.json").read_text())
    assert set(written["variable"]) == {"AllOfThem", "MorePythonPackagesLayer"}
    arn = layer["LayerVersionArn"]
    return made.folder, {"AllOfThem": arn, "MorePythonPackagesLayer": arn}


def test_references_to_layers_are_variables(applied: Applied) -> None:
    """{"Ref": NAME} of a function and names for all become variables, each declared once."""
    client = applied.aws.client("lambda")
    (layer,) = client.list_layer_versions(LayerName="more")["LayerVersions"]
    tea = client.get_function_configuration(FunctionName="tea-tea")
    assert [one["Arn"] for one in tea["Layers"]] == [layer["LayerVersionArn"]] * 2
    assert tea["Timeout"] == 20
    assert tea["Environment"]["Variables"]["STAGE"] == "test"
    assert applied.values("with_variables", {"choice": "t"}) == {"drink": {}}
    machine = (applied.root / "with_variables" / "statemachine.json").read_text()
    assert '"limit": 7' in machine


def _zip() -> bytes:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("python/nothing.py", "")
    return out.getvalue()


def loop(cls: Any, **options: Any) -> Any:
    """A pipeline that counts to a number, one step a time."""
    pipe = cls("count", **options)

    @pipe.fn(terminates=True)
    def count(*, upto: int, now: int = 0, **kwargs):
        return ConditionalReturns(
            now < upto, ReturnUpdates(None), true=ReturnUpdates("count", now=now + 1)
        )

    return pipe


def test_loops_end_or_are_ended(deployment: Deployment) -> None:
    """25 steps unless set: a loop within that ends well, one beyond fails here and there."""
    pipe = loop(MicroFunctions)
    assert pipe.run(upto=24) == {"upto": 24, "now": 24}
    there = deployment.execute(pipe, {"upto": 24})
    assert deployment.aws.values(there) == {"count": {"upto": 24, "now": 24}}
    with pytest.raises(LoopError, match="has taken 25 steps") as caught:
        pipe.run(upto=25)
    assert len(caught.value.run.outputs) == 25
    failed = deployment.execute(pipe, {"upto": 25})
    assert (failed.status, failed.error) == ("FAILED", "TooManySteps")
    assert loop(MicroFunctions, max_steps=40).run(upto=30)["now"] == 30


def test_names_may_come_by_a_star(deployment: Deployment, tmp_path: Path) -> None:
    """from lokki_tf import * brings what routed steps return, and only that is imported."""
    module = imported(
        "from lokki_tf import *\n\npipe = MicroFunctions('a')\n\n\n@pipe.fn()\n"
        "def a(**state):\n    return ReturnUpdates('b', x=1)\n\n\n@pipe.fn(terminates=True)\n"
        "def b(**state):\n    return ReturnUpdates(None, y=2)\n"
    )
    execution = deployment.execute(module.pipe, {})
    assert deployment.aws.values(execution) == {"b": {"x": 1, "y": 2}}
    packages = package_steps(module.pipe.definition).values()
    line = b"from lokki_tf import ReturnUpdates\n"
    assert all(line in one.files["lambda_function.py"] for one in packages)


def test_functions_are_the_same_without_the_cloud() -> None:
    """Functions run and are checked; MicroFunctions are made of them for the cloud."""
    pipe = loop(Functions)
    assert pipe.run(upto=2) == {"upto": 2, "now": 2}
    assert not hasattr(pipe, "synth")
    there = MicroFunctions.from_functions(pipe, name="there")
    assert there.run(upto=1) == {"upto": 1, "now": 1}
    assert there.name == "there"


def test_a_handler_for_the_whole_module() -> None:
    """lambda_handler runs the function that the state machine's event names."""
    event = {
        "node": "count",
        "run": "r",
        "store": "s3://nowhere",
        "inline": 1000,
        "route": {"next_key": "$next", "default": None, "targets": ["count"], "ends": True,
                  "limit": 9},
        "input": {"upto": 1},
    }  # fmt: skip
    answer = loop(MicroFunctions).lambda_handler(event, None)
    assert answer == {
        "next": "count",
        "state": {"each": {"upto": {"value": 1}, "now": {"value": 1}}},
        "taken": 1,
    }
    with pytest.raises(LokkiError, match="'x', which does not exist"):
        loop(MicroFunctions).lambda_handler({"node": "x"})


def test_more_workers_are_refused() -> None:
    """An executor would change nothing where one step comes after another."""
    with pytest.raises(OptionError, match="one step after another"):
        loop(MicroFunctions).local_run({"upto": 1}, executor="process")


def test_what_the_first_step_requires_must_be_given() -> None:
    """A run without it is refused by name, before anything runs."""
    with pytest.raises(LokkiError, match="step 'count' requires 'upto'"):
        loop(MicroFunctions).run()


def test_a_routed_run_goes_on_from_what_is_done() -> None:
    """With a state, steps that were taken are not taken again."""
    from lokki_tf import StateManager

    pipe, state = loop(MicroFunctions), StateManager()
    pipe.local_run({"upto": 3}, state=state)
    run = pipe.local_run({"upto": 3}, state=state)
    assert set(run.status.values()) == {"cached"}
    assert run.result == {"upto": 3, "now": 3}
    assert list(run.status) == ["count", "count_2", "count_3", "count_4"]
