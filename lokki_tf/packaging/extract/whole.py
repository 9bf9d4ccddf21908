"""Modules of the user's that are included whole, and what importing them needs.

Everything that code imports is followed: conditional imports, imports inside functions, parent
packages. Modules that are cut, the step's own and the packages around it, are not included
here; what is imported from them is returned to the caller.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from typing import NamedTuple

from lokki_tf.errors import Place

from ..dependencies.third_party import Import
from ..source.modules import Module, user_module
from ..source.names import Code, Fact
from ..source.origins import find_spec, imported, origin


class Importer(NamedTuple):
    """Code that imports something, and its file for messages."""

    file: str
    code: Code

    def place(self, fact: Fact) -> Place:
        """Return the source location of a fact."""
        return Place(self.file, fact.line, fact.what)


class WholeModule(NamedTuple):
    """A module that is included whole, and where it is imported."""

    module: Module
    cause: Place | None

    @property
    def text(self) -> bytes:
        """Its file, byte for byte."""
        with open(self.module.sources[0].filename, "rb") as file:
            return file.read()


class Inclusion:
    """The whole modules of one zip, and what they and the cut code import of others.

    ``whole`` has the modules by name, ``imports`` the imports of packages of others, ``lokki``
    those of lokki_tf, ``submodules`` what the handler imports since code uses it as attributes.
    """

    def __init__(self) -> None:
        self.whole: dict[str, WholeModule] = {}
        self.imports: list[tuple[Import, Fact, Code]] = []
        self.lokki: list[Fact] = []
        self.submodules: dict[str, None] = {}
        self.followed: list[Importer] = []
        self._included: list[WholeModule] = []

    def is_cut(self, name: str) -> bool:
        """Whether a module is cut, and not included whole."""
        raise NotImplementedError

    def from_cut(self, fact: Fact, by: Importer) -> None:
        """Follow an import of a module that is cut."""
        raise NotImplementedError

    def no_source(self, name: str, place: Place) -> None:
        """Record that the source of a module cannot be read."""
        raise NotImplementedError

    def bring_fact(self, fact: Fact, by: Importer) -> None:
        """Include what an import needs."""
        where = origin(fact.what)
        if where == "house":
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
                self.from_cut(fact if own else Fact("import", name, fact.line), by)
            elif name in self.whole or find_spec(name) is not None:
                self.include(name, by.place(fact))
            else:
                return  # the path of an attribute, or a module that is not here either
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
            self.no_source(name, cause)

    def include_package(self, name: str, cause: Place) -> bool:
        """Include a module, and all modules below it if it is a package.

        Returns:
            Whether there is such a module of the user's.
        """
        if origin(name) != "user" or find_spec(name) is None:
            return False
        for one in (name, *_below(name)):
            self._bring(Fact("import", one, cause.line), Importer(cause.file, Code()))
        return True

    def _run_imports(self) -> bool:
        """Follow the imports of included modules; return whether there were any."""
        found = bool(self._included)
        while self._included:
            module = self._included.pop().module
            by = Importer(module.label, module.code)
            for fact in module.code.of("import"):
                self.bring_fact(fact, by)
            self.followed.append(by)
        if not found:  # attributes are looked at once all imports are known
            for by in self.followed:
                self._follow_attributes(by)
        return found or bool(self._included)

    def _follow_attributes(self, by: Importer) -> None:
        """Include submodules that code uses as attributes and others have imported here."""
        for dotted, line in by.code.dotted.items():
            parts = dotted.split(".")
            if origin(parts[0]) != "user":
                continue
            for depth in range(1, len(parts)):
                package, name = ".".join(parts[:depth]), parts[depth]
                submodule = f"{package}.{name}"
                if self.is_cut(package):
                    self.from_cut(Fact("import", package, line, names=(name,)), by)
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
    """Whether an attribute of a package is a module below it."""
    dotted = f"{package}.{name}"
    known = imported(package)
    value = vars(known).get(name) if known is not None else None
    if value is not None:
        return getattr(value, "__name__", "") == dotted and dotted in sys.modules
    return find_spec(dotted) is not None


def _listed(package: str) -> Iterator[str]:
    """The names that a package's ``__all__`` lists."""
    module = user_module(package)
    value = module.context.constants.get("__all__") if module is not None else None
    for node in getattr(value, "elts", ()):
        if isinstance(getattr(node, "value", None), str):
            yield node.value


def _below(package: str) -> Iterator[str]:
    """All modules below a package, found without importing them."""
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for found in pkgutil.iter_modules(folders, f"{package}."):
        yield found.name
        if found.ispkg:
            yield from _below(found.name)
