"""In which year did the flow of the Nile change most? The pipeline of the tutorial, repaired.

    python examples/nile/nile.py run

The flows at Aswan from 1871 to 1970 are those of G. W. Cobb, Biometrika 65 (1978).
"""

from pathlib import Path

from lokki_tf import flow, main, step

FILE = Path(__file__).parent / "nile.csv"
Flows = list[tuple[int, float]]


@step(include=["nile.csv"])
def read(first: int, last: int) -> Flows:
    """Read the flows of some years."""
    found = []
    for line in FILE.read_text().splitlines():
        decade, *flows = line.split(",")
        found += [(int(decade) + number, float(flow)) for number, flow in enumerate(flows)]
    return [(year, flow) for year, flow in found if first <= year <= last]


@step
def candidates(flows: Flows) -> list[int]:
    """Return the years that have years before them."""
    return [year for year, _ in flows[1:]]


def squares(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


@step
def split(year: int, flows: Flows) -> tuple[float, int]:
    """Return how far the flows are from two means, if they change in this year."""
    before = [flow for one, flow in flows if one < year]
    since = [flow for one, flow in flows if one >= year]
    return squares(before) + squares(since), year


@step
def best(splits: list[tuple[float, int]]) -> int:
    """Return the year of the best split, 0 if there is none."""
    return min(splits)[1] if splits else 0


@flow
def nile(first: int = 1871, last: int = 1970) -> int:
    flows = read(first=first, last=last)
    return candidates(flows).map(split, flows=flows, batch_size=20).agg(best)


if __name__ == "__main__":
    main(nile)
