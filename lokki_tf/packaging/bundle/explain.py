"""Why each file and package is in a step's zip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.source.modules import RUNTIME

from ..dependencies.third_party import Import, is_available
from ..extract.cut import Cut
from .package import HANDLER_FILE, STUB, Fingerprint, package
from .template import Template, default_template, own_names

_FORMS = {
    "inline": "its function and what it needs are in lambda_function.py",
    "module": "its function and what it needs are in a file of their module's name",
    "whole": "its module is deployed whole",
}
_GROUPS = {RUNTIME: "lokki_tf's runtime", STUB.rstrip("/"): "replaces lokki_tf"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of a zip: its path, its size in bytes, and why it is included."""

    path: str
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The deployed files of a step, and why they are included.

    Args:
        step: The step's name.
        form: How the code of its own module is deployed, and why.
        files: The files of its zip; lokki_tf's runtime is one of them.
        packages: Imports of packages, and the source of each in Lambda.
        unreached: Imports in functions that the step does not reach.
        variables: Environment variables that it reads, and where each is set in AWS.
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
        width = max(len(one.path) for one in self.files)
        lines = [f"step {self.step!r}: {self.form}", ""]
        lines += [f"  {one.path:<{width}}  {one.size:>8,} bytes  {one.why}" for one in self.files]
        lines += [f"  {'the zip':<{width}}  {self.zipped:>8,} bytes"]
        sections = {
            "packages": [f"{name}: {how}" for name, how in self.packages],
            "imported only by functions that the step does not reach": self.unreached,
            "environment variables": [f"{name}: {how}" for name, how in self.variables],
            "left out": [str(one).partition("\n  move")[0] for one in self.left_out],
            "fingerprint": [f"{k:<11}  {v[:16]}" for k, v in self.fingerprint._asdict().items()],
        }
        for title, found in sections.items():
            lines += ["", f"{title}:", *(f"  {line}" for line in found)] if found else []
        return "\n".join(lines)


def explain(cut: Cut, *, template: Template | None = None, routed: bool = False) -> Explanation:
    """Explain what is deployed for a step."""
    step, seen, template = cut.step, cut.observations, template or default_template()
    made = package(cut, template=template, routed=routed)
    form = cut.layout(own_names(template)).form
    setters = dict.fromkeys(step.options.env_variables, "set by env_variables= or the settings")
    setters |= {name: f"the secret {one}" for name, one in step.options.secrets.items()}
    read = {one.fact.what for one in seen.of("variable")} if seen else set()
    variables = ((one, setters.get(one, "not set in AWS")) for one in sorted(read))
    unreached = [
        f"{one.module}: {_short(one.place)}, in {fact.function}"
        for one, fact, code in cut.carrier.imports
        if seen is not None and not seen.is_reached(fact, code)
    ]
    return Explanation(
        step.name,
        f"{_FORMS[form]}{_reason(cut, form)}",
        tuple(_files(cut, made.files, made.data)),
        tuple(dict.fromkeys((one.module, _provider(step, one)) for one in cut.imports)),
        tuple(sorted(unreached)),
        tuple(variables),
        tuple(one for one in made.findings if one.rule == "code-left-out"),
        made.fingerprint,
        len(made.zip),
    )


def _reason(cut: Cut, form: str) -> str:
    carrier, root = cut.carrier, cut.root
    if root is None or form == "inline":
        return ""
    if carrier.back is not None:
        fact, by = carrier.back
        return f", since {_short(by.place(fact))}, imports it"
    if form == "whole":
        given = cut.step.options.code == "module"
        made = 'it has code="module"' if given else "running code makes the step"
        return f", since {made}"
    own = [piece for piece in cut.pieces if piece.module.name == root.module.name]
    classes = sorted({name for piece in own if piece.is_class for name in piece.binds})
    if classes:
        return f", since instances of {', '.join(classes)} are pickled under that name"
    placed = sorted({carrier.placed[piece] for piece in own if piece in carrier.placed})
    if placed:
        return f", since the code reads {', '.join(placed)}"
    return ", since values of other steps, or the template, use names of it"


def _files(cut: Cut, files: Mapping[str, bytes], data: frozenset[str]) -> Iterator[File]:
    whole = {one.module.path: one for one in cut.carrier.whole.values()}
    packages = {one.path for one in cut.carrier.packages}
    sizes = dict.fromkeys(_GROUPS, 0)
    for path, content in sorted(files.items(), key=lambda one: (one[0] != HANDLER_FILE, one[0])):
        top, one = path.partition("/")[0], whole.get(path)
        if top in _GROUPS:
            sizes[top] += len(content)
            continue
        if path == HANDLER_FILE:
            why = "the handler"
        elif one is not None:
            why = "values of other steps need its classes"
            why = f"imported by {_short(one.cause)}" if one.cause is not None else why
        elif path in packages:
            why = "a package around the step's module, cut to what is needed"
        elif path.endswith("METADATA"):
            why = "the code reads the metadata of this distribution"
        else:
            why = "a data file" if path in data else "cut to what the step needs"
        yield File(path, len(content), why)
    for top, size in sizes.items():
        if size:
            yield File(f"{top}/", size, _GROUPS[top])


def _provider(step: Step, one: Import) -> str:
    by = f"imported by {_short(one.place)}"
    if is_available(step, one):
        return f"{by}; from requirements="
    return f"{by}; from a layer" if step.options.layers else f"{by}; not in Lambda"


def _short(place: Place) -> str:
    """Return a source location, with a path relative to the working directory if it is below it."""
    path = Path(place.file)
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else place.file
    return f"{here}, line {place.line}"
