"""Requirements from which a layer can be made.

Source: PEP 508 for the lines. Packages are not built, since Lambda's platform differs from the
local one. So a line must refer to a wheel, by a URL or in a file with its hash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, package_sets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lokki_tf.model import Definition, PackageSet, Step

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*"
    r"(@\s*(?P<url>\S+)|(?P<versions>[(<>=!~][^;]*))?\s*(;.*)?"
)
_HASHES = re.compile(r"(\s--hash=\S+)+$")
_WHEEL = re.compile(r"https?://[^#?]+\.whl([#?].*)?")
_WHEEL_FILE = re.compile(r"\.{1,2}/\S+\.whl")
_EXACT = re.compile(r"===?\s*[^*,\s)]+\s*\)?(,|\s|$)")


def check(definition: Definition) -> Iterator[Finding]:
    """Check each set's lines, and whether they pin versions."""
    for packages, steps in package_sets(definition.steps).items():
        matches = {line: _match(line) for line in packages.requirements}
        for line, match in matches.items():
            problem = "is not valid (PEP 508)" if match is None else _no_wheel(match["url"], steps)
            if problem:
                yield _finding(steps[0], line, problem)
        loose = [match["name"] for match in matches.values() if match and not _is_exact(match)]
        if loose:
            yield _open(steps[0], packages, loose)


def _match(line: str) -> re.Match[str] | None:
    return _LINE.fullmatch(_HASHES.sub("", line).strip())


def exact_version(line: str) -> tuple[str, str]:
    """Return the name and the version of a requirement ``name==version``; else two empty strings.

    Args:
        line: A requirement of PEP 508.
    """
    match = _match(line)
    found = match and re.fullmatch(r"===?\s*([^*,;\s]+)", (match["versions"] or "").strip())
    return (match["name"], found[1]) if match and found else ("", "")


def _no_wheel(url: str | None, steps: Sequence[Step]) -> str:
    if url is None or _WHEEL.fullmatch(url):
        return ""
    if not _WHEEL_FILE.fullmatch(url):
        return "does not refer to a wheel"
    return "is a file, which builds of images cannot read" if any(s.in_image for s in steps) else ""


def _is_exact(match: re.Match[str]) -> bool:
    return bool(match["url"] or _EXACT.match((match["versions"] or "").lstrip("( ")))


def _finding(step: Step, line: str, problem: str) -> Finding:
    return Finding(
        "requirements",
        f"step {step.name!r} has the requirement {_HASHES.sub('', line)!r}, which {problem}",
        step.place,
        "name a package, such as 'polars==1.2.3'; modules next to the script are included "
        "automatically, and packages without a wheel can be in your own layer, layers=[…]",
        error=OptionError,
    )


def _open(step: Step, packages: PackageSet, loose: list[str]) -> Finding:
    names = ", ".join(loose[:5]) + (f" and {len(loose) - 5} more" if len(loose) > 5 else "")
    return Finding(
        "requirements-open",
        f"step {step.name!r} does not pin the version of {names}: another computer may install "
        f"another version",
        step.place,
        "write exact versions, such as 'polars==1.2.3', or requirements= a file that has them: "
        f"uv.lock, or layers/{packages.key}/requirements.lock of the stack, which synth writes",
        severity="warning",
        error=OptionError,
    )
