"""What people look at: pictures of a graph, as text and as SVG, and findings as a table."""

from .findings import Findings
from .svg import to_svg
from .text import to_dot, to_mermaid

__all__ = ["Findings", "to_dot", "to_mermaid", "to_svg"]
