"""Random trees of modules: a step gives from its zip what it gives here, or there is a finding."""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, assume, given, settings
from module_trees import trees

EXAMPLES = int(os.environ.get("MODULE_TREES", "0"))
"""How many trees are tried, other ones each time; a fixed set of them where this is 0."""
FIXED = 50
"""The number of trees in the fixed set."""
EXPLAINED = {"module-twice", "capture-changed"}
"""Findings that say why a result may be another one."""


def test_a_step_of_a_tree_gives_from_its_zip_what_it_gives_here(worlds):
    """The result is the same unless a finding explains the difference, which is rare."""
    counts: Counter[str] = Counter()

    @settings(
        deadline=None,
        max_examples=EXAMPLES or FIXED,
        derandomize=not EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(trees())
    def compare(tree):
        files, home, main = tree
        found = worlds.compare(files, home, main)
        assume(found is not None)
        counts["all"] += 1
        user = "\n".join(f"# file: {name}\n{text}" for name, text in files.items())
        shown = "\n".join([user, found.text, *(text for _, _, text in found.findings)])
        assert "error" not in {severity for severity, _, _ in found.findings}, shown
        if found.here != found.there:
            assert EXPLAINED & {rule for _, rule, _ in found.findings}, shown
            counts["differ"] += 1

    compare()
    assert counts["all"] >= 0.6 * (EXAMPLES or FIXED)
    assert counts["differ"] <= 0.03 * counts["all"]
