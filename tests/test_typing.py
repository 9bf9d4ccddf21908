"""What type checkers see of the public API, of the README's code and of the examples."""

from __future__ import annotations

from typecheck import mismatches


def test_both_type_checkers_find_the_marked_errors_and_no_others() -> None:
    """mypy and basedpyright report the marked lines of ``tests/typing``, and nothing elsewhere."""
    assert mismatches() == []
