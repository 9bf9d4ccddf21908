"""What a failed run raises is a ``StepFailed`` and an error of the step's own class."""

from __future__ import annotations

import abc
import json
import threading
import types
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from lokki_tf import DAG, MicroFunctions, Pipeline, flow, main, step, task
from lokki_tf.errors import BindingError, StepFailed


class Coded(Exception):
    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


class Registering(Exception):
    made: ClassVar[list[str]] = []

    def __init_subclass__(cls, *, code: int) -> None:
        Registering.made.append(cls.__name__)


class Slotted(Exception):
    __slots__ = ("detail",)

    def __init__(self, detail: str) -> None:
        self.detail = detail


class Shadowing(Exception):
    node = step = attempts = message = place = property(lambda self: "of the error")


class Abstract(Exception, metaclass=abc.ABCMeta):
    pass


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


class OfMeta(type):
    def __new__(mcs, name: str, bases: Any, names: Any) -> Any:
        if name == "StepFailed":
            raise TypeError("no more classes")
        return super().__new__(mcs, name, bases, names)


class Closed(Exception, metaclass=OfMeta):
    pass


def caught(make: Any) -> Any:
    def fails() -> None:
        raise make()

    with pytest.raises(StepFailed) as error:
        Pipeline("p", steps=[step(fails)()]).local_run()
    assert error.value.node == error.value.step == "fails"
    assert error.value.attempts == 1
    assert error.value.message.startswith("step 'fails' failed: ")
    assert error.value.run.status == {"fails": "failed"}
    assert type(error.value).__name__ == "StepFailed"
    return error.value


ERRORS: list[tuple[Any, dict[str, Any]]] = [
    (lambda: ValueError("a", 1), {"args": ("a", 1)}),
    (lambda: KeyError("k"), {"args": ("k",)}),
    (lambda: FileNotFoundError(2, "none", "f"), {"errno": 2, "strerror": "none", "filename": "f"}),
    (lambda: OSError(), {"errno": None}),
    (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), {"object": b"\xff", "end": 1}),
    (lambda: json.JSONDecodeError("no", "doc", 1), {"doc": "doc", "pos": 1, "lineno": 1}),
    (lambda: SyntaxError("s", ("f", 3, 1, "text")), {"lineno": 3, "filename": "f"}),
    (lambda: ImportError("i", name="n", path="p"), {"name": "n", "path": "p"}),
    (lambda: AttributeError("a", name="n", obj=3), {"name": "n", "obj": 3}),
    (lambda: ExceptionGroup("g", [ValueError("v")]), {}),
    (lambda: Coded(5, hint="h"), {"code": 5, "hint": "h"}),
    (lambda: Slotted("d"), {"detail": "d"}),
    (lambda: Shadowing("s"), {"args": ("s",)}),
    (lambda: Abstract("a"), {}),
    (lambda: Frozen(3), {"code": 3}),
    (lambda: Registering("r"), {}),
    (lambda: BindingError("b", remedy="r"), {}),
    (lambda: StepFailed("inner", node="n", step="s"), {}),
    (lambda: EOFError("e"), {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "attributes"), ERRORS, ids=lambda one: getattr(one, "__name__", "")
)
def test_the_error_is_of_both_classes(make: Any, attributes: dict[str, Any]) -> None:
    """``except`` clauses for the step's own class catch it, with the original's attributes."""
    error = caught(make)
    original = error.__cause__
    assert isinstance(error, type(original))
    for name, value in attributes.items():
        assert getattr(error, name) == value
        assert getattr(original, name) == value
    assert not Registering.made


def lacks_attribute() -> None:
    _ = {"a": 1}.keyy  # type: ignore[attr-defined]


def lacks_attribute_of_a_lock() -> None:
    _ = threading.Lock().keyy  # type: ignore[attr-defined]


def lacks_name() -> None:
    _ = nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "name", "obj"),
    [
        (lacks_attribute, "keyy", {"a": 1}),
        (lacks_attribute_of_a_lock, "keyy", None),
        (lacks_name, "nowhere", None),
    ],
)
def test_what_an_error_of_a_process_lacks_is_named(function: Any, name: str, obj: Any) -> None:
    """``name`` and ``obj`` of an error in another process are there, as far as they are pickled."""
    with pytest.raises(StepFailed) as error:
        Pipeline("p", steps=[step(function)()]).local_run(executor="process")
    for one in (error.value, error.value.__cause__):
        assert getattr(one, "name", None) == name
        assert getattr(one, "obj", None) == obj


@pytest.mark.parametrize(
    "make",
    [lambda: StopIteration(3), lambda: SystemExit(3), lambda: GeneratorExit(), lambda: Closed("c")],
    ids=["StopIteration", "SystemExit", "GeneratorExit", "closed class"],
)
def test_where_there_is_no_such_class_it_is_plain(make: Any) -> None:
    """Errors that end processes or iterators, and classes without subclasses: ``StepFailed``."""
    error = caught(make)
    assert type(error) is StepFailed
    assert type(error.__cause__) is type(make())


@step
def numbers() -> list[int]:
    return [1, 0]


@step
def divided(value: int) -> float:
    return 1 / value


@flow
def mapped():
    return numbers().map(divided)


@task()
def single() -> None:
    raise FileNotFoundError(2, "none", "f")


routed = MicroFunctions("begin")


@routed.fn(terminates=True)
def begin() -> Any:
    raise Coded(2, hint="h")


def test_every_style_raises_the_own_class() -> None:
    """Maps, arrows and routes raise the class of what a step raised, processes too."""
    with pytest.raises(ZeroDivisionError) as error:
        mapped.local_run()
    assert (error.value.items, error.value.step) == ((1,), "divided")  # type: ignore[attr-defined]
    for executor in ("thread", "process"):
        with pytest.raises(FileNotFoundError) as missing:
            DAG("arrows", tasks=[single]).run(executor=executor)
        assert missing.value.filename == "f"
    for run in (routed.run, routed.local_run):
        with pytest.raises(Coded) as coded:
            run()
        assert coded.value.code == 2


def test_commands_show_errors_that_click_knows(capfd: pytest.CaptureFixture[str]) -> None:
    """An ``EOFError`` of a step is shown as any other, and not as an interrupted command."""

    @step
    def fails() -> None:
        raise EOFError("no more")

    with pytest.raises(SystemExit) as ended:
        main(Pipeline("p", steps=[fails()]), ["run"])
    assert ended.value.code == 1
    assert "step 'fails' failed: EOFError: no more" in capfd.readouterr().err


def test_the_plain_form_has_all_fields() -> None:
    """``plain()`` gives the same error of ``StepFailed`` alone."""
    error = caught(lambda: Coded(1, hint="h"))
    error.add_note("a note")
    plain = error.plain()
    assert type(plain) is StepFailed
    assert (plain.node, plain.message, plain.__cause__) == ("fails", error.message, error.__cause__)
    assert (plain.run, plain.__notes__) == (error.run, ["a note"])
    assert isinstance(error.__traceback__, types.TracebackType)
