"""Random trees of modules: a step gives from its zip what it gives here, or there is a finding."""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, assume, given, settings
from module_trees import trees

EXAMPLES = int(os.environ.get("MODULE_TREES", "300"))
EXPLAINED = {"module-twice", "stale-value", "unset-variable"}
"""Findings that name why a result may be another one."""


def test_a_step_of_a_tree_gives_from_its_zip_what_it_gives_here(worlds):
    """The result is the same unless a finding names the difference, which is rare."""
    counts: Counter[str] = Counter()

    @settings(
        deadline=None,
        max_examples=EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(trees())
    def compare(tree):
        files, home, main = tree
        found = worlds.compare(files, home, main)
        assume(found is not None)
        counts["all"] += 1
        rules = {rule for _, rule, _ in found.findings}
        for rule in rules:
            counts[rule] += 1
        user = "\n".join(f"# file: {name}\n{text}" for name, text in files.items())
        shown = "\n".join([user, found.text, *(text for _, _, text in found.findings)])
        assert not [one for one in found.findings if one[0] == "error"], shown
        if found.here != found.there:
            assert rules & EXPLAINED, shown
            counts["differ"] += 1

    compare()
    print(counts)
    assert counts["differ"] <= 0.05 * counts["all"]
