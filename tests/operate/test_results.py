"""What a run's output becomes on the operator's machine."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import SerializationError
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.results import NotLoaded, result, values
from lokki_tf.operate.stack import Stack
from lokki_tf.runtime.envelope import digest, freeze

STORE = "s3://read-123456789012-eu-west-1"


@step
def only() -> None: ...


def kept(value: Any) -> tuple[str, bytes]:
    """A reference to a value, and its bytes."""
    form, data = freeze(value)
    return f"{STORE}/runs/only/run/{digest(data)}.{form}", data


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch loaded",)


def test_a_pickle_runs_nothing_without_the_operators_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module of its class is shown instead; the command of a forged pickle does not run."""
    monkeypatch.chdir(tmp_path)
    uri, data = kept([Trap()])
    found = values({"only": {"ref": uri}}, {uri: data}.__getitem__)["only"]
    assert isinstance(found, NotLoaded)
    assert repr(found) == "<not loaded: a pickle with classes of posix; --allow-pickle loads it>"
    assert not Path("loaded").exists()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("x" * 100, True),
        ((1, {2, 3}, b"bytes", {4: float("inf")}, frozenset({5})), True),
        (Fraction(1, 3), False),
    ],
)
def test_what_can_run_nothing_needs_no_word(value: Any, plain: bool) -> None:
    """JSON is loaded, and so are pickles without classes; others with ``--allow-pickle``."""
    uri, data = kept(value)
    output, read = {"only": {"ref": uri}}, {uri: data}.__getitem__
    assert values(output, read, allow_pickle=True) == {"only": value}
    assert (values(output, read) == {"only": value}) is plain


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("s3://other/runs/only/run/one.json.gz", "is not an object of the pipeline"),
        (f"{STORE}/runs/../one.json.gz", "is not an object of the pipeline"),
        (f"{STORE}/runs/only/run/{'0' * 64}.json.gz", "has been changed since it was written"),
    ],
)
def test_a_result_is_an_unchanged_object_of_the_pipeline(uri: str, says: str) -> None:
    """References to other buckets and to objects that were replaced are refused."""
    config = Config(aws=AwsConfig(region="eu-west-1"))
    stack = Stack(Pipeline("read", steps=[only()]).definition, config, Path("nowhere"), "")
    arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:read"
    aws: Any = SimpleNamespace(read=lambda uri: freeze("x")[1])
    deployed = Deployed(stack, arn, {}, aws)
    assert deployed.store == STORE
    run: Any = SimpleNamespace(output=f'{{"only": {{"ref": "{uri}"}}}}', name="run")
    with pytest.raises(SerializationError, match=says):
        result(deployed, run)
