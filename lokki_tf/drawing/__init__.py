"""Output for people: pictures of pipelines and runs, pipelines as text, findings as a table."""

from .findings import Findings
from .folding import FEWEST, rows_of
from .gantt import to_gantt
from .languages import to_dot, to_mermaid, to_svg
from .listing import to_listing
from .outline import to_outline
from .routes import routes_to_dot
from .routes_svg import routes_to_svg

__all__ = [
    "FEWEST",
    "Findings",
    "routes_to_dot",
    "routes_to_svg",
    "rows_of",
    "to_dot",
    "to_gantt",
    "to_listing",
    "to_mermaid",
    "to_outline",
    "to_svg",
]
