"""Following imports of the user's own modules, to what is used of each."""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

from .. import findings
from ..dependencies.third_party import Import
from ..source.files import Statement
from ..source.modules import RUNTIME, Module, module_of, module_of_class, user_module
from ..source.names import Chain, Imported, Use
from ..source.origins import find_spec, of_user, origin
from ..source.values import MISSING, home, is_house, is_runtime, is_step
from .pieces import Piece, absolute
from .tasks import Gathering, Site


def follow_import(carrier: Gathering, site: Site, imported: Imported, chains: set[Chain]) -> None:
    """Follows an import of one of the user's modules.

    Args:
        carrier: Gathers what is found.
        site: Where the import stands.
        imported: The import.
        chains: What is used of the name that it binds.
    """
    node, name = imported.node, imported.alias.name
    use = Use(node.lineno, chains)
    source = absolute(site.module, node) if isinstance(node, ast.ImportFrom) else name
    where = origin(source)
    if where == "house":
        place = carrier.place(site, use)
        carrier.find(findings.from_house(carrier.step, name, "a part of lokki_tf", place))
    if where != "user" or (imported.optional and find_spec(source) is None):
        return
    if isinstance(node, ast.ImportFrom):
        need_attribute(carrier, site, source, name, use)
    elif imported.alias.asname:
        need_module(carrier, site, name, use)
    else:
        carrier.module(name, carrier.place(site, use))
        need_module(carrier, site, name.partition(".")[0], use, brought=name)


def need_attribute(carrier: Gathering, site: Site, module_name: str, name: str, use: Use) -> None:
    """Follows ``from module import name``."""
    module = carrier.module(module_name, carrier.place(site, use))
    if module is None:
        return
    if name == "*" or module.dynamic:
        _need_whole(carrier, site, module)
    if name == "*":
        return
    if _is_submodule(module, name):
        need_module(carrier, site, f"{module_name}.{name}", use)
    elif not module.dynamic or module.binds(name):
        carrier.need(site, module, name, module.end, use)


def need_module(carrier: Gathering, site: Site, name: str, use: Use, *, brought: str = "") -> None:
    """Follows attributes of a module; a module that is used as a value comes whole.

    Args:
        carrier: Gathers what is found.
        site: Where the module is used.
        name: The module.
        use: How it is used.
        brought: The submodule that the import itself brings, ``a.b`` for ``import a.b``.
    """
    module = carrier.module(name, carrier.place(site, use))
    if module is None:
        return
    for chain in use.chains:
        if not chain or module.dynamic:
            _need_whole(carrier, site, module)
        if not chain or (chain[0].startswith("__") and not module.binds(chain[0])):
            continue
        rest = Use(use.line, {chain[1:]})
        if _is_submodule(module, chain[0]) and not module.binds(chain[0]):
            submodule = f"{name}.{chain[0]}"
            if not f"{brought}.".startswith(f"{submodule}."):
                _import_submodule(carrier, site, submodule)
            need_module(carrier, site, submodule, rest, brought=brought)
        elif not module.dynamic or module.binds(chain[0]):
            carrier.need(site, module, chain[0], module.end, rest)


def _is_submodule(module: Module, name: str) -> bool:
    dotted = f"{module.name}.{name}"
    value = module.live.get(name, MISSING)
    if value is not MISSING:
        return isinstance(value, types.ModuleType) and value.__name__ == dotted
    is_package = module.package == module.name
    return is_package and not module.binds(name) and find_spec(dotted) is not None


def _import_submodule(carrier: Gathering, site: Site, name: str) -> None:
    """Imports what is imported here already, but by code that does not travel."""
    brought = (f"{statement.whole_module}." for statement in site.module.statements)
    if not any(module.startswith(f"{name}.") for module in brought):
        carrier.link(site, "", import_piece(site.module, name))


def _need_whole(carrier: Gathering, site: Site, module: Module) -> None:
    """Carries all of a module but what is the pipeline's."""
    use = Use(1, set())
    for statement in module.statements:
        obstacle = carrier.judge.statement(module, statement)
        bound = [name for name in statement.binds if name in module.live]
        if obstacle and obstacle.kind == "house":
            continue
        if any(_stays(module.live[name]) for name in bound):
            continue
        if obstacle or statement.imported is not None:
            for name in bound:
                carrier.need(site, module, name, module.end, use)
        else:
            carrier.link(site, "", carrier.carry(module, statement, module.end))


def _stays(value: Any) -> bool:
    return is_house(value) and not is_step(value) and not is_runtime(value)


# --- imports that the user did not write so ---------------------------------------------


def import_starred(
    carrier: Gathering,
    site: Site,
    module: Module,
    name: str,
    value: Any,
    use: Use,
    before: int | None = None,
) -> bool:
    """Finds a name in what ``from x import *`` brought, and imports it by its name.

    Args:
        carrier: Gathers what is found.
        site: Where the name is used.
        module: The module that it is a name of.
        name: The name.
        value: What it stands for.
        use: How it is used.
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
        if is_runtime(value):
            carrier.link(site, name, runtime_piece(module, statement, name, value))
            return True
        imports = carrier.imports(module, statement.source, statement.names())
        order, head = (module.position(statement),), f"from {source} import"
        piece = Piece(module.name, order, name, "import", (name,), head, names=0, imports=imports)
        carrier.link(site, name, piece)
        if origin(source) == "user":
            here = Site(site.piece, module, statement.source)
            need_attribute(carrier, here, source, name, use)
        return True
    return False


def import_value(carrier: Gathering, site: Site, name: str, value: Any, use: Use) -> bool:
    """Imports a value from the module where it is at home, if it can be had there."""
    if isinstance(value, types.ModuleType):
        carrier.link(site, name, _import_of(carrier, site, value.__name__, "", name, use))
        if origin(value.__name__) == "user":
            need_module(carrier, site, value.__name__, use)
        return True
    source, own_name = home(value), getattr(value, "__name__", "")
    if source == "__main__" and isinstance(value, types.FunctionType | type):
        # The script, as another file of the zip has to call it.
        there = module_of_class(value) if isinstance(value, type) else module_of(value)
        if there is None or there.name == site.module.name or there.live.get(own_name) is not value:
            return False
        source = carrier.adopt(there).name
    else:
        mine = source in ("", site.module.name, site.module.live.get("__name__"))
        if mine or not own_name or not _offers(source, own_name, value):
            return False
    carrier.link(site, name, _import_of(carrier, site, source, own_name, name, use))
    if of_user(value):
        need_attribute(carrier, site, source, own_name, use)
    return True


def _import_of(
    carrier: Gathering, site: Site, source: str, attribute: str, bound: str, use: Use
) -> Piece:
    imports: tuple[Import, ...] = ()
    if origin(source) == "third-party":
        imports = (Import(source.partition(".")[0], source, carrier.place(site, use)),)
    return import_piece(site.module, source, attribute, bound, imports)


def import_piece(
    module: Module,
    source: str,
    attribute: str = "",
    bound: str = "",
    imports: tuple[Import, ...] = (),
    order: tuple[int, ...] = (-1,),
) -> Piece:
    """``import source as bound``, or ``from source import attribute as bound``."""
    name = attribute or source
    text = name if bound in ("", name) else f"{name} as {bound}"
    head = f"from {source} import" if attribute else "import"
    binds = (bound or name.partition(".")[0],)
    line = f"{head} {text}\n"
    return Piece(module.name, order, text, "import", binds, head, original=line, imports=imports)


def runtime_piece(module: Module, statement: Statement, name: str, value: Any) -> Piece:
    """The import of something that lokki_tf's runtime brings into every zip."""
    source = RUNTIME + value.__module__.removeprefix("lokki_tf.runtime")
    order = (module.position(statement),)
    return import_piece(module, source, value.__name__, name, order=order)


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
