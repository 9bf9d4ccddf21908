"""The CDK library, CDKTF or its successor CDKTN. No other module names either.

Constructs take the library's classes from two namespaces: ``core.TerraformOutput``, and
``aws.lambda_function.LambdaFunction`` from the bindings of the AWS provider. Both read the
library in use: that of the ``App`` in which the construct being made is placed.

The bindings import 2,100 modules from their root, in Python (5 s of every synth) and again in
Node (1.3 s). Here they are registered without running their root, with submodules imported on
demand. ``lazy_provider.cjs`` does the same in Node. Together they then take a tenth of a second.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import ConfigError, MissingToolError
from lokki_tf.node import find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    import cdktf as core
    import cdktf_cdktf_provider_aws as aws
    from cdktf import App, TerraformStack
    from constructs import Construct

    from lokki_tf.model import TerraformRef

    __all__ = ["Construct", "TerraformStack", "aws", "core"]

BINDINGS = {"cdktf": "cdktf_cdktf_provider_aws", "cdktn": "cdktn_provider_aws"}
"""The package of the AWS provider's bindings, by library; the first library is the default."""
EXTRAS = {"cdktf": "terraform", "cdktn": "cdktn"}
"""The extra of lokki_tf that installs a library."""
VARIABLE = "LOKKI_CDK"
_NODE_HOOK = Path(__file__).with_name("lazy_provider.cjs")
_in_use: str | None = None


def _has(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _missing(library: str) -> list[str]:
    """Return the packages of a library that are not installed, by their names on PyPI."""
    packages = (library, BINDINGS[library])
    return [package.replace("_", "-") for package in packages if not _has(package)]


def _install(library: str) -> str:
    return f"pip install 'lokki-tf[{EXTRAS[library]}]'"


def preferred() -> str:
    """Choose the library where no ``App`` decides: by ``LOKKI_CDK``, else by what is installed.

    Raises:
        ConfigError: If ``LOKKI_CDK`` names no library.
        MissingToolError: If that library, or every library, is not installed.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if named not in BINDINGS:
            raise ConfigError(
                f"{VARIABLE} must be one of {', '.join(BINDINGS)}, got {named!r}",
                remedy=f"correct or unset {VARIABLE}",
            )
        if missing := _missing(named):
            raise MissingToolError(
                f"{VARIABLE} is {named!r}, which lacks {' and '.join(missing)}",
                remedy=f"{_install(named)}, or unset {VARIABLE}",
            )
        return named
    for library in BINDINGS:
        if not _missing(library):
            return library
    for library in BINDINGS:
        if len(missing := _missing(library)) == 1:
            raise MissingToolError(f"{missing[0]} is not installed", remedy=_install(library))
    raise MissingToolError(
        "neither cdktf nor cdktn is installed, of which synth needs one",
        remedy=" or ".join(_install(library) for library in BINDINGS),
    )


@cache
def prepare() -> None:
    """Start Node with the hook for the bindings, and register these, once per process.

    Raises:
        ConfigError: If ``LOKKI_CDK`` names no library.
        MissingToolError: If a library or a Node is missing.
    """
    preferred()
    if not os.environ.get("JSII_NODE"):
        os.environ["JSII_NODE"] = find_node()
    os.environ.setdefault("NODE_NO_WARNINGS", "1")  # the libraries use what Node calls deprecated
    options = f'--require "{_NODE_HOOK.as_posix()}"'
    with _interrupts_later(), _own_process_group(), _node_options(options):
        importlib.import_module("constructs")  # starts Node
    for bindings in BINDINGS.values():
        _register(bindings)


@contextmanager
def _node_options(more: str) -> Iterator[None]:
    """Set options for a Node that is started in the block, and for no other."""
    own = os.environ.get("NODE_OPTIONS")
    os.environ["NODE_OPTIONS"] = f"{own} {more}" if own else more
    try:
        yield
    finally:
        if own is None:
            del os.environ["NODE_OPTIONS"]
        else:
            os.environ["NODE_OPTIONS"] = own


@contextmanager
def _own_process_group() -> Iterator[None]:
    """Start processes in the block out of reach of the terminal's Ctrl-C.

    A Node that is interrupted ends at once, and jsii, which ends it when Python exits, then
    prints a traceback of the broken pipe.

    A child of vfork() resets its handlers before it changes its group, and is interrupted in
    between; one of fork() keeps Python's handlers until it runs its program. Source: CPython,
    ``child_exec`` in Modules/_posixsubprocess.c; the documentation of ``_USE_VFORK`` in subprocess.
    """
    if os.name != "posix":
        yield
        return
    module: Any = subprocess  # its stubs call both names final
    own, vfork = module.Popen, module._USE_VFORK
    module.Popen, module._USE_VFORK = partial(own, process_group=0), False
    try:
        yield
    finally:
        module.Popen, module._USE_VFORK = own, vfork


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Deliver an interrupt after the block: jsii prints a traceback if Node is half started."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    came = threading.Event()
    own = signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)
        if came.is_set():
            signal.raise_signal(signal.SIGINT)


def _register(bindings: str) -> None:
    """Add the bindings' root to ``sys.modules`` without running it."""
    if bindings in sys.modules:
        return
    spec = importlib.util.find_spec(bindings)
    if spec is None:
        return
    module = importlib.util.module_from_spec(spec)

    def load(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return importlib.import_module(f"{bindings}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{bindings}.{name}":
                raise
            raise AttributeError(f"module {bindings!r} has no attribute {name!r}") from None

    module.__getattr__ = load  # type: ignore[method-assign]  # a module's own hook (PEP 562)
    sys.modules[bindings] = module


# Source: ECMAScript, "Properties of the Object Prototype Object".
_OF_EVERY_OBJECT = {
    *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
    *("toLocaleString", "toString", "valueOf", "__proto__"),
    *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
}


def construct_id(name: str) -> str:
    """Return the name as the id of a construct.

    The library keeps constructs in a JavaScript object, in which some names always exist.

    Args:
        name: The id.
    """
    return f"{name}_" if name in _OF_EVERY_OBJECT else name


def new_app(outdir: Path) -> App:
    """Make an ``App`` of the preferred library.

    Args:
        outdir: The output folder.

    Raises:
        ConfigError: As of :func:`preferred`.
        MissingToolError: As of :func:`prepare`.
    """
    global _in_use
    prepare()
    _in_use = preferred()
    return core.App(outdir=str(outdir))


def value_of(ref: TerraformRef) -> str:
    """Return a token that the library writes as the expression of a reference.

    Args:
        ref: The reference.
    """
    return ref.filled(written(ref.address))


def value_in_json(ref: TerraformRef) -> str:
    """Return a token for a reference's value as it is written between the quotes of JSON's strings.

    Args:
        ref: The reference.
    """
    quoted = f"jsonencode(tostring({ref.address}))"
    return ref.filled(written(f"substr({quoted}, 1, length({quoted}) - 2)"))


def written(expression: str) -> str:
    """Return a token that the library writes as an expression.

    Args:
        expression: The expression, in Terraform's language.
    """
    return _token(f"${{{expression}}}")


def _token(text: str) -> str:
    return str(core.Token.as_string(_expressions(_in_use or preferred())(text)))


@cache
def _expressions(library: str) -> Any:
    """Return the class of expressions of a library."""
    jsii = importlib.import_module("jsii")

    class Expression:
        def __init__(self, text: str) -> None:
            self._text = text

        @property
        def creation_stack(self) -> list[str]:
            return []

        def resolve(self, context: object) -> str:
            return self._text

        def to_string(self) -> str:
            return _token(self._text)

    return jsii.implements(importlib.import_module(library).IResolvable)(Expression)


def use_library_of(scope: Construct) -> None:
    """Take ``core`` and ``aws`` from the library of the ``App`` that a construct is placed in.

    Args:
        scope: Where the construct is placed.

    Raises:
        ConfigError: If ``LOKKI_CDK`` names the other library.
        MissingToolError: If the library's bindings of the AWS provider are not installed.
    """
    global _in_use
    library = _library_of(scope) or preferred()
    named = os.environ.get(VARIABLE)
    if named and named != library:
        raise ConfigError(
            f"{VARIABLE} is {named!r}, and the App is one of {library}",
            remedy=f"use `from {named} import App`, or unset {VARIABLE}",
        )
    if missing := _missing(library):
        others = [other for other in BINDINGS if not _missing(other)]
        raise MissingToolError(
            f"the App is one of {library}, and {missing[0]} is not installed",
            remedy=" or ".join(
                [_install(library), *(f"use `from {other} import App`" for other in others)]
            ),
        )
    _in_use = library


def _library_of(scope: Construct) -> str | None:
    """Return the library of a construct's tree; ``None`` if only ``constructs`` is in it."""
    for construct in scope.node.scopes:
        for base in type(construct).__mro__:
            library = str(base.__dict__.get("__jsii_declared_type__")).partition(".")[0]
            if library in BINDINGS:
                return library
    return None


if not TYPE_CHECKING:

    class _Core:
        """The names of the library in use."""

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(_in_use or preferred()), name)

    class _Aws:
        """The submodules of the bindings of the library in use."""

        def __getattr__(self, name: str) -> Any:
            return importlib.import_module(f"{BINDINGS[_in_use or preferred()]}.{name}")

    class _InTheAppsLibrary(type):
        """Joins a class with the ``TerraformStack`` of the library of its scope."""

        def __call__(cls, scope: Construct, *args: Any, **options: Any) -> Any:
            use_library_of(scope)
            if not issubclass(cls, core.TerraformStack):
                cls = _joined(cls, core.TerraformStack)
            return super().__call__(scope, *args, **options)

    @cache
    def _joined(own: type, stack: type) -> type:
        metaclass = type("_Joined", (type(own), type(stack)), {})
        named = {name: getattr(own, name) for name in ("__module__", "__qualname__", "__doc__")}
        return metaclass(own.__name__, (own, stack), named)

    class TerraformStack(metaclass=_InTheAppsLibrary):
        """The base of stacks that can be placed in an ``App`` of either library."""

    core, aws = _Core(), _Aws()

    def __getattr__(name: str) -> Any:
        if name == "Construct":  # one class serves both libraries
            prepare()
            return importlib.import_module("constructs").Construct
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
