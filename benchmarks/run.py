"""Everything that the README says about speed, measured beside step-in-line in one run.

    make bench

Each figure is the median of whole processes, ours and theirs in turn. Machines are noisy:
read the ratios. After that come the other scripts of this folder: ``engines.py`` measures
runs on this computer beside other engines, ``local_run.py`` beside the barest ways, ``data.py``
large values beside other formats, ``streams.py`` long maps through small functions,
``commands.py`` the commands for what is deployed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
IMPORTS = {
    "ours": (
        "from lokki_tf import Pipeline, step\n"
        "from lokki_tf.terraform import StepInLine, rename_tf_output\n"
    ),
    "theirs": (
        "from step_in_line.step import step\n"
        "from step_in_line.pipeline import Pipeline\n"
        "from step_in_line.tf import StepInLine, rename_tf_output\n"
    ),
}
SYNTH = """
from pathlib import Path
from cdktf import App
app = App(hcl_output=True)
StepInLine(app, "stack", pipe, "us-east-1")
app.synth()
rename_tf_output(Path(app.outdir, "stacks", "stack"))
"""
FOUR = """
@step
def preprocess(arg1: str) -> str:
    return "hello"
@step
def preprocess_2(arg1: str) -> str:
    return "hello"
@step
def preprocess_3(arg1: str) -> str:
    return "hello"
@step
def train(arg1: str, arg2: str, arg3: str) -> str:
    return "goodbye"
a = preprocess("hi")
b = preprocess_2(a)
pipe = Pipeline("four", steps=[train(a, b, preprocess_3(b))], schedule="rate(2 minutes)")
"""


def many(count: int) -> str:
    """A pipeline of ``count`` steps: ten chains side by side, then one step that joins them."""
    lines = []
    for index in range(count - 1):
        lines.append(f"@step\ndef s{index}(x):\n    return x\n")
        lines.append(f"r{index} = s{index}({f'r{index - 10}' if index >= 10 else index})\n")
    ends = ", ".join(f"r{index}" for index in range(max(0, count - 11), count - 1))
    lines.append(f"@step\ndef last(*xs):\n    return xs\npipe = Pipeline('many', [last({ends})])\n")
    return "".join(lines)


def diamonds(levels: int) -> str:
    """A pipeline of diamonds, one on the other."""
    lines = ["@step\ndef s(x):\n    return x\nr = s(1)\n"]
    for index in range(levels):
        lines.append(
            f"@step\ndef a{index}(x):\n    return x\n@step\ndef b{index}(x):\n    return x\n"
            f"@step\ndef c{index}(x, y):\n    return x\nr = c{index}(a{index}(r), b{index}(r))\n"
        )
    return "".join([*lines, "pipe = Pipeline('diamonds', [r])\npipe.generate_step_functions()\n"])


def process(code: str, folder: Path) -> float:
    """Seconds of a whole Python process that runs the code in a folder."""
    script = folder / "script.py"
    script.write_text(code)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, str(script)],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"},
    )
    return time.perf_counter() - start


def side_by_side(ours: Callable[[], float], theirs: Callable[[], float], times: int) -> str:
    """Medians and their ratio; one warm-up each, then in turn."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(times)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"{a:8.3f} s {b:9.3f} s {a / b:8.3f}"


def row(what: str, figures: str, goal: str) -> None:
    """A line of the table."""
    print(f"{what:<44}{figures:<32}{goal}", flush=True)


def synths() -> None:
    """Whole processes from import to Terraform."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        for what, code, times, goal in (
            ("synth, four steps", FOUR, 5, "ratio at most 0.2"),
            ("synth, 200 steps", many(200), 3, "ratio at most 0.3"),
        ):
            figures = side_by_side(
                partial(process, IMPORTS["ours"] + code + SYNTH, Path(one)),
                partial(process, IMPORTS["theirs"] + code + SYNTH, Path(other)),
                times,
            )
            row(what, figures, goal)
        figures = side_by_side(
            lambda: process(IMPORTS["ours"] + diamonds(40), Path(one)),
            lambda: process(IMPORTS["theirs"] + diamonds(16), Path(other)),
            1,
        )
        row("40 stacked diamonds to ASL (theirs: 16)", figures, "seconds; theirs doubles a level")


def applies() -> None:
    """``terraform apply`` of twenty steps to the local AWS."""
    from lokki_tf.testing import LocalAws

    seconds = {}
    for whose in ("theirs", "ours"):
        with tempfile.TemporaryDirectory() as name, LocalAws() as aws:
            process(IMPORTS[whose] + many(20) + SYNTH, Path(name))
            start = time.perf_counter()
            aws.deploy(name)
            seconds[whose] = time.perf_counter() - start
    a, b = seconds["ours"], seconds["theirs"]
    row("apply, 20 steps", f"{a:8.3f} s {b:9.3f} s {a / b:8.3f}", "ratio at most 0.15")


def imports() -> None:
    """What importing costs over a bare Python."""

    def over_bare(code: str, path: str) -> float:
        env = {**os.environ, "PYTHONPATH": path}
        runs = []
        for _ in range(15):
            for program in ("pass", code):
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", program], check=True, env=env)
                runs.append(time.perf_counter() - start)
        return statistics.median(runs[1::2]) - statistics.median(runs[0::2])

    ours = over_bare("import lokki_tf", "") * 1000
    row("import lokki_tf over bare Python", f"{ours:8.1f} ms", "under 80 ms")
    from lokki_tf import Pipeline, step
    from lokki_tf.terraform.plan import make_plan

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "plain.py")
        path.write_text("def plain(rows):\n    return sum(rows)\n")
        sys.path.insert(0, name)
        plain = import_module("plain").plain
        pipe = Pipeline("p", [step(plain)([1])])
        (function,) = make_plan(pipe.definition).functions
        for file, data in function.package.files.items():
            Path(name, "zip", file).parent.mkdir(parents=True, exist_ok=True)
            Path(name, "zip", file).write_bytes(data)
        handler = over_bare("import lambda_function", str(Path(name, "zip"))) * 1000
    row("import of a plain step's handler", f"{handler:8.1f} ms", "under 15 ms")
    row("zip of a plain step", f"{len(function.package.zip):8d} bytes", "under 10,000")


def main() -> None:
    """All of it."""
    print(f"{'':<44}{'ours':>10}{'theirs':>12}{'ratio':>9}")
    imports()
    synths()
    applies()
    scripts = ("data.py", "streams.py", "engines.py", "local_run.py", "parallelism.py")
    for script in (*scripts, "commands.py"):
        print(f"\n{script}", flush=True)
        subprocess.run([sys.executable, str(HERE / script)], check=True)


if __name__ == "__main__":
    main()
