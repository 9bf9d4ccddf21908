"""Packages: golden files, reproducible bytes, values of other steps, speed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from counting import calls_of

from lokki_tf.packaging import Template, cut, package, package_steps

GOLDEN = Path(__file__).parent / "golden"
STEPS = ("load", "revenue", "spread", "report")
TEMPLATE = Template(
    "from lokki_runtime import run\n\n"
    '"{{PUT_FUNCTION_HERE}}"\n\n\n'
    "def lambda_handler(event, context):\n"
    '    return run("{{PUT_FUNCTION_NAME_HERE}}", event, context)\n',
    "handler.py",
)


def cuts_of_shop(bench, text=None, main=True):
    source = text or (GOLDEN / "shop.py").read_text()
    return dict(zip(STEPS, bench.cuts(source, *STEPS, main=main), strict=True))


def texts(packed):
    files = {name: content.decode() for name, content in packed.files.items()}
    return {name: text for name, text in files.items() if not name.startswith("lokki_runtime/")}


@pytest.mark.parametrize("step", STEPS)
def test_the_files_of_a_step_are_as_reviewed(bench, step):
    """A step's zip contains exactly the files in ``golden/``.

    ``LOKKI_GOLDEN=write`` writes these files again, to be reviewed like code.
    """
    cuts = cuts_of_shop(bench)
    upstream = {"revenue": [cuts["load"]], "spread": [cuts["load"]]}.get(step, [])
    packed = package(bench.receive(cuts[step], *upstream), template=TEMPLATE)
    # The step that reads its own variable when its module is imported.
    expected_rules = ["variable-early"] if step == "load" else []
    assert [finding.rule for finding in packed.findings] == expected_rules
    folder = GOLDEN / step
    if os.environ.get("LOKKI_GOLDEN") == "write":
        for name, text in texts(packed).items():
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.txt").write_text(text)
    expected = {path.name.removesuffix(".txt"): path.read_text() for path in folder.iterdir()}
    assert texts(packed) == expected


def test_a_plain_step_is_small(bench):
    """A step without packages makes a zip of less than 27 kB."""
    [plain] = bench.cuts("@step\ndef f(x):\n    return x\n", "f")
    assert len(package(plain).zip) < 27_000


def test_a_zip_unpacks_to_its_files(bench):
    """Any zip tool reads the zip, and finds plain files with fixed times and modes."""
    packed = package(bench.cut("@step\ndef f(x):\n    return x\n"))
    with zipfile.ZipFile(io.BytesIO(packed.zip)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == packed.files
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_other_processes_make_the_same_bytes(bench):
    """Neither hash seed, nor folder, nor time of day shows in a zip."""
    source = "NAMES = {'a', 'b', 'c'}\nLIMITS = set(open(__file__).read().split())\n"
    source += "@step\ndef f(x):\n    return x, NAMES, LIMITS\n"
    script = (
        "import sys, runpy, importlib.util as u\n"
        "spec = u.spec_from_file_location('c', sys.argv[1]); c = u.module_from_spec(spec)\n"
        "sys.modules['c'] = c; spec.loader.exec_module(c)\n"
        "names = runpy.run_path(sys.argv[2], run_name='__main__')\n"
        "import hashlib; print(hashlib.sha256(c.package(c.cut(names['f'].step)).zip).digest())\n"
    )
    made = set()
    for seed in ("1", "2"):
        folder = bench.write(source)
        conftest = str(Path(__file__).with_name("conftest.py"))
        done = subprocess.run(
            [sys.executable, "-c", script, conftest, str(folder / "pipeline.py")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        made.add(done.stdout)
    assert len(made) == 1


def hashes(bench, text):
    return {
        name: package(one, template=TEMPLATE).content_hash
        for name, one in cuts_of_shop(bench, text).items()
    }


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return json.dumps({", "return json.dumps({'new': 1, ", {"report"}),
        ("heavy  # only one step needs it", "heavy", {"spread"}),
        ("    # cents\n", "    # whole cents\n", {"load", "revenue", "spread"}),
        ("# --- prices ---", "# --- all prices, by the way ---", set()),
        ("# Orders of a shop", "\n\n# Orders of the shop", set()),
        ('"""A module as users', '"""Another module as users', set()),
        ("print(json.dumps(len", "print(json.dumps(1 + len", set()),
        ("memory_size=256", "memory_size=512", set()),
        ('TAX, CURRENCY = Decimal("0.19")', 'TAX, CURRENCY = Decimal("0.07")', {"revenue"}),
    ],
)
def test_a_change_changes_the_zips_that_use_it(bench, old, new, changed):
    """A change of code changes the zips of the steps that use it, and a comment elsewhere none."""
    before = (GOLDEN / "shop.py").read_text()
    assert before.count(old) == 1
    first, second = hashes(bench, before), hashes(bench, before.replace(old, new))
    assert {name for name in STEPS if first[name] != second[name]} == changed


def test_nothing_of_the_machine_is_in_a_zip(bench):
    """No path, no line number, no name of the folder is in a zip."""
    for one in cuts_of_shop(bench).values():
        for text in texts(package(one, template=TEMPLATE)).values():
            assert str(bench.folder) not in text
            assert ".py" not in text


VALUES = """
from dataclasses import dataclass
import heavylib

@dataclass
class Row:
    n: int

class Frame:
    def __init__(self, n):
        self.n = n
    def table(self):
        return heavylib.spread(self.n)

@step(layers=["arn"])
def load(n):
    return heavylib, Frame(n)

@step
def f(rows):
    return Row(len(rows)).n, type(rows[0]).__module__, [row.n for row in rows]

@step
def g(rows):
    return [row.n for row in rows]
"""


def test_values_of_other_steps_unpickle(bench):
    """A step can receive an instance of a class that its own code does not mention."""
    f, g = bench.cuts(VALUES, "f", "g", main=True)
    row = b"cpipeline\nRow\n)\x81}(Vn\nK\x05ub."
    argument = f"[[__import__('pickle').loads({row!r})]]"
    packed = package(bench.receive(g, f), template=TEMPLATE)
    [(found, _)] = bench.run([(bench.unpack(packed), argument)])
    assert found == "[5]"
    assert "pipeline" not in texts(packed)["lambda_function.py"]


def test_a_step_beside_a_heavy_step_starts_without_its_packages(bench):
    """Classes of other steps' values that need a package which the step goes without are left
    out of its zip, with a warning."""
    load, f, _ = bench.cuts(VALUES, "load", "f", "g", main=True)
    packed = package(bench.receive(f, load), template=TEMPLATE)
    assert [one.severity for one in packed.findings] == ["warning"]
    assert "cannot read values of classes whose module imports" in packed.findings[0].message
    light = "[[type('Any', (), {'n': 1})]]"
    [(first, loaded)] = bench.run([(bench.unpack(packed), light)])
    assert first == "(1, 'builtins', [1])"
    assert "heavylib" not in loaded
    assert "pipeline" in loaded


def test_a_class_of_a_literal_comes_with_its_module(bench):
    """A class whose instance is a literal of the pipeline comes with the step that gets it."""
    text = (
        "import shapes\nfrom lokki_tf import Pipeline, step\n@step\ndef f(shape):\n"
        "    return shape.area()\npipe = Pipeline('p', [f(shapes.Square())])\n"
        "# file: shapes.py\nSIDE = 3\nclass Square:\n    def area(self):\n"
        "        return SIDE ** 2\n"
    )
    with bench.loaded(bench.write(text)) as names:
        [packed] = package_steps(names["pipe"].definition).values()
    assert texts(packed)["shapes.py"] == text.partition("shapes.py\n")[2]
    argument = "[__import__('shapes').Square()]"
    assert bench.run([(bench.unpack(packed), argument)])[0][0] == "9"


def test_lambdas_handler_answers_with_an_envelope(bench):
    """With the real runtime, the handler takes a state machine's event and gives an envelope."""
    packed = package(bench.cut("import math\n@step\ndef f(x):\n    return math.floor(x) * 2\n"))
    folder = bench.unpack(packed)
    for name, content in packed.files.items():
        (folder / name).write_bytes(content)
    event = {"node": "f", "run": "r", "store": "s3://b", "inline": 999}
    event["kwargs"] = {"x": {"value": 3.5}}
    script = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import lambda_function\n"
        f"print(lambda_function.lambda_handler({event!r}, None))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "{'value': 6}"  # after what it logs


def test_five_hundred_steps_are_cut_in_a_moment(bench):
    """Cutting 500 steps of one file takes 3,000 calls a step at most."""
    lines = ["import json, math\nLIMIT = 3\ndef helper(x):\n    return json.dumps(x) * LIMIT\n"]
    for n in range(500):
        lines.append(
            f"def only_{n}(x):\n    return math.floor(x) + {n}\n"
            f"@step\ndef s{n}(x):\n    '''Step {n}.'''\n    return helper(only_{n}(x))\n"
        )
    with bench.loaded(bench.write("\n".join(lines))) as names:
        steps = [names[f"s{n}"].step for n in range(500)]
        cuts = []
        calls = calls_of(lambda: cuts.extend(map(cut, steps)))
    assert not any(one.findings for one in cuts)
    assert calls < 500 * 3_000


def test_functions_of_a_package_that_lambda_lacks_are_not_followed(bench):
    """A step of a module with tests is cut without what each test uses, and has no finding."""
    lines = ["import pytest\n", *(f"def h{n}(x):\n    return h{n - 1}(x)\n" for n in range(1, 50))]
    lines.append("def h0(x):\n    return x\n@step\ndef f(x):\n    return x\n")
    lines += [f"@pytest.fixture\ndef t{n}():\n    return h49({n})\n" for n in range(20)]
    with bench.loaded(bench.write("\n".join(lines))) as names:
        cuts = [cut(names["f"].step)]  # reads the module, and what is installed
        calls = calls_of(lambda: cuts.append(cut(names["f"].step)))
    assert not cuts[1].findings
    assert calls < 40_000
