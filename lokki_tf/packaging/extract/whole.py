"""Modules of the user's that are included whole, and what importing them needs.

Everything that code imports is followed: conditional imports, imports inside functions, parent
packages. Modules that are cut, the step's own and the packages around it, are not included
here; what is imported from them is returned to the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lokki_tf.errors import Place
from lokki_tf.model.cells import cell_label

from ..dependencies.third_party import Import
from ..source.modules import Module, user_module
from ..source.origins import find_spec, imported, origin
from ..source.survey import Fact, Survey, survey


@dataclass(frozen=True, slots=True)
class Origin:
    """Who imports something.

    Args:
        module: The importing module; ``""`` for what the user declares.
        file: Its file, for messages.
        survey: The facts of the code that imports it.
    """

    module: str
    file: str
    survey: Survey = field(default_factory=Survey, compare=False)

    def place(self, fact: Fact) -> Place:
        """Return the source location of a fact."""
        return Place(self.file, fact.line, fact.what)


@dataclass(eq=False)
class WholeModule:
    """A module that is included whole.

    Args:
        module: The module.
        cause: Where it is imported.
        survey: The facts of its code.
    """

    module: Module
    cause: Place | None
    survey: Survey

    @property
    def path(self) -> str:
        """Its path in the zip."""
        name = self.module.name
        is_package = self.module.package == name
        return name.replace(".", "/") + ("/__init__.py" if is_package else ".py")

    @property
    def text(self) -> bytes:
        """Its file, byte for byte."""
        with open(self.module.sources[0].filename, "rb") as file:
            return file.read()


class Inclusion:
    """The whole modules of one zip, and what they and the cut code import of others.

    Args:
        is_cut: Returns whether a module is cut instead.
        from_cut: Called with an import from a module that is cut.
        no_source: Called with a module whose source cannot be read.
    """

    def __init__(
        self,
        is_cut: Callable[[str], bool],
        from_cut: Callable[[Fact, Origin], None],
        no_source: Callable[[str, Place], None],
    ) -> None:
        self.is_cut, self.from_cut, self.no_source = is_cut, from_cut, no_source
        self.modules: dict[str, WholeModule] = {}
        self.imports: list[tuple[Import, Fact, Survey]] = []
        self.lokki: list[tuple[Fact, Origin]] = []
        self.submodules: dict[str, None] = {}
        self._waiting: list[WholeModule] = []
        self._followed: list[tuple[Survey, Origin]] = []

    def bring(self, fact: Fact, by: Origin) -> None:
        """Include what an import needs.

        Args:
            fact: The import.
            by: Who imports it.
        """
        where = origin(fact.what)
        if where == "third-party":
            if fact.optional and find_spec(fact.what) is None:
                return  # it is not here either
            package = fact.what.partition(".")[0]
            found = Import(package, fact.what, by.place(fact), fact.optional)
            self.imports.append((found, fact, by.survey))
        elif where == "house":
            self.lokki.append((fact, by))
        elif where == "user":
            self._bring(fact, by)

    def _bring(self, fact: Fact, by: Origin) -> None:
        parts = fact.what.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if self.is_cut(name):
                own = depth == len(parts)
                self.from_cut(fact if own else Fact("import", name, fact.line), by)
            elif name in self.modules or find_spec(name) is not None:
                self.include(name, by.place(fact))
            else:
                return  # the path of an attribute, or a module that is not here either
        for name in fact.names:
            submodule = f"{fact.what}.{name}"
            if name and name != "*" and is_submodule(fact.what, name):
                self._bring(Fact("import", submodule, fact.line), by)
            elif name == "*":
                for one in _listed(fact.what):
                    self._bring(Fact("import", one, fact.line), by)

    def include(self, name: str, cause: Place | None) -> None:
        """Include a module whole.

        Args:
            name: Its absolute name.
            cause: Where it is imported.
        """
        if name in self.modules:
            return
        module = user_module(name)
        if module is None:
            if cause is not None:
                self.no_source(name, cause)
            return
        if not module.sources:
            return  # a namespace package: a folder
        source = module.sources[0]
        facts = survey(source, source.tree.body, module.package)
        self.modules[name] = WholeModule(module, cause, facts)
        self._waiting.append(self.modules[name])

    def include_package(self, name: str, cause: Place | None) -> bool:
        """Include a module, and all modules below it if it is a package.

        Returns:
            Whether there is such a module of the user's.
        """
        if origin(name) != "user" or find_spec(name) is None:
            return False
        for one in (name, *_below(name)):
            self._bring(
                Fact("import", one, cause.line if cause else 0),
                Origin("", cause.file if cause else ""),
            )
        return True

    def run(self) -> bool:
        """Follow the imports of included modules; return whether there were any."""
        found = bool(self._waiting)
        while self._waiting:
            one = self._waiting.pop()
            by = Origin(one.module.name, label(one.module), one.survey)
            for fact in one.survey.of("import"):
                self.bring(fact, by)
            self.follow(one.survey, by)
        if not found:
            for facts, origin_of in self._followed:
                self._follow_attributes(facts, origin_of)
        return found or bool(self._waiting)

    def follow(self, facts: Survey, by: Origin) -> None:
        """Look at the attributes of modules that code uses, once all its imports are known."""
        self._followed.append((facts, by))

    def _follow_attributes(self, facts: Survey, by: Origin) -> None:
        """Include submodules that code uses as attributes and others have imported here."""
        for dotted, line in facts.dotted.items():
            parts = dotted.split(".")
            if origin(parts[0]) != "user":
                continue
            for depth in range(1, len(parts)):
                package, name = ".".join(parts[:depth]), parts[depth]
                submodule = f"{package}.{name}"
                if self.is_cut(package):
                    self.from_cut(Fact("import", package, line, names=(name,)), by)
                known = submodule in self.modules or self.is_cut(submodule)
                if known or not is_submodule(package, name):
                    continue
                if submodule in sys.modules:
                    self.submodules[submodule] = None
                if submodule in sys.modules or self._loads_lazily(package):
                    self._bring(Fact("import", submodule, line), by)

    def _loads_lazily(self, package: str) -> bool:
        """Whether attributes of a package are computed: by importing its modules, for example."""
        one = self.modules.get(package)
        return one is not None and one.module.binds("__getattr__")


def label(module: Module) -> str:
    """The file of a module, for messages."""
    return cell_label(module.sources[0].filename, module.live) if module.sources else module.name


def is_submodule(package: str, name: str) -> bool:
    """Whether an attribute of a package is a module below it."""
    dotted = f"{package}.{name}"
    known = imported(package)
    value = vars(known).get(name) if known is not None else None
    if value is not None:
        return getattr(value, "__name__", "") == dotted and dotted in sys.modules
    return find_spec(dotted) is not None


def _listed(package: str) -> Iterator[str]:
    """The modules below a package that its ``__all__`` lists."""
    module = user_module(package)
    for source in module.sources if module is not None else ():
        value = source.constants.get("__all__")
        for node in getattr(value, "elts", ()):
            name = getattr(node, "value", None)
            if isinstance(name, str) and is_submodule(package, name):
                yield f"{package}.{name}"


def _below(package: str) -> Iterable[str]:
    """All modules below a package, found without importing them."""
    import pkgutil

    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for found in pkgutil.iter_modules(folders):
        name = f"{package}.{found.name}"
        yield name
        if found.ispkg:
            yield from _below(name)
