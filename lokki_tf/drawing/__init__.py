"""What people look at: pictures of a graph and of a run, graphs as text, findings as a table."""

from .findings import Findings
from .gantt import to_gantt
from .listing import to_text
from .svg import to_svg
from .text import to_dot, to_mermaid

__all__ = ["Findings", "to_dot", "to_gantt", "to_mermaid", "to_svg", "to_text"]
