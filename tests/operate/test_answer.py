"""Steps that wait for an answer: listed, answered, refused, and asked for in the terminal."""

from __future__ import annotations

import importlib.util
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from operate_folder import Folder, settings_for

import lokki_tf
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = """
from lokki_tf import Pipeline, main, step

@step
def names():
    return ["a", "b"]

@step(callback=True, heartbeat_seconds=60)
def ask(name):
    pass

@step(callback=True)
def approve(names):
    pass

@step
def tell(asked, approved):
    return [asked, approved]

found = names()
asking = Pipeline("asking", steps=[tell(found.map(ask), approve(found))])

if __name__ == "__main__":
    main(asking)
"""


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """An account of its own."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws


@pytest.fixture(scope="module")
def folder(account: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The pipeline, registered without Terraform."""
    made = Folder(tmp_path_factory.mktemp("asking"), SOURCE, settings_for(account))
    spec = importlib.util.spec_from_file_location("asking_pipeline", made.script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    account.register(module.asking)
    return made


def waiting(folder: Folder, count: int, *args: str) -> list[dict[str, Any]]:
    """Return what waits, when so many do."""
    for _ in range(100):
        listed = folder.run("answer", "--json", *args)
        assert listed.returncode == 0, listed.stderr
        found: list[dict[str, Any]] = json.loads(listed.stdout)
        if len(found) == count:
            return found
        time.sleep(0.2)
    raise TimeoutError(listed.stdout)


def test_steps_are_answered(folder: Folder, account: LocalAws) -> None:
    """By step and run, by item in a map, and by token, from the command line and from Python."""
    folder.run("start", "--name", "one")
    found = waiting(folder, 3)
    assert sorted((one["step"], one["item"]) for one in found) == [
        ("approve", None), ("ask", 0), ("ask", 1),
    ]  # fmt: skip
    assert "approve" in folder.run("answer").stdout
    ambiguous = folder.run("answer", "--value", "1")
    assert ambiguous.returncode == 2
    assert "--run one --step ask --item 1" in ambiguous.stderr
    done = folder.run("answer", "--step", "approve", "--value", '{"yes": true}')
    assert done.returncode == 0, done.stderr
    assert folder.run("answer", "--step", "ask", "--item", "1", "--value", "5").returncode == 0
    (last,) = waiting(folder, 1, "--run", "one")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        lokki_tf.heartbeat(last["token"])
        lokki_tf.answer(last["token"], [1, 2])
        with pytest.raises(ValueError, match="no step waits for an answer with this token"):
            lokki_tf.answer(last["token"], 1)
    followed = folder.run("logs", "--tail", "--run", "one")
    assert followed.returncode == 0, followed.stderr
    shown = json.loads(folder.run("result", "--run", "one", "--json").stdout)
    assert shown == [[[1, 2], 5], {"yes": True}]
    steps = json.loads(folder.run("show", "--run", "one", "--json").stdout)["steps"]
    assert {one["step"]: one["status"] for one in steps}["approve"] == "done"


def test_steps_are_refused(folder: Folder) -> None:
    """With a name and a message, which the run fails with."""
    folder.run("start", "--name", "two")
    waiting(folder, 3, "--run", "two")
    refused = folder.run(
        "answer", "--run", "two", "--step", "approve", "--error", "TooMuch", "--message", "no"
    )
    assert refused.returncode == 0, refused.stderr
    folder.run("logs", "--tail", "--run", "two")
    result = folder.run("result", "--run", "two")
    assert result.returncode == 1
    assert "step 'approve' failed in AWS: TooMuch: no" in result.stderr


def test_wrong_answers(folder: Folder) -> None:
    """Each is an error in the use of the command."""
    for args, message in (
        (("--value", "yes"), "--value must be JSON"),
        (("--value", "1", "--error", "E"), "exclude each other"),
        (("--message", "no"), "--message is the text of an --error"),
        (("--step", "names", "--value", "1"), "no such step waits"),
        (("--run", "none", "--value", "1"), "no run 'none'"),
    ):
        wrong = folder.run("answer", *args)
        assert wrong.returncode == 2, wrong.stderr
        assert message in wrong.stderr
    unknown = folder.run("answer", "token", "--value", "1")
    assert unknown.returncode == 1
    assert "no step waits for an answer with this token" in unknown.stderr


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_the_terminal_asks(folder: Folder, executor: str) -> None:
    """A local run asks for each answer, again if it is not JSON; or fails without a terminal."""
    text = 'nonsense\n"x"\n2\n3'
    done = folder.answer(text, "run", "--json", "--executor", executor)
    assert done.returncode == 0, done.stderr
    assert "waits for an answer" in done.stderr
    asked, approved = json.loads(done.stdout)
    assert sorted(map(str, [*asked, approved])) == ["2", "3", "x"]
    refused = folder.answer("refuse not now", "run")
    assert refused.returncode == 1
    assert "Refused: not now" in refused.stderr
    silent = folder.run("run")
    assert silent.returncode == 1
    assert "an answer can be asked for in a terminal only" in silent.stderr
    assert "answers.NoTerminal" not in silent.stderr  # without a traceback
