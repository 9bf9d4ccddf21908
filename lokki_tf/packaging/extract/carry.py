"""What a function uses, and what that uses: the walk from one step through the user's modules.

A :class:`Carrier` starts at one piece of source and follows the names in it to the pieces
that make them, in this module and others. What it finds is a graph of pieces; where each
is put, and how it is written, is decided elsewhere.
"""

from __future__ import annotations

import ast
import types
from collections import deque
from collections.abc import Iterable
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model import Finding
from lokki_tf.model.cells import cell_label

from .. import findings
from ..dependencies.third_party import Import
from ..source.files import Definition, Source, Statement
from ..source.machine_reads import is_file
from ..source.modules import Module, module_of, user_module
from ..source.names import Chain, Names, Use
from ..source.origins import find_spec, of_user, origin
from ..source.values import MISSING, described, home, is_runtime, is_step
from .by_value import carry_function
from .imports import follow_import, import_starred, import_value, need_module, runtime_piece
from .inline_values import carry_unmade, carry_value, constant
from .pieces import Piece, absolute, statement_piece
from .portability import Judge
from .stale_globals import Makers, outgrown, steady
from .tasks import Site, Task

_OF_MODULES = {"__name__", "__doc__", "__package__", "__spec__", "__loader__", "__path__"}
_OF_MODULES |= {"__builtins__", "__debug__", "__annotations__", "__dict__", "__class__"}
_OF_PLACE = {"__file__", "__package__", "__spec__", "__path__"}
_OF_MODULES |= _OF_PLACE
_PLAIN_MAKERS = {"dataclasses", "functools", "contextlib", "abc", "enum", "typing", "builtins"}
_PLAIN_MAKERS |= {"collections", "types", "typing_extensions"}
_READ_FROM_STRINGS = {"typing", "dataclasses", "typing_extensions"}


class Carrier:
    """Gathers the pieces that one step needs.

    Args:
        step: The step's name, for messages.
        brings_files: Whether it brings data files along.

    What is gathered, beside findings: ``uses``, the graph; ``rebound``, names that functions
    bind anew; ``placed``, pieces that must stand in their module's own file, since they ask
    where that is; ``reading``, pieces that may read files; ``packages`` and ``touched``
    modules.
    """

    def __init__(self, step: str, *, brings_files: bool = False) -> None:
        self.step = step
        self.brings_files = brings_files
        self.judge = Judge(brings_files)
        self.findings: dict[Finding, None] = {}
        self.uses: dict[Piece, dict[str, set[Piece]]] = {}
        self.rebound: set[str] = set()
        self.placed: set[Piece] = set()
        self.reading: set[Piece] = set()
        self.packages: set[str] = set()
        self.touched: set[str] = set()
        self.made: Makers = {}
        self.changed: set[str | int] = set()
        self.live: list[tuple[Module, str]] = []
        self._modules: dict[str, Module | None] = {}
        self._waiting: deque[Task] = deque()
        self._seen: set[tuple[Piece, int]] = set()

    # --- modules --------------------------------------------------------------------

    def adopt(self, module: Module) -> Module:
        """Makes a module the one that its name stands for, or gives the one that does."""
        known = self._modules.setdefault(module.name, module)
        return known if known is not None else module

    def module(self, name: str, place: Place) -> Module | None:
        """A module of the user's, whose file will be in the zip, or ``None`` with a finding."""
        if name not in self._modules:
            found = self._modules[name] = user_module(name)
            if found is None:
                self.find(findings.no_source(self.step, f"module {name!r}", place))
        module = self._modules[name]
        if module is not None and name not in self.touched:
            self.touched.add(name)
            if module.sources and module.package == name:
                self.packages.add(name)
            parent = name.rpartition(".")[0]
            if parent:
                self.module(parent, place)
        return module

    # --- the walk -------------------------------------------------------------------

    def run(self) -> None:
        """Follows names until nothing new is found."""
        while self._waiting:
            self._follow(self._waiting.popleft())
        values = list(steady(self.made, self.uses))
        self.live = [(module, name) for module, name, *_ in values]
        for module, name, site, use in outgrown(values):
            if {module.name, id(module.live[name])} & self.changed:
                continue  # by statements that go along
            place = self.place(site, use, name)
            self.find(findings.outgrown(self.step, name, described(module.live[name]), place))

    def carry(
        self,
        module: Module,
        statement: Statement,
        before: int,
        skip: frozenset[ast.expr] | None = None,
    ) -> Piece:
        """A statement's piece; what it uses will be followed.

        Args:
            module: Its module.
            statement: The statement.
            before: Position in the module at which its functions are called.
            skip: Decorators that stay behind, if not only those of lokki_tf.
        """
        skip = self.judge.left_behind(module, statement) if skip is None else skip
        names = statement.names(skip)
        is_class = _makes_class(module, statement)
        postponed = module.postponed or _names_guarded(module, names)
        key = statement, skip, is_class, postponed
        piece = module.pieces.get(key)
        if piece is None:
            imports = self.imports(module, statement.source, names)
            piece = module.pieces[key] = statement_piece(
                module,
                statement,
                skip=skip,
                is_class=is_class,
                postponed=postponed,
                imports=imports,
            )
        site = Site(piece, module, statement.source)
        at, is_import = module.position(statement), statement.alias is not None
        self.follow(Task(site, statement.node, names, at, before, skip, is_import))
        return piece

    def follow(self, task: Task) -> None:
        """Follows the names of a piece, if that was not done before."""
        key = task.site.piece, task.before
        self.uses.setdefault(task.site.piece, {})
        if key not in self._seen:
            self._seen.add(key)
            self._waiting.append(task)

    def _follow(self, task: Task) -> None:
        site, names = task.site, task.names
        self.rebound |= names.rebinds
        for name, use in names.eager.items():
            self.need(site, site.module, name, task.at, use)
        for name, use in names.lazy.items():
            # What the function itself binds as a global may have no other maker.
            if name not in names.rebinds or site.module.binds(name):
                self.need(site, site.module, name, task.before, use)
        for name in self._evaluated(task):
            self.need(site, site.module, name, task.at, names.annotation[name])
        if not task.is_import:
            for imported in names.imports:
                follow_import(self, site, imported, imported.chains)
        self._note_place(site, names)
        if names.dynamic and site.module.name not in self.touched:  # those that are, are whole
            self.find(findings.reached_by_name(self.step, self.place(site, Use(names.dynamic))))

    def _note_place(self, site: Site, names: Names) -> None:
        """Notes whether a piece asks where it stands, or reads files."""
        uses = {**names.lazy, **names.eager}
        if _OF_PLACE & set(uses):
            self.placed.add(site.piece)
        if "__file__" in uses and not self.brings_files:
            self.find(findings.own_path(self.step, self.place(site, uses["__file__"])))
        if _OF_PLACE & set(uses) or is_file(names.reads_eager) or is_file(names.reads_lazy):
            self.reading.add(site.piece)

    def _evaluated(self, task: Task) -> Iterable[str]:
        """The names in annotations that must be there when the code runs."""
        module, names = task.site.module, task.names
        for name in names.annotation:
            value = module.live.get(name, MISSING)
            if value is MISSING and module.guarded(name) and not module.binds(name):
                continue  # only type checkers see it
            if not task.site.piece.postponed or _reads_annotations(module, task.node, task.skip):
                yield name
            elif isinstance(task.node, ast.ClassDef) and home(value) in _READ_FROM_STRINGS:
                yield name  # dataclasses look for ClassVar and InitVar in the module

    def need(self, site: Site, module: Module, name: str, before: int, use: Use) -> None:
        """Finds what makes a name, and follows it.

        Args:
            site: Where the name is used.
            module: The module that it is a name of.
            name: The name.
            before: Position in that module: what stands behind has not run yet.
            use: How it is used.
        """
        if name in _OF_MODULES:
            return
        value = module.live.get(name, MISSING)
        making = module.making(name, before)
        if not making:
            making = module.making(name, module.end)
            if making and import_starred(self, site, module, name, None, use, before):
                return  # and what changes it stands behind
        if not making:
            carry_unmade(self, site, module, name, use)
        elif is_runtime(value):
            self.link(site, name, runtime_piece(module, making[-1], name, value))
        elif is_step(value) and not _defines(making[-1]):
            self.by_value(site, module, name, value.__wrapped__, use)
        else:
            obstacle = self.judge.value(name, value)
            obstacle = obstacle or self.judge.statements(module, name, making)
            if obstacle:
                carry_value(self, site, module, name, making, obstacle, use)
            else:
                self._made(site, module, name, making, before, use)

    def _made(
        self,
        site: Site,
        module: Module,
        name: str,
        making: list[Statement],
        before: int,
        use: Use,
    ) -> None:
        """Carries the statements that make a name."""
        for statement in _taken(making, use.chains):
            if self.judge.statement(module, statement):
                continue  # it only mentions the pipeline
            self.link(site, name, self.carry(module, statement, before))
            if statement.imported is not None:
                here = Site(site.piece, module, statement.source)
                follow_import(self, here, statement.imported, use.chains)
            if statement.differs:
                place = self.place(site, use, name)
                self.find(findings.new_in_each(self.step, name, statement.differs, place))
        value = module.live.get(name)
        if len(making) == 1 and module.making(name, module.end) == making:
            self.made.setdefault((module.name, name), (module, making[0], site, use))
        if isinstance(value, types.ModuleType) and any(one.alias is None for one in making):
            self.changed.add(value.__name__)
        elif len(making) > 1 or isinstance(making[0].node, ast.AugAssign):
            self.changed.add(id(value))  # under this name or another module's
        if isinstance(value, types.ModuleType) and making[-1].alias is None:
            self._need_if_users(site, value.__name__, use)

    def _need_if_users(self, site: Site, name: str, use: Use) -> None:
        if origin(name) == "user":
            need_module(self, site, name, use)

    def by_value(self, site: Site, module: Module, name: str, function: Any, use: Use) -> None:
        """Carries a function object under a name of a module."""
        there = module_of(function) if of_user(function) else None
        here = Site(site.piece, module, site.source)
        if there is not None and there.name == module.name:
            piece = carry_function(self, function, name, self.place(site, use, name))
            if piece is not None:
                self.link(site, name, piece)
            return
        known = (own for own, value in module.live.items() if value is function and own != name)
        other = next(known, None)
        if other is not None:
            alias = constant(module, name, other, module.end)
            self.link(site, name, alias)
            self.need(Site(alias, module, site.source), module, other, module.end, use)
        elif not import_value(self, here, name, function, use):
            what = f"function {name!r}"
            self.find(findings.no_source(self.step, what, self.place(site, use, name)))

    def imports(self, module: Module, source: Source, names: Names) -> tuple[Import, ...]:
        """The imports of packages that are somebody else's."""
        found = []
        for one in names.imports:
            node = one.node
            name = absolute(module, node) if isinstance(node, ast.ImportFrom) else one.alias.name
            if one.optional and find_spec(name) is None:
                continue  # it is not here either
            if origin(name) == "third-party":
                label = cell_label(source.filename, module.live)
                place = Place(label, node.lineno, name)
                found.append(Import(name.partition(".")[0], name, place, one.optional))
        return tuple(found)

    # --- notes ----------------------------------------------------------------------

    def link(self, site: Site, name: str, piece: Piece) -> None:
        """Notes that a piece needs another one, under a name."""
        self.uses.setdefault(piece, {})
        self.uses.setdefault(site.piece, {}).setdefault(name, set()).add(piece)

    def find(self, finding: Finding) -> None:
        """Notes a finding, once."""
        self.findings[finding] = None

    def place(self, site: Site, use: Use, name: str = "") -> Place:
        """The place of a use, as the user knows it."""
        return Place(cell_label(site.source.filename, site.module.live), use.line, name)


def _defines(statement: Statement) -> bool:
    return statement.alias is not None or isinstance(statement.node, Definition)


def _makes_class(module: Module, statement: Statement) -> bool:
    if isinstance(statement.node, ast.ClassDef):
        return True
    values = (module.live.get(name) for name in statement.binds if statement.alias is None)
    own = module.live.get("__name__")
    return any(isinstance(value, type) and value.__module__ == own for value in values)


def _names_guarded(module: Module, names: Names) -> bool:
    return any(
        module.guarded(name) and name not in module.live and not module.binds(name)
        for name in names.annotation
    )


def _reads_annotations(module: Module, node: ast.AST, skip: frozenset[ast.expr]) -> bool:
    """Whether something that is not Python's own may evaluate postponed annotations."""
    if not isinstance(node, Definition):
        return False
    for decorator in node.decorator_list:
        if decorator not in skip:
            root = decorator.func if isinstance(decorator, ast.Call) else decorator
            while isinstance(root, ast.Attribute):
                root = root.value
            value = module.live.get(root.id) if isinstance(root, ast.Name) else None
            if home(value).partition(".")[0] not in _PLAIN_MAKERS:
                return True
    made = module.live.get(node.name)
    if isinstance(node, ast.ClassDef) and isinstance(made, type):
        kinds = (*made.__mro__, type(made))
        return any(origin(kind.__module__) == "third-party" for kind in kinds)
    return False


def _taken(making: list[Statement], chains: set[Chain]) -> list[Statement]:
    """Of ``import a.b`` and ``import a.c``, those whose module is used."""
    used = [s for s in making if "." not in s.whole_module or any(_along(s, c) for c in chains)]
    return used or making


def _along(statement: Statement, chain: Chain) -> bool:
    path = tuple(statement.whole_module.split(".")[1:])
    shorter = min(len(path), len(chain))
    return path[:shorter] == chain[:shorter]
