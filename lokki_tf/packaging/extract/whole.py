"""The user's modules in a zip, and the modules that importing them requires.

Everything that code imports is followed: conditional imports, imports inside functions, parent
packages. The step's own module and the packages around it are cut; of these, the names that others
import are required. All other modules are included whole.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lokki_tf.errors import Place
from lokki_tf.model import Finding
from lokki_tf.source.modules import Module, user_module
from lokki_tf.source.names import Code, Fact
from lokki_tf.source.origins import find_spec, imported, origin

from ..dependencies.third_party import Import
from ..findings import finding

OF_MODULES = {"__doc__", "__loader__", "__builtins__", "__debug__", "__annotations__"}
OF_PLACE = {"__file__", "__name__", "__package__", "__spec__", "__path__", "__dict__", "__class__"}
"""Names that each module has, and those that contain its location."""


class Importer(NamedTuple):
    """Code with imports, and its file for messages."""

    file: str
    code: Code

    def place(self, fact: Fact) -> Place:
        """Return the source location of a fact."""
        return Place(self.file, fact.line, fact.what)


class WholeModule(NamedTuple):
    """A module that is included whole, and the source location of its import."""

    module: Module
    cause: Place | None

    @property
    def text(self) -> bytes:
        """Its file, byte for byte, or its source if that is in a zip."""
        source = self.module.sources[0]
        file = Path(source.filename)
        return file.read_bytes() if file.is_file() else source.text.encode()


class Inclusion:
    """The modules of one zip, and their imports of third-party packages.

    ``whole`` has the modules that are included whole, by name, ``imports`` the imports of
    third-party packages, ``lokki`` those of lokki_tf, ``submodules`` modules that the handler
    imports since code uses them as attributes, and ``wanted`` the names that are imported from
    modules that are cut.
    """

    def __init__(self, step: str) -> None:
        self.step, self.own = step, ""
        self.findings: dict[Finding, None] = {}
        self.whole: dict[str, WholeModule] = {}
        self.imports: list[tuple[Import, Fact, Code]] = []
        self.lokki: list[Fact] = []
        self.submodules: dict[str, None] = {}
        self.followed: list[Importer] = []
        self.wanted: dict[tuple[Module, str], int] = {}
        self.back: tuple[Fact, Importer] | None = None
        self._included: list[WholeModule] = []
        self._cut: dict[str, Module | None] = {}
        """Modules by name; ``None`` for a name without a file."""

    def find(self, kind: str, place: Place | None, **parts: Any) -> None:
        """Record a finding, once."""
        self.findings[finding(kind, self.step, place, **parts)] = None

    # --- modules that are cut -------------------------------------------------------

    def start(self, module: Module) -> Module:
        """Make a module the step's own: it and the packages around it are cut."""
        module = self.adopt(module)
        self.own = module.name
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
        """Return the module of a name that is cut, ``None`` if it has no source, as a folder."""
        if self._cut[name] is None:
            self._cut[name] = user_module(name)
        return self._cut[name]

    @property
    def packages(self) -> list[Module]:
        """Return the packages around the step's own module that have a file, outermost first."""
        parents = (name for name in self._cut if self.own.startswith(f"{name}."))
        found = (self.cut_module(name) for name in sorted(parents) if self.is_cut(name))
        return [module for module in found if module is not None and module.sources]

    def is_cut(self, name: str) -> bool:
        """Return whether a module is cut, not included whole."""
        return name in self._cut and name not in self.whole

    def _from_cut(self, fact: Fact, by: Importer) -> None:
        """Follow an import of a module that is cut."""
        module, place = self.cut_module(fact.what), by.place(fact)
        if module is None or not module.sources:
            return
        if fact.what == self.own:
            self.back = self.back or (fact, by)
            self.include(fact.what, place)
            return
        for name in fact.names:
            if name and is_submodule(module.name, name) and not module.binds(name):
                continue
            # With import_module, or a star, the used names are unknown.
            if name in ("", "*") or (module.dynamic and not name.startswith("__")):
                self.include(module.name, place)
            elif name not in (*OF_MODULES, *OF_PLACE):
                self.wanted.setdefault((module, name), fact.line)

    def include_own(self, place: Place) -> None:
        """Include the step's own module whole: the required parts cannot be cut."""
        module = self.cut_module(self.own)
        if module is not None and os.path.isfile(module.sources[0].filename):
            self.include(self.own, place)
        else:
            self.find("no_source", place, what="a function that is made inside another one")

    # --- modules that are included whole --------------------------------------------

    def bring_fact(self, fact: Fact, by: Importer) -> None:
        """Include the modules that an import needs."""
        where = origin(fact.what)
        if where == "lokki":
            self.lokki.append(fact)
        elif where == "user":
            self._bring(fact, by)
        elif where == "third-party" and not (fact.optional and find_spec(fact.what) is None):
            package = fact.what.partition(".")[0]
            found = Import(package, fact.what, by.place(fact), fact.optional)
            self.imports.append((found, fact, by.code))

    def _bring(self, fact: Fact, by: Importer) -> None:
        parts = fact.what.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if self.is_cut(name):
                own = depth == len(parts)
                self._from_cut(fact if own else Fact("import", name, fact.line), by)
            elif name in self.whole or find_spec(name) is not None:
                self.include(name, by.place(fact))
            else:
                return  # the path of an attribute, or a module that is missing locally too
        for name in (name for name in fact.names if name):
            found = _listed(fact.what) if name == "*" else [name]
            for one in (one for one in found if is_submodule(fact.what, one)):
                self._bring(Fact("import", f"{fact.what}.{one}", fact.line), by)

    def include(self, name: str, cause: Place | None) -> None:
        """Include a module whole."""
        module = user_module(name) if name not in self.whole else None
        if module is not None and module.sources:  # a namespace package is only a folder
            self.whole[name] = WholeModule(module, cause)
            self._included.append(self.whole[name])
        elif module is None and name not in self.whole and cause is not None:
            self.find("no_source", cause, what=f"module {name!r}")

    def include_package(self, name: str, cause: Place) -> bool:
        """Include a module, and all modules below it if it is a package.

        Returns:
            Whether the user has such a module.
        """
        if origin(name) != "user" or find_spec(name) is None:
            return False
        for one in (name, *_below(name)):
            self._bring(Fact("import", one, cause.line), Importer(cause.file, Code()))
        return True

    def _run_imports(self) -> bool:
        """Follow the imports of included modules; return whether any were found."""
        found = bool(self._included)
        while self._included:
            module = self._included.pop().module
            by = Importer(module.label, module.code)
            for fact in module.code.of("import"):
                self.bring_fact(fact, by)
            self.followed.append(by)
        if not found:  # attributes are checked after all imports are known
            for by in self.followed:
                self._follow_attributes(by)
        return found or bool(self._included)

    def _follow_attributes(self, by: Importer) -> None:
        """Include submodules that code uses as attributes and that other code imported locally."""
        for dotted, line in by.code.dotted.items():
            parts = dotted.split(".")
            if origin(parts[0]) != "user":
                continue
            for depth in range(1, len(parts)):
                package, name = ".".join(parts[:depth]), parts[depth]
                submodule = f"{package}.{name}"
                if self.is_cut(package):
                    self._from_cut(Fact("import", package, line, names=(name,)), by)
                known = submodule in self.whole or self.is_cut(submodule)
                if known or not is_submodule(package, name):
                    continue
                if submodule in sys.modules:
                    self.submodules[submodule] = None
                # Attributes of a package may be computed: by importing its modules, for example.
                one = self.whole.get(package)
                if submodule in sys.modules or (one and one.module.binds("__getattr__")):
                    self._bring(Fact("import", submodule, line), by)


def is_submodule(package: str, name: str) -> bool:
    """Return whether an attribute of a package is a module below it."""
    dotted = f"{package}.{name}"
    known = imported(package)
    value = vars(known).get(name) if known is not None else None
    if value is not None:
        return getattr(value, "__name__", "") == dotted and dotted in sys.modules
    return find_spec(dotted) is not None


def _listed(package: str) -> Iterator[str]:
    """Return the names that a package's ``__all__`` lists."""
    module = user_module(package)
    value = module.context.constants.get("__all__") if module is not None else None
    for node in getattr(value, "elts", ()):
        if isinstance(getattr(node, "value", None), str):
            yield node.value


def _below(package: str) -> Iterator[str]:
    """Return all modules below a package, found without importing them."""
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for found in pkgutil.iter_modules(folders, f"{package}."):
        yield found.name
        if found.ispkg:
            yield from _below(found.name)
