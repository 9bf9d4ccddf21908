"""A step's function and all code that it needs, as the files of a zip.

The stages of :func:`cut`: find the function's definition (:mod:`.root`); follow the names in it
(:mod:`.carry`), and imports (:mod:`.whole`); keep statements that act by being run (:mod:`.kept`);
find differences in Lambda (:mod:`.differences`). Then :meth:`Cut.layout` decides
which file each piece is in:

- *inline*: the function and what it needs are in ``lambda_function.py``;
- *module*: they are in a file of their module's name, which ``lambda_function.py`` imports. This
    form is used if code defines classes, whose instances are pickled under their module's name,
    reads its own file or name, or uses a name that the template uses;
- *whole*: the module is included unchanged. This form is used if another module imports it, so that
    it is one module object with one class of each name, or with ``code="module"``.
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
from lokki_tf.source.modules import HANDLER, RUNTIME, Module, user_module
from lokki_tf.source.names import Use
from lokki_tf.source.origins import IN_LAMBDA

from ..dependencies.third_party import Import, missing_packages
from .carry import Carrier
from .collected import outside
from .differences import Observations, differences, files_read, note_stale, own_metadata
from .include import included
from .kept import keep_acting
from .pieces import Piece, file_text, source_text
from .root import Root, root_of

Form = OneOf["inline", "module", "whole"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a cut in a zip.

    Args:
        source: The text for ``"{{PUT_FUNCTION_HERE}}"``.
        name: The text for ``"{{PUT_FUNCTION_NAME_HERE}}"``.
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
        carrier: The code that it needs.
        root: Its function, ``None`` if it cannot be found, with a finding.
        pieces: The parts that it needs of modules that are cut.
        observations: Facts about the code.
        imports: Imports of packages that neither Python nor Lambda provides.
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
    _received: set[tuple[Module, str]] = field(default_factory=set)

    @cached_property
    def classes(self) -> list[tuple[Module, str]]:
        """Classes of modules that are cut, whose instances the step may return."""
        found = []
        for piece in self.pieces:
            if piece.is_class and self.carrier.is_cut(piece.module.name):
                found += [(piece.module, name) for name in piece.binds]
        return sorted(found, key=lambda one: (one[0].name, one[1]))

    @cached_property
    def defining(self) -> list[str]:
        """Modules included whole that define classes."""
        whole = self.carrier.whole
        return [name for name, one in whole.items() if one.module.defines_classes]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings about the code."""
        return tuple(self.carrier.findings)

    # --- values of other steps ------------------------------------------------------

    def receive(
        self,
        classes: Iterable[tuple[Module, str]],
        modules: Iterable[str],
        data: Mapping[str, Path] | None = None,
    ) -> None:
        """Add the code that unpickling values of other steps requires.

        Args:
            classes: Classes of modules that are cut, by module and name.
            modules: Modules that are included whole.
            data: Data files of the steps that return such values.
        """
        if self.root is None:
            return
        carrier, own = self.carrier, self.root.module.name
        if data:  # files that the classes' modules read at import are included
            carrier.portability.brings_files = True
        for name in modules:
            known = len(carrier.imports)
            carrier.include(name, None)
            carrier.run()
            self._missing(known)
        for module, name in classes:
            if module.name in carrier.whole or (module, name) in self._received:
                continue
            self._received.add((module, name))
            known = len(carrier.imports)
            by = outside(carrier.adopt(module))
            carrier.need(by, name, by.module.end, Use(self.step.place.line, {()}))
            carrier.run()
            pieces = carrier.uses.pop(by, set())
            # A class of the step's own module would be imported with the step itself.
            if not self._missing(known) or module.name != own:
                self._values += pieces
        for path, file in (data or {}).items():
            self.data.setdefault(path, file)

    def _missing(self, known: int) -> bool:
        """Report packages that values need and Lambda lacks; return whether any were found."""
        own = {one.package for one in self.imports}
        new = self.carrier.imports[known:]
        others = [one for one, fact, _ in new if not fact.function and one.package not in own]
        missing = missing_packages(self.step, others, of_values=True)
        self.carrier.findings.update(dict.fromkeys(missing))
        return bool(missing)

    # --- files ----------------------------------------------------------------------

    def layout(self, reserved: Collection[str] = ()) -> Layout:
        """Decide which file each piece is in."""
        root, carrier = self.root, self.carrier
        if root is None:
            return Layout("", identifier(self.step.name), False, {}, "inline")
        own = root.module.name
        code = {piece for piece in self.pieces if piece.module.name == own}
        values = {p for p in carrier.reachable(self._values) if p.module.name == own}
        files = dict(self._files(own))
        if own in carrier.whole:
            return self._imported(root, files, "whole", reserved)
        shared = any(piece.kind != "import" for piece in code & values)
        taken = any(name in reserved for piece in code for name in piece.binds)
        if shared or taken or any(one.is_class or one in carrier.placed for one in code):
            files[root.module.path] = file_text(code | values).encode()
            return self._imported(root, files, "module", reserved)
        if values:
            files[root.module.path] = file_text(values).encode()
        around = (
            [one.name for one in carrier.packages][-1:] if any(map(len, files.values())) else []
        )
        first = dict.fromkeys((*around, *carrier.submodules))
        head = "".join(f"import {name}\n" for name in first)
        postponed = any(piece.postponed for piece in code)
        return Layout(head + source_text(code), root.name, postponed, files, "inline")

    def _imported(
        self, root: Root, files: Mapping[str, bytes], form: Form, reserved: Collection[str]
    ) -> Layout:
        """Return the layout in which the function is imported from its module."""
        name, dot, attribute = (root.name or identifier(self.step.name)).partition(".")
        bound = name
        while bound in reserved:
            bound += "_"
        alias = name if bound == name else f"{name} as {bound}"
        head = "".join(f"import {one} as lokki_submodule\n" for one in self.carrier.submodules)
        source = f"{head}from {root.module.name} import {alias}\n"
        if form == "whole":  # first, as locally: modules that import it back depend on the order
            source = f"from {root.module.name} import {alias}\n{head}"
        if not root.name:  # no name of the module refers to the step
            source = f"{head}import {root.module.name} as lokki_module\n"
            source += "from lokki_tf import step_named as lokki_step\n\n"
            source += f"{bound} = lokki_step({self.step.own_name!r})\n"
        return Layout(source, bound + dot + attribute, False, files, form)

    def _files(self, own: str) -> Iterator[tuple[str, bytes]]:
        """Return the files of all modules except the step's own if it is cut."""
        carrier = self.carrier
        for one in carrier.whole.values():
            yield one.module.path, one.text
        by_module: dict[str, set[Piece]] = {module.name: set() for module in carrier.packages}
        for piece in carrier.uses:
            if piece.text and piece.module.name != own:
                by_module.setdefault(piece.module.name, set()).add(piece)
        for name, pieces in by_module.items():
            module = carrier.cut_module(name) if carrier.is_cut(name) else None
            if module is not None:
                yield module.path, file_text(pieces).encode()

    def data_files(self) -> tuple[dict[str, Path], list[Finding]]:
        """Return data files by their paths in the zip, and findings about them."""
        whole = [one.module for one in self.carrier.whole.values()]
        read, found = files_read(self.step, self.observations, whole, self.data)
        return {**read, **self.data}, found

    def metadata(self) -> dict[str, bytes]:
        """Return the metadata of the user's own distributions that the code reads."""
        read = self.observations.of("distribution") if self.observations else ()
        found = (own_metadata(one.fact.what) for one in read if one.fact.what)
        return {one[0]: one[1].encode() for one in found if one is not None}


def cut(step: Step) -> Cut:
    """Take a step's function out of its module. The user's mistakes are findings."""
    carrier = Carrier(step.name, brings_files=bool(step.options.include))
    try:
        root = root_of(carrier, step)
        carrier.run()
    except SyntaxError as error:
        place = Place(error.filename or step.place.file, error.lineno or 1)
        carrier.find("no_source", place, what=f"its module, but {error.msg}")
        root = None
    if root is None:
        return Cut(step, carrier)
    data = _declared(carrier, step, root)
    if not step.is_condition:  # its module's statements act where the job runs
        keep_acting(carrier, step, root)
    note_stale(carrier)
    return _observed(step, carrier, root, data)


def _declared(carrier: Carrier, step: Step, root: Root) -> dict[str, Path]:
    """Include the modules and files that the step declares; return the data files."""
    if step.options.code == "module":
        carrier.include(root.module.name, step.place)
    for name in step.options.modules:
        if not carrier.include_package(name, step.place):
            carrier.find("no_module", step.place, name=name)
    files, found = included(step, root.module)
    carrier.findings.update(dict.fromkeys(found))
    for path in [path for path in files if path.endswith(".py")]:
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = user_module(name) if name != root.module.name else None
        sources = module.sources if module is not None else ()
        if [Path(one.filename).absolute() for one in sources] == [files[path].absolute()]:
            carrier.include(name, step.place)
            del files[path]
    carrier.run()
    return files


def _observed(step: Step, carrier: Carrier, root: Root, data: dict[str, Path]) -> Cut:
    """Return the cut, with all findings about its code."""
    own = root.module.name
    others = {piece for piece in carrier.uses if piece.module.name != own and piece.text}
    pieces = carrier.reachable([root.piece]) | others
    seen = Observations(carrier, root, pieces)
    imports = {one for one, fact, code in carrier.imports if seen.is_reached(fact, code)}
    ordered = sorted(imports, key=lambda one: (one.package, str(one.place), one.module))
    modules = {*carrier.whole, *(p.removesuffix(".py") for p in data if p.endswith(".py"))}
    for name in sorted(modules):  # these would hide Python's, Lambda's or the runtime's
        if name in sys.stdlib_module_names or name in {HANDLER, RUNTIME, *IN_LAMBDA}:
            carrier.find("hides_module", step.place, module=name)
    if carrier.back is not None and root.module.namespace.get("__name__") == "__main__":
        fact, by = carrier.back
        if by.file != root.module.label:
            carrier.find("two_copies", by.place(fact), module=own)
    found = (*missing_packages(step, ordered), *differences(step, seen))
    for one in found:
        carrier.findings[one] = None
    return Cut(step, carrier, root, pieces, seen, tuple(ordered), data)
