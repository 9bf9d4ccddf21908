"""The pages of the documentation, and the blocks of code in them.

A page is a README, or a file below ``docs``. Its Python blocks are one script, in their order; a
block with ``title="shop/prices.py"`` is that file instead. Comments that readers do not see contain
Python code of the script, ``<!-- setup … -->``, or say that its pipelines are in the local AWS from
there on, ``<!-- deployed: prices -->``. What else blocks mean: :mod:`test_pages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```$"
    r"|^<!-- setup\n(?P<setup>.*?)^-->$"
    r"|^<!-- deployed: (?P<deployed>.*) -->$",
    re.MULTILINE | re.DOTALL,
)
TEMPLATE = "{{PUT_"
"""A text of templates of Lambda functions, which are no modules."""


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        language: What is written behind its fence; ``setup`` for code that readers do not see, and
            ``deployed`` for names of pipelines.
        title: The file that it is, if it has a title.
        code: Its text.
        line: The number of its first line in the page.
        span: Where its text is in the page's.
        indent: Spaces before each of its lines.
    """

    language: str
    title: str
    code: str
    line: int
    span: tuple[int, int] = field(repr=False)
    indent: str = ""

    @property
    def in_script(self) -> bool:
        """Whether it is a part of the page's script."""
        return self.language == "setup" or (self.language == "python" and not self.title)


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    Args:
        path: Its file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its path below the repository, such as ``docs/how-to/maps.md``."""
        return str(self.path.relative_to(ROOT))

    @property
    def slug(self) -> str:
        """Its name as an identifier."""
        return re.sub(r"\W", "_", self.name.removesuffix(".md"))

    @cached_property
    def text(self) -> str:
        """What is in the file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks of code, in their order."""
        return list(_blocks(self.text))

    @cached_property
    def script_name(self) -> str:
        """The file that its script is: the first that its commands run, or ``pipeline.py``."""
        titles = {one.title for one in self.blocks}
        for block in self.blocks:
            if block.language in ("console", "bash"):
                for name in re.findall(r"\bpython (\w+\.py)", block.code):
                    if name not in titles:
                        return str(name)
        return "pipeline.py"

    def script(self, before: int | None = None) -> str:
        """Return its Python blocks as one script, whose lines have the page's numbers.

        Args:
            before: The line of the page before which the script ends.
        """
        return _on_lines(
            one for one in self.blocks if one.in_script and (before is None or one.line < before)
        )

    def files(self, before: int | None = None) -> dict[str, str]:
        """Return the blocks with titles by their file; of equal titles, the last.

        Args:
            before: The line of the page before which they are.
        """
        return {
            one.title: one.code
            for one in self.blocks
            if one.title and (before is None or one.line < before)
        }


def pages() -> list[Page]:
    """Return all pages with code that runs.

    Decision records are about the past. The examples of findings were run to make their page.
    """
    files = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    others = DOCS / "decisions", DOCS / "reference" / "findings.md"
    return [Page(one) for one in files if not {one, *one.parents}.intersection(others)]


def _blocks(text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        group = next(one for one in ("code", "setup", "deployed") if found[one] is not None)
        code, indent = found[group], found["indent"] or ""
        if indent:
            code = re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        info = found["info"].strip() if group == "code" else group
        title = re.search(r'title="([^"]+)"', info)
        line = text.count("\n", 0, found.start(group)) + 1
        language = info.partition(" ")[0]
        yield Block(language, title[1] if title else "", code, line, found.span(group), indent)


def _on_lines(blocks: Iterator[Block]) -> str:
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines)) + block.code.splitlines()
    return "\n".join(lines) + "\n" if lines else ""
