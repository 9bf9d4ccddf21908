"""What routed pipelines cost before they run: reading their source, and looking at all ways.

    python benchmarks/routes.py

A thousand functions of one file are registered and read; then a chain of diamonds and a random
graph, 500 functions each, are checked. A system that goes through every way takes twice as long
with each diamond.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lokki_tf.checks.routes import check_routes

HEAD = "from lokki_tf import ConditionalReturns, MicroFunctions, ReturnUpdates\n"
FUNCTION = """
@pipe.fn({options})
def {name}(*, {takes}, **state):
    return {returned}
"""


def read(text: str) -> Any:
    """The routes of the pipeline that a text makes, from a file as a user's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "routed_benchmark.py")
        path.write_text(HEAD + text)
        spec = importlib.util.spec_from_file_location("routed_benchmark", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module.pipe.routes


def chain(count: int) -> str:
    """Each function leads to the next."""
    text = 'pipe = MicroFunctions("f0")\n'
    for number in range(count):
        last = number == count - 1
        text += FUNCTION.format(
            options="terminates=True" if last else "",
            name=f"f{number}",
            takes=f"x{number}",
            returned="{}" if last else f'ReturnUpdates("f{number + 1}", x{number + 1}=1)',
        )
    return text


def diamonds(count: int) -> str:
    """Each function leads to one of two, and both to the same."""
    text = 'pipe = MicroFunctions("f0")\n'
    for number in range(0, count - 3, 3):
        left, right, both = (f"f{number + more}" for more in (1, 2, 3))
        choice = f'ConditionalReturns(x, ReturnUpdates("{left}"), true=ReturnUpdates("{right}"))'
        steps = ((f"f{number}", choice), *((s, f'ReturnUpdates("{both}")') for s in (left, right)))
        for name, returned in steps:
            text += FUNCTION.format(options="", name=name, takes="x", returned=returned)
        last = both
    return text + FUNCTION.format(options="terminates=True", name=last, takes="x", returned="{}")


def tangle(count: int) -> str:
    """Functions that lead anywhere, back too."""
    dice = random.Random(7)
    text = 'pipe = MicroFunctions("f0")\n'
    for number in range(count):
        ways = ", ".join(
            f'ReturnUpdates("f{dice.randrange(count)}", a{dice.randrange(20)}=1)' for _ in range(3)
        )
        first, *others = ways.split("), ")
        named = ", ".join(f"w{index}={one.rstrip(')')})" for index, one in enumerate(others))
        text += FUNCTION.format(
            options="terminates=True",
            name=f"f{number}",
            takes=f"a{dice.randrange(20)}=None",
            returned=f"ConditionalReturns(state, {first}), {named})",
        )
    return text


def main() -> None:
    """Print all figures."""
    text = chain(1_000)
    began = time.perf_counter()
    read(text)
    print(f"1,000 functions registered and read: {time.perf_counter() - began:.2f} s")
    for name, made in (("a chain of diamonds", diamonds(500)), ("a tangle", tangle(500))):
        routes = read(made)
        began = time.perf_counter()
        found = check_routes(routes)
        took = time.perf_counter() - began
        print(
            f"{len(routes.routes)} functions, {name}, checked: {took:.3f} s, {len(found)} findings"
        )


if __name__ == "__main__":
    main()
