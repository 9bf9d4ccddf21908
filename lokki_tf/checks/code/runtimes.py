"""Versions of Python and of packages, locally and in AWS.

Source: "What's New in Python", sections "Removed" of 3.12 and 3.13 and "New Modules" of 3.11 and
3.14; PEP 594.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from importlib import metadata
from typing import TYPE_CHECKING

from lokki_tf.errors import CaptureError
from lokki_tf.model import Finding
from lokki_tf.source.origins import origin

from ..requirements import exact_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Step

    from .reading import Code

_REMOVED = {
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), 12),
    **dict.fromkeys(
        (
            *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap"),
            *("msilib", "nis", "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau"),
            *("telnetlib", "uu", "xdrlib"),
        ),
        13,
    ),
}
"""The first minor version of Python 3 without a module, by the module's name."""
_VERSION_READS = {"sys.version_info", "sys.version", "sys.hexversion"} | {
    f"platform.python_version{form}" for form in ("", "_tuple")
}
_ADDED = {"tomllib": 11, "annotationlib": 14, "compression": 14}
"""The first minor version of Python 3 with a module, by the module's name."""


def check(step: Step, code: Code) -> Iterator[Finding]:
    """Compare the versions that a step uses locally with those in AWS."""
    runtime = step.options.python_runtime
    minor = int(runtime.rpartition(".")[2]) if runtime.rpartition(".")[2].isdecimal() else 0
    yield from _modules(step, code, minor)
    if minor and minor != sys.version_info.minor:
        yield from _version_reads(step, code)
    if minor and minor < sys.version_info.minor:
        yield from _syntax(step, code, minor)
    yield from _versions(step)


def _modules(step: Step, code: Code, minor: int) -> Iterator[Finding]:
    """Report modules of the standard library that the runtime's Python does not have."""
    places = {use.name.partition(".")[0]: use.place for use in code.uses}
    declared = " ".join(step.options.requirements)
    for module, place in places.items():
        gone = module in _REMOVED and minor >= _REMOVED[module]
        if not (gone or minor < _ADDED.get(module, 0)) or origin(module) != "python":
            continue
        if f"standard-{module}" in declared or step.options.layers:
            continue
        yield Finding(
            "python-version",
            f"the code of step {step.name!r} uses the module {module!r}, which Python 3.{minor} "
            f"does not have; python_runtime is {step.options.python_runtime!r}, and this is "
            f"Python {sys.version_info.major}.{sys.version_info.minor}",
            place,
            f'choose the Python that the code is for: @step(python_runtime="…"), or replace '
            f"{module}",
            severity="warning",
        )


def _version_reads(step: Step, code: Code) -> Iterator[Finding]:
    """Report code that depends on Python's version, if the versions differ."""
    for use in code.uses:
        if use.name in _VERSION_READS:
            yield Finding(
                "python-version",
                f"the code of step {step.name!r} reads Python's version ({use.name}): "
                f"python_runtime is {step.options.python_runtime!r}, and this is "
                f"Python {sys.version_info.major}.{sys.version_info.minor}",
                use.place,
                "run it locally with the Python version of python_runtime, or choose another "
                "runtime",
                severity="warning",
            )


def _syntax(step: Step, code: Code, minor: int) -> Iterator[Finding]:
    """Report code that an older Python cannot parse."""
    for text, place in code.sources:
        try:
            ast.parse(textwrap.dedent(text), feature_version=(3, minor))
        except SyntaxError as error:
            yield Finding(
                "python-version",
                f"the code of step {step.name!r} is not valid in Python 3.{minor}: {error.msg}",
                place,
                "write it for the step's python_runtime, or choose a newer one",
                error=CaptureError,
            )


def _versions(step: Step) -> Iterator[Finding]:
    """Report packages that are installed here in another version than the step requires."""
    for line in step.options.requirements:
        name, wanted = exact_version(line)
        try:
            here = metadata.version(name) if wanted else ""
        except (metadata.PackageNotFoundError, ValueError):
            continue
        if wanted and _plain(here) != _plain(wanted):
            yield Finding(
                "version-differs",
                f"step {step.name!r} declares {name}=={wanted}, and {here} is installed locally: "
                "local runs use another version than AWS",
                step.place,
                f"pip install {name}=={wanted}, or declare {name}=={here}",
                severity="warning",
            )


def _plain(version: str) -> str:
    """Return a version without its local part and trailing zeros, which PEP 440 ignores."""
    parts = version.lower().partition("+")[0].split(".")
    while parts and parts[-1] == "0":
        parts.pop()
    return ".".join(parts)
