"""The package ``lokki_tf`` of a bundle, run in a bare process, against the real package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lokki_tf
from lokki_tf.packaging.bundle.runtime_files import all_files, stub_files

PIPELINE = '''
import functools
import lokki_tf
from lokki_tf import (ConditionalReturns, DAG, MicroFunctions, Pipeline, RetryConfig, ReturnUpdates,
                      StepFailed, flow, main, step, task)

@step
def double(n):
    """Twice."""
    return 2 * n

@step(name="added", memory_size=256, retry=RetryConfig(retries=2))
def add(left, right=1):
    return double(left) + right

def plain(n):
    return n + 1

named = step(plain, name="named") if False else step(plain)

def traced(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["traced", function(*args)]
    return wrapper

@step
@traced
def decorated(n):
    return double(n)

@step
def generated(n):
    for i in range(n):
        yield add(i)

@step
async def awaited(n):
    import asyncio
    async def other():
        return double(n)
    return await asyncio.create_task(other())

@task
def shout(text):
    return text.upper()

@task(retries=2)
def whisper(text):
    return text.lower()

loud = shout("at import")

@step
def uses(text):
    try:
        raise StepFailed("no", node="n", step="s")
    except lokki_tf.LokkiError as error:
        return [shout(text), loud, whisper(text), error.node, str(error)]

@step
def routes(n):
    way = ConditionalReturns(n > 1, ReturnUpdates("small"), true=ReturnUpdates("big", n=n))
    return repr(way.evaluate())

@flow
def daily(n=1):
    return add(double(n))

pipe = Pipeline("daily", steps=[add(double(1), right=double(2))], schedule="rate(1 day)")
shout >> [whisper]
routed = MicroFunctions("first", name="routed")

@routed.fn(next_key="to")
def first(n):
    return ReturnUpdates(None, n=n)

if __name__ == "__main__":
    main(pipe)
'''

CALLS: list[tuple[str, list[Any]]] = [
    ("double", [3]),
    ("add", [3]),
    ("named", [3]),
    ("decorated", [3]),
    ("generated", [3]),
    ("awaited", [3]),
    ("uses", ["Text"]),
    ("routes", [2]),
    ("shout", ["text"]),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    for path, data in {**all_files(), **stub_files(state_manager=True)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "pipeline.py").write_text(PIPELINE)
    return folder


def bare(bundle: Path, code: str) -> Any:
    """Return the variable ``result`` of code that runs in a process with only the bundle."""
    start = f"import sys; sys.path.insert(0, {str(bundle)!r})\n"
    end = "\nimport json; print(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + code + end], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


CALLING = """
import pipeline
from {runtime} import run
result = []
for name, args in {calls!r}:
    event = {{"node": name, "run": "r", "store": "s3://b", "inline": 10000,
             "args": {{str(i): {{"value": one}} for i, one in enumerate(args)}}}}
    function = getattr(pipeline, name)
    result.append(run(function, event)["value"])
"""


def test_a_module_gives_the_same_results_with_the_stub_and_with_the_package(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps, tasks, generators and coroutines return the same with the stub as locally."""
    local: dict[str, Any] = {"__name__": "pipeline"}
    exec(compile(PIPELINE, str(bundle / "pipeline.py"), "exec"), local)
    expected = []
    for name, args in CALLS:
        pipe = lokki_tf.Pipeline("p", steps=[lokki_tf.step(_plain(local[name]))(*args)])
        expected.append(pipe.local_run()[0][0][1])
    found = bare(bundle, CALLING.format(runtime="lokki_runtime", calls=CALLS))
    assert found == expected
    assert found[:6] == [6, 7, 4, ["traced", 6], [1, 3, 5], 6]


def _plain(value: Any) -> Any:
    return value.step.function if hasattr(value, "step") else value


def test_a_step_keeps_its_functions_attributes_and_is_inert_at_import(bundle: Path) -> None:
    """A step of the stub has the function's metadata, and calling it at import has no effect."""
    assert bare(
        bundle,
        "import pipeline, copy\nd = pipeline.double\n"
        "result = [d.__name__, d.__doc__, d.__module__, d.__wrapped__(2), d.__lokki_step__,"
        " type(d(1)).__name__, type(pipeline.daily()).__name__, type(pipeline.pipe).__name__,"
        " pipeline.first.__name__, pipeline.loud]",
    ) == [
        "double", "Twice.", "pipeline", 4, True, "Inert", "Inert", "Pipeline", "first", "AT IMPORT",
    ]  # fmt: skip


def test_a_step_is_found_by_its_name(bundle: Path) -> None:
    """``step_named`` returns a step by the name that it is given, else by its function's."""
    text = (
        "from lokki_tf import step, step_named\ndef f(): return 1\n"
        "step(f, name='other'), step(f)\n"
        "result = [step_named('other').__wrapped__(), step_named('f').__wrapped__()]"
    )
    assert bare(bundle, text) == [1, 1]


OPERATORS = """
import asyncio, operator, math
import lokki_tf
from lokki_tf import Pipeline, step
@step
def f(*args): raise SystemExit("a step ran at import")
x = f(1)
a, b = f()
first, *rest, last = f()
for name in ("add sub mul matmul truediv floordiv mod pow lshift rshift and_ or_ xor lt le gt ge "
             "eq ne iadd isub imul imatmul ilshift irshift iand ior ixor ifloordiv").split():
    getattr(operator, name)(x, 1)
    getattr(operator, name)(1, x)
for use in (abs, round, math.floor, math.trunc, operator.neg, operator.invert, int, float, len,
            hash, str, repr, format, list, bool, complex, reversed, iter):
    use(x)
divmod(x, 2), divmod(2, x), f"{x:>10}", x[0], x["a"], x.next(f).map(f).agg(f), 3 in x
x[0] = 1
x.name = 1
del x[0], x.name, x.other
with x as y:
    pass
async def wait():
    async with x:
        async for _ in x:
            pass
    return await x
asyncio.run(wait())
@pipe_decorator if False else Pipeline("p").fn(name="n")
def kept(n): return n
[f, f] >> x >> [f] << f
assert kept(2) == 2
result = [len(list(x)), len(rest), x == x, x == a, x < a, len({x, a, b})]
"""


def test_a_placeholder_accepts_every_operator(bundle: Path) -> None:
    """Operators, iteration, unpacking, await and with leave a placeholder without effect."""
    assert bare(bundle, OPERATORS.replace("pipe_decorator if False else ", "")) == [
        0, 0, True, False, False, 3,
    ]  # fmt: skip


def test_a_placeholder_in_a_steps_result_is_refused(bundle: Path) -> None:
    """A placeholder cannot be serialized, with the stub as with the package."""
    assert "placeholder" in bare(
        bundle,
        "import pickle, pipeline\ntry:\n    pickle.dumps([pipeline.pipe])\n"
        "except TypeError as error:\n    result = str(error)",
    )


SUBMODULES = """
import lokki_tf, lokki_runtime.routes, abc
import lokki_tf.testing, lokki_tf.testing.local_aws as local
from lokki_tf import *
from lokki_tf.terraform import PipelineStack as Stack, anything
from lokki_tf.decorators import step as other, RetryConfig
from lokki_tf.runtime.routes import ReturnUpdates as Same
from lokki_tf.errors import StepFailed as Failed
from lokki_tf.local import Run
class Mine(Stack):
    def __init__(self, scope): super().__init__(scope, "id"); self.own = 1
class Two(anything, lokki_tf.another, abc.ABC): pass
class Three(Pipeline, abc.ABC): pass
def f(x: Pipeline | None = None, y: Run = None) -> "LogLevel": return LogLevel.INFO
state = StateManager()
state.set("key", (1, 2))
result = [Mine(None).own, isinstance(Mine(0), Stack), isinstance(1, anything), other is step,
          Same is lokki_runtime.routes.ReturnUpdates is lokki_tf.ReturnUpdates,
          Failed is StepFailed, issubclass(StepFailed, LokkiError),
          issubclass(MissingArgument, UserWarning), state.get("key") == (1, 2),
          lokki_runtime.routes.__spec__.name]
"""


def test_unknown_names_and_submodules_are_inert_and_real_ones_are_shared(bundle: Path) -> None:
    """Unknown submodules can be imported and subclassed; real classes exist only once."""
    expected = [1, True, False, *[True] * 6, "lokki_runtime.routes"]
    assert bare(bundle, SUBMODULES) == expected


def test_a_star_import_works_without_the_modules_that_are_not_used(
    bundle: Path, tmp_path: Path
) -> None:
    """``from lokki_tf import *`` finds each name, although a bundle leaves modules out."""
    bundle = shutil.copytree(bundle, tmp_path / "bundle")
    for left_out in ("lokki_tf/local/state.py", "lokki_runtime/callbacks.py"):
        (bundle / left_out).unlink()
    code = (
        "import lokki_tf\nfrom lokki_tf import *\n"
        "missing = [name for name in lokki_tf.__all__ if name not in globals()]\n"
        "real = issubclass(StepFailed, LokkiError)\n"
        "result = [missing, real, Failure.__name__, answer('t', 1) is 1]"
    )
    assert bare(bundle, code) == [[], True, "Failure", False]


def test_a_module_that_a_step_imports_late_does_not_run_its_pipeline(bundle: Path) -> None:
    """Steps that are called while a step imports their module stay without effect."""
    (bundle / "late.py").write_text(
        "from lokki_tf import Pipeline, step\n@step\ndef boom(): raise SystemExit('ran')\n"
        "pipe = Pipeline('p', steps=[boom()])\n"
    )
    code = (
        "from lokki_tf import step\nfrom lokki_runtime import run\n@step\n"
        "def f():\n    import late\n    return 'fine'\n"
        "result = run(f, {'node': 'f', 'run': 'r', 'store': 's', 'inline': 99})['value']"
    )
    assert bare(bundle, code) == "fine"
    local: dict[str, Any] = {"__name__": "early"}
    exec(code.split("result")[0].replace("from lokki_runtime import run", ""), local)
    sys.path.insert(0, str(bundle))
    try:
        assert lokki_tf.Pipeline("p", steps=[local["f"]()]).local_run() == [[("f", "fine")]]
    finally:
        sys.path.remove(str(bundle))
        sys.modules.pop("late", None)


def test_the_stub_offers_the_names_of_the_package(bundle: Path) -> None:
    """The stub's ``__all__`` is that of the package."""
    assert bare(bundle, "import lokki_tf; result = lokki_tf.__all__") == lokki_tf.__all__


def test_references_policies_and_starts_are_inert_at_import(bundle: Path) -> None:
    """A module may use references, ``allow``, starts and parts when it is imported."""
    text = (
        "from lokki_tf import TerraformRef, allow, part, start_pipeline, step\n"
        "RAW = 'arn:aws:s3:::' + TerraformRef('aws_s3_bucket.raw.bucket') + '/*'\n"
        "@step(env_variables={'RAW': RAW}, policies=[allow('s3:GetObject', [RAW])])\n"
        "def f(x: TerraformRef = RAW): return 1\n"
        "started = start_pipeline('other', {'n': RAW})\n"
        "result = [type(one).__name__ for one in (RAW, part(f(started), 'rows'), started)]"
    )
    assert bare(bundle, text) == ["Inert"] * 3
