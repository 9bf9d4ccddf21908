"""Which acting statements of the modules that are cut are kept, and which are left out.

A statement is kept when what it needs is there in Lambda. What is left out and may change a
result is a warning.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lokki_tf.model import Step

from .. import findings
from ..dependencies.third_party import Import, is_available
from ..source.files import Definition, Statement
from ..source.modules import Module
from ..source.names import Use, root_of
from ..source.survey import full_name
from .carry import Carrier
from .effects import acting_in, acts, brings, imported_by, may_act
from .pieces import Piece
from .root import Root
from .tasks import Site

_CONFIGURES = ("set_", "use", "style", "register", "option", "config", "filterwarnings")


def keep_acting(carrier: Carrier, step: Step, root: Root) -> None:
    """Carry the acting statements of the step's module and of the packages around it.

    Args:
        carrier: Has followed the step's function.
        step: The step.
        root: Its function.
    """
    keeper = _Keeper(carrier, step, root)
    while keeper.round():
        carrier.run()


class _Keeper:
    def __init__(self, carrier: Carrier, step: Step, root: Root) -> None:
        self.carrier, self.step, self.root = carrier, step, root
        self.decided: set[Statement] = set()
        self.used = {one.package for one in eager_imports(carrier)}

    def round(self) -> bool:
        """Decide about the statements that act now; return whether there were any."""
        found = False
        for module in (*self.carrier.packages, self.root.module):
            for statement in may_act(module):
                if module.name in self.carrier.included.modules:
                    break
                if statement not in self.decided and self._acts(module, statement):
                    self.decided.add(statement)
                    self._decide(module, statement)
                    found = True
        return found

    def _acts(self, module: Module, statement: Statement) -> bool:
        return next(self._acting(module, statement), None) is not None

    def _acting(self, module: Module, statement: Statement) -> Iterator[tuple[Module, Statement]]:
        """The statement if it acts, or those that it runs by importing their modules.

        An import of a module that is deployed in any case decides the order of imports.
        """
        if acts(module, statement, self._is_deployed):
            yield module, statement
        for name in imported_by(module, statement):
            if brings(name, self.carrier.included.modules):
                yield module, statement
            yield from acting_in(name, self._is_deployed)

    def _is_deployed(self, module: str, name: str) -> bool:
        if module in self.carrier.included.modules or (not name and self.carrier.is_cut(module)):
            return True
        own = self.root.module
        if module not in (own.name, own.live.get("__name__")):
            return False
        return not name or any(name in piece.binds for piece in self._own())

    def _own(self) -> Iterator[Piece]:
        name = self.root.module.name
        return (piece for piece in self.carrier.uses if piece.module == name)

    def _decide(self, module: Module, statement: Statement) -> None:
        """Keep a statement, or leave it out with a warning if it may matter."""
        carrier, judge = self.carrier, self.carrier.judge
        obstacle = judge.statement(module, statement)
        if obstacle is not None:
            if obstacle.kind in ("read", "secret"):
                self._left_out(module, statement, f"it reads {obstacle.what}")
            return
        before = carrier.state()
        count = sum(one.severity == "error" for one in carrier.findings)
        piece = carrier.carry(module, statement, module.end)
        site = Site(self.root.piece, self.root.module, self.root.module.sources[-1])
        if module is self.root.module:
            carrier.link(site, "", piece)
        else:
            carrier.uses.setdefault(piece, {})
            carrier.included.submodules[module.name] = None
        carrier.run()
        errors = [one for one in carrier.findings if one.severity == "error"]
        missing = [one for one in eager_imports(carrier) if not self._is_there(one)]
        if not missing and len(errors) == count:
            return
        carrier.restore(before)
        if missing:
            packages = {one.package for one in missing}
            acting = self._acting(module, statement)
            if not all(_configures(*one, packages) for one in acting):
                why = f"Lambda does not have {', '.join(sorted(packages))}"
                self._left_out(module, statement, why, missing[0].package)

    def _is_there(self, one: Import) -> bool:
        if one.package in self.used:
            return True
        return not self.step.options.layers and is_available(self.step, one)

    def _left_out(self, module: Module, statement: Statement, why: str, package: str = "") -> None:
        lines = ast.unparse(statement.node).splitlines()
        text = " ".join(lines[: 1 + len(getattr(statement.node, "decorator_list", ()))])
        text = text if len(text) <= 60 else f"{text[:57]}…"
        site = Site(self.root.piece, module, statement.source)
        place = self.carrier.place(site, Use(statement.node.lineno))
        self.carrier.find(findings.left_out(self.step.name, text, why, place, package))


def eager_imports(carrier: Carrier) -> list[Import]:
    """The packages of others that the code imports whenever it is imported itself."""
    return [
        one for one, fact, _ in carrier.included.imports if not fact.function and not fact.optional
    ]


def _configures(module: Module, statement: Statement, packages: set[str]) -> bool:
    """Whether a statement only changes packages that the step goes without."""
    aliases, node = statement.source.aliases(module.package), statement.node

    def of_packages(one: ast.expr) -> bool:
        root = root_of(one)
        return root is not None and aliases.get(root[0], "").partition(".")[0] in packages

    if isinstance(node, Definition):
        return all(map(of_packages, node.decorator_list))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        last = full_name(node.value.func, aliases).rpartition(".")[2]
        return of_packages(node.value) and any(word in last for word in _CONFIGURES)
    return isinstance(node, ast.Assign) and all(map(of_packages, node.targets))
