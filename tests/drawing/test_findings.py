"""The findings of ``check()`` as text and as a table."""

from __future__ import annotations

from lokki_tf.drawing import Findings
from lokki_tf.errors import Place
from lokki_tf.model import Finding

TWO = Findings(
    [
        Finding("rule-a", "x < y & z", Place("<cell 3>", 7), "write 'x'"),
        Finding("rule-b", "doubtful", severity="warning"),
    ]
)


def test_findings_are_printed_in_full() -> None:
    """Counts come first, then each finding with its rule, message, location and remedy."""
    assert repr(TWO) == (
        "1 error, 1 warning\n"
        "error [rule-a] x < y & z\n  at <cell 3>:7\n  write 'x'\n"
        "warning [rule-b] doubtful"
    )
    assert repr(Findings()) == "no findings"


def test_findings_are_a_table_in_a_notebook() -> None:
    """In a notebook each finding is a row of a table, with all text escaped."""
    html = TWO._repr_html_()
    assert html.count("<tr>") == 2
    assert "x &lt; y &amp; z<br>write &#x27;x&#x27;" in html
    assert "&lt;cell 3&gt;:7" in html
    assert Findings()._repr_html_() == "<p>no findings</p>"


def test_findings_are_a_list() -> None:
    """Findings are a list and behave like one."""
    assert Findings() == []
    assert [one.rule for one in TWO] == ["rule-a", "rule-b"]
