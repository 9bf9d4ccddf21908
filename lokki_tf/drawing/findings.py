"""Findings for display: as text, and as a table in a notebook."""

from __future__ import annotations

from html import escape

from lokki_tf.model import Finding

_COLOURS = {"error": "red", "warning": "darkorange"}
_CELL = "text-align:left;vertical-align:top"


class Findings(list[Finding]):
    """A list of findings that is printed with all its findings, and as a table in notebooks."""

    def __repr__(self) -> str:
        return "\n".join([_summary(self), *map(_as_text, self)])

    def _repr_html_(self) -> str:
        rows = "".join(map(_as_row, self))
        table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
        return f"<p>{_summary(self)}</p>{table}"


def _summary(findings: list[Finding]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    counts = [(errors, "error"), (len(findings) - errors, "warning")]
    parts = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count]
    return ", ".join(parts) or "no findings"


def _as_text(finding: Finding) -> str:
    return f"{finding.severity} [{finding.rule}] {finding}"


def _as_row(finding: Finding) -> str:
    remedy = f"<br>{escape(finding.remedy)}" if finding.remedy else ""
    cells = (
        f"<span style='color:{_COLOURS[finding.severity]}'>{finding.severity}</span>",
        escape(finding.rule),
        f"<code>{escape(str(finding.place or ''))}</code>",
        f"{escape(finding.message)}{remedy}",
    )
    return "<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in cells) + "</tr>"
