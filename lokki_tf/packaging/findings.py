"""The findings of packaging: their rules, texts and remedies, in one table."""

from __future__ import annotations

from typing import Any

from lokki_tf.errors import CaptureError, DefinitionError, LimitError, Place, TemplateError
from lokki_tf.model import Finding

NO_SOURCE = "capture-source"
_AS_ARGUMENT = "hand it to the step as an argument, or make it inside the function"
_READ = (
    "step {step!r} uses {name!r}, {what} that comes from {how} on this machine, "
    "which Lambda does not have"
)
_ERRORS: dict[str, type[DefinitionError]] = {"template": TemplateError, "too_large": LimitError}
_TABLE = {
    # --- code that cannot be read ---
    "no_source": (
        f"error {NO_SOURCE}",
        "step {step!r} needs the source of {what}",
        "define it with def in a file or in a notebook cell, so that its source can be read",
    ),
    "no_source_timed": (
        f"error {NO_SOURCE}",
        "step {step!r} needs the source of {what}",
        "take %%time out of its cell: it keeps no source",
    ),
    "source_changed": (
        f"error {NO_SOURCE}",
        "step {step!r}: the source of {what} changed since it was imported",
        "start Python again, or run the cell again, and synthesise then",
    ),
    # --- names and values ---
    "house": (
        "error capture-pipeline",
        "step {step!r} uses {name!r}, {what}: it exists only where the pipeline is built",
        "hand the step what it needs as an argument; lokki_tf itself stays out of step code",
    ),
    "stuck": (
        "error capture-live",
        "step {step!r} uses {name!r}, {what}, which cannot travel to Lambda",
        "open it inside the function, where each Lambda makes its own",
    ),
    "read": (
        "error capture-file",
        _READ,
        "hand it to the step as an argument",
    ),
    "read_file": (
        "error capture-file",
        _READ,
        "let the file travel with the step, @step(include=[…]), or read it in a step of its own",
    ),
    "secret": (
        "error capture-secret",
        "step {step!r} uses {name!r}, which comes from {how}: a secret must not stand in code",
        "keep it in Secrets Manager or the Parameter Store and read it inside the function",
    ),
    "unmade": (
        "error capture-dynamic",
        "step {step!r} uses {name!r}, {what} that is set by no statement of its module",
        f"assign it at the top of the module, or {_AS_ARGUMENT}",
    ),
    "guarded": (
        "error capture-dynamic",
        "step {step!r} uses {name!r}, {what} that is set only under a condition that Lambda does "
        "not meet (line {line})",
        f"assign it at the top of the module, or {_AS_ARGUMENT}",
    ),
    "stale": (
        "warning capture-changed",
        "step {step!r} uses {name!r}, {what} that something has changed since its statement at "
        "the top of its module: in Lambda it is what that statement says",
        f"write the whole value where it is assigned, or {_AS_ARGUMENT}",
    ),
    "notebook": (
        "error capture-notebook",
        "step {step!r} uses {name!r}, which only the notebook has",
        "keep it out of step code: print, or return what is to be shown; give values names",
    ),
    "undefined": (
        "warning capture-undefined",
        "step {step!r} uses {name!r}, which is not defined",
        "import or define it in the step's module",
    ),
    "by_name": (
        "warning capture-by-name",
        "step {step!r} reaches for names by globals(), eval() or exec(), so what it uses "
        "cannot be seen",
        "refer to functions and constants by their names; only what is referred to travels",
    ),
    "new_in_each": (
        "warning capture-differs",
        "step {step!r} uses {name!r}, which {call} gives another value in each Lambda",
        "make it in one step and hand its result to the others",
    ),
    # --- files ---
    "own_path": (
        "warning capture-file",
        "step {step!r} uses __file__, but no files stand beside its code in Lambda",
        "name those that it reads: @step(include=[…])",
    ),
    "reads_here": (
        "warning capture-file",
        "the code of step {step!r} reads {path!r}, which Lambda does not have as it is here",
        "if it is deployed with the step, name it: @step(include=[…]); if a step has written it, "
        "return its contents from that step",
    ),
    "reads_unseen": (
        "warning import-reads",
        "a module that step {step!r} imports reads a file at import, by {call}(…), and which "
        "file cannot be seen",
        "name it: @step(include=[…])",
    ),
    "reads_outside": (
        "error import-reads",
        "a module that step {step!r} imports reads {path} at import, which is not deployed",
        "move the file beside the code, or name the files of a folder: @step(include=[…])",
    ),
    "reads_machine": (
        "warning import-reads",
        "the module {module!r}, which step {step!r} imports, reads {what} at import, which is "
        "something else in Lambda",
        f"read it inside a function that only this machine runs, or {_AS_ARGUMENT}",
    ),
    "include_empty": (
        "error include",
        "include= of step {step!r} names the folder {pattern!r}, which contains no data",
        "what is hidden, and what synth, Terraform and other tools write, is left out, and "
        "code is included by being imported: remove it, or name a file itself",
    ),
    "include_nothing": (
        "error include",
        "include= of step {step!r} names {pattern!r}, {why}",
        "name a file or a folder, or a pattern such as 'data/*.csv'",
    ),
    "include_link": (
        "error include",
        "include= of step {step!r} matches {path!r}, a symbolic link that leads to {target}, "
        "outside {root}",
        "put a copy in the place of the link, or write a pattern that does not match it",
    ),
    "include_outside": (
        "error include",
        "include= of step {step!r} names {pattern!r}, which the zip has no place for",
        "files travel from the folder that the step's imports start from, and from below it: put "
        "them there, and name them from {folder}",
    ),
    "include_taken": (
        "error include",
        "include= of step {step!r} brings {path!r}, where the zip has the step's own code",
        "leave it out: code that the step imports travels by itself",
    ),
    "include_unreadable": (
        "error include",
        "include= of step {step!r} names a file that cannot be read: {error.filename}: "
        "{error.strerror}",
        "give yourself the right to read it, or leave it out",
    ),
    "too_large": (
        "error include",
        "step {step!r} has {size} of code and files, unzipped, and Lambda takes {most}; the "
        "largest are {largest}",
        "put large files into a bucket and read them there",
    ),
    # --- modules and packages ---
    "hides_module": (
        "error module-name",
        "step {step!r} brings the module {module!r}, whose file would hide another module "
        "of that name in Lambda",
        "rename the file",
    ),
    "two_copies": (
        "warning module-twice",
        "the module {module!r} of step {step!r} ran as a script here and is imported under its "
        "own name as well: here these are two modules with classes and variables of their own, "
        "in Lambda it is one",
        "move what both need into a module of its own",
    ),
    "no_module": (
        "error modules",
        "modules= of step {step!r} names {name!r}, which is not a module of this project",
        "name modules as they are imported, 'plugins' or 'pkg.plugins'; packages from PyPI are "
        "declared with requirements=",
    ),
    "computed_import": (
        "warning import-computed",
        "the code of step {step!r} imports modules by {call}, and which ones cannot be seen: "
        "modules that nothing else imports are missing in Lambda",
        'name the modules or packages that it may import: @step(modules=["plugins"])',
    ),
    "subclass_missing": (
        "warning subclass-missing",
        "the code of step {step!r} looks for subclasses, and the class {name!r} is not deployed",
        "define it at the top of a module that the step imports, or name the module: "
        "@step(modules=[…])",
    ),
    "left_out": (
        "warning code-left-out",
        "step {step!r} is deployed without the statement {statement!r}, because {why}",
        "run it inside the step's function",
    ),
    "left_out_package": (
        "warning code-left-out",
        "step {step!r} is deployed without the statement {statement!r}, because {why}",
        "declare what it needs, @step(requirements=[{package!r}]) for example, or "
        "move it into the module of the steps that need it",
    ),
    "package": (
        "error package-missing",
        "step {step!r} imports {package!r}, which Lambda does not have",
        "declare it: @step(requirements=[{distribution!r}]), or a layer that holds it, "
        "@step(layers=[…]), or an image with it installed",
    ),
    "package_optional": (
        "warning package-missing",
        "step {step!r} goes without {package!r} in Lambda, which does not have it",
        "to have it there, declare it: @step(requirements=[{distribution!r}])",
    ),
    "package_of_values": (
        "warning package-missing",
        "step {step!r} cannot read values of classes whose module imports {package!r}: "
        "Lambda does not have it",
        "if it receives such values, declare the package: @step(requirements=[{distribution!r}])",
    ),
    "distribution": (
        "warning distribution-missing",
        "the code of step {step!r} reads the metadata {what}, which Lambda does not have",
        "declare it: @step(requirements=[{name!r}]), or write the value into the code",
    ),
    # --- the environment ---
    "variable_unset": (
        "warning variable-unset",
        "the code of step {step!r} reads the environment variable {name!r}, which nothing sets "
        "in AWS",
        'set it: @step(env_variables={{{name!r}: "…"}}), or env in [lambda] of lokki.toml',
    ),
    "variables_computed": (
        "warning variable-unset",
        "the code of step {step!r} reads environment variables by {call}, and which ones cannot be "
        "seen: in AWS they are unset",
        'set those that it needs: @step(env_variables={{"NAME": "…"}}), or env in [lambda] of '
        "lokki.toml",
    ),
    "variable_early": (
        "warning variable-early",
        "the code of step {step!r} reads the environment variable {name!r} when it is imported: "
        "here that is before the run, which sets it",
        "read it inside the step, or set it where you run the pipeline: {name}={value!r}",
    ),
    "basic_config": (
        "warning logging-config",
        "the code of step {step!r} calls logging.basicConfig, which does nothing in Lambda: "
        "there the root logger has a handler already, and its level stays WARNING",
        "write logging.basicConfig(…, force=True), or logging.getLogger().setLevel(…)",
    ),
    "connects": (
        "warning import-connects",
        "a module that step {step!r} imports calls {call} at import, so each new Lambda does",
        "call it inside a function",
    ),
    "template": ("error template", "{what}", "{remedy}"),
}
"""By kind: severity and rule, message, remedy."""


def finding(kind: str, step: str, place: Place | None, **parts: Any) -> Finding:
    """Make a finding of a kind.

    Args:
        kind: A key of the table.
        step: The step's name.
        place: The source location.
        parts: What the texts of this kind name.
    """
    if kind == "no_source" and place is not None and place.file == "<timed exec>":
        kind = "no_source_timed"
    rule, message, remedy = _TABLE[kind]
    severity, _, rule = rule.partition(" ")
    return Finding(
        rule,
        message.format(step=step, **parts),
        place,
        remedy.format(step=step, **parts),
        "error" if severity == "error" else "warning",
        _ERRORS.get(kind, CaptureError),
    )


def megabytes(size: int) -> str:
    """A number of bytes, for people."""
    return f"{size / 1_048_576:.0f} MB"
