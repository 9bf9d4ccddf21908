"""Conditions are included in the zip of their step, with all that they use."""

from __future__ import annotations

import pytest

from lokki_tf.packaging import Template, cut, package

ASKED = Template(
    """
import lokki_runtime

"{{PUT_FUNCTION_HERE}}"

def lambda_handler(event, context):
    function = "{{PUT_FUNCTION_NAME_HERE}}"
    result = lokki_runtime.call.call(function, event["args"], {})
    return bool(function.lokki_when(*event["args"])), result
""",
    "asked.py",
)
CASES = {
    "a lambda in the decorator": "@step(when=lambda x: x > 1)\ndef f(x):\n    return x\n",
    "a lambda over several lines": (
        "@step(\n    when=lambda x: (\n        x\n        > LIMIT\n    ),\n)\n"
        "def f(x):\n    return x\nLIMIT = 1\n"
    ),
    "two lambdas on one line": (
        "def chosen(one, other):\n    return one\n"
        "@step(when=chosen(lambda x: x > 1, lambda x: x < 1))\ndef f(x):\n    return x\n"
    ),
    "a function of the module, with what it uses": (
        "import math\nLIMIT = 1.5\ndef large(x):\n    return x > math.floor(LIMIT)\n"
        "@step(when=large)\ndef f(x):\n    return x\n"
    ),
    "a function that the step calls too": (
        "def large(x):\n    return x > 1\n@step(when=large)\ndef f(x):\n    return large(x)\n"
    ),
    "a function of another module of the user's": (
        "from rules import large\n@step(when=large)\ndef f(x):\n    return x\n"
        "# file: rules.py\nLIMIT = 1\ndef large(x):\n    return x > LIMIT\n"
    ),
    "a function through its module": (
        "import rules\n@step(when=rules.large)\ndef f(x):\n    return x\n"
        "# file: rules.py\ndef large(x):\n    return x > 1\n"
    ),
    "a closure over a literal": (
        "def above(limit):\n    return lambda x: x > limit\n"
        "@step(when=above(1))\ndef f(x):\n    return x\n"
    ),
    "Python's own": "@step(when=bool)\ndef f(x):\n    return x\n",
    "of a function that reads its own path": (
        "def large(x):\n    return x > 1\n@step(when=large)\ndef f(x):\n    return __name__ and x\n"
    ),
    "of a function with classes": (
        "class Row:\n    limit = 1\n@step(when=lambda x: x > Row.limit)\n"
        "def f(x):\n    return Row.__name__ and x\n"
    ),
    "of a class, with an argument": (
        "import functools, operator\n@step(when=functools.partial(operator.lt, 1))\n"
        "def f(x):\n    return x\n"
    ),
    "of a step that is nested": (
        "def made():\n    @step(when=lambda x: x > 1)\n    def f(x):\n        return x\n"
        "    return f\nf = made()\n"
    ),
    "of a step with an odd name": (
        "@step(name='f-2 é', when=lambda x: x > 1)\ndef f(x):\n    return x\n"
    ),
}


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
@pytest.mark.parametrize("main", [False, True], ids=["module", "script"])
def test_a_condition_travels(bench, text, main):
    """It answers there as it does here, for both answers."""
    with bench.loaded(bench.write(text), main=main) as names:
        step = names["f"].step
        one = cut(step)
        assert not one.findings
        folder = bench.unpack(package(one, template=ASKED))
        here = [repr((bool(step.when(x)), step.function(x))) for x in (0, 5)]
    there = bench.run([(folder, "[0]"), (folder, "[5]")])
    assert [found for found, _ in there] == here
    assert here[0].startswith("(False")
    assert here[1].startswith("(True")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "log = open(__file__)\n@step(when=lambda x: log.name)\ndef f(x):\n    return x\n",
            "capture-live",
        ),
    ],
    ids=["an open file"],
)
def test_what_keeps_a_condition_from_being_deployed_is_reported(bench, text, rule):
    """A value in a condition that cannot be serialized is a finding, as in the step itself."""
    one = bench.cut(text)
    assert [finding.rule for finding in one.findings] == [rule]
    assert one.findings[0].place.line >= 1


def test_a_condition_of_a_cell_travels(cells, bench):
    """A lambda in a notebook's cell, with a name that another cell made."""
    cells("LIMIT = 1")
    names = cells("@step(when=lambda x: x > LIMIT)\ndef f(x):\n    return x")
    one = cut(names["f"].step)
    assert not one.findings
    folder = bench.unpack(package(one, template=ASKED))
    assert [found for found, _ in bench.run([(folder, "[0]"), (folder, "[5]")])] == [
        "(False, 0)",
        "(True, 5)",
    ]


def test_a_condition_of_a_block_for_scripts_travels(bench):
    """A function with a name of its own, made where only the script runs, as its condition."""
    text = (
        "from lokki_tf import step\nif __name__ == '__main__':\n"
        "    def plain(x):\n        return x\n"
        "    def made(limit):\n        def above(x):\n            return x > limit\n"
        "        return step(when=above)(plain)\n    f = made(1)\n"
    )
    with bench.loaded(bench.write(text), main=True) as names:
        one = cut(names["f"].step)
        assert not one.findings
        folder = bench.unpack(package(one, template=ASKED))
    found = bench.run([(folder, "[0]"), (folder, "[5]")])
    assert [answer for answer, _ in found] == ["(False, 0)", "(True, 5)"]


def test_a_step_that_only_a_script_can_make_is_found(bench):
    """A function of a block for scripts that another of them needs has no place in a zip."""
    one = bench.cut(
        "from lokki_tf import step\nif __name__ == '__main__':\n    def helper(x):\n"
        "        return x\n    @step\n    def f(x):\n        return helper(x)\n",
        main=True,
    )
    assert [(finding.rule, finding.severity) for finding in one.findings] == [
        ("capture-dynamic", "error")
    ]
