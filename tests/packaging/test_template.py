"""Templates: what is filled in, and what is said where that fails."""

from __future__ import annotations

import ast

import pytest

from lokki_tf.errors import TemplateError
from lokki_tf.packaging import Template, default_template, package, read_template

STEP_IN_LINE = '''\
"""A template of the user's."""
import pickle

"{{PUT_FUNCTION_HERE}}"


def lambda_handler(event, context):
    return {"result": '{{PUT_FUNCTION_NAME_HERE}}'(*event["args"])}
'''


def test_a_template_of_the_user(bench):
    """Both placeholders are replaced with their quotes, whichever quotes those are."""
    one = bench.cut("import math\n@step\ndef area(r):\n    return math.pi * r * r\n", "area")
    packed = package(one, template=Template(STEP_IN_LINE, "mine.py"))
    [(found, _)] = bench.run([(bench.unpack(packed), "[1]")])
    assert found == "{'result': 3.141592653589793}"


def test_postponed_annotations_stand_first(bench):
    """``from __future__`` follows the template's docstring, once, before all other code."""
    text = "from __future__ import annotations\n@step\ndef f(x: Nowhere):\n    return x\n"
    one = bench.cut(text)
    future = "from __future__ import annotations\n\n"
    for template in (STEP_IN_LINE, STEP_IN_LINE.partition("\n")[2], future + STEP_IN_LINE):
        packed = package(one, template=Template(template, "mine.py"))
        assert not packed.findings
        source = packed.files["lambda_function.py"].decode()
        assert source.count("from __future__") == 1
        assert ast.get_docstring(ast.parse(source)) in (None, "A template of the user's.")


def test_the_default_template_is_found():
    """lokki_tf's own template is found in a checkout and in a wheel."""
    assert "{{PUT_FUNCTION_HERE}}" in default_template().text


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\n", 1, "{{PUT_FUNCTION_HERE}} is not in it"),
        ('\nif 1:\n    "{{PUT_FUNCTION_HERE}}"\n', 3, "{{PUT_FUNCTION_HERE}} is indented"),
        ('"{{PUT_FUNCTION_HERE}}"\n', 1, "{{PUT_FUNCTION_NAME_HERE}} is not in it"),
        (
            'a = 1\n"{{PUT_FUNCTION_HERE}}"\n"{{PUT_FUNCTION_NAME_HERE}}"(\n\nclass',
            3,
            "filled, is not valid Python: '(' was never closed",
        ),
        (
            'def (: "{{PUT_FUNCTION_NAME_HERE}}"\n"{{PUT_FUNCTION_HERE}}"\n',
            1,
            "filled, is not valid Python: invalid syntax",
        ),
    ],
)
def test_a_template_that_cannot_be_filled(bench, text, line, message):
    """What is wrong with a template is said with its file and line."""
    one = bench.cut("import os\n@step\ndef f(x):\n    return os, x\n\n\n\n")
    [finding] = package(one, template=Template(text, "mine.py")).findings
    assert (str(finding.place), finding.error) == (f"mine.py:{line}", TemplateError)
    assert message in finding.message
    assert finding.remedy


def test_a_template_that_is_no_python_where_annotations_are_postponed(bench):
    """What is wrong with a template is said where the step's file postpones annotations too."""
    text = "from __future__ import annotations\n@step\ndef f(x: Nowhere):\n    return x\n"
    template = Template(f"{STEP_IN_LINE}\nclass\n", "mine.py")
    [finding] = package(bench.cut(text), template=template).findings
    assert (str(finding.place), finding.error) == ("mine.py:10", TemplateError)
    assert "filled, is not valid Python: invalid syntax" in finding.message


def test_a_template_that_is_not_there():
    """A template's path that leads nowhere is an error that names it."""
    with pytest.raises(TemplateError, match=r"the template no/such\.py cannot be read"):
        read_template("no/such.py")


def test_a_handler_fetches_secrets_before_it_imports_anything(bench):
    """After docstring and ``from __future__``, before the template's imports; calls renew them."""
    text = "from __future__ import annotations\nimport datetime\n"
    text += (
        '@step(secrets={"B": "b", "A": "ssm:/a"})\ndef f(when: datetime.date):\n    return when\n'
    )
    one = bench.cut(text)
    for template in (STEP_IN_LINE, default_template().text):
        packed = package(one, template=Template(template, "mine.py"))
        source = packed.files["lambda_function.py"].decode()
        body = ast.parse(source).body
        first = next(at for at, node in enumerate(body) if isinstance(node, ast.Import))
        assert [ast.unparse(node) for node in body[first - 1 : first + 2]] == [
            "from __future__ import annotations",
            "import lokki_runtime.secrets",
            "lokki_runtime.secrets.load({'A': 'ssm:/a', 'B': 'b'})",
        ]
        last = "lambda_handler = lokki_runtime.secrets.fresh(lambda_handler)"
        assert source.endswith(f"\n\n{last}\n")


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("import polars_of_nobody.sub", "error"),
        ("from polars_of_nobody import part", "error"),
        ("try:\n    import polars_of_nobody\nexcept ImportError:\n    pass", "warning"),
        ("import json, boto3\nfrom lokki_runtime import run", None),
    ],
)
def test_packages_that_only_a_template_imports(bench, text, severity):
    """They are reported with the template's line, unless the step declares them."""
    template = Template(STEP_IN_LINE.replace("import pickle", text), "mine.py")
    found = package(bench.cut("@step\ndef f():\n    return 1\n"), template=template).findings
    if severity is None:
        assert found == ()
        return
    (finding,) = found
    assert (finding.severity, finding.rule) == (severity, "package-missing")
    assert "polars_of_nobody" in finding.message
    assert str(finding.place) == f"mine.py:{3 if severity == 'warning' else 2}"
