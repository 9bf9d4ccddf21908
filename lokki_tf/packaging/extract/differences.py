"""What included code does at import, or in the step, that may be different in Lambda."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step

from .. import findings
from ..dependencies.third_party import has_distribution
from ..source.files import Source, Statement
from ..source.machine_reads import is_file
from ..source.modules import Module
from ..source.origins import of_user
from ..source.paths import path_of
from ..source.survey import Fact, Survey, reached
from ..source.values import MISSING, described
from .carry import Carrier
from .portability import Judge
from .root import Root
from .stale_globals import differs
from .whole import WholeModule, label

if TYPE_CHECKING:
    from .pieces import Piece

# Source: AWS Lambda Developer Guide, "Working with Lambda environment variables", "Defined
# runtime environment variables"; PATH and HOME are of the sandbox.
_OF_LAMBDA = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "TZ", "LANG", "PATH", "LD_LIBRARY_PATH", "PYTHONPATH"),
    *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "HOME", "PWD"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """Code that is deployed together, with what it does.

    Args:
        module: Its module.
        source: Its file.
        survey: Its facts.
        whole: Whether the module is included whole.
    """

    module: Module
    source: Source
    survey: Survey
    whole: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """A fact that counts, and where it is."""

    fact: Fact
    unit: Unit

    @property
    def place(self) -> Place:
        """Return its source location."""
        return Place(label(self.unit.module), self.fact.line, self.fact.what)


class Observations:
    """The facts of all code of one step, as far as the step or an import reaches them.

    Args:
        carrier: Has followed the step's function.
        root: The function.
        pieces: The pieces that are deployed.
    """

    def __init__(self, carrier: Carrier, root: Root, pieces: set[Piece]) -> None:
        whole = carrier.included.modules
        units = [
            Unit(root.module, root.module.sources[0], facts, False)
            for piece, facts in carrier.surveys.items()
            if piece in pieces and piece.module not in whole
        ]
        units += [
            Unit(one.module, one.module.sources[0], one.survey, True) for one in whole.values()
        ]
        start = {*root.piece.binds, root.name.partition(".")[0], root.name.rpartition(".")[2]}
        self.units, self.pieces = units, pieces
        self.functions = reached([unit.survey for unit in units], start)
        self.surveys = {
            id(unit.survey): functions
            for unit, functions in zip(units, self.functions, strict=True)
        }
        self.facts = [
            Observed(fact, unit)
            for unit, functions in zip(units, self.functions, strict=True)
            for fact in unit.survey.facts
            if fact.function in functions or not fact.function
        ]

    @cached_property
    def mentioned(self) -> set[str]:
        """The names that reached code mentions."""
        return {
            name
            for unit, functions in zip(self.units, self.functions, strict=True)
            for function in ("", *functions)
            for name in unit.survey.mentions.get(function, ())
        }

    def is_reached(self, fact: Fact, survey: Survey) -> bool:
        """Whether a fact is of code that runs at import or that the step reaches."""
        return fact.function in self.surveys.get(id(survey), {""})

    def of(self, kind: str) -> Iterator[Observed]:
        """The facts of a kind."""
        return (one for one in self.facts if one.fact.kind == kind)


def differences(step: Step, seen: Observations, judge: Judge) -> Iterator[Finding]:
    """Findings for code that depends on what Lambda does not have.

    Args:
        step: The step.
        seen: What its code does.
        judge: Finds what statements read of this machine.
    """
    declared = step.options.modules or any(one.endswith(".py") for one in step.options.include)
    for one in seen.of("computed"):
        if not declared:
            yield findings.computed_import(step.name, one.fact.what, one.place)
    yield from _variables(step, seen)
    for one in seen.of("by-name"):
        if not one.unit.whole:
            yield findings.reached_by_name(step.name, one.place)
    if ".__subclasses__" in seen.mentioned:
        yield from _subclasses(step, seen)
    for unit in seen.units:
        if unit.whole:
            yield from _values(step, unit, seen, judge)
    for one in seen.of("distribution"):
        name = one.fact.what
        if not name or not (own_metadata(name) or has_distribution(step, name)):
            yield findings.no_distribution(step.name, name, one.place)
    for one in seen.of("basic-config"):
        yield findings.basic_config(step.name, one.place)
    for one in seen.of("connection"):
        if not one.fact.function and one.unit.whole:
            yield findings.connects(step.name, one.fact.what, one.place)


def _subclasses(step: Step, seen: Observations) -> Iterator[Finding]:
    """Subclasses of classes that are deployed, which are not deployed themselves."""
    whole = {unit.module.live.get("__name__") for unit in seen.units if unit.whole}
    names = {name for piece in seen.pieces for name in piece.binds}
    known = [
        value
        for unit in seen.units
        for name, value in unit.module.live.items()
        if isinstance(value, type) and of_user(value) and (unit.whole or name in names)
    ]
    own = {unit.module.live.get("__name__") for unit in seen.units if not unit.whole}
    kinds: dict[type, None] = {}
    for value in known:
        kinds.update(dict.fromkeys(value.__subclasses__()))
    for kind in kinds:
        cut = kind.__module__ in own and kind.__qualname__ in names
        if of_user(kind) and kind.__module__ not in whole and not cut:
            yield findings.subclass_missing(step.name, kind.__qualname__, step.place)


def _values(step: Step, unit: Unit, seen: Observations, judge: Judge) -> Iterator[Finding]:
    """Values of a whole module that are others in Lambda."""
    module, stored = unit.module, {name for one in seen.units for name in one.survey.stored}
    if module.is_outdated:
        place = Place(label(module), 1)
        yield findings.source_changed(step.name, f"module {module.name!r}", place)
    for statement in module.statements:
        obstacle = judge.statement(module, statement)
        place = Place(label(module), statement.node.lineno)
        if obstacle is not None and obstacle.kind in ("read", "secret"):
            if not is_file(obstacle.what):
                yield findings.reads_machine(step.name, module.name, obstacle.what, place)
            continue
        for name in statement.binds:
            if name not in seen.mentioned and f".{name}" not in seen.mentioned:
                continue
            if statement.differs:
                yield findings.new_in_each(step.name, name, statement.differs, place)
            making = module.making(name, module.end)
            is_alone = making == [statement] and name not in stored
            written = any(
                name in one.names().writes
                for one in module.statements
                if _is_reached(one, seen.surveys[id(unit.survey)])
            )
            if is_alone and not written and differs(statement.node, module.live.get(name, MISSING)):
                what = described(module.live.get(name))
                yield findings.stale(step.name, name, what, place)


def _is_reached(statement: Statement, functions: set[str]) -> bool:
    """Whether a function, or a method of a class, that a statement defines is reached."""
    name = getattr(statement.node, "name", "")
    return any(one == name or one.startswith(f"{name}.") for one in functions)


def _variables(step: Step, seen: Observations) -> Iterator[Finding]:
    """Environment variables that are read, and not the same here and in AWS then."""
    declared = step.options.env_variables
    early: dict[str, Observed] = {}
    known = {*step.options.env_variables, *_OF_LAMBDA}
    known |= {one.fact.what for one in seen.of("sets")}
    found: dict[str, Observed] = {}
    for one in seen.of("variable"):
        name = one.fact.what
        if name not in known and not name.startswith(("AWS_", "LOKKI_")):
            found.setdefault(name, one)
        if name in declared and not one.fact.function and os.environ.get(name) != declared[name]:
            early.setdefault(name, one)
    for name, one in found.items():
        yield findings.variable_unset(step.name, name, one.place)
    for name, one in early.items():
        yield findings.variable_early(step.name, name, declared[name], one.place)


def own_metadata(name: str) -> tuple[str, str] | None:
    """The metadata of an installed distribution of the user's: an editable install.

    Args:
        name: The distribution's name.

    Returns:
        The path of its file in a zip, and its text; ``None`` if it is no such distribution.
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
    step: Step, seen: Observations | None, whole: Iterable[WholeModule], named: Mapping[str, Path]
) -> tuple[dict[str, Path], list[Finding]]:
    """Files that code reads by literal paths: at import, and those beside it in functions too.

    Args:
        step: The step.
        seen: What its code does.
        whole: Modules that are included whole, those that only values need among them.
        named: The data files that the step itself names, by their paths in the zip.

    Returns:
        Where each is here, by its path in the zip, and what is wrong.
    """
    files: dict[str, Path] = {}
    found: list[Finding] = []
    at_import = (
        Observed(fact, Unit(one.module, one.module.sources[0], one.survey, True))
        for one in whole
        for fact in one.survey.of("file")
        if not fact.function
    )
    in_functions = (one for one in (seen.of("file") if seen else ()) if one.fact.function)
    for one in (*at_import, *in_functions):
        fact, module, source = one.fact, one.unit.module, one.unit.source
        path = path_of(fact.path, source, module.package)
        place = Place(one.place.file, fact.line)
        if path is None:
            if not fact.function and not named:
                found.append(findings.reads_unseen(step.name, fact.what, place))
            continue
        here = Path(os.path.normpath(Path.cwd() / path))
        inside = _inside(here, path, module, source)
        if not here.exists() or (inside is None and path.startswith(("/dev/", "/proc/", "/tmp/"))):
            continue  # code that goes on without it does so in Lambda as well
        if fact.function and not os.path.isabs(path):
            if path not in named:
                found.append(findings.reads_here(step.name, path, place))
        elif inside is None or here.is_dir():
            found.append(findings.reads_outside(step.name, str(here), place))
        elif inside not in named:
            files[inside] = here
    return files, found


def _inside(here: Path, path: str, module: Module, source: Source) -> str | None:
    """The path in the zip of a file, ``None`` if it is outside of what a zip holds."""
    root = Path.cwd()
    if os.path.isabs(path):
        depth = module.name.count(".") + (module.package == module.name)
        parents = Path(source.filename).absolute().parents
        root = parents[depth] if depth < len(parents) else root
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else None
