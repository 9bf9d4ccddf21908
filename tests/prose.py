"""Measure how much of the project's prose uses figurative or dated wording.

Prose is every docstring, comment and message of a Python file, and every line of Markdown outside
of code blocks. ``make lint`` fails if more than ``LIMIT`` percent of these texts contain a phrase
in ``PHRASES``. A phrase is a hint, not proof: some uses are right, and unclear texts may contain
none. Run it with files or folders as arguments to list the phrases there.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT = 2.0
"""Percent of texts. Lower it when texts were rewritten; the goal is 1.5."""

FOLDERS = ("lokki_tf", "tests", "examples", "benchmarks", "lambda_template", "docs")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
SKIPPED = {"terraform-out", "__pycache__", "golden"}

PHRASES = {
    r"stands?(?= (?:in|on|at|there|here|where|under|above|below|beside|between|before)\b)": (
        "is, is stored in, is listed in"
    ),
    r"stood|standing(?= (?:in|on|at|there|beside)\b)": "was, existing",
    r"(?<!there )(?:is|are|was|were) no(?= [a-z`])(?! (?:longer|more|other|\w+er)\b)": (
        "is not a, must be a"
    ),
    r"(?:is|are|was|be|been) told|tells? (?:of|what|which|whether|how|who|them|it)|told by": (
        "is reported, receives, returns, shows"
    ),
    r"hand(?:s|ed|ing)? (?:on|over|in|out|down)": "pass, return, submit",
    r"travel(?:s|led|ling)?": "is serialized, is sent",
    r"(?:go|goes|gone|went|come|comes|came) (?:along|round)": "is included, is sent",
    r"anew|amid|amongst|lest|hence|thereof|thereby|wherein|whereof|besides(?=[.,;])": (
        "again, in the middle of, so that, also"
    ),
    r"nobody|somebody|whoever|whom(?:so)?ever": "no user, other code, the caller",
    r"(?:what|that) (?:has )?be(?:came|comes?) of": "the outcome of",
    r"of (?:ours|yours|theirs|the user's(?=[.,;:)]))": "your own, custom, of this package",
    r"to be had|that there (?:is|are)(?=[.,;:])": "is missing, exists",
    r"mend(?:s|ed|ing)?|heed(?:s|ed)?|foreseen?|outlives?|befalls?": "fix, use, survive",
    r"the house(?:'s)?": "this package, lokki_tf",
    r"(?:asks?|knows?|hears?) (?:nothing )?(?:of|about)(?= (?:it|them|what|whom|all|a|the)\b)": (
        "read, contain, receive"
    ),
    r"for (?:want|lack) of|as far as it (?:goes|came)": "without, although, so far",
    r"whatever (?:it|they|the|is|was|else|runs?|came|comes|happens|raises)": "any, regardless of",
    r"(?:is|are) (?:wanted|asked for|meant by|spoken of)": "is required, is requested",
    r"(?:its|their) (?:making|doing|coming|way (?:on|there|back))": "name the thing",
    r"(?:are|is) gone|gone (?:with|by)|let go of": "is deleted, is lost, close",
    r"takes? (?:along|away)|no more than that": "include, remove, only",
}
PATTERNS = [
    (re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE), use) for phrase, use in PHRASES.items()
]


class Text(NamedTuple):
    """A docstring, comment, message or line of Markdown."""

    line: int
    content: str


class Hit(NamedTuple):
    """A text with the first phrase in it, and plain alternatives."""

    text: Text
    phrase: str
    instead: str


def python_texts(source: str) -> Iterator[Text]:
    """Yield the docstrings, messages and comments of a Python file.

    A message is a string, or an f-string without its expressions, of at least three words.
    """
    tree = ast.parse(source)
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            content = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            content = node.value
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", content)) > 2 and " " in content.strip():
            yield Text(node.lineno, content)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string)


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the lines of prose of a Markdown file, without code."""
    in_code = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and len(line.split()) > 2:
            yield Text(number, re.sub(r"`[^`]*`", "…", line))


def hits(texts: list[Text]) -> list[Hit]:
    """Return the texts that contain a phrase."""
    found = []
    for text in texts:
        content = " ".join(text.content.split())
        for pattern, instead in PATTERNS:
            if match := pattern.search(content):
                found.append(Hit(text, match[0], instead))
                break
    return found


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files among paths, and in folders among them."""
    for path in map(Path, paths):
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix in (".py", ".md") and not SKIPPED.intersection(file.parts):
                yield file


def main() -> None:
    """Print the phrases in files, or check the share of the whole project."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", help="files or folders; by default the project")
    paths: list[str] = parser.parse_args().paths
    root = Path(__file__).parent.parent
    chosen = paths or [str(root / name) for name in (*FOLDERS, *PAGES)]
    total = count = 0
    for file in files(chosen):
        if file == Path(__file__):
            continue
        source = file.read_text(encoding="utf-8")
        texts = list(python_texts(source) if file.suffix == ".py" else markdown_texts(source))
        found = hits(texts)
        total, count = total + len(texts), count + len(found)
        for hit in found if paths else []:
            print(f"{file}:{hit.text.line}: {hit.phrase!r}, instead: {hit.instead}")
    share = 100 * count / max(total, 1)
    print(f"{count} of {total} texts contain figurative or dated wording: {share:.1f} %")
    if not paths and share > LIMIT:
        sys.exit(f"the limit is {LIMIT} %: run {Path(__file__).name} with the changed files")


if __name__ == "__main__":
    main()
