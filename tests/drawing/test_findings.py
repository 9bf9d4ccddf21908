"""What check() finds, as people read it."""

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


def test_findings_show_themselves_as_text() -> None:
    """Counts first, then each with rule, message, place and remedy."""
    assert repr(TWO) == (
        "1 error, 1 warning\n"
        "error [rule-a] x < y & z\n  at <cell 3>:7\n  write 'x'\n"
        "warning [rule-b] doubtful"
    )
    assert repr(Findings()) == "no findings"


def test_findings_are_a_table_in_a_notebook() -> None:
    """A row each, with all text escaped."""
    html = TWO._repr_html_()
    assert html.count("<tr>") == 2
    assert "x &lt; y &amp; z<br>write &#x27;x&#x27;" in html
    assert "&lt;cell 3&gt;:7" in html
    assert Findings()._repr_html_() == "<p>no findings</p>"


def test_findings_are_a_list() -> None:
    """Nothing that reads a list need know of it."""
    assert Findings() == []
    assert [one.rule for one in TWO] == ["rule-a", "rule-b"]
