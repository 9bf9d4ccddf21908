"""Names that no statement makes, or whose statements cannot run again in Lambda.

Where the value is a plain literal it travels in their place; else there is a finding.
"""

from __future__ import annotations

import builtins
import types

from lokki_tf.errors import Place

from .. import findings
from ..source.files import Statement
from ..source.modules import Module
from ..source.names import Use
from ..source.notebook import NOTEBOOKS_OWN, of_notebook, stands_for_builtin
from ..source.values import MISSING, described, literal
from .imports import import_starred, import_value
from .pieces import Piece
from .portability import Obstacle
from .tasks import Gathering, Site


def carry_value(
    carrier: Gathering,
    site: Site,
    module: Module,
    name: str,
    making: list[Statement],
    obstacle: Obstacle,
    use: Use,
) -> None:
    """Carries a value in place of the statements that made it.

    Args:
        carrier: Gathers what is found.
        site: Where the name is used.
        module: The module that it is a name of.
        name: The name.
        making: The statements that made it.
        obstacle: Why they cannot run again.
        use: How it is used.
    """
    value = module.live.get(name, MISSING)
    text = literal(value) if value is not MISSING and obstacle.kind != "secret" else None
    if text is not None:
        carrier.link(site, name, constant(module, name, text, module.position(making[0])))
        return
    if isinstance(value, types.FunctionType) and value.__globals__ is module.live:
        carrier.same(site, module, name, value, use)
        return
    place, what = carrier.place(site, use, name), described(value)
    if obstacle.name == name:
        what = obstacle.what
    elif obstacle.name:
        what = f"{what} that comes from {obstacle.name!r}, {obstacle.what}"
    refuse(carrier, obstacle, name, what, place)


def carry_unmade(carrier: Gathering, site: Site, module: Module, name: str, use: Use) -> None:
    """Carries a name that no statement of its module binds.

    Args:
        carrier: Gathers what is found.
        site: Where the name is used.
        module: The module that it is a name of.
        name: The name.
        use: How it is used.
    """
    value = module.live.get(name, MISSING)
    if value is MISSING and hasattr(builtins, name):
        if of_notebook(getattr(builtins, name)):
            carrier.find(findings.of_notebook(carrier.step, name, carrier.place(site, use, name)))
        return
    if stands_for_builtin(name, value):
        return
    if import_starred(carrier, site, module, name, value):
        return
    place = carrier.place(site, use, name)
    obstacle = carrier.judge.value(name, value)
    text = literal(value) if value is not MISSING else None
    if of_notebook(value) or (NOTEBOOKS_OWN.fullmatch(name) and "In" in module.live):
        carrier.find(findings.of_notebook(carrier.step, name, place))
    elif obstacle is not None:
        refuse(carrier, obstacle, name, obstacle.what, place)
    elif text is not None:
        carrier.link(site, name, constant(module, name, text, -1))
    elif value is MISSING and module.guarded(name) is None:
        carrier.find(findings.undefined(carrier.step, name, place))
    elif value is not MISSING and import_value(carrier, site, name, value, use):
        return
    elif isinstance(value, types.FunctionType):
        carrier.same(site, module, name, value, use)
    else:
        what = "a name" if value is MISSING else described(value)
        guarded = module.guarded(name)
        where = f"a condition that Lambda does not meet (line {guarded})" if guarded else ""
        carrier.find(findings.unmade(carrier.step, name, what, place, where))


def refuse(carrier: Gathering, obstacle: Obstacle, name: str, what: str, place: Place) -> None:
    """Says what keeps a value from travelling.

    Args:
        carrier: Takes the finding.
        obstacle: What keeps it.
        name: The value's name, or the expression that gives it.
        what: What the value is.
        place: Where it is used.
    """
    if obstacle.kind == "secret":
        finding = findings.secret(carrier.step, name, obstacle.what, place)
    elif obstacle.kind == "read":
        finding = findings.read_here(carrier.step, name, what, obstacle.what, place)
    elif obstacle.kind == "house":
        finding = findings.from_house(carrier.step, name, what, place)
    else:
        finding = findings.stuck_here(carrier.step, name, what, place)
    carrier.find(finding)


def constant(module: Module, name: str, text: str, position: int) -> Piece:
    """A piece that binds a name to the value of an expression.

    Args:
        module: The module that it is a name of.
        name: The name.
        text: The expression: a literal, or another name.
        position: Its place in the module.
    """
    return Piece(module.name, (position,), f"{name} = {text}\n", binds=(name,))
