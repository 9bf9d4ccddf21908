"""Pictures of a graph: Graphviz and Mermaid."""

from .text import to_dot, to_mermaid

__all__ = ["to_dot", "to_mermaid"]
