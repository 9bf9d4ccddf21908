"""Selection of the acting statements of cut modules that are kept.

A statement is kept if Lambda has everything that it needs. A statement that is left out and may
change a result is a warning.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from lokki_tf.errors import Place
from lokki_tf.model import Step
from lokki_tf.model.cells import cell_label
from lokki_tf.source.files import Definition
from lokki_tf.source.modules import Module, Statement
from lokki_tf.source.names import full_name, root_of

from ..dependencies.third_party import Import, is_available
from .carry import Carrier
from .effects import acting_in, acts, brings, imported_by, may_act
from .root import Root

_CONFIGURES = ("set_", "use", "style", "register", "option", "config", "filterwarnings")


def keep_acting(carrier: Carrier, step: Step, root: Root) -> None:
    """Carry the acting statements of the step's module and of its enclosing packages."""
    keeper = _Keeper(carrier, step, root)
    while keeper.round():
        carrier.run()


class _Keeper:
    def __init__(self, carrier: Carrier, step: Step, root: Root) -> None:
        self.carrier, self.step, self.root = carrier, step, root
        self.decided: set[Statement] = set()
        self.needed: dict[Statement, dict[str, None]] = {}
        self.used = {one.package for one in self._eager_imports()}

    def round(self) -> bool:
        """Decide about the statements that act now; return whether any were found."""
        found = False
        for module in (*self.carrier.packages, self.root.module):
            for statement in may_act(module) if self.carrier.is_cut(module.name) else ():
                if not self.carrier.is_cut(module.name):
                    break
                if statement not in self.decided and next(self._acting(statement), None):
                    self.decided.add(statement)
                    self._decide(module, statement)
                    found = True
        return found

    def _acting(self, statement: Statement) -> Iterator[Statement]:
        """Yield the statement if it acts, or those that it runs by importing their modules.

        An import of a module that is deployed in any case decides the order of imports.
        """
        if acts(statement, self._is_deployed):
            yield statement
        for name in imported_by(statement):
            if brings(name, self.carrier.whole):
                yield statement
            yield from acting_in(name, self._is_deployed)

    def _is_deployed(self, module: str, name: str) -> bool:
        carrier, own = self.carrier, self.root.module
        if module in carrier.whole or (not name and carrier.is_cut(module)):
            return True
        if module not in (own.name, own.namespace.get("__name__")):
            return False
        pieces = (piece for piece in carrier.uses if piece.module.name == own.name)
        return not name or any(name in piece.binds for piece in pieces)

    def _decide(self, module: Module, statement: Statement) -> None:
        """Keep a statement, or leave it out, with a warning if it may change a result."""
        carrier, root = self.carrier, self.root
        obstacle = carrier.portability.statement(statement)
        if obstacle is not None:
            if obstacle.kind in ("read", "secret"):
                self._left_out(statement, f"it reads {obstacle.what}")
            return
        needed = self._missing_for_decorators(statement)
        if needed and _configures(statement, needed):
            return
        before, errors = carrier.state(), self._errors()
        piece = carrier.carry(statement, module.end)
        if module is root.module:
            carrier.link(root.piece, piece)
        else:
            carrier.submodules[module.name] = None
        carrier.run()
        missing = self._missing()
        if not missing and self._errors() == errors:
            return
        carrier.restore(before)
        if missing and not all(_configures(one, set(missing)) for one in self._acting(statement)):
            why = f"Lambda does not have {', '.join(sorted(missing))}"
            self._left_out(statement, why, next(iter(missing)))

    def _missing_for_decorators(self, statement: Statement) -> set[str]:
        """Return packages that Lambda does not have, and that the decorators of a function need.

        A module of tests has hundreds of such functions. To follow all names in each of them takes
        most of the time of a cut.
        """
        node, module = statement.node, statement.module
        if not isinstance(node, Definition):
            return set()
        roots = filter(None, map(root_of, node.decorator_list))
        making = (one for name, _ in roots for one in module.making(name, statement.at))
        return {package for one in making if one.alias for package in self._needed_by(one)}

    def _needed_by(self, imported: Statement) -> Iterable[str]:
        """Return the packages that an import needs, and Lambda does not have."""
        if imported not in self.needed:
            before = self.carrier.state()
            self.carrier.carry(imported, imported.module.end)
            self.carrier.run()
            self.needed[imported] = self._missing()
            self.carrier.restore(before)
        return self.needed[imported]

    def _missing(self) -> dict[str, None]:
        trusted = not self.step.options.layers
        return {
            one.package: None
            for one in self._eager_imports()
            if one.package not in self.used and not (trusted and is_available(self.step, one))
        }

    def _errors(self) -> int:
        return sum(one.severity == "error" for one in self.carrier.findings)

    def _eager_imports(self) -> list[Import]:
        """Return the third-party packages that the code imports when it is imported."""
        imports = self.carrier.imports
        return [one for one, fact, _ in imports if not fact.function and not fact.optional]

    def _left_out(self, statement: Statement, why: str, package: str = "") -> None:
        lines = ast.unparse(statement.node).splitlines()
        text = " ".join(lines[: 1 + len(getattr(statement.node, "decorator_list", ()))])
        text = text if len(text) <= 60 else f"{text[:57]}…"
        file = cell_label(statement.source.filename, statement.module.namespace)
        place = Place(file, statement.node.lineno)
        kind = "left_out_package" if package else "left_out"
        self.carrier.find(kind, place, statement=text, why=why, package=package)


def _configures(statement: Statement, packages: set[str]) -> bool:
    """Return whether a statement only changes packages that the step does not need."""
    aliases, node = statement.module.context.aliases, statement.node

    def of_packages(one: ast.expr) -> bool:
        root = root_of(one)
        return root is not None and aliases.get(root[0], "").partition(".")[0] in packages

    if isinstance(node, Definition):
        return all(map(of_packages, node.decorator_list))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        last = full_name(node.value.func, aliases).rpartition(".")[2]
        return of_packages(node.value) and any(word in last for word in _CONFIGURES)
    return isinstance(node, ast.Assign) and all(map(of_packages, node.targets))
