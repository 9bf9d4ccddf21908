"""The documentation site: every page is in its navigation, and every link leads to something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from golden_files import agrees_with_golden
from pages import DOCS, ROOT

CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NAV = re.findall(r"[\w/-]+\.md", CONFIG[CONFIG.index("\nnav:") : CONFIG.index("\nvalidation:")])
MARKDOWN = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def test_every_page_is_in_the_navigation_once() -> None:
    """The navigation has each page, but for decision records, which their index lists."""
    pages = {str(one.relative_to(DOCS)) for one in DOCS.rglob("*.md")}
    records = {one for one in pages if re.match(r"decisions/\d", one)}
    assert sorted(NAV) == sorted(pages - records)


def test_the_index_of_guides_has_all_of_them(request: pytest.FixtureRequest) -> None:
    """The page of guides links to each guide by its title, as the navigation does."""
    agrees_with_golden(request, "index.md", "\n".join(_index()) + "\n", DOCS / "how-to")


def _index() -> Iterator[str]:
    yield "# How-to guides\n"
    yield "Each page answers one question. New here? Begin with [the tutorial](../tutorial.md).\n"
    start, end = CONFIG.index("  - How-to guides:"), CONFIG.index("  - Reference:")
    for title, guide in re.findall(r"- (?:([A-Z][^:]+):$|how-to/(.+))", CONFIG[start:end], re.M)[
        2:
    ]:
        if title:
            yield f"\n## {title}\n"
        else:
            heading = (DOCS / "how-to" / guide).read_text(encoding="utf-8").partition("\n")[0]
            yield f"- [{heading[2:]}]({guide})"


def test_the_readme_is_short() -> None:
    """The README has at most 150 lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("file", MARKDOWN, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_and_anchors_exist(file: Path) -> None:
    """Each relative link of a page leads to a file, and to a heading in it."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`(?!\])", "", file.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), target


def _anchors(file: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", one).strip().lower() for one in titles)
    return {re.sub(r"[\s]+", "-", one) for one in plain}


@pytest.mark.parametrize("file", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda one: one.name)
def test_files_of_github_are_valid(file: Path) -> None:
    """Workflows and issue templates are YAML, and have what GitHub requires."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if file.parent.name == "workflows":
        assert all({"runs-on", "steps"} <= set(job) for job in content["jobs"].values())
    elif file.name != "config.yml":
        assert {"name", "description", "body"} <= set(content)
