"""Functions as steps of a routed pipeline, with properties of CloudFormation as options."""

from __future__ import annotations

import ast
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import RetryConfig, step
from lokki_tf.authoring.routes import Registry
from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import StepOptions
from lokki_tf.runtime.routes import ReturnUpdates


def first(**kwargs: Any) -> Any:
    """The first step."""
    return ReturnUpdates("last", milk=1)


def last(*, milk: int, **kwargs: Any) -> Any:
    return {}


def options(**given: Any) -> StepOptions:
    """Return the options of a step whose decorator has these arguments."""
    registry = Registry("first")
    registry.fn(**given)(first)
    return registry.routes.steps[0].options


def test_functions_are_unchanged() -> None:
    """The decorator returns the function unchanged, and the steps keep their order."""
    registry = Registry("first", max_steps=7)
    assert registry.fn()(first) is first
    assert registry.fn("first", terminates=True)(last) is last
    routes = registry.routes
    assert (routes.start, routes.limit) == ("first", 7)
    assert list(routes.by_name) == ["first", "last"]
    assert routes.by_name["last"].default_next == "first"
    assert routes.steps[0].function is first


def test_a_function_of_the_same_name_replaces_the_other() -> None:
    """Registering a name again replaces the step; a deep copy changes independently."""
    registry = Registry("first")
    registry.fn()(first)
    registry.fn(terminates=True)(last)
    other = deepcopy(registry)

    def replaced() -> None:
        def first(*, foo: str, **kwargs: Any) -> Any:
            return ReturnUpdates("last")

        other.fn()(first)

    replaced()
    assert dict(other.routes.by_name["first"].takes) == {"foo": True}
    assert dict(registry.routes.by_name["first"].takes) == {}
    assert list(other.routes.by_name) == ["first", "last"]
    assert other.routes.by_name["last"].step is registry.routes.by_name["last"].step


def test_properties_become_options() -> None:
    """Properties of CloudFormation become options, which count as set by the author."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    found = options(
        template_props={
            "Layers": [{"Ref": "MorePythonPackagesLayer"}, "arn:aws:lambda:eu-west-1:1:layer:a:1"],
            "MemorySize": 1024,
            "Timeout": 30,
            "Runtime": "python3.11",
            "Architectures": ["arm64"],
            "Environment": {"Variables": {"A": "x", "B": 1, "C": True}},
            "EphemeralStorage": {"Size": 2048},
            "Description": "Begins well",
            "Tags": [{"Key": "team", "Value": "data"}],
            "Policies": [statement, {"Statement": [statement]}],
        },
        retry=2,
    )
    assert found.layers == (
        "${var.MorePythonPackagesLayer}",
        "arn:aws:lambda:eu-west-1:1:layer:a:1",
    )
    assert (found.memory_size, found.timeout_seconds) == (1024, 30)
    assert (found.python_runtime, found.architecture) == ("python3.11", "arm64")
    assert dict(found.env_variables) == {"A": "x", "B": "1", "C": "true"}
    assert (found.ephemeral_storage, found.description) == (2048, "Begins well")
    assert dict(found.tags) == {"team": "data"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    assert [json.loads(one) for one in found.policies] == [document, document]
    assert found.retry == (RetryConfig(retries=2),)
    assert {"layers", "memory_size", "tags"} <= found.given
    assert dict(options(template_props={"Tags": {"a": "b"}}).tags) == {"a": "b"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"template_props": {"MemorySise": 1}}, "did you mean 'MemorySize'"),
        ({"template_props": {"CodeUri": "."}}, "known are Architectures, Description"),
        ({"template_props": [1]}, "must be a dict"),
        ({"template_props": {"MemorySize": "512"}}, "not a whole number"),
        ({"template_props": {"MemorySize": 512}, "memory_size": 256}, "are the same option"),
        ({"template_props": {"Runtime": 3}}, "not a string"),
        ({"template_props": {"Architectures": ["arm64", "x86_64"]}}, "list of one"),
        ({"template_props": {"Layers": "arn"}}, "not a list"),
        ({"template_props": {"Layers": [{"Ref": "AWS::Region"}]}}, "ARNs and references"),
        ({"template_props": {"Layers": [{"Fn::Sub": "a"}]}}, "ARNs and references"),
        ({"template_props": {"Environment": {"A": "x"}}}, "dict of Variables"),
        ({"template_props": {"Environment": {"Variables": {"A": {"Ref": "B"}}}}}, "strings"),
        ({"template_props": {"EphemeralStorage": 512}}, "dict of Size"),
        ({"template_props": {"Tags": ["a"]}}, "list of tags"),
        ({"template_props": {"Tags": "a"}}, "dict of tags"),
        ({"template_props": {"Policies": ["AmazonS3ReadOnlyAccess"]}}, "managed policies"),
        ({"template_props": {"Policies": [{"S3ReadPolicy": {"BucketName": "b"}}]}}, "managed"),
        ({"template_props": {"Policies": [{"Statement": [{"Sid": b""}]}]}}, "JSON"),
        ({"memory": 1}, "did you mean 'memory_size'"),
        ({"name": "other"}, "no option 'name'"),
        pytest.param({"default_next": first}, "write @pipe.fn()", id="default_next=first"),
        ({"default_next": 1}, "must be the name of a step"),
        ({"next_key": ""}, "must be a key"),
        ({"terminates": "yes"}, "must be True or False"),
    ],
    ids=str,
)
def test_invalid_options_are_errors(given: dict[str, Any], says: str) -> None:
    """Invalid options are errors when they are written, with the line and a remedy."""
    with pytest.raises(OptionError, match=says) as caught:
        options(**given)
    assert "test_route_registry.py" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "given",
    [{"beginner": ""}, {"beginner": first}, {"max_steps": 0}],
    ids=["nothing", "a function", "no steps"],
)
def test_a_registry_requires_a_first_step_and_a_limit(given: dict[str, Any]) -> None:
    """The first step must be named, and the limit must be a number of steps."""
    with pytest.raises(OptionError):
        Registry(**{"beginner": "first", **given})


def test_only_plain_functions_are_steps() -> None:
    """Classes, and steps of another style, are errors."""
    with pytest.raises(BindingError):
        Registry("first").fn()(dict)
    with pytest.raises(BindingError, match="a step already"):
        Registry("first").fn()(step(first))


def test_the_file_of_many_functions_is_parsed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is parsed once, regardless of its number of steps, 1,000 here."""
    text = [
        "from lokki_tf.authoring.routes import Registry",
        "from lokki_tf.runtime.routes import ConditionalReturns, ReturnUpdates",
        "pipe = Registry('f0')",
    ]
    for number in range(1000):
        text += [
            "@pipe.fn()",
            f"def f{number}(*, x, **kwargs):",
            "    total = sum(one for one in range(10) if one % 2)",
            "    if total:",
            "        return {'$next': 'f0', 'x': total}",
            "    return ConditionalReturns(x, ReturnUpdates('f1', '*'), a=ReturnUpdates('f2'))",
        ]
    file = tmp_path / "many.py"
    file.write_text("\n".join(text))
    names: dict[str, Any] = {}
    code = compile(file.read_text(), str(file), "exec")
    parse = ast.parse
    parsed: list[str] = []

    def counted(source: str, *args: Any, **options: Any) -> ast.AST:
        parsed.append(source)
        return parse(source, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", counted)
        exec(code, names)
        routes = names["pipe"].routes
    assert list(map(str.splitlines, parsed)) == [text]
    assert len(routes.routes) == 1000
    assert all(len(route.transitions) == 3 for route in routes.routes)
