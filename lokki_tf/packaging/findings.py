"""The findings of packaging: their rules, texts and remedies, in one table."""

from __future__ import annotations

from typing import Any

from lokki_tf.errors import CaptureError, DefinitionError, LimitError, Place, TemplateError
from lokki_tf.model import Finding

NO_SOURCE = "capture-source"
_AS_ARGUMENT = "pass it to the step as an argument, or make it inside the function"
_READ = (
    "step {step!r} uses {name!r}, {what} that comes from {how} on this computer, "
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
        "remove %%time from its cell: such cells have no source",
    ),
    "source_changed": (
        f"error {NO_SOURCE}",
        "step {step!r}: the source of {what} changed since it was imported",
        "restart Python, or run the cell again, then repeat the command",
    ),
    # --- names and values ---
    "lokki": (
        "error capture-pipeline",
        "step {step!r} uses {name!r}, {what}: it exists only while the pipeline is built",
        "pass the value to the step as an argument; step code cannot use lokki_tf itself",
    ),
    "stuck": (
        "error capture-live",
        "step {step!r} uses {name!r}, {what}, which cannot be serialized for Lambda",
        "open it inside the function, where each Lambda makes its own",
    ),
    "read": (
        "error capture-file",
        _READ,
        "pass it to the step as an argument",
    ),
    "read_file": (
        "error capture-file",
        _READ,
        "deploy the file with the step, @step(include=[…]), or read it in another step",
    ),
    "secret": (
        "error capture-secret",
        "step {step!r} uses {name!r}, which comes from {how}: secrets must not be in code",
        "store it in Secrets Manager or Parameter Store and read it inside the function",
    ),
    "unmade": (
        "error capture-dynamic",
        "step {step!r} uses {name!r}, {what} that no statement of its module sets",
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
        "step {step!r} uses {name!r}, {what} that was changed after its statement at the top of "
        "its module: in Lambda it has the value of that statement",
        f"assign the final value there, or {_AS_ARGUMENT}",
    ),
    "notebook": (
        "error capture-notebook",
        "step {step!r} uses {name!r}, which exists only in notebooks",
        "do not use it in step code: print or return what is to be shown; name values",
    ),
    "undefined": (
        "warning capture-undefined",
        "step {step!r} uses {name!r}, which is not defined",
        "import or define it in the step's module",
    ),
    "by_name": (
        "warning capture-by-name",
        "step {step!r} uses globals(), eval() or exec(), so the names that it needs are unknown",
        "use functions and constants by their names; only such names are deployed",
    ),
    "new_in_each": (
        "warning capture-differs",
        "step {step!r} uses {name!r}, to which {call} gives a different value in each Lambda",
        "make it in one step and pass its result to the others",
    ),
    # --- files ---
    "own_path": (
        "warning capture-file",
        "step {step!r} uses __file__, but in Lambda no files are next to its code",
        "name those that it reads: @step(include=[…])",
    ),
    "reads_here": (
        "warning capture-file",
        "the code of step {step!r} reads {path!r}, which is missing or different in Lambda",
        "if it is deployed with the step, name it: @step(include=[…]); if a step writes it, "
        "return its content from that step",
    ),
    "reads_unseen": (
        "warning import-reads",
        "a module that step {step!r} imports reads a file at import, by {call}(…), whose path "
        "is unknown",
        "name it: @step(include=[…])",
    ),
    "reads_outside": (
        "error import-reads",
        "a module that step {step!r} imports reads {path} at import, which is not deployed",
        "move the file to the code's folder, or name the files of a folder: @step(include=[…])",
    ),
    "reads_computer": (
        "warning import-reads",
        "the module {module!r}, which step {step!r} imports, reads {what} at import, which is "
        "different in Lambda",
        f"read it inside a function that runs only locally, or {_AS_ARGUMENT}",
    ),
    "include_empty": (
        "error include",
        "include= of step {step!r} names the folder {pattern!r}, which contains no data",
        "hidden files and output of synth, Terraform and other tools are not included, and code "
        "is included by imports: remove the entry, or name a single file",
    ),
    "include_nothing": (
        "error include",
        "include= of step {step!r} names {pattern!r}, {why}",
        "name a file or a folder, or a pattern such as 'data/*.csv'",
    ),
    "include_link": (
        "error include",
        "include= of step {step!r} matches {path!r}, a symbolic link to {target}, outside {root}",
        "replace the link by a copy, or write a pattern that does not match it",
    ),
    "include_outside": (
        "error include",
        "include= of step {step!r} names {pattern!r}, for which the zip has no path",
        "files must be in the folder where the step's imports start, or below it: move them "
        "there, with names relative to {folder}",
    ),
    "include_taken": (
        "error include",
        "include= of step {step!r} includes {path!r}, where the zip has the step's own code",
        "remove it: code that the step imports is included automatically",
    ),
    "include_unreadable": (
        "error include",
        "include= of step {step!r} names a file that cannot be read: {error.filename}: "
        "{error.strerror}",
        "make it readable, or remove it",
    ),
    "too_large": (
        "error include",
        "step {step!r} has {size} of code and files, unzipped; Lambda allows {most}; the "
        "largest are {largest}",
        "put large files into a bucket and read them there",
    ),
    # --- modules and packages ---
    "hides_module": (
        "error module-name",
        "step {step!r} includes the module {module!r}, whose file would hide another module "
        "with this name in Lambda",
        "rename the file",
    ),
    "two_copies": (
        "warning module-twice",
        "the module {module!r} of step {step!r} ran as a script here and is imported under its "
        "own name too: locally these are two modules with separate classes and variables, in "
        "Lambda it is one",
        "move the code that both need into another module",
    ),
    "no_module": (
        "error modules",
        "modules= of step {step!r} names {name!r}, which is not a module of this project",
        "name modules as they are imported, 'plugins' or 'pkg.plugins'; packages from PyPI are "
        "declared with requirements=",
    ),
    "computed_import": (
        "warning import-computed",
        "the code of step {step!r} imports unknown modules by {call}: modules that no other "
        "code imports are missing in Lambda",
        'name the modules or packages that it may import: @step(modules=["plugins"])',
    ),
    "subclass_missing": (
        "warning subclass-missing",
        "the code of step {step!r} uses subclasses of a class, and {name!r} is not deployed",
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
        "declare its packages, @step(requirements=[{package!r}]) for example, or move it into "
        "the module of the steps that need it",
    ),
    "package": (
        "error package-missing",
        "step {step!r} imports {package!r}, which Lambda does not have",
        "declare it: @step(requirements=[{distribution!r}]), or a layer that contains it, "
        "@step(layers=[…]), or an image with it installed",
    ),
    "package_optional": (
        "warning package-missing",
        "step {step!r} runs without {package!r} in Lambda, which does not have it",
        "to use it there, declare it: @step(requirements=[{distribution!r}])",
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
        "the code of step {step!r} reads the environment variable {name!r}, which is not set in "
        "AWS",
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
        "locally that is before the run sets it",
        "read it inside the step, or set it in the environment of local runs: {name}={value!r}",
    ),
    "secret_early": (
        "warning secret-early",
        "the code of step {step!r} reads the secret {name!r} when it is imported: it keeps that "
        "value after a rotation, and local runs fetch secrets later",
        "read it inside the step: os.environ[{name!r}]",
    ),
    "basic_config": (
        "warning logging-config",
        "the code of step {step!r} calls logging.basicConfig, which does nothing in Lambda: "
        "its root logger already has a handler, and the level remains WARNING",
        "write logging.basicConfig(…, force=True), or logging.getLogger().setLevel(…)",
    ),
    "connects": (
        "warning import-connects",
        "a module that step {step!r} imports calls {call} at import, in each new Lambda",
        "call it inside a function",
    ),
    "template": ("error template", "{what}", "{remedy}"),
}
"""Severity and rule, message, and remedy, by kind."""


def finding(kind: str, step: str, place: Place | None, **parts: Any) -> Finding:
    """Make a finding of a kind.

    Args:
        kind: A key of the table.
        step: The step's name.
        place: The source location.
        parts: Values for the placeholders of this kind's texts.
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
    """Return a number of bytes as text, ``250 MB`` for example."""
    return f"{size / 1_048_576:.0f} MB"
