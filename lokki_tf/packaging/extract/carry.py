"""What a function uses, and what that uses: from one step through the modules that are cut.

A :class:`Carrier` starts at one piece of source and follows the names in it to the pieces that
make them. Modules that are cut are the step's own, the packages around it, and those that only
define classes of values that arrive. All others are included whole (:mod:`.whole`).
"""

from __future__ import annotations

import ast
import copy
import os
import sys
import types
from collections import deque
from collections.abc import Iterable
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model import Finding
from lokki_tf.model.cells import cell_label

from .. import findings
from ..source.files import Definition, Statement
from ..source.modules import Module, user_module
from ..source.names import Chain, Names, Use
from ..source.origins import origin
from ..source.paths import path_of
from ..source.survey import Fact, Survey, survey
from ..source.values import MISSING, described, home, is_runtime, is_step
from .imports import import_piece, import_starred, import_value
from .inline_values import carry_unmade, carry_value, constant
from .pieces import Piece, statement_piece
from .portability import Judge
from .stale_globals import Makers, stale, steady
from .tasks import Site, Task
from .whole import Inclusion, Origin, is_submodule

_OF_MODULES = {"__doc__", "__loader__", "__builtins__", "__debug__", "__annotations__"}
_OF_PLACE = {"__file__", "__name__", "__package__", "__spec__", "__path__", "__dict__", "__class__"}
_PLAIN_MAKERS = {"dataclasses", "functools", "contextlib", "abc", "enum", "typing", "builtins"}
_PLAIN_MAKERS |= {"collections", "types", "typing_extensions"}
_READ_FROM_STRINGS = {"typing", "dataclasses", "typing_extensions"}


_KEPT = (
    *("findings", "surveys", "placed", "back"),
    *("_own", "_cut", "_made", "_changed", "_seen", "_waiting"),
)
_OF_INCLUDED = ("modules", "imports", "lokki", "submodules", "_waiting", "_followed")


class Carrier:
    """Gathers what one step needs.

    Args:
        step: The step's name, for messages.
        brings_files: Whether it brings data files along.

    What is gathered, beside findings: ``uses``, the graph of pieces; ``surveys``, the facts of
    each; ``included``, whole modules; ``placed``, names that show where code is, with the piece.
    """

    def __init__(self, step: str, *, brings_files: bool = False) -> None:
        self.step = step
        self.brings_files = brings_files
        self.judge = Judge(brings_files)
        self.findings: dict[Finding, None] = {}
        self.uses: dict[Piece, dict[str, set[Piece]]] = {}
        self.surveys: dict[Piece, Survey] = {}
        self.placed: dict[Piece, str] = {}
        self.live: list[tuple[Module, str]] = []
        self.included = Inclusion(self.is_cut, self._from_cut, self._no_source)
        self.back: dict[str, tuple[Fact, Origin]] = {}
        self._own = ""
        self._cut: dict[str, Module | None] = {}
        """By name; ``None`` until it is looked for, or where there is no file."""
        self._made: Makers = {}
        self._changed: set[str | int] = set()
        self._waiting: deque[Task] = deque()
        self._seen: set[tuple[Piece, int]] = set()

    # --- modules --------------------------------------------------------------------

    def start(self, module: Module) -> Module:
        """Make a module the step's own: it is cut, and so are the packages around it."""
        module = self.adopt(module)
        self._own = module.name
        parents = module.name.split(".")[:-1]
        for depth in range(1, len(parents) + 1):
            self._cut.setdefault(".".join(parents[:depth]))
        return module

    def adopt(self, module: Module) -> Module:
        """Return the one module object of a name, which is cut from now on."""
        known = self._cut.get(module.name)
        if known is None:
            known = self._cut[module.name] = module
        return known

    def cut_module(self, name: str) -> Module | None:
        """The module of a name that is cut, ``None`` if it has no source: a folder, say."""
        if self._cut[name] is None:
            self._cut[name] = user_module(name)
        return self._cut[name]

    @property
    def packages(self) -> list[Module]:
        """The packages around the step's own module that have a file, outermost first."""
        parents = (name for name in self._cut if self._own.startswith(f"{name}."))
        found = (self.cut_module(name) for name in sorted(parents) if self.is_cut(name))
        return [module for module in found if module is not None and module.sources]

    def is_cut(self, name: str) -> bool:
        """Whether a module is cut, and not included whole."""
        return name in self._cut and name not in self.included.modules

    def _from_cut(self, fact: Fact, by: Origin) -> None:
        """Follow an import of a module that is cut."""
        module = self.cut_module(fact.what)
        if module is None or not module.sources:
            return
        if fact.what == self._own:
            self.back.setdefault(fact.what, (fact, by))
            self.included.include(fact.what, by.place(fact))
            return
        site = Site(Piece(module.name, (-2,), ""), module, module.sources[0])
        for name in fact.names:
            self._attribute(module, name, site, fact, by)

    def _attribute(self, module: Module, name: str, site: Site, fact: Fact, by: Origin) -> None:
        if not name:  # by import_module, so which names are used cannot be seen
            self.included.include(module.name, by.place(fact))
        if not name or (is_submodule(module.name, name) and not module.binds(name)):
            return
        if name == "*" or (module.dynamic and not name.startswith("__")):
            self.included.include(module.name, by.place(fact))
        elif name not in (*_OF_MODULES, *_OF_PLACE):
            self.need(site, module, name, module.end, Use(fact.line, {()}))

    def _no_source(self, name: str, place: Place) -> None:
        self.find(findings.no_source(self.step, f"module {name!r}", place))

    # --- the walk -------------------------------------------------------------------

    def run(self) -> None:
        """Follow names and imports until nothing new is found."""
        while self._waiting or self.included.run():
            if self._waiting:
                self._follow(self._waiting.popleft())

    def note_stale(self) -> None:
        """Report values that are not any more what their statements make of them."""
        values = list(steady(self._made, self.uses))
        self.live = [(module, name) for module, name, *_ in values]
        for module, name, site, use in stale(values):
            if {module.name, id(module.live[name])} & self._changed:
                continue  # by statements that are deployed too
            place = self.place(site, use, name)
            self.find(findings.stale(self.step, name, described(module.live[name]), place))

    def carry(
        self,
        module: Module,
        statement: Statement,
        before: int,
        skip: frozenset[ast.expr] | None = None,
    ) -> Piece:
        """Return a statement's piece; the names in it are followed later.

        Args:
            module: Its module.
            statement: The statement.
            before: Position in the module at which its functions are called.
            skip: Decorators that are left out, if not only those of lokki_tf.
        """
        skip = self.judge.left_behind(module, statement) if skip is None else skip
        names = statement.names(skip)
        is_class = _makes_class(module, statement)
        postponed = module.postponed or _names_guarded(module, names)
        key = statement, skip, is_class, postponed
        piece = module.pieces.get(key)
        if piece is None:
            piece = module.pieces[key] = statement_piece(
                module, statement, skip=skip, is_class=is_class, postponed=postponed
            )
        site = Site(piece, module, statement.source)
        self.surveys.setdefault(piece, statement.survey(module.package, skip))
        self.follow(Task(site, statement.node, names, module.position(statement), before, skip))
        return piece

    def follow(self, task: Task) -> None:
        """Follow the names of a piece, if that was not done before."""
        key = task.site.piece, task.before
        self.uses.setdefault(task.site.piece, {})
        if key not in self._seen:
            self._seen.add(key)
            self._waiting.append(task)

    def _follow(self, task: Task) -> None:
        site, names = task.site, task.names
        for name, use in names.eager.items():
            self.need(site, site.module, name, task.at, use)
        for name, use in names.lazy.items():
            # What the function itself binds as a global may have no other maker.
            if name not in names.rebinds or site.module.binds(name):
                self.need(site, site.module, name, task.before, use)
        for name in self._evaluated(task):
            self.need(site, site.module, name, task.at, names.annotation[name])
        facts = self.surveys.get(site.piece)
        if facts is None:
            package = site.module.package
            facts = survey(site.source, [task.node], package, task.skip)
            self.surveys[site.piece] = facts
        by = self._origin(site)
        for fact in facts.of("import"):
            self.bring(fact, site)
        self.included.follow(facts, by)
        self._note_place(site, names)
        if names.dynamic:
            self.find(findings.reached_by_name(self.step, self.place(site, Use(names.dynamic))))

    def bring(self, fact: Fact, site: Site) -> None:
        """Include what an import of a piece needs."""
        if origin(fact.what) == "house" and not all(map(_in_stub, fact.names or ("",))):
            place = self.place(site, Use(fact.line))
            name = next((one for one in fact.names if not _in_stub(one)), fact.what)
            self.find(findings.from_house(self.step, name, "a part of lokki_tf", place))
            return
        self.included.bring(fact, self._origin(site))

    def _origin(self, site: Site) -> Origin:
        survey_of = self.surveys.get(site.piece) or Survey()
        return Origin(
            site.module.name, cell_label(site.source.filename, site.module.live), survey_of
        )

    def _note_place(self, site: Site, names: Names) -> None:
        """Note whether a piece uses names that show where it is."""
        uses = {**names.lazy, **names.eager}
        shown = next(iter(_OF_PLACE & set(uses)), "")
        if shown and not site.module.binds(shown):
            self.placed.setdefault(site.piece, shown)
        facts = self.surveys[site.piece].of("file")
        literal = any(path_of(fact.path, site.source, site.module.package) for fact in facts)
        if "__file__" in uses and not self.brings_files and not literal:
            self.find(findings.own_path(self.step, self.place(site, uses["__file__"])))

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
        """Find what makes a name, and follow it.

        Args:
            site: Where the name is used.
            module: The module that it is a name of.
            name: The name.
            before: Position in that module: what is behind it has not run yet.
            use: How it is used.
        """
        value = module.live.get(name, MISSING)
        making = module.making(name, before)
        if not making and name in (*_OF_MODULES, *_OF_PLACE):
            return
        if not making:
            making = module.making(name, module.end)
            if making and import_starred(self, site, module, name, None, before):
                return  # and what changes it is behind
        if is_step(value):  # assignments to its attributes are the pipeline's
            making = [one for one in making if _defines(one)] or making
        if not making:
            carry_unmade(self, site, module, name, use)
        elif is_step(value) and not _defines(making[-1]):
            self.same(site, module, name, value.__wrapped__, use)
        elif is_runtime(value) and making[-1].alias is None:
            self.link(site, name, import_piece(module, "lokki_tf", value.__name__, name))
        else:
            obstacle = self.judge.value(name, value)
            obstacle = obstacle or self.judge.statements(module, name, making)
            if obstacle:
                carry_value(self, site, module, name, making, obstacle, use)
            else:
                self._carry_made(site, module, name, making, before, use)

    def _carry_made(
        self,
        site: Site,
        module: Module,
        name: str,
        making: list[Statement],
        before: int,
        use: Use,
    ) -> None:
        """Carry the statements that make a name."""
        for statement in _taken(making, use.chains):
            if self.judge.statement(module, statement):
                continue  # it only mentions the pipeline
            self.link(site, name, self.carry(module, statement, before))
            if statement.differs:
                place = self.place(site, use, name)
                self.find(findings.new_in_each(self.step, name, statement.differs, place))
        value = module.live.get(name)
        if len(making) == 1 and module.making(name, module.end) == making:
            self._made.setdefault((module.name, name), (module, making[0], site, use))
        if isinstance(value, types.ModuleType) and any(one.alias is None for one in making):
            self._changed.add(value.__name__)
        elif len(making) > 1 or isinstance(making[0].node, ast.AugAssign):
            self._changed.add(id(value))  # under this name or another module's

    def same(self, site: Site, module: Module, name: str, function: Any, use: Use) -> None:
        """Carry a function that a module has under a name, but that no statement defines so."""
        known = (own for own, value in module.live.items() if value is function and own != name)
        other = next(known, getattr(function, "__name__", ""))
        defined = module.definitions.get(other)
        code = getattr(function, "__code__", None)
        is_same = (
            defined is not None
            and code is not None
            and ((found := module.definition_at(code)) is not None and defined.node in found[1])
        )
        if other != name and (module.live.get(other) is function or is_same):
            alias = constant(module, name, other, module.end)
            self.link(site, name, alias)
            self.need(Site(alias, module, site.source), module, other, module.end, use)
        elif not import_value(self, Site(site.piece, module, site.source), name, function, use):
            self.include_own(self.place(site, use, name))

    def include_own(self, place: Place) -> None:
        """Include the step's own module whole: what is needed of it cannot be cut."""
        module = self.cut_module(self._own)
        if module is not None and os.path.isfile(module.sources[0].filename):
            self.included.include(self._own, place)
        else:
            what = "a function that is made inside another one"
            self.find(findings.no_source(self.step, what, place))

    def state(self) -> dict[str, Any]:
        """What is gathered so far, for :meth:`restore`."""
        uses = {p: {name: set(o) for name, o in named.items()} for p, named in self.uses.items()}
        return {
            **{name: copy.copy(vars(self)[name]) for name in _KEPT},
            "uses": uses,
            "included": {name: copy.copy(vars(self.included)[name]) for name in _OF_INCLUDED},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Forget what was gathered since :meth:`state` was called."""
        for name in ("uses", *_KEPT):
            setattr(self, name, state[name])
        vars(self.included).update(state["included"])

    # --- records --------------------------------------------------------------------

    def link(self, site: Site, name: str, piece: Piece) -> None:
        """Record that a piece needs another one, under a name."""
        self.uses.setdefault(piece, {})
        self.uses.setdefault(site.piece, {}).setdefault(name, set()).add(piece)

    def find(self, finding: Finding) -> None:
        """Record a finding, once."""
        self.findings[finding] = None

    def place(self, site: Site, use: Use, name: str = "") -> Place:
        """Return the source location of a use, as the user knows it."""
        return Place(cell_label(site.source.filename, site.module.live), use.line, name)

    def reachable(self, start: Iterable[Piece]) -> set[Piece]:
        """The pieces that some pieces need, themselves included."""
        found: set[Piece] = set()
        waiting = list(start)
        while waiting:
            piece = waiting.pop()
            if piece not in found:
                found.add(piece)
                waiting.extend(other for named in self.uses[piece].values() for other in named)
        return found


def _in_stub(name: str) -> bool:
    """Whether a name of lokki_tf is one that step code may use."""
    value = getattr(sys.modules.get("lokki_tf"), name, None) if name else None
    return is_runtime(value) or (isinstance(value, type) and issubclass(value, Exception))


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
