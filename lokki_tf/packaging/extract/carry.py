"""All code that a step uses, directly or not, in the modules that are cut.

A :class:`Carrier` starts at one piece of source and follows the names in it to the pieces that make
them. These modules are cut: the step's own, the packages around it, and those that only define
classes of received values. All others are included whole (:mod:`.whole`).
"""

from __future__ import annotations

import ast
import types
from dataclasses import replace

from lokki_tf.errors import Place
from lokki_tf.source.files import Definition
from lokki_tf.source.modules import Module, Statement
from lokki_tf.source.names import Chain, Code, Fact, Use, root_of
from lokki_tf.source.origins import origin
from lokki_tf.source.paths import path_of
from lokki_tf.source.values import MISSING, home, is_runtime, is_step

from .captured import capture, same
from .collected import Collected, outside
from .pieces import Piece, statement_piece
from .whole import OF_MODULES, OF_PLACE, Importer

_PLAIN_MAKERS = {"dataclasses", "functools", "contextlib", "abc", "enum", "typing", "builtins"}
_PLAIN_MAKERS |= {"collections", "types", "typing_extensions"}
_READ_FROM_STRINGS = {"typing", "dataclasses", "typing_extensions"}


class Carrier(Collected):
    """Follows the names in pieces of source to the pieces that make them."""

    def run(self) -> None:
        """Follow names and imports until nothing new is found."""
        done = False
        while not done:
            while self._waiting:
                self._follow(*self._waiting.popleft())
            more = self._run_imports()
            new = [one for one in self.wanted if one not in self._seen]
            for module, name in new:
                self._seen.add((module, name))
                use = Use(self.wanted[module, name], {()})
                self.need(outside(module), name, module.end, use)
            done = not (more or new or self._waiting)

    def carry(
        self, statement: Statement, before: int, skip: frozenset[ast.expr] | None = None
    ) -> Piece:
        """Return a statement's piece; the names in it are followed later.

        Functions of it are called at the position ``before``, and ``skip`` are the decorators that
        are left out, if not only those of lokki_tf.
        """
        module = statement.module
        skip = self.portability.left_behind(statement) if skip is None else skip
        code, is_class = statement.code(skip), _makes_class(statement)
        postponed = module.postponed or _names_guarded(module, code)
        key = statement, skip, is_class, postponed
        piece = module.cache.get(key)
        if piece is None:
            reads = not postponed or _reads_annotations(statement, skip)
            evaluated = _evaluated(module, code, reads, isinstance(statement.node, ast.ClassDef))
            piece = module.cache[key] = replace(statement_piece(*key), evaluated=evaluated)
        return self.follow(piece, statement.at, before)

    def _follow(self, piece: Piece, at: int, before: int) -> None:
        code, module = piece.code, piece.module
        for name, use in code.eager.items():
            self.need(piece, name, at, use)
        for name, use in code.lazy.items():
            # A global that only the function itself binds has no other statement.
            if name not in code.rebinds or module.binds(name):
                self.need(piece, name, before, use)
        for name in piece.evaluated:
            self.need(piece, name, at, code.annotation[name])
        for fact in code.of("import"):
            self.bring(fact, piece)
        self.followed.append(Importer(piece.file, code))
        uses = {**code.lazy, **code.eager}
        shown = next(iter(OF_PLACE & set(uses)), "")
        if shown and not module.binds(shown):
            self.placed.setdefault(piece, shown)
        literal = any(path_of(fact.path, piece.source, module) for fact in code.of("file"))
        if "__file__" in uses and not self.portability.brings_files and not literal:
            self.find("own_path", Place(piece.file, uses["__file__"].line))
        if code.dynamic:
            self.find("by_name", Place(piece.file, code.dynamic))

    def need(self, by: Piece, name: str, before: int, use: Use) -> None:
        """Find the statements that make a name of a module, and follow them.

        Args:
            by: Where the name is used.
            name: The name.
            before: Position in the module; later statements have not run yet.
            use: How it is used.
        """
        module = by.module
        value = module.namespace.get(name, MISSING)
        making = module.making(name, before)
        if not making and name in (*OF_MODULES, *OF_PLACE):
            return
        making = making or module.making(name, module.end)
        if is_step(value):  # assignments to its attributes are the pipeline's
            making = [one for one in making if _defines(one)] or making
        if not making:
            capture(self, by, name, use)
            return
        alias = making[-1].alias
        if is_step(value) and not _defines(making[-1]):
            if not same(self, by, name, value.__wrapped__, use):
                self.include_own(Place(by.file, use.line, name))
        elif is_runtime(value) and (alias is None or alias.name == "*"):
            self.link(by, by.imported("lokki_tf", value.__name__, name))
            self.bring(Fact("import", "lokki_tf", use.line, names=(value.__name__,)), by)
        else:
            why = self.portability.value(name, value) or self.portability.statements(name, making)
            if why:
                capture(self, by, name, use, making, why)
            else:
                self._carry_made(by, name, making, before, use)

    def _carry_made(
        self, by: Piece, name: str, making: list[Statement], before: int, use: Use
    ) -> None:
        """Carry the statements that make a name."""
        module, place = by.module, Place(by.file, use.line, name)
        value = module.namespace.get(name)
        for statement in _taken(making, use.chains):
            if self.portability.statement(statement):
                continue  # the statement only mentions the pipeline
            self.link(by, self.carry(statement, before))
            if statement.differs and name in statement.binds:
                self.find("new_in_each", place, name=name, call=statement.differs)
        if len(making) == 1 and module.making(name, module.end) == making:
            self.made.setdefault((module.name, name), (making[0], place))
        if isinstance(value, types.ModuleType) and any(one.alias is None for one in making):
            self.changed.add(value.__name__)
        elif len(making) > 1 or isinstance(making[0].node, ast.AugAssign):
            self.changed.add(id(value))  # under this name or another module's


def _defines(statement: Statement) -> bool:
    return statement.alias is not None or isinstance(statement.node, Definition)


def _makes_class(statement: Statement) -> bool:
    if isinstance(statement.node, ast.ClassDef):
        return True
    namespace = statement.module.namespace
    values = (namespace.get(name) for name in statement.binds if statement.alias is None)
    own = namespace.get("__name__")
    return any(isinstance(value, type) and value.__module__ == own for value in values)


def _names_guarded(module: Module, code: Code) -> bool:
    return any(
        module.guarded(name) and name not in module.namespace and not module.binds(name)
        for name in code.annotation
    )


def _evaluated(module: Module, code: Code, reads: bool, is_class: bool) -> list[str]:
    """Return the names in annotations that must be defined when the code runs."""
    found = []
    for name in code.annotation:
        value = module.namespace.get(name, MISSING)
        if value is MISSING and module.guarded(name) and not module.binds(name):
            continue  # only type checkers see it
        # Dataclasses look for ClassVar and InitVar in the module.
        if reads or (is_class and home(value) in _READ_FROM_STRINGS):
            found.append(name)
    return found


def _reads_annotations(statement: Statement, skip: frozenset[ast.expr]) -> bool:
    """Return whether code other than Python's own may evaluate postponed annotations."""
    node, namespace = statement.node, statement.module.namespace
    if not isinstance(node, Definition):
        return False
    for decorator in (one for one in node.decorator_list if one not in skip):
        name, _ = root_of(decorator) or ("", ())
        if home(namespace.get(name)).partition(".")[0] not in _PLAIN_MAKERS:
            return True
    made = namespace.get(node.name)
    kinds = (*made.__mro__, type(made)) if isinstance(made, type) else ()
    return any(origin(kind.__module__) == "third-party" for kind in kinds)


def _taken(making: list[Statement], chains: set[Chain]) -> list[Statement]:
    """Return those of ``import a.b`` and ``import a.c`` whose module is used."""

    def is_used(one: Statement) -> bool:
        path = one.whole_module.split(".")[1:]
        pairs = ([*zip(path, chain, strict=False)] for chain in chains)
        return not path or any(all(a == b for a, b in pair) for pair in pairs)

    return [one for one in making if is_used(one)] or making
