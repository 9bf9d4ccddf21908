"""The package ``lokki_tf`` of a bundle: it lets modules that define pipelines be imported there.

Steps are callable as plain functions inside a running step. Everything else that belongs to
the definition of a pipeline is inert: it accepts every use and has no effect. This file is
copied into a bundle as ``lokki_tf/__init__.py``. It uses the standard library only.
"""

from __future__ import annotations

import sys
from abc import ABCMeta

from lokki_runtime import call as _runtime  # type: ignore[import-not-found]  # in bundles only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType, ModuleType
    from typing import Any

__all__ = [  # most are created by __getattr__
    "DAG",
    "Alarms",
    "ConditionalReturns",
    "EventPattern",
    "Execution",
    "Failure",
    "Flow",
    "Functions",
    "LogLevel",
    "LokkiError",
    "MicroFunctions",
    "MissingArgument",
    "NotReady",
    "Parameter",
    "Pipeline",
    "PipelineDone",
    "PipelineFailed",
    "RetryConfig",
    "ReturnUpdates",
    "S3Created",
    "S3Csv",
    "S3Inventory",
    "S3Json",
    "S3JsonLines",
    "S3Object",
    "S3Objects",
    "Schedule",
    "StateManager",
    "StepFailed",
    "Task",
    "TerraformRef",
    "allow",
    "answer",
    "build_terraform",
    "chain",
    "configure_logging",
    "flow",
    "heartbeat",
    "main",
    "part",
    "refuse",
    "run_context",
    "start_pipeline",
    "step",
    "task",
    "wait",
]

# The modules that contain the names that are not inert.
_REAL = {
    "ConditionalReturns": "lokki_runtime.routes",
    "Failure": "lokki_runtime.failure",
    "ReturnUpdates": "lokki_runtime.routes",
    "NotReady": "lokki_runtime.polls",
    "PipelineFailed": "lokki_runtime.failure",
    "answer": "lokki_runtime.callbacks",
    "heartbeat": "lokki_runtime.callbacks",
    "refuse": "lokki_runtime.callbacks",
    "run_context": "lokki_runtime.context",
    "LokkiError": "lokki_tf.errors",
    "MissingArgument": "lokki_tf.errors",
    "StepFailed": "lokki_tf.errors",
    "StateManager": "lokki_tf.local.state",
}
_IMPORTLIB = "<frozen importlib._bootstrap>"
_NAMED: dict[str, Any] = {}
_CALLS: set[CodeType] = {_runtime.call.__code__, _runtime.drive.__code__}


class _InertType(ABCMeta):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return type.__subclasscheck__(cls, subclass)

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __len__(cls) -> int:
        return 0

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: object) -> Any:
        return cls

    def __or__(cls, other: Any) -> Any:  # Python 3.9 has no unions of classes
        return Inert()

    __ror__ = __or__


class Inert(metaclass=_InertType):
    """A placeholder that accepts every operator, call and attribute, and has no effect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a function unchanged, for decorators such as ``@pipe.fn()``; else be inert."""
        alone = len(args) == 1 and not kwargs and type(args[0]) is type(_inert)
        return args[0] if alone else Inert()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        first = next(one for one in bases if isinstance(one, Inert))
        inherits = any(isinstance(one, _InertType) for one in bases)
        return (Inert,) if first is self and not inherits else ()

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        """Yield as many placeholders as the caller unpacks; none to a loop."""
        return iter([Inert() for _ in range(_unpacked(sys._getframe(1)))])

    def __reversed__(self) -> Iterator[Any]:
        return iter(())

    def __next__(self) -> Any:
        raise StopIteration

    def __contains__(self, item: object) -> bool:
        return False

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __delitem__(self, key: object) -> None:
        pass

    def __delattr__(self, name: str) -> None:
        self.__dict__.pop(name, None)

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __float__(self) -> float:
        return 0.0

    def __complex__(self) -> complex:
        return 0j

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return "<part of a pipeline's definition, without effect in AWS>"

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __await__(self) -> Any:
        return self
        yield  # type: ignore[unreachable]  # makes it a generator

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self

    def __reduce_ex__(self, protocol: object) -> Any:
        # A step whose result holds one is as wrong here as in a local run.
        raise TypeError(
            "a placeholder of a pipeline's definition cannot be serialized; it comes from a "
            "step or pipeline that was used outside of a running step, such as at import or "
            "in a thread"
        )


def _inert(self: Any, *args: Any) -> Any:
    return Inert()


_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
for _name in _BINARY.split():
    for _form in ("__%s__", "__r%s__", "__i%s__"):
        if (_name, _form) != ("divmod", "__i%s__"):
            setattr(Inert, _form % _name, _inert)
for _name in ("neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil", "getitem"):
    setattr(Inert, f"__{_name}__", _inert)
del _BINARY, _name, _form


def _unpacked(frame: FrameType) -> int:
    """Return how many values the running instruction of a frame unpacks, 0 for another one."""
    from opcode import opmap

    code, at = frame.f_code.co_code, frame.f_lasti
    if at < 0:
        return 0
    wider = at >= 2 and code[at - 2] == opmap["EXTENDED_ARG"]
    more = code[at - 1] if wider else 0
    if code[at] == opmap["UNPACK_SEQUENCE"]:
        return code[at + 1] + (more << 8)
    if code[at] == opmap["UNPACK_EX"]:  # the targets before the starred one, and those after it
        return code[at + 1] + more
    return 0


def _inside_step() -> bool:
    """Return whether the caller runs inside a step, and not while a module is imported there."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code in _CALLS:
            return True
        if code.co_filename == _IMPORTLIB:
            return False
        frame = frame.f_back
    return False


class Step(Inert):
    """A step.

    Args:
        function: The plain function.
        when: The step's condition.
        name: The step's name; the function's unless given.
        options: The other options of ``@step``, which have no effect here.
    """

    __lokki_step__ = True

    def __init__(
        self, function: Callable[..., Any], when: Any = None, name: Any = None, **options: Any
    ) -> None:
        self.__dict__.update(getattr(function, "__dict__", {}))
        for known in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
            if hasattr(function, known):
                setattr(self, known, getattr(function, known))
        self.__wrapped__ = function
        _NAMED[name or getattr(function, "__name__", "")] = self
        if when is not None:
            self.lokki_when = when  # the handler reads it
        code = getattr(function, "__code__", None)
        if code is not None:
            _CALLS.add(code)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _inside_step():
            return self.__wrapped__(*args, **kwargs)
        return Inert()

    def __reduce_ex__(self, protocol: object) -> Any:
        return self.__qualname__


class Task(Step):
    """A task: calling it always runs the function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)


class Flow(Step):
    """A function that describes a pipeline, and never runs in a bundle."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Inert()


def _decorator(kind: Any) -> Any:
    def decorate(function: Any = None, **options: Any) -> Any:
        if function is None or isinstance(function, str):
            return lambda decorated: kind(decorated, **options)
        return kind(function, **options)

    return decorate


def part(value: Any, name: str) -> Any:
    """Return an attribute of a value, as ``lokki_tf.part`` does inside a step."""
    return getattr(value, name)


def step_named(name: str) -> Any:
    """Return the step of a name, of those that imported modules have made."""
    return _NAMED[name]


step, task, flow = _decorator(Step), _decorator(Task), _decorator(Flow)


def _real(name: str) -> Any:
    """Return what a name that is not inert means; ``None`` if the bundle does not contain it.

    ``from lokki_tf import *`` reads all names, and a bundle has the modules of those that are used.
    """
    from importlib import import_module

    try:
        return vars(import_module(_REAL[name])).get(name)
    except ModuleNotFoundError:
        return None


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    value: Any = _real(name) if name in _REAL else None
    if value is not None:
        return globals().setdefault(name, value)
    value = Inert()
    if name[:1].isupper() and not name.isupper():
        value = _InertType(name, (Inert,), {"__module__": __name__})
    return globals().setdefault(name, value)


class _Finder:
    """Finds the submodules of ``lokki_tf`` that a bundle does not contain; they are inert."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith("lokki_tf."):
            return None
        from importlib.machinery import ModuleSpec, PathFinder

        own = name.split(".")
        if own[1] == "runtime":
            alias = ".".join(["lokki_runtime", *own[2:]])
            if len(own) == 2 or PathFinder.find_spec(alias, sys.modules["lokki_runtime"].__path__):
                loader: Any = _Alias(alias)
                return ModuleSpec(name, loader)
        found = PathFinder.find_spec(name, path)
        if found is not None and found.loader is not None and found.has_location:
            return found
        inert: Any = _Finder
        spec = ModuleSpec(name, inert, is_package=True)
        if found is not None:  # a folder of which the bundle contains some modules
            spec.submodule_search_locations = list(found.submodule_search_locations or ())
        return spec

    @staticmethod
    def create_module(spec: Any) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        def attribute(name: str) -> Any:
            if name == "__all__":
                return []
            return getattr(sys.modules[__name__], name)

        vars(module)["__getattr__"] = attribute


class _Alias:
    """Loads a module of ``lokki_tf.runtime``: the one of ``lokki_runtime``, not a copy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: Any) -> Any:
        from importlib import import_module

        module = import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # which the import system has just replaced


sys.meta_path.insert(0, _Finder)
