"""Imports that the user's file does not contain in this form."""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

from ..source.modules import Module, module_of, module_of_class, user_module
from ..source.names import Use
from ..source.origins import origin
from ..source.survey import Fact
from ..source.values import MISSING, home, is_house, is_runtime, is_step
from .pieces import Piece, absolute
from .tasks import Gathering, Site


def import_starred(
    carrier: Gathering, site: Site, module: Module, name: str, value: Any, before: int | None = None
) -> bool:
    """Find a name in what ``from x import *`` brought, and import it by its name.

    Args:
        carrier: Gathers what is found.
        site: Where the name is used.
        module: The module that it is a name of.
        name: The name.
        value: What it stands for.
        before: A position in the module, if what was brought was changed from there on.
    """
    for statement in reversed(module.statements[:before]):
        if statement.alias is None or statement.alias.name != "*":
            continue
        assert isinstance(statement.node, ast.ImportFrom)
        source = absolute(module, statement.node)
        if before is not None:
            value = getattr(sys.modules.get(source), name, MISSING)
        if value is MISSING or not _offers(source, name, value) or _stays(value):
            continue
        use = Use(statement.node.lineno)
        piece = import_piece(module, source, name, order=(module.position(statement),))
        carrier.link(site, name, piece)
        _bring(carrier, Site(piece, module, statement.source), source, name, use)
        return True
    return False


def import_value(carrier: Gathering, site: Site, name: str, value: Any, use: Use) -> bool:
    """Import a value from the module where it is defined, if that module has it."""
    if isinstance(value, types.ModuleType):
        carrier.link(site, name, import_piece(site.module, value.__name__, "", name))
        _bring(carrier, site, value.__name__, "", use)
        return True
    source, own_name = home(value), getattr(value, "__name__", "")
    if source == "__main__" and isinstance(value, types.FunctionType | type):
        # The script, as another file of the zip has to call it.
        there = module_of_class(value) if isinstance(value, type) else module_of(value)
        if there is None or there.name == site.module.name or there.live.get(own_name) is not value:
            return False
        source = there.name
    else:
        mine = source in ("", site.module.name, site.module.live.get("__name__"))
        if mine or not own_name or not _offers(source, own_name, value):
            return False
    carrier.link(site, name, import_piece(site.module, source, own_name, name))
    _bring(carrier, site, source, own_name, use)
    return True


def _bring(carrier: Gathering, site: Site, source: str, name: str, use: Use) -> None:
    carrier.bring(Fact("import", source, use.line, names=(name,) if name else ()), site)


def import_piece(
    module: Module,
    source: str,
    attribute: str = "",
    bound: str = "",
    order: tuple[int, ...] = (-1,),
) -> Piece:
    """``import source as bound``, or ``from source import attribute as bound``."""
    name = attribute or source
    text = name if bound in ("", name) else f"{name} as {bound}"
    head = f"from {source} import" if attribute else "import"
    binds = (bound or name.partition(".")[0],)
    return Piece(module.name, order, text, "import", binds, head, original=f"{head} {text}\n")


def _stays(value: Any) -> bool:
    return is_house(value) and not is_step(value) and not is_runtime(value)


def _offers(source: str, name: str, value: Any) -> bool:
    """Whether a module has the value under a name; if it is not imported, a name is enough."""
    module = sys.modules.get(source)
    if module is not None:
        own = vars(module).get(name, MISSING)
        if own is MISSING and is_runtime(value):  # lokki_tf itself loads its names when asked
            own = getattr(module, name, MISSING)
        return own is not MISSING and (value is MISSING or own is value)
    found = user_module(source) if origin(source) == "user" else None
    return found is not None and found.binds(name)
