"""Output for people: pictures of pipelines and runs, pipelines as text, findings as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

if TYPE_CHECKING:
    from .findings import Findings as Findings
    from .folding import FEWEST as FEWEST
    from .folding import rows_of as rows_of
    from .gantt import to_gantt as to_gantt
    from .languages import to_dot as to_dot
    from .languages import to_mermaid as to_mermaid
    from .languages import to_svg as to_svg
    from .listing import to_listing as to_listing
    from .outline import to_outline as to_outline
    from .routes import routes_to_dot as routes_to_dot
    from .routes_svg import routes_to_svg as routes_to_svg

__getattr__ = lazy_names(
    __name__,
    {
        "FEWEST": "folding",
        "Findings": "findings",
        "routes_to_dot": "routes",
        "routes_to_svg": "routes_svg",
        "rows_of": "folding",
        "to_dot": "languages",
        "to_gantt": "gantt",
        "to_listing": "listing",
        "to_mermaid": "languages",
        "to_outline": "outline",
        "to_svg": "languages",
    },
)
