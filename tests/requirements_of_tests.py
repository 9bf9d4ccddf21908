"""Programs that some tests require: skipped without them, or failed where they are demanded.

A test requires Terraform with its AWS provider, a container engine, or Chromium, by the mark
``terraform``, ``containers`` or ``browser``, or by a fixture that does.
``LOKKI_TESTS_DEMAND=terraform,containers`` turns the skips into failures.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

import pytest

VARIABLE = "LOKKI_TESTS_DEMAND"
MARKS = {
    "terraform": "requires Terraform or OpenTofu with the AWS provider",
    "containers": "requires a container engine that answers the Docker API",
    "browser": "requires Chromium on the PATH",
}
_FIXTURES = {"applied": "terraform", "squares": "terraform", "engine": "containers"}


def marked(items: Iterable[pytest.Item]) -> None:
    """Give tests the marks of the fixtures that they use."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _FIXTURES:
                item.add_marker(_FIXTURES[fixture])


def require(item: pytest.Item) -> None:
    """Skip a test whose requirements this computer lacks, or fail it where they are demanded."""
    demanded = os.environ.get(VARIABLE, "").replace(" ", "").split(",")
    for mark in MARKS:
        if item.get_closest_marker(mark) and (reason := _missing(mark)):
            if mark in demanded:
                pytest.fail(f"{VARIABLE} demands {mark}: {reason}", pytrace=False)
            pytest.skip(f"{mark}: {reason}")


def summary(stats: Mapping[str, list[pytest.TestReport]]) -> list[str]:
    """Return a line for each reason to skip tests: how many, why, the remedy."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ").replace("\n", " ")
        for report in stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    return [
        f"{count} test{'s' * (count != 1)} skipped, {reason}"
        for reason, count in sorted(reasons.items())
    ]


@cache
def _missing(mark: str) -> str | None:
    if mark == "browser":
        from browser import program

        return None if program() else "no chromium on the PATH; install it: apt install chromium"
    from lokki_tf.errors import MissingToolError
    from lokki_tf.images import connect
    from lokki_tf.terraform_cli import find_program, find_provider

    try:
        if mark == "terraform":
            find_provider(find_program())
        else:
            connect().close()
    except MissingToolError as error:
        return f"{error.message}; {error.remedy}"
    return None
