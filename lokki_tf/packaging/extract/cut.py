"""A step's function and all that it needs, as the files of a zip.

The stages of :func:`cut`: find the function's definition (:mod:`.root`); follow the names in it
(:mod:`.carry`), and imports (:mod:`.whole`); keep statements that act by being run
(:mod:`.kept`); observe what the code does (:mod:`.differences`). Then :meth:`Cut.layout` decides
which file each piece is in:

- *inline*: the function and what it needs are in ``lambda_function.py``;
- *module*: they are in a file of their module's name, which ``lambda_function.py`` imports. So
  it is where code defines classes, whose instances are pickled under their module's name, asks
  for its own file or name, or uses a name that the template uses;
- *whole*: the module is included as it is. So it is where another module imports it, so that
  there is one module object and one class of a name, or with ``code="module"``.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal as OneOf

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.model.names import identifier

from .. import findings
from ..dependencies.third_party import Import, missing_packages
from ..source.modules import HANDLER, RUNTIME, Module, user_module
from ..source.names import Use
from ..source.origins import IN_LAMBDA
from .carry import Carrier
from .differences import Observations, differences, files_read, own_metadata
from .include import included
from .kept import keep_acting
from .pieces import Piece
from .portability import Judge
from .render import file_text, source_text
from .root import Root, root_of
from .tasks import Site
from .whole import WholeModule

Form = OneOf["inline", "module", "whole"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a cut's code is in a zip.

    Args:
        source: What replaces ``"{{PUT_FUNCTION_HERE}}"``.
        name: What replaces ``"{{PUT_FUNCTION_NAME_HERE}}"``.
        postponed: Whether the file begins with ``from __future__ import annotations``.
        files: The files of modules, by path.
        form: The form of the step's own module.
    """

    source: str
    name: str
    postponed: bool
    files: Mapping[str, bytes]
    form: Form


@dataclass(eq=False)
class Cut:
    """A step's function, taken out of its module.

    Args:
        step: The step.
        carrier: What it needs.
        root: Its function, ``None`` if it cannot be found: findings say why.
        pieces: The parts of modules that are cut that it needs.
        observations: What the code does.
        imports: Imports of packages that neither Python nor Lambda brings.
        data: Data files, by their paths in the zip.
    """

    step: Step
    carrier: Carrier
    root: Root | None = None
    pieces: set[Piece] = field(default_factory=set)
    observations: Observations | None = None
    imports: tuple[Import, ...] = ()
    data: dict[str, Path] = field(default_factory=dict)
    _values: list[Piece] = field(default_factory=list)

    @property
    def whole(self) -> Mapping[str, WholeModule]:
        """The modules that are included whole, by name."""
        return self.carrier.included.modules

    @cached_property
    def classes(self) -> list[tuple[Module, str]]:
        """Classes of modules that are cut, whose instances the step may return."""
        found = []
        for piece in self.pieces:
            if piece.is_class and piece.module not in self.whole:
                module = self.carrier.cut_module(piece.module)
                found += [(module, name) for name in piece.binds if module is not None]
        return sorted(found, key=lambda one: (one[0].name, one[1]))

    @cached_property
    def defining(self) -> list[str]:
        """Modules included whole that define classes."""
        return [name for name, one in self.whole.items() if one.module.defines_classes]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the user should know."""
        return tuple(self.carrier.findings)

    # --- values of other steps ------------------------------------------------------

    def receive(
        self,
        classes: Iterable[tuple[Module, str]],
        modules: Iterable[str],
        data: Mapping[str, Path] | None = None,
    ) -> None:
        """Add what unpickling values of other steps needs.

        Args:
            classes: Classes of modules that are cut, by module and name.
            modules: Modules that are included whole.
            data: Data files of the steps that return such values.
        """
        if self.root is None:
            return
        if data:  # what the classes read at import is there
            self.carrier.judge = Judge(brings_files=True)
        for name in modules:
            self._received(None, name)
        for module, name in classes:
            if module.name not in self.whole:
                self._received(module, name)
        for path, file in (data or {}).items():
            self.data.setdefault(path, file)

    def _received(self, module: Module | None, name: str) -> None:
        """Add a class of a module, or a whole module."""
        carrier = self.carrier
        assert self.root is not None
        known = len(carrier.included.imports)
        pieces: set[Piece] = set()
        if module is None:
            carrier.included.include(name, None)
        else:
            module = carrier.adopt(module)
            site = Site(Piece(module.name, (-2,), ""), module, module.sources[0])
            carrier.need(site, module, name, module.end, Use(self.step.place.line, {()}))
        carrier.run()
        if module is not None:
            pieces = {p for each in carrier.uses.pop(site.piece, {}).values() for p in each}
        own = {one.package for one in self.imports}
        new = carrier.included.imports[known:]
        others = [one for one, fact, _ in new if not fact.function and one.package not in own]
        missing = missing_packages(self.step, others, of_values=True)
        for finding in missing:
            carrier.find(finding)
        # A class of the step's own module would be imported with the step itself.
        if not missing or (module is not None and module.name != self.root.module.name):
            self._values += pieces

    # --- files ----------------------------------------------------------------------

    def layout(self, reserved: Collection[str] = ()) -> Layout:
        """Decide which file each piece is in.

        Args:
            reserved: Names that the template uses itself.
        """
        root = self.root
        if root is None:
            return Layout("", identifier(self.step.name), False, {}, "inline")
        own = root.module.name
        code = {piece for piece in self.pieces if piece.module == own}
        values = {p for p in self.carrier.reachable(self._values) if p.module == own}
        files = dict(self._files(values if own not in self.whole else set()))
        if own in self.whole:
            return self._imported(root, files, "whole", reserved)
        if self._needs_module(code, values, reserved):
            files[_path(root.module)] = file_text(code | values).encode()
            return self._imported(root, files, "module", reserved)
        packages = [one.name for one in self.carrier.packages]
        around = packages[-1:] if any(len(data) for data in files.values()) else []
        first = dict.fromkeys((*around, *self.carrier.included.submodules))
        head = "".join(f"import {name}\n" for name in first)
        postponed = any(piece.postponed for piece in code)
        return Layout(head + source_text(code), root.name, postponed, files, "inline")

    def _needs_module(
        self, code: set[Piece], values: set[Piece], reserved: Collection[str]
    ) -> bool:
        shared = {piece for piece in code & values if piece.kind != "import"}
        binds = {name for piece in code for name in piece.binds}
        return bool(
            shared
            or binds & set(reserved)
            or any(piece.is_class or piece in self.carrier.placed for piece in code)
        )

    def _imported(
        self, root: Root, files: Mapping[str, bytes], form: Form, reserved: Collection[str]
    ) -> Layout:
        """The function is imported from its module."""
        name, dot, attribute = (root.name or identifier(self.step.name)).partition(".")
        bound = name
        while bound in reserved:
            bound += "_"
        alias = name if bound == name else f"{name} as {bound}"
        head = "".join(
            f"import {one} as lokki_submodule\n" for one in self.carrier.included.submodules
        )
        source = f"{head}from {root.module.name} import {alias}\n"
        if form == "whole":  # first, as here: modules that import it back depend on the order
            source = f"from {root.module.name} import {alias}\n{head}"
        if not root.name:  # no name of the module leads to the step
            source = f"{head}import {root.module.name} as lokki_module\n"
            source += "from lokki_tf import step_named as lokki_step\n\n"
            source += f"{bound} = lokki_step({self.step.name!r})\n"
        return Layout(source, bound + dot + attribute, False, files, form)

    def _files(self, values: set[Piece]) -> Iterator[tuple[str, bytes]]:
        carrier = self.carrier
        assert self.root is not None
        for one in self.whole.values():
            yield one.path, one.text
        by_module: dict[str, set[Piece]] = {module.name: set() for module in carrier.packages}
        for piece in carrier.uses:
            if piece.text and piece.module != self.root.module.name:
                by_module.setdefault(piece.module, set()).add(piece)
        for name, pieces in by_module.items():
            module = carrier.cut_module(name) if name not in self.whole else None
            if module is not None:
                yield _path(module), file_text(pieces).encode()
        if values:
            yield _path(self.root.module), file_text(values).encode()

    def data_files(self) -> tuple[dict[str, Path], list[Finding]]:
        """Data files by their paths in the zip, and what is wrong with them."""
        read, found = files_read(self.step, self.observations, self.whole.values(), self.data)
        return {**read, **self.data}, found

    def metadata(self) -> dict[str, bytes]:
        """The metadata of the user's own distributions that the code asks for."""
        found = {}
        for one in self.observations.of("distribution") if self.observations else ():
            known = own_metadata(one.fact.what) if one.fact.what else None
            if known is not None:
                found[known[0]] = known[1].encode()
        return found


def cut(step: Step) -> Cut:
    """Take a step's function out of its module. The user's mistakes are findings.

    Args:
        step: A step.
    """
    carrier = Carrier(step.name, brings_files=bool(step.options.include))
    try:
        root = root_of(carrier, step)
        carrier.run()
    except SyntaxError as error:
        place = Place(error.filename or step.place.file, error.lineno or 1)
        carrier.find(findings.no_source(step.name, "its module", place, f"but {error.msg}"))
        root = None
    if root is None:
        return Cut(step, carrier)
    data = _declared(carrier, step, root)
    if not step.is_condition:  # its module acts where the job runs
        keep_acting(carrier, step, root)
    carrier.note_stale()
    return _observed(step, carrier, root, data)


def _declared(carrier: Carrier, step: Step, root: Root) -> dict[str, Path]:
    """Include what the step declares; return the data files."""
    if step.options.code == "module":
        carrier.included.include(root.module.name, step.place)
    for name in step.options.modules:
        if not carrier.included.include_package(name, step.place):
            carrier.find(findings.no_module(step.name, name, step.place))
    named = included(step, root.module)
    for finding in named.findings:
        carrier.find(finding)
    data = dict(named.files)
    for path in [path for path in data if path.endswith(".py")]:
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = user_module(name) if name != root.module.name else None
        if module is not None and module.sources and _same_file(module, data[path]):
            carrier.included.include(name, step.place)
            del data[path]
    carrier.run()
    return data


def _same_file(module: Module, file: Path) -> bool:
    return Path(module.sources[0].filename).absolute() == file.absolute()


def _observed(step: Step, carrier: Carrier, root: Root, data: dict[str, Path]) -> Cut:
    """The cut, with findings about all that its code does."""
    own, whole = root.module.name, carrier.included.modules
    pieces = carrier.reachable([root.piece])
    others = {piece for piece in carrier.uses if piece.module != own and piece.text}
    pieces |= others
    seen = Observations(carrier, root, pieces)
    imports = {
        one for one, fact, survey in carrier.included.imports if seen.is_reached(fact, survey)
    }
    ordered = sorted(imports, key=lambda one: (one.package, str(one.place), one.module))
    modules = {*whole, *(p.removesuffix(".py") for p in data if p.endswith(".py"))}
    for finding in (
        *_hidden(step, modules),
        *_imported_back(step, carrier, root),
        *missing_packages(step, ordered),
        *differences(step, seen, carrier.judge),
    ):
        carrier.find(finding)
    return Cut(step, carrier, root, pieces, seen, tuple(ordered), data)


def _hidden(step: Step, modules: Iterable[str]) -> Iterator[Finding]:
    """Modules whose files would hide Python's, Lambda's or the runtime's."""
    for name in sorted(modules):
        if name in sys.stdlib_module_names or name in {HANDLER, RUNTIME, *IN_LAMBDA}:
            yield findings.hides_module(step.name, name, step.place)


def _imported_back(step: Step, carrier: Carrier, root: Root) -> Iterator[Finding]:
    """What follows from a module that imports the step's own module."""
    name = root.module.name
    for fact, by in carrier.back.values():
        if root.module.live.get("__name__") == "__main__" and by.module != name:
            yield findings.two_copies(step.name, name, by.place(fact))


def _path(module: Module) -> str:
    """The path of a module in a zip."""
    is_package = module.package == module.name
    return module.name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
