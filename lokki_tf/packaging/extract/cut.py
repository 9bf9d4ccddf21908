"""Cutting a step's function out of its module, with all that it uses and nothing else.

The stages: find the function's definition (:mod:`.root`); follow the names in it
(:mod:`.carry`); decide in which file of the zip each piece stands (:mod:`.split`); write the
files (:mod:`.render`).

What travels, and as what:

- functions and constants of the function's own file stand above it in ``lambda_function.py``,
  as the user wrote them, without decorators of lokki_tf;
- classes stand in a file of their module's own name, so that their instances unpickle in
  every Lambda, with what they use; ``lambda_function.py`` imports them from there;
- other modules of the user's are files of their own, cut down to what is used of them, or
  whole where that cannot be seen;
- what was read from files of this machine, or comes from the pipeline, is written as a literal
  if it is one, and is a finding if it is not, unless the files travel too (:mod:`.include`);
- code that asks for its own file stands in a file of its module's name, in its package;
- blocks for scripts and type checkers stay behind, as does all that nothing refers to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FunctionType, MappingProxyType

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.model.names import identifier

from .. import findings
from ..bundle.files import Modules, module_files
from ..bundle.include import included
from ..dependencies.third_party import Import, missing_packages
from ..source.modules import HANDLER, RUNTIME, Module, module_of, module_of_class
from ..source.names import Use
from ..source.origins import IN_LAMBDA
from .carry import Carrier
from .condition import carry_condition
from .pieces import Piece
from .render import source_text
from .root import Root, root_of
from .split import Graph, imported_names, in_module_file, reachable
from .tasks import Site

Named = type | FunctionType
"""What a pickle refers to by its name."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A step's function, cut out of its module.

    Args:
        step: The step.
        source: What stands in place of ``"{{PUT_FUNCTION_HERE}}"``.
        name: What stands in place of ``"{{PUT_FUNCTION_NAME_HERE}}"``.
        postponed: Whether the file begins with ``from __future__ import annotations``.
        binds: The names that the source binds.
        modules: Modules of the user's that go along, as pieces of each.
        class_modules: The part of them that instances of the classes need to be unpickled.
        packages: Which of the modules are packages.
        imports: Imports of packages that neither Python nor Lambda brings.
        data: Data files that go along, by their paths in the zip.
        class_data: Those of them that the classes' modules may read.
        findings: What the user should know.
        live: Names of modules whose values here the code computes with.
    """

    step: Step
    source: str
    name: str
    postponed: bool = False
    binds: frozenset[str] = frozenset()
    modules: Modules = field(default_factory=dict)
    class_modules: Modules = field(default_factory=dict)
    packages: frozenset[str] = frozenset()
    imports: tuple[Import, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    class_data: Mapping[str, Path] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    live: tuple[tuple[Module, str], ...] = ()

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The files of the user's modules, by their paths in the zip."""
        return module_files(self.modules, self.packages, {})


def cut(step: Step) -> Cut:
    """Cuts a step's function out of its module. The user's faults are findings.

    Args:
        step: A step.
    """
    carrier = Carrier(step.name, brings_files=bool(step.options.include))
    try:
        root = root_of(carrier, step)
        if root is not None:
            carry_condition(carrier, step, root)
        carrier.run()
    except SyntaxError as error:
        place = Place(error.filename or step.place.file, error.lineno or 1)
        carrier.find(findings.no_source(step.name, "its module", place, f"but {error.msg}"))
        root = None
    if root is None:
        return Cut(step, "", identifier(step.name), findings=tuple(carrier.findings))
    return _assembled(step, carrier, root)


def cut_classes(
    step: Step, classes: Iterable[Named], data: Mapping[str, Path] = MappingProxyType({})
) -> Cut:
    """Cuts classes, and functions, out of their modules: of values in the pipeline itself.

    Args:
        step: The step that receives such values.
        classes: Their classes, and functions among them; those that are not the user's are
            passed over.
        data: Data files of the step.

    Returns:
        A cut without a function, to be handed to :func:`.package` as ``carried``.
    """
    carrier = Carrier(step.name, brings_files=bool(step.options.include))
    for kind in classes:
        module = module_of_class(kind) if isinstance(kind, type) else module_of(kind)
        name = kind.__qualname__.partition(".")[0]
        if module is None or not module.sources:
            continue
        module = carrier.adopt(module)
        carrier.module(module.name, step.place)
        site = Site(Piece(module.name, (-2,), ""), module, module.sources[0])
        carrier.need(site, module, name, module.end, Use(step.place.line, {()}))
        carrier.run()
        carrier.uses.pop(site.piece, None)
    pieces = set(carrier.uses)
    return Cut(
        step,
        "",
        identifier(step.name),
        class_modules=_by_module(pieces, pieces, "", carrier.touched),
        packages=frozenset(carrier.packages),
        class_data=data if pieces & carrier.reading else {},
        findings=tuple(carrier.findings),
    )


def _assembled(step: Step, carrier: Carrier, root: Root) -> Cut:
    """Puts each piece in its file."""
    own = root.module.name
    live = reachable(carrier.uses, [root.piece])
    graph = {piece: names for piece, names in carrier.uses.items() if piece in live}
    kept = in_module_file(graph, own, carrier.rebound, carrier.placed)
    written = _written(graph, kept, root)
    data = included(step, root.module)
    for package in data.packages:
        carrier.module(package, step.place)
    if kept:
        carrier.module(own, step.place)  # as a file, in its package
    modules = _by_module(live, kept, own, carrier.touched)
    needed = reachable(graph, {piece for piece in live if piece.is_class})
    imports = _imports(live)
    found = (
        *carrier.findings,
        *_clashes(step, live),
        *_hidden(step, (*modules, *_python_of(data.files))),
        *data.findings,
        *missing_packages(step, imports),
    )
    return Cut(
        step,
        source_text(written),
        root.name,
        any(piece.postponed for piece in written),
        frozenset(bound for piece in written for bound in piece.binds),
        modules,
        _by_module(needed, kept & needed, own, ()),
        frozenset(carrier.packages),
        imports,
        data.files,
        data.files if needed & carrier.reading else {},
        tuple(dict.fromkeys(found)),
        tuple(carrier.live),
    )


def _clashes(step: Step, pieces: set[Piece]) -> Iterator[Finding]:
    """Notes names of functions around functions that mean something else as well."""
    for piece in pieces:
        for other in pieces if piece.local else ():
            shared = set(piece.binds) & set(other.binds)
            if shared and other != piece and other.module == piece.module:
                yield findings.two_meanings(step.name, min(shared), step.place)


def _python_of(data: Iterable[str]) -> Iterator[str]:
    """The modules that data files are, at the top of a zip."""
    return (path.removesuffix(".py") for path in data if path.endswith(".py"))


def _hidden(step: Step, modules: Iterable[str]) -> Iterator[Finding]:
    """Notes modules whose files would stand before Python's, Lambda's or our own."""
    for name in modules:
        if name in sys.stdlib_module_names or name in {HANDLER, RUNTIME, *IN_LAMBDA}:
            yield findings.hides_module(step.name, name, step.place)


def _written(graph: Graph, kept: set[Piece], root: Root) -> set[Piece]:
    """The pieces of the Lambda's file, and the import of what stands in the module's own."""
    own = root.module.name
    inline = _inline(graph, kept, root)
    names = imported_names(graph, inline, kept)
    if root.piece in kept:
        names += [name for name in root.piece.binds if name not in names]
    rest = [piece.order[0] for piece in inline if piece.kind != "import"]
    order = (min(rest, default=0) - 1, 1_000_000)  # right behind the imports
    head = f"from {own} import"
    return inline | {Piece(own, order, name, "import", (name,), head, names=0) for name in names}


def _inline(graph: Graph, kept: set[Piece], root: Root) -> set[Piece]:
    """The pieces of the own module that the Lambda's file holds."""
    own = {piece for piece in graph if piece.module == root.module.name}
    here = own - {piece for piece in kept if piece.kind != "import"}
    within = {
        piece: {name: others & here for name, others in graph[piece].items()} for piece in here
    }
    return reachable(within, {root.piece} & here)


def _by_module(
    pieces: set[Piece], kept: set[Piece], own: str, touched: Iterable[str]
) -> dict[str, frozenset[Piece]]:
    found: dict[str, set[Piece]] = {name: set() for name in touched}
    for piece in pieces:
        if piece.module != own or piece in kept:
            found.setdefault(piece.module, set()).add(piece)
    return {name: frozenset(found[name]) for name in sorted(found)}


def _imports(pieces: set[Piece]) -> tuple[Import, ...]:
    found = {one for piece in pieces for one in piece.imports}
    return tuple(sorted(found, key=lambda one: (one.package, str(one.place), one.module)))
