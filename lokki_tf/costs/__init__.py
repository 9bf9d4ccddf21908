"""What runs cost: an estimate before the deployment, or from what real runs have used."""

from __future__ import annotations

from .estimate import Assumptions, estimate
from .observed import Observed, assumptions_of
from .prices import Prices, load_prices
from .result import Estimate, Saving
from .usage import Usage

__all__ = [
    "Assumptions",
    "Estimate",
    "Observed",
    "Prices",
    "Saving",
    "Usage",
    "assumptions_of",
    "estimate",
    "load_prices",
]
