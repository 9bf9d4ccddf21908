"""Classes that exist only once code has run: the generated code agrees with a strict local run."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from lokki_tf import Pipeline
from lokki_tf.asl.literals import Literals
from lokki_tf.errors import SerializationError, StepFailed
from lokki_tf.packaging import package_steps
from lokki_tf.runtime.envelope import PICKLE, thaw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MODELS = """
from __future__ import annotations

from collections import namedtuple
from dataclasses import make_dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, RootModel, create_model

from lokki_tf import step

T = TypeVar("T")
U = TypeVar("U")

class Row(BaseModel):
    n: int

class Box(BaseModel, Generic[T]):
    value: T

class Pair(BaseModel, Generic[T, U]):
    first: T
    second: U

class Named(Box[T], Generic[T]):
    name: str = "none"

Point = namedtuple("Point", "x y")
Size = Enum("Size", "SMALL LARGE")

@step(requirements=["pydantic"])
def box() -> Box[int]:
    return Box[int](value=1)

@step(requirements=["pydantic"])
def models() -> dict[str, Box[Row]]:
    many = RootModel[list[Box[int]]]([Box[int](value=3)])
    return {
        "a": [
            Named[Row](value=Row(n=1)),
            (Pair[Box[str], int | None](first=Box[str](value="x"), second=2),),
        ],
        "b": {"many": many, "class": Box[Row], "partial": Pair[int, T]},
    }

@step(requirements=["pydantic"])
def at_module_level():
    return [Point(1, 2), Size.LARGE]

@step(requirements=["pydantic"])
def use(value):
    return value, repr(value)
"""
MADE_IN_A_FUNCTION = {
    "namedtuple": 'namedtuple("P", "x")(1)',
    "NamedTuple": 'NamedTuple("P", [("x", int)])(1)',
    "Enum": 'Enum("P", "A").A',
    "dataclass": 'make_dataclass("P", ["x"])(1)',
    "model": 'create_model("P", x=(int, 1))()',
    "local class": 'type("P", (), {})()',
}
RUNNER = """
import json, sys
folder, others, event = sys.argv[1:]
sys.path[:0] = [folder]
sys.path += json.loads(others)
import lambda_function
from lokki_runtime import store

def write(uri, data):
    with open(folder + "/" + uri.rpartition("/")[2], "wb") as file:
        file.write(data)
    return uri

def open_all(uris):
    return {uri: open(folder + "/" + uri.rpartition("/")[2], "rb").read() for uri in uris}

store.write, store.open_all = write, open_all
try:
    print(json.dumps(lambda_function.lambda_handler(json.loads(event), None)))
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
"""


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The module of models and steps, with the step ``made`` where a test asks for it."""
    body = getattr(request, "param", None)
    extra = f"\n@step(requirements=['pydantic'])\ndef made():\n    return {body}\n" if body else ""
    (tmp_path / "generic_models.py").write_text(MODELS + extra)
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("generic_models")
    sys.path.remove(str(tmp_path))
    del sys.modules["generic_models"]


def in_a_bare_process(pipeline: Pipeline, name: str, folder: Path, **kwargs: Any) -> Any:
    """The envelope that a step's bundle returns where no annotation has been evaluated."""
    packed = {step.name: one for step, one in package_steps(pipeline.definition).items()}[name]
    assert not [one for one in packed.findings if one.severity == "error"]
    for path, data in packed.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    event = {"node": name, "run": "r", "store": "s3://b", "inline": 0, "kwargs": kwargs}
    others = json.dumps([str(Path(pydantic.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER, str(folder), others, json.dumps(event)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout.splitlines()[-1])


def result(envelope: Any, folder: Path) -> Any:
    """The value of an envelope, read here."""
    return thaw(PICKLE, (folder / envelope["ref"].rpartition("/")[2]).read_bytes())


@pytest.mark.parametrize("name", ["box", "models", "at_module_level"])
def test_classes_made_on_use_arrive(module: ModuleType, name: str, tmp_path: Path) -> None:
    """Instances of parametrized models, alone and nested, are the same after both steps."""
    made = vars(module)[name]()
    pipeline = Pipeline("generics", steps=[module.use(made)])
    sent = in_a_bare_process(pipeline, name, tmp_path / "bundle")
    got = in_a_bare_process(pipeline, "use", tmp_path / "bundle", value=sent)
    there = result(got, tmp_path / "bundle")
    for executor in ("thread", "process"):
        here = pipeline.local_run(strict=True, executor=executor).result
        assert there == here
        assert there[1] == repr(here[0])
    assert pipeline.local_run().result == there


def test_literals_arrive(module: ModuleType, tmp_path: Path) -> None:
    """A parametrized model in a literal, beside a set, is the same in the step."""
    value = [module.Box[float](value=0.5), {"a", "b"}]
    pipeline = Pipeline("literals", steps=[module.use(value)])
    sent = Literals().envelope(value, pipeline.graph.nodes[0])
    got = in_a_bare_process(pipeline, "use", tmp_path / "bundle", value=sent)
    assert result(got, tmp_path / "bundle")[0] == pipeline.local_run(strict=True).result[0] == value


@pytest.mark.parametrize(
    "module", MADE_IN_A_FUNCTION.values(), ids=MADE_IN_A_FUNCTION, indirect=True
)
def test_classes_made_in_functions_are_refused_by_both(module: ModuleType, tmp_path: Path) -> None:
    """What has no name in a module is an error of the step that returns it, with one text."""
    pipeline = Pipeline("made", steps=[module.use(module.made())])
    there = in_a_bare_process(pipeline, "made", tmp_path / "bundle")
    with pytest.raises((SerializationError, StepFailed)) as caught:
        pipeline.local_run(strict=True)
    assert "the result of step 'made'" in str(caught.value)
    # The function is in the handler's file there.
    assert there["error"].replace("lambda_function", "generic_models") in str(caught.value)
