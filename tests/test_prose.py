"""The check of the project's wording."""

from __future__ import annotations

import pytest
from prose import Text, hits, markdown_texts, python_texts


@pytest.mark.parametrize(
    "text",
    [
        "A result stands there under its key.",
        "That is no step.",
        "The caller is told of it.",
        "It hands on the value.",
        "A value that cannot travel.",
        "Nobody reads it.",
        "What became of the node.",
        "A bucket of yours.",
        "The house's format.",
    ],
)
def test_figurative_wording_is_found(text: str) -> None:
    """A text with a figurative or dated phrase is a hit."""
    assert hits([Text(1, text)])


@pytest.mark.parametrize(
    "text",
    [
        "Results are stored under a key.",
        "The step no longer exists.",
        "There is no more than one standard output.",
        "Pass the value to the next step.",
        "Understand the household.",
    ],
)
def test_plain_wording_is_accepted(text: str) -> None:
    """A text in plain words is not reported, even if it contains parts of a phrase."""
    assert not hits([Text(1, text)])


def test_docstrings_comments_and_messages_are_read() -> None:
    """Every kind of text in a Python file is read, short strings and f-string values are not."""
    source = '"""The doc string."""\nx = "short"  # A comment.\nraise E(f"no step {x} here")\n'
    assert [(one.line, one.content) for one in python_texts(source)] == [
        (1, "The doc string."),
        (3, "no step … here"),
        (2, "# A comment."),
    ]


def test_code_in_markdown_is_not_read() -> None:
    """Code blocks and inline code of Markdown are left out."""
    source = "Some `code of yours` in prose\n```\nnobody reads this\n```\nand more prose here\n"
    assert [one.content for one in markdown_texts(source)] == [
        "Some … in prose",
        "and more prose here",
    ]
