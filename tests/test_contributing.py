"""CONTRIBUTING.md and the decision records, compared with the code that they describe."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import lokki_tf

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DECISIONS = ROOT / "docs" / "decisions"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = [ROOT / "CONTRIBUTING.md", *sorted(DECISIONS.glob("*.md"))]


def test_every_package_is_listed() -> None:
    """The table of packages names every package of lokki_tf, and no others."""
    listed = re.findall(r"^\| `(lokki_tf/[\w/]+)` \|", TEXT, re.MULTILINE)
    packages = {
        str(file.parent.relative_to(ROOT)) for file in (ROOT / "lokki_tf").rglob("__init__.py")
    }
    assert sorted(listed) == sorted(packages - {"lokki_tf"})


def test_the_picture_of_layers_is_the_contract() -> None:
    """The boxes of the picture are the layers that import-linter enforces, in their order."""
    boxes = dict(re.findall(r'(L\d+)\["([^"]+)"\]', TEXT))
    arrows = re.findall(r"(?=(L\d+)(?:\[[^]]*\])? --> (L\d+))", TEXT)
    numbers = [f"L{number}" for number in range(1, len(boxes) + 1)]
    assert arrows == list(pairwise(numbers))
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    layers = next(one for one in contracts if one["name"].startswith("layers:"))["layers"]
    assert [boxes[number] for number in numbers] == [one.replace("lokki_tf.", "") for one in layers]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """Every file and folder that a page names or links to exists."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:lokki_tf|tests|docs)/[\w./-]+)`", text)
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [name for name in linked if not (page.parent / name).exists()] == []


def test_every_decision_is_indexed() -> None:
    """The index links to each record once, and each has the four sections."""
    records = sorted(file.name for file in DECISIONS.glob("0*.md"))
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((0[\w-]+\.md)\)", index) == records
    for name in records:
        text = (DECISIONS / name).read_text(encoding="utf-8")
        sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert sections == ["Context", "Decision", "Consequences", "Alternatives"], name


def test_both_versions_are_equal() -> None:
    """The package and its citation have the version with which it is released."""
    assert PROJECT["project"]["version"] == lokki_tf.__version__
    assert f"\nversion: {lokki_tf.__version__}\n" in (ROOT / "CITATION.cff").read_text()
