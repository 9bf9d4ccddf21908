"""What packaging has to say to the user, one function a rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lokki_tf.errors import CaptureError, DefinitionError, LimitError, Place, TemplateError
from lokki_tf.model import Finding

from .source.machine_reads import is_file

NO_SOURCE = "capture-source"
_error = partial(Finding, error=CaptureError)
_warning = partial(_error, severity="warning")
_AS_ARGUMENT = "hand it to the step as an argument, or make it inside the function"


def no_source(step: str, what: str, place: Place | None, why: str = "") -> Finding:
    """The code of a function or module cannot be read."""
    remedy = "define it with def in a file or in a notebook cell, so that its source can be read"
    if place is not None and place.file == "<timed exec>":
        remedy = "take %%time out of its cell: it keeps no source"
    return _error(
        NO_SOURCE,
        f"step {step!r} needs the source of {what}{', ' + why if why else ''}",
        place,
        remedy,
    )


def source_changed(step: str, what: str, place: Place) -> Finding:
    """A file was edited after it was imported."""
    return _error(
        NO_SOURCE,
        f"step {step!r}: the source of {what} changed since it was imported",
        place,
        "start Python again, or run the cell again, and synthesise then",
    )


def from_house(step: str, name: str, what: str, place: Place) -> Finding:
    """Step code uses lokki_tf itself, or the pipeline that is being built."""
    return _error(
        "capture-pipeline",
        f"step {step!r} uses {name!r}, {what}: it exists only where the pipeline is built",
        place,
        "hand the step what it needs as an argument; lokki_tf itself stays out of step code",
    )


def stuck_here(step: str, name: str, what: str, place: Place) -> Finding:
    """A global is bound to this process."""
    return _error(
        "capture-live",
        f"step {step!r} uses {name!r}, {what}, which cannot travel to Lambda",
        place,
        "open it inside the function, where each Lambda makes its own",
    )


def read_here(step: str, name: str, what: str, how: str, place: Place) -> Finding:
    """A global was read from this machine and is too much, or too special, for source."""
    remedy = "hand it to the step as an argument"
    if is_file(how):
        remedy = (
            "let the file travel with the step, @step(include=[…]), or read it in a step of its own"
        )
    return _error(
        "capture-file",
        f"step {step!r} uses {name!r}, {what} that comes from {how} on this machine, "
        "which Lambda does not have",
        place,
        remedy,
    )


def secret(step: str, name: str, how: str, place: Place) -> Finding:
    """A global was typed in by somebody."""
    return _error(
        "capture-secret",
        f"step {step!r} uses {name!r}, which comes from {how}: a secret must not stand in code",
        place,
        "keep it in Secrets Manager or the Parameter Store and read it inside the function",
    )


def unmade(step: str, name: str, what: str, place: Place, where: str = "") -> Finding:
    """A global has a value, but no statement of its module makes it."""
    how = f"is set only under {where}" if where else "is set by no statement of its module"
    return _error(
        "capture-dynamic",
        f"step {step!r} uses {name!r}, {what} that {how}",
        place,
        f"assign it at the top of the module, or {_AS_ARGUMENT}",
    )


def stale(step: str, name: str, what: str, place: Place) -> Finding:
    """A global is not any more what its statement makes of it."""
    return _warning(
        "capture-changed",
        f"step {step!r} uses {name!r}, {what} that something has changed since its statement at "
        "the top of its module: in Lambda it is what that statement says",
        place,
        f"write the whole value where it is assigned, or {_AS_ARGUMENT}",
    )


def of_notebook(step: str, name: str, place: Place) -> Finding:
    """Step code uses what only a notebook has."""
    return _error(
        "capture-notebook",
        f"step {step!r} uses {name!r}, which only the notebook has",
        place,
        "keep it out of step code: print, or return what is to be shown; give values names",
    )


def undefined(step: str, name: str, place: Place) -> Finding:
    """A name has no value anywhere."""
    return _warning(
        "capture-undefined",
        f"step {step!r} uses {name!r}, which is not defined",
        place,
        "import or define it in the step's module",
    )


def reached_by_name(step: str, place: Place) -> Finding:
    """Step code looks names up at run time."""
    return _warning(
        "capture-by-name",
        f"step {step!r} reaches for names by globals(), eval() or exec(), so what it uses "
        "cannot be seen",
        place,
        "refer to functions and constants by their names; only what is referred to travels",
    )


def own_path(step: str, place: Place) -> Finding:
    """Step code asks where its file is, and no file travels with it."""
    return _warning(
        "capture-file",
        f"step {step!r} uses __file__, but no files stand beside its code in Lambda",
        place,
        "name those that it reads: @step(include=[…])",
    )


def include_nothing(step: str, pattern: str, folder: Path, place: Place) -> Finding:
    """A pattern of ``include=`` that matches no file."""
    named = folder / pattern
    if named.is_dir():
        what = f"include= of step {step!r} names the folder {pattern!r}, which contains no data"
        remedy = (
            "what is hidden, and what synth, Terraform and other tools write, is left out, and "
            "code is included by being imported: remove it, or name a file itself"
        )
        return _include(what, place, remedy)
    why = f"and there is no such file in {folder}"
    if named.exists():
        why = "which is neither a file nor a folder"
    what = f"include= of step {step!r} names {pattern!r}, {why}"
    return _include(what, place, "name a file or a folder, or a pattern such as 'data/*.csv'")


def include_link(step: str, path: str, target: str, root: Path, place: Place) -> Finding:
    """A symbolic link that ``include=`` would follow to somewhere else."""
    return _include(
        f"include= of step {step!r} matches {path!r}, a symbolic link that leads to {target}, "
        f"outside {root}",
        place,
        "put a copy in the place of the link, or write a pattern that does not match it",
    )


def include_outside(step: str, pattern: str, folder: Path, place: Place) -> Finding:
    """A pattern of ``include=`` whose files would have no place in the zip."""
    what = f"include= of step {step!r} names {pattern!r}, which the zip has no place for"
    remedy = "files travel from the folder that the step's imports start from, and from below it"
    return _include(what, place, f"{remedy}: put them there, and name them from {folder}")


def include_taken(step: str, path: str, place: Place) -> Finding:
    """A file of ``include=`` whose place in the zip the step's code takes."""
    what = f"include= of step {step!r} brings {path!r}, where the zip has the step's own code"
    return _include(what, place, "leave it out: code that the step imports travels by itself")


def include_unreadable(step: str, error: OSError, place: Place) -> Finding:
    """A file of ``include=`` that cannot be read."""
    why = f"{error.filename}: {error.strerror}"
    what = f"include= of step {step!r} names a file that cannot be read: {why}"
    return _include(what, place, "give yourself the right to read it, or leave it out")


def include_too_large(
    step: str, whole: int, most: int, largest: Mapping[str, int], place: Place
) -> Finding:
    """More files than Lambda unpacks."""
    named = ", ".join(f"{path} {megabytes(size)}" for path, size in largest.items())
    what = (
        f"step {step!r} has {megabytes(whole)} of code and files, unzipped, and Lambda takes "
        f"{megabytes(most)}; the largest are {named}"
    )
    return _include(what, place, "put large files into a bucket and read them there", LimitError)


def _include(
    message: str, place: Place, remedy: str, error: type[DefinitionError] = CaptureError
) -> Finding:
    return Finding("include", message, place, remedy, error=error)


def megabytes(size: int) -> str:
    """A number of bytes, for people."""
    return f"{size / 1_048_576:.0f} MB"


def new_in_each(step: str, name: str, call: str, place: Place) -> Finding:
    """A constant gets another value each time its module is imported."""
    return _warning(
        "capture-differs",
        f"step {step!r} uses {name!r}, which {call} gives another value in each Lambda",
        place,
        "make it in one step and hand its result to the others",
    )


def shared_state(writer: str, reader: str, name: str, place: Place) -> Finding:
    """One step writes a global that another step reads."""
    return _warning(
        "shared-state",
        f"step {writer!r} writes {name!r} and step {reader!r} reads it, but Lambdas share "
        "nothing: the reader sees the value that the module begins with",
        place,
        "return the value from one step and hand it to the other",
    )


def hides_module(step: str, module: str, place: Place | None) -> Finding:
    """A file of the user's would stand before another module of the same name."""
    return _error(
        "module-name",
        f"step {step!r} brings the module {module!r}, whose file would hide another module "
        "of that name in Lambda",
        place,
        "rename the file",
    )


def package_missing(step: str, package: str, distribution: str, place: Place) -> Finding:
    """An import that Lambda cannot serve."""
    return _error(
        "package-missing",
        f"step {step!r} imports {package!r}, which Lambda does not have",
        place,
        f"declare it: @step(requirements=[{distribution!r}]), or a layer that holds it, "
        "@step(layers=[…]), or an image with it installed",
    )


def package_optional(step: str, package: str, distribution: str, place: Place) -> Finding:
    """An import that the code can do without, and will in Lambda."""
    return _warning(
        "package-missing",
        f"step {step!r} goes without {package!r} in Lambda, which does not have it",
        place,
        f"to have it there, declare it: @step(requirements=[{distribution!r}])",
    )


def package_of_values(step: str, package: str, distribution: str, place: Place) -> Finding:
    """An import that only values of other steps need."""
    return _warning(
        "package-missing",
        f"step {step!r} cannot read values of classes whose module imports {package!r}: "
        "Lambda does not have it",
        place,
        f"if it receives such values, declare the package: @step(requirements=[{distribution!r}])",
    )


def template(message: str, place: Place, remedy: str) -> Finding:
    """A template that cannot be filled."""
    return Finding("template", message, place, remedy, error=TemplateError)


def left_out(step: str, statement: str, why: str, place: Place, package: str = "") -> Finding:
    """A statement that acts by being run is not deployed."""
    remedy = "run it inside the step's function"
    if package:
        remedy = (
            f"declare what it needs, @step(requirements=[{package!r}]) for example, or "
            "move it into the module of the steps that need it"
        )
    return _warning(
        "code-left-out",
        f"step {step!r} is deployed without the statement {statement!r}, because {why}",
        place,
        remedy,
    )


def computed_import(step: str, call: str, place: Place) -> Finding:
    """An import whose module only the running program knows."""
    return _warning(
        "import-computed",
        f"the code of step {step!r} imports modules by {call}, and which ones cannot be seen: "
        "modules that nothing else imports are missing in Lambda",
        place,
        'name the modules or packages that it may import: @step(modules=["plugins"])',
    )


def no_module(step: str, name: str, place: Place) -> Finding:
    """A name in ``modules=`` that is not one of the user's modules."""
    return _error(
        "modules",
        f"modules= of step {step!r} names {name!r}, which is not a module of this project",
        place,
        "name modules as they are imported, 'plugins' or 'pkg.plugins'; packages from PyPI are "
        "declared with requirements=",
    )


def variable_unset(step: str, name: str, place: Place) -> Finding:
    """An environment variable that is read, and that nothing sets in AWS."""
    return _warning(
        "variable-unset",
        f"the code of step {step!r} reads the environment variable {name!r}, which nothing sets "
        "in AWS",
        place,
        f'set it: @step(env_variables={{{name!r}: "…"}}), or env in [lambda] of lokki.toml',
    )


def variable_early(step: str, name: str, value: str, place: Place) -> Finding:
    """A step's environment variable that is read when its module is imported, so before a run."""
    return _warning(
        "variable-early",
        f"the code of step {step!r} reads the environment variable {name!r} when it is imported: "
        "here that is before the run, which sets it",
        place,
        f"read it inside the step, or set it where you run the pipeline: {name}={value!r}",
    )


def no_distribution(step: str, name: str, place: Place) -> Finding:
    """Metadata of a distribution that Lambda does not have."""
    what = f"of {name!r}" if name else "of distributions that cannot be seen"
    return _warning(
        "distribution-missing",
        f"the code of step {step!r} reads the metadata {what}, which Lambda does not have",
        place,
        f"declare it: @step(requirements=[{name or 'name'!r}]), or write the value into the code",
    )


def basic_config(step: str, place: Place) -> Finding:
    """``logging.basicConfig`` has no effect where the root logger has a handler."""
    return _warning(
        "logging-config",
        f"the code of step {step!r} calls logging.basicConfig, which does nothing in Lambda: "
        "there the root logger has a handler already, and its level stays WARNING",
        place,
        "write logging.basicConfig(…, force=True), or logging.getLogger().setLevel(…)",
    )


def connects(step: str, call: str, place: Place) -> Finding:
    """A module opens a connection when it is imported."""
    return _warning(
        "import-connects",
        f"a module that step {step!r} imports calls {call} at import, so each new Lambda does",
        place,
        "call it inside a function",
    )


def reads_unseen(step: str, call: str, place: Place) -> Finding:
    """A module reads a file at import, and which one cannot be seen."""
    return _warning(
        "import-reads",
        f"a module that step {step!r} imports reads a file at import, by {call}(…), and which "
        "file cannot be seen",
        place,
        "name it: @step(include=[…])",
    )


def reads_outside(step: str, path: str, place: Place) -> Finding:
    """A module reads at import what no zip has a place for."""
    return _error(
        "import-reads",
        f"a module that step {step!r} imports reads {path} at import, which is not deployed",
        place,
        "move the file beside the code, or name the files of a folder: @step(include=[…])",
    )


def subclass_missing(step: str, name: str, place: Place) -> Finding:
    """Code looks for subclasses, and one of them is not deployed."""
    return _warning(
        "subclass-missing",
        f"the code of step {step!r} looks for subclasses, and the class {name!r} is not deployed",
        place,
        "define it at the top of a module that the step imports, or name the module: "
        "@step(modules=[…])",
    )


def reads_here(step: str, path: str, place: Place) -> Finding:
    """A step reads a file of the working directory, which is not deployed."""
    return _warning(
        "capture-file",
        f"the code of step {step!r} reads {path!r}, which is a file here and not in Lambda",
        place,
        "if it is deployed with the step, name it: @step(include=[…]); if a step has written it, "
        "return its contents from that step",
    )


def reads_machine(step: str, module: str, what: str, place: Place) -> Finding:
    """A module that is deployed whole reads at import what Lambda has otherwise."""
    return _warning(
        "import-reads",
        f"the module {module!r}, which step {step!r} imports, reads {what} at import, which is "
        "something else in Lambda",
        place,
        f"read it inside a function that only this machine runs, or {_AS_ARGUMENT}",
    )


def two_copies(step: str, module: str, place: Place) -> Finding:
    """The script is imported as a module as well."""
    return _warning(
        "module-twice",
        f"the module {module!r} of step {step!r} ran as a script here and is imported under its "
        "own name as well: here these are two modules with classes and variables of their own, "
        "in Lambda it is one",
        place,
        "move what both need into a module of its own",
    )
