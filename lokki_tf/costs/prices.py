"""Prices of AWS in US dollars, from one data file, without free tiers, discounts and taxes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_REGION = "us-east-1"
_FILE = Path(__file__).with_name("prices.json")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a region.

    Args:
        region: The region whose prices these are.
        asked: The region for which they were requested; without prices of its own, it has those
            of ``us-east-1``.
        date: The month in which they were taken from the pages of AWS.
        of: Price in US dollars by unit: ``transition``, ``lambda_request`` and so on.
    """

    region: str
    asked: str
    date: str
    of: Mapping[str, float]


def load_prices(region: str | None = None, file: str | Path | None = None) -> Prices:
    """Return the prices of a region.

    Args:
        region: The region; by default ``us-east-1``.
        file: A file of the same form as this package's ``prices.json``, whose prices replace those
            of the package.

    Raises:
        OptionError: If the file cannot be read or has another form.
    """
    own = json.loads(_FILE.read_text(encoding="utf-8"))
    usual, regions, date = own["usual"], own["regions"], own["date"]
    if file is not None:
        given = _given(Path(file), usual)
        usual, date = {**usual, **given.get("usual", {})}, str(given.get("date", "unknown"))
        regions = {**regions, **given.get("regions", {})}
    asked = region or USUAL_REGION
    found = asked if asked in regions else USUAL_REGION
    return Prices(found, asked, date, {**usual, **regions[found]})


def _given(file: Path, known: Mapping[str, float]) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"the file of prices {file} cannot be read: {error}") from None
    form = 'write {"date": "2026-01", "regions": {"eu-north-1": {"transition": 0.000025}}}'
    if not isinstance(given, dict) or set(given) - {"date", "sources", "usual", "regions"}:
        raise OptionError(f"the file of prices {file} has another form", remedy=form)
    regions = given.get("regions", {})
    tables = [given.get("usual", {}), *(regions.values() if isinstance(regions, dict) else [None])]
    for table in tables:
        if not isinstance(table, dict):
            raise OptionError(f"the file of prices {file} has another form", remedy=form)
        for unit, price in table.items():
            if unit not in known:
                raise OptionError(
                    f"the file of prices {file} has an unknown unit {unit!r}",
                    remedy=f"the units are {', '.join(known)}",
                )
            if isinstance(price, bool) or not isinstance(price, int | float) or price < 0:
                raise OptionError(
                    f"the file of prices {file} has {unit} = {price!r}, which must be a number of "
                    "US dollars"
                )
    return given
