"""Behaviour of included code, at import or in the step, that may be different in Lambda."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.source.computer_reads import is_file
from lokki_tf.source.modules import Module, Statement
from lokki_tf.source.names import Code, Fact, reached
from lokki_tf.source.origins import of_user
from lokki_tf.source.paths import path_of
from lokki_tf.source.values import MISSING, described

from ..dependencies.third_party import has_distribution
from ..findings import finding
from .carry import Carrier
from .include import home
from .pieces import Piece
from .root import Root

# Source: AWS Lambda Developer Guide, "Working with Lambda environment variables", "Defined runtime
# environment variables"; PATH and HOME are set by the sandbox.
_OF_LAMBDA = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "TZ", "LANG", "PATH", "LD_LIBRARY_PATH", "PYTHONPATH"),
    *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "HOME", "PWD"),
}


@dataclass(frozen=True, slots=True)
class Observed:
    """A relevant fact, its module, and whether the module is included whole."""

    fact: Fact
    module: Module
    whole: bool

    @property
    def place(self) -> Place:
        """Return its source location."""
        return Place(self.module.label, self.fact.line, self.fact.what)


class Observations:
    """The facts of all code of one step that the step or an import can reach."""

    def __init__(self, carrier: Carrier, root: Root, pieces: set[Piece]) -> None:
        whole = carrier.whole
        self.carrier, self.pieces = carrier, pieces
        self.units: list[tuple[Module, Code, bool]] = [
            (root.module, piece.code, False)
            for piece in carrier.uses
            if piece in pieces and piece.module.name not in whole
        ]
        self.units += [(one.module, one.module.code, True) for one in whole.values()]
        start = {*root.piece.binds, root.name.partition(".")[0], root.name.rpartition(".")[2]}
        found = reached([code for _, code, _ in self.units], start)
        ids = (id(code) for _, code, _ in self.units)
        self._reached = dict(zip(ids, found, strict=True))
        self.facts = [
            Observed(fact, module, whole)
            for module, code, whole in self.units
            for fact in code.facts
            if self.is_reached(fact, code)
        ]

    @cached_property
    def mentioned(self) -> set[str]:
        """The names that reached code mentions."""
        codes = (code for _, code, _ in self.units)
        pairs = ((code, function) for code in codes for function in self.functions(code))
        return {name for code, function in pairs for name in code.mentions.get(function, ())}

    def functions(self, code: Code) -> set[str]:
        """Return the reached functions of some code, ``""`` for code that runs at import."""
        return {"", *self._reached.get(id(code), ())}

    def is_reached(self, fact: Fact, code: Code) -> bool:
        """Return whether a fact is of code that runs at import or that the step reaches."""
        return fact.function in self.functions(code)

    def of(self, kind: str) -> Iterator[Observed]:
        """Yield the facts of a kind."""
        return (one for one in self.facts if one.fact.kind == kind)


def differences(step: Step, seen: Observations) -> Iterator[Finding]:
    """Yield findings for code whose requirements Lambda does not have."""
    declared = _declares_modules(step)
    given, secrets = step.options.env_variables, set(step.options.secrets)
    known = {*given, *secrets, *_OF_LAMBDA, *(one.fact.what for one in seen.of("sets"))}
    early = {name: text for name, text in given.items() if os.environ.get(name) != text}
    for one in seen.facts:
        what, place = one.fact.what, one.place
        match one.fact.kind:
            case "computed" if not declared:
                yield finding("computed_import", step.name, place, call=what)
            case "variable" if what not in known and not what.startswith(("AWS_", "LOKKI_")):
                known.add(what)
                yield finding("variable_unset", step.name, place, name=what)
            case "variable" if what in early and not one.fact.function:
                yield finding("variable_early", step.name, place, name=what, value=early.pop(what))
            case "variable" if what in secrets and not one.fact.function:
                secrets.remove(what)
                yield finding("secret_early", step.name, place, name=what)
            case "variables" if not {*given, *step.options.secrets} and not any(seen.of("sets")):
                yield finding("variables_computed", step.name, place, call=what)
            case "by-name" if not one.whole:
                yield finding("by_name", step.name, place)
            case "distribution":
                if not what or not (own_metadata(what) or has_distribution(step, what)):
                    text = f"of {what!r}" if what else "of unknown distributions"
                    yield finding("distribution", step.name, place, what=text, name=what or "name")
            case "basic-config":
                yield finding("basic_config", step.name, place)
            case "connection" if one.whole and not one.fact.function:
                yield finding("connects", step.name, place, call=what)
    if ".__subclasses__" in seen.mentioned:
        for name in _missing_subclasses(seen):
            yield finding("subclass_missing", step.name, step.place, name=name)
    stored = {name for _, code, _ in seen.units for name in code.stored}
    for module, code, whole in seen.units:
        if whole and module.is_outdated:
            what = f"module {module.name!r}"
            yield finding("source_changed", step.name, Place(module.label, 1), what=what)
        for statement in module.statements if whole else ():
            yield from _values(step, seen, statement, seen.functions(code), stored)


def _declares_modules(step: Step) -> bool:
    return bool(step.options.modules) or any(one.endswith(".py") for one in step.options.include)


def _missing_subclasses(seen: Observations) -> Iterable[str]:
    """Yield findings for subclasses of deployed classes that are not deployed themselves."""
    names = {name for piece in seen.pieces for name in piece.binds}
    deployed: dict[str | None, bool] = {}  # by name, whether whole
    kinds: dict[type, None] = {}
    for module, _, whole in seen.units:
        own = module.namespace.get("__name__")
        deployed[own] = whole or deployed.get(own, False)
        for name, value in module.namespace.items():
            if isinstance(value, type) and of_user(value) and (whole or name in names):
                kinds.update(dict.fromkeys(value.__subclasses__()))
    for kind in filter(of_user, kinds):
        there = kind.__module__ in deployed
        if not there or not (deployed[kind.__module__] or kind.__qualname__ in names):
            yield kind.__qualname__


def _values(
    step: Step, seen: Observations, statement: Statement, functions: set[str], stored: set[str]
) -> Iterator[Finding]:
    """Yield findings for values of whole modules that are different in Lambda."""
    module = statement.module
    place = Place(module.label, statement.node.lineno)
    obstacle = seen.carrier.portability.statement(statement)
    if obstacle is not None and obstacle.kind in ("read", "secret"):
        if not is_file(obstacle.what):
            parts = {"module": module.name, "what": obstacle.what}
            yield finding("reads_computer", step.name, place, **parts)
        return
    for name in statement.binds if statement.alias is None else ():
        if not {name, f".{name}"} & seen.mentioned:
            continue
        if statement.differs:
            yield finding("new_in_each", step.name, place, name=name, call=statement.differs)
        if name not in stored and module.making(name, module.end) == [statement]:
            value = module.namespace.get(name, MISSING)
            writers = (one for one in module.statements if name in one.code().writes)
            written = any(_is_reached(one, functions) for one in writers)
            if not written and _differs(statement.node, value):
                yield finding("stale", step.name, place, name=name, what=described(value))


def _is_reached(statement: Statement, functions: set[str]) -> bool:
    """Return whether a function, or a method of a class, that a statement defines is reached."""
    name = getattr(statement.node, "name", "")
    return any(one == name or one.startswith(f"{name}.") for one in functions)


# --- values that something has changed ----------------------------------------------------


def steady(carrier: Carrier) -> Iterator[tuple[Module, str]]:
    """Yield the names of cut modules that one assignment makes and no deployed code changes."""
    writes: dict[str, set[str]] = {}
    for piece in carrier.uses:
        for one in piece.binds if carrier.is_cut(piece.module.name) else ():
            if one in piece.module.definitions:
                written = piece.module.definitions[one].code().writes
                writes.setdefault(piece.module.name, set()).update(written)
    for (own, name), (statement, _) in carrier.made.items():
        is_value = isinstance(statement.node, ast.Assign | ast.AnnAssign)
        if is_value and name not in writes.get(own, ()):
            yield statement.module, name


def note_stale(carrier: Carrier) -> None:
    """Yield findings for values of cut modules that were changed after their assignment."""
    for module, name in steady(carrier):
        statement, place = carrier.made[module.name, name]
        value = module.namespace.get(name, MISSING)
        # A value that deployed statements change too is the same in Lambda.
        if not {module.name, id(value)} & carrier.changed and _differs(statement.node, value):
            carrier.find("stale", place, name=name, what=described(value))


def _differs(node: ast.AST, value: object) -> bool:
    """Return whether an assignment of a literal makes a value other than this one."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None or value is MISSING:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(target, ast.Name) for target in targets):
        return False
    try:
        written = ast.literal_eval(node.value)
        return type(written) is not type(value) or written != value
    except Exception:  # not a literal, or values that cannot be compared
        return False


# --- files and metadata -------------------------------------------------------------------


def own_metadata(name: str) -> tuple[str, str] | None:
    """Return the metadata of an installed distribution of the user: an editable install.

    Returns:
        The path of its file in a zip, and its text; ``None`` for other distributions.
    """
    try:
        found = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    direct = found.read_text("direct_url.json") or ""
    text = found.read_text("METADATA") or found.read_text("PKG-INFO")
    folder = str(found.locate_file(""))
    installed = "site-packages" in folder or "dist-packages" in folder
    if text is None or (installed and '"editable": true' not in direct.replace('":t', '": t')):
        return None
    plain = found.metadata["Name"].replace("-", "_")
    return f"{plain}-{found.version}.dist-info/METADATA", text


def files_read(
    step: Step, seen: Observations | None, whole: Collection[Module], named: Collection[str]
) -> tuple[dict[str, Path], list[Finding]]:
    """Return files that code reads by literal paths: at import, and in functions if next to it.

    Args:
        step: The step.
        seen: Facts about its code.
        whole: Modules that are included whole, including those that only values need.
        named: The paths in the zip of the data files that the step itself names.

    Returns:
        The local path of each, by its path in the zip, and findings.
    """
    files: dict[str, Path] = {}
    found: list[Finding] = []
    reads = [(m, fact) for m in whole for fact in m.code.of("file") if not fact.function]
    later = seen.of("file") if seen else ()
    reads += [(one.module, one.fact) for one in later if one.fact.function or not one.whole]
    present = {*named, *(one.path for one in whole if _declares_modules(step))}
    for module, fact in reads:
        path = path_of(fact.path, module.sources[0], module)
        place = Place(module.label, fact.line)
        if path is None:
            if not fact.function and not named:
                found.append(finding("reads_unseen", step.name, place, call=fact.what))
            continue
        here = Path(os.path.normpath(Path.cwd() / path))
        inside = _inside(here, path, module)
        if not here.exists() or (inside is None and path.startswith(("/dev/", "/proc/", "/tmp/"))):
            continue  # code that accepts its absence does so in Lambda too
        listed = inside is not None and here.is_dir() and (inside != "." or "glob" in fact.what)
        if listed and any(one.startswith(f"{inside}/".removeprefix("./")) for one in present):
            continue
        if fact.function and (inside is None or here.is_dir() or not os.path.isabs(path)):
            if inside not in named:
                found.append(finding("reads_here", step.name, place, path=path))
        elif inside is None or here.is_dir():
            found.append(finding("reads_outside", step.name, place, path=here))
        elif inside not in named:
            files[inside] = here
    return files, found


def _inside(here: Path, path: str, module: Module) -> str | None:
    """Return a file's path in the zip, ``None`` if it is outside the folder of the zip."""
    root = home(module)[2] if os.path.isabs(path) else Path.cwd()
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else None
