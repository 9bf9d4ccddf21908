"""Why each file and package is in a step's zip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lokki_tf.model import Finding, Step

from ..dependencies.third_party import Import, is_available
from ..extract.cut import Cut
from ..source.modules import RUNTIME
from .package import HANDLER_FILE, STUB, Fingerprint, package
from .template import Template, default_template, own_names

_LEFT_OUT = ("code-left-out",)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a zip.

    Args:
        path: Its path in the zip.
        size: Bytes.
        why: Why it is there.
    """

    path: str
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is deployed of a step, and why.

    Args:
        step: The step's name.
        form: How the code of its own module is deployed, and why so.
        files: The files of its zip; lokki_tf's runtime is one of them.
        packages: Imports of packages, and what provides each in Lambda.
        unreached: Imports in functions that the step does not reach.
        variables: Environment variables that it reads, and what sets each in AWS.
        left_out: Statements that are not deployed, and why.
        fingerprint: Hashes of the code, the declared packages and the environment.
        zipped: Bytes of the zip.
    """

    step: str
    form: str
    files: tuple[File, ...]
    packages: tuple[tuple[str, str], ...]
    unreached: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    left_out: tuple[Finding, ...]
    fingerprint: Fingerprint
    zipped: int

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"step {self.step!r}: {self.form}"
        yield ""
        width = max(len(one.path) for one in self.files)
        for one in self.files:
            yield f"  {one.path:<{width}}  {one.size:>8,} bytes  {one.why}"
        yield f"  {'the zip':<{width}}  {self.zipped:>8,} bytes"
        sections = (
            ("packages", (f"{name}: {how}" for name, how in self.packages)),
            ("imported only by functions that the step does not reach", self.unreached),
            ("environment variables", (f"{name}: {how}" for name, how in self.variables)),
            ("left out", (str(one).partition("\n  move")[0] for one in self.left_out)),
        )
        for title, lines in sections:
            found = list(lines)
            if found:
                yield from ("", f"{title}:", *(f"  {line}" for line in found))
        yield ""
        yield "fingerprint:"
        for name, text in self.fingerprint._asdict().items():
            yield f"  {name:<11}  {text[:16]}"


def explain(cut: Cut, *, template: Template | None = None, routed: bool = False) -> Explanation:
    """Explain what is deployed of a step.

    Args:
        cut: The step's function.
        template: As for :func:`.package`.
        routed: As for :func:`.package`.
    """
    template = template or default_template()
    made = package(cut, template=template, routed=routed)
    form = cut.layout(own_names(template)).form
    seen = cut.observations
    variables = {one.fact.what: one for one in seen.of("variable")} if seen else {}
    return Explanation(
        cut.step.name,
        f"{_FORMS[form]}{_reason(cut, form)}",
        tuple(_files(cut, made.files, made.data)),
        tuple(dict.fromkeys((one.module, _provider(cut.step, one)) for one in cut.imports)),
        tuple(sorted(_unreached(cut))),
        tuple((name, _setter(cut.step, name)) for name in sorted(variables)),
        tuple(one for one in made.findings if one.rule in _LEFT_OUT),
        made.fingerprint,
        len(made.zip),
    )


_FORMS = {
    "inline": "its function and what it needs are in lambda_function.py",
    "module": "its function and what it needs are in a file of their module's name",
    "whole": "its module is deployed whole",
}


def _reason(cut: Cut, form: str) -> str:
    carrier, root = cut.carrier, cut.root
    if root is None or form == "inline":
        return ""
    for fact, by in carrier.back.values():
        return f", since {_short(by.place(fact).file)}, line {fact.line}, imports it"
    if form == "whole":
        given = cut.step.options.code == "module"
        made = 'it has code="module"' if given else "the step is made by code that is run"
        return f", since {made}"
    own = [piece for piece in cut.pieces if piece.module == root.module.name]
    classes = sorted({name for piece in own if piece.is_class for name in piece.binds})
    if classes:
        return f", since instances of {', '.join(classes)} are pickled under that name"
    placed = sorted({carrier.placed[piece] for piece in own if piece in carrier.placed})
    if placed:
        return f", since the code reads {', '.join(placed)}"
    return ", since values of other steps, or the template, use names of it"


def _files(cut: Cut, files: dict[str, bytes] | object, data: frozenset[str]) -> Iterator[File]:
    assert isinstance(files, dict)
    whole = {one.path: one for one in cut.whole.values()}
    packages = {f"{one.name.replace('.', '/')}/__init__.py" for one in cut.carrier.packages}
    groups = {RUNTIME: "lokki_tf's runtime", STUB.rstrip("/"): "stands for lokki_tf"}
    sizes = dict.fromkeys(groups, 0)
    for path, content in sorted(files.items(), key=lambda one: (one[0] != HANDLER_FILE, one[0])):
        top = path.partition("/")[0]
        if top in groups:
            sizes[top] += len(content)
            continue
        one = whole.get(path)
        if path == HANDLER_FILE:
            why = "the handler"
        elif one is not None and one.cause is not None:
            why = f"imported by {_short(one.cause.file)}, line {one.cause.line}"
        elif one is not None:
            why = "values of other steps need its classes"
        elif path in packages:
            why = "a package around the step's module, cut to what is needed"
        elif path in data:
            why = "a data file"
        elif path.endswith("METADATA"):
            why = "the code reads the metadata of this distribution"
        else:
            why = "cut to what the step needs"
        yield File(path, len(content), why)
    for top, why in groups.items():
        if sizes[top]:
            yield File(f"{top}/", sizes[top], why)


def _provider(step: Step, one: Import) -> str:
    by = f"imported by {_short(one.place.file)}, line {one.place.line}"
    if is_available(step, one):
        return f"{by}; from requirements="
    return f"{by}; from a layer" if step.options.layers else f"{by}; not in Lambda"


def _unreached(cut: Cut) -> Iterator[str]:
    seen = cut.observations
    for one, fact, survey in cut.carrier.included.imports if seen else ():
        if seen is not None and not seen.is_reached(fact, survey):
            where = f"{_short(one.place.file)}, line {one.place.line}"
            yield f"{one.module}: {where}, in {fact.function}"


def _setter(step: Step, name: str) -> str:
    if name in step.options.env_variables:
        return "set by env_variables= or the settings"
    return "set by nothing that is declared"


def _short(file: str) -> str:
    """A path from the working directory, where the file is below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
