"""lokki_tf's own files in a zip: the runtime, and the package that replaces ``lokki_tf``.

The runtime is ``lokki_tf/runtime``, as the package ``lokki_runtime``. Docstrings and comments
are left out, since every cold start would load them.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from lokki_tf.source.modules import HANDLER, RUNTIME

from ..zips import Zipped

_HEADER = "# lokki_tf's runtime; the commented source is lokki_tf/runtime.\n"
_OF_ROUTES = {"routes.py", "routed.py"}
_OF_CALLS = {"card_store.py", "cards.py", "event_context.py"}
_OF_CONTEXTS = {"aliases.py", "context.py", "moments.py"} | _OF_CALLS
_OF_POLLS = {"polls.py", "moments.py"}
_OF_FAILURES = {"aliases.py", "failure.py"}
_OF_ANSWERS = {"answers.py", "callbacks.py"}
_OF_TEXTS = {"texts.py"}
_OF_STREAMS = {"results.py", "streams.py"}
_OF_OBJECTS = {"early.py"}
_OF_SECRETS = {"secrets.py", "secret_sources.py"}
_OF_HELPERS = {
    *("cleanups.py", "failures.py", "job_errors.py", "failure_notices.py"),
    *("started.py", "starts.py", "triggers.py", "busy.py", "locks.py"),
}
"""Files of helper functions."""
_STUB = {"lokki_tf/__init__.py": "runtime/stub/__init__.py", "lokki_tf/errors.py": "errors.py"}
_STATE = (
    *("local/state.py", "local/database.py", "local/large_values.py", "local/strict.py"),
    "tracebacks.py",
)


def runtime_files(
    *,
    condition: bool = False,
    routed: bool = False,
    job: bool = False,
    polls: bool = False,
    secrets: bool = False,
) -> Mapping[str, bytes]:
    """Return the files of the runtime that a step needs, by their paths in a zip.

    Args:
        condition: Whether the step has a condition.
        routed: Whether it returns its next step.
        job: Whether it runs as a job of Batch.
        polls: Whether it polls.
        secrets: Whether it has secrets.
    """
    left = _OF_HELPERS | _OF_FAILURES | _OF_TEXTS | _OF_STREAMS | _OF_OBJECTS
    left |= set() if condition else {"conditions.py"}
    left |= set() if secrets else _OF_SECRETS
    left |= (set() if routed else _OF_ROUTES) | (set() if job else {"jobs.py"})
    left |= _OF_ANSWERS | (_OF_CONTEXTS | _OF_POLLS) - (_OF_POLLS if polls else set())
    return {path: data for path, data in all_files().items() if path.split("/")[1] not in left}


def context_files(*, asks: bool) -> Mapping[str, bytes]:
    """Return further files of a pipeline that uses ``run_context``, by their paths in a zip.

    Args:
        asks: Whether the step itself may call it; others may receive its result.
    """
    return _named(_OF_CONTEXTS - (set() if asks else _OF_CALLS))


def failure_files() -> Mapping[str, bytes]:
    """Return further files of a pipeline with ``catch=``, by their paths in a zip."""
    return _named(_OF_FAILURES)


def _named(names: set[str]) -> Mapping[str, bytes]:
    return {path: all_files()[path] for path in (f"{RUNTIME}/{name}" for name in sorted(names))}


def answer_files() -> Mapping[str, bytes]:
    """Return the further files of steps that answer other steps."""
    return {path: all_files()[path] for path in (f"{RUNTIME}/{name}" for name in _OF_ANSWERS)}


def moment_files() -> Mapping[str, bytes]:
    """Return the further file of steps whose results are times until which a state waits."""
    path = f"{RUNTIME}/moments.py"
    return {path: all_files()[path]}


def text_files() -> Mapping[str, bytes]:
    """Return the further file of steps whose results are locations in S3 that maps read."""
    return _named(_OF_TEXTS)


def stream_files() -> Mapping[str, bytes]:
    """Return the further files of steps that read a map's results one after another."""
    return _named(_OF_STREAMS)


def object_files() -> Mapping[str, bytes]:
    """Return the further file of steps that read or write an object in every call."""
    return _named(_OF_OBJECTS)


@cache
def all_files() -> Mapping[str, bytes]:
    """Return all files of the runtime, by their paths in a zip."""
    folder = files("lokki_tf") / "runtime"
    names = sorted(one.name for one in folder.iterdir() if one.name.endswith(".py"))
    texts = {name: bare((folder / name).read_text(encoding="utf-8")) for name in names}
    texts["__init__.py"] = _HEADER + texts["__init__.py"]
    return MappingProxyType({f"{RUNTIME}/{name}": text.encode() for name, text in texts.items()})


def helper_package(module: str, files: Mapping[str, bytes] = MappingProxyType({})) -> Zipped:
    """Pack a module of the runtime whose function ``handle`` Lambda calls.

    Args:
        module: Its name below :mod:`lokki_tf.runtime`.
        files: Further files, by their paths in the zip.
    """
    handler = f"from {RUNTIME}.{module} import handle\n\nlambda_handler = handle\n"
    return Zipped({f"{HANDLER}.py": handler.encode(), **all_files(), **files})


@cache
def stub_files(*, state_manager: bool = False) -> Mapping[str, bytes]:
    """Return the package ``lokki_tf`` of a zip, with which the user's modules can be imported.

    It needs the runtime's files in the same zip.
    """
    wanted = _STUB | ({f"lokki_tf/{path}": path for path in _STATE} if state_manager else {})
    found = {}
    for path, source in wanted.items():
        text = bare((files("lokki_tf") / source).read_text(encoding="utf-8"))
        # Python 3.9, which Lambda offers, has neither.
        text = text.replace(", slots=True)", ")").replace(", strict=True)", ")")
        found[path] = text.encode()
    # A step may import a module that returns ReturnUpdates or raises NotReady.
    more = (f"{RUNTIME}/{name}" for name in ("polls.py", "routes.py"))
    return MappingProxyType(
        {**found, **{path: all_files()[path] for path in more}, **failure_files()}
    )


def bare(source: str) -> str:
    """Return Python source without docstrings and comments."""
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            alone = len(node.body) == 1 and not isinstance(node, ast.Module)
            first, last = text.lineno - 1, text.end_lineno or text.lineno
            lines[first:last] = [""] * (last - first)
            lines[first] = " " * text.col_offset + "...\n" if alone else ""
    return "".join(line for line in lines if line.strip())
