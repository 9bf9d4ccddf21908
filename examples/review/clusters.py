"""Kinds of days, by temperature and wind: k-means, whose rounds pass on parts of results.

python examples/review/clusters.py run
"""

from __future__ import annotations

from records import days_of_2013

from lokki_tf import Pipeline, main, step

Point = tuple[float, float]
ROUNDS, KINDS = 4, 3


@step
def points_of(days: dict[str, list[Point]]) -> dict[str, list[Point]]:
    """Return the mean of each day, and some of them as the first centres."""
    means = [mean(hours) for hours in days.values()]
    return {"points": means, "centres": means[:: len(means) // KINDS][:KINDS]}


@step
def improved(points: list[Point], centres: list[Point]) -> tuple[list[Point], list[int]]:
    """Return the centres of the points that are nearest to each centre, and their numbers."""
    nearest: list[list[Point]] = [[] for _ in centres]
    for point in points:
        distances = [(point[0] - x) ** 2 + (point[1] - y) ** 2 for x, y in centres]
        nearest[distances.index(min(distances))].append(point)
    moved = [mean(own) if own else old for own, old in zip(nearest, centres, strict=True)]
    return moved, [len(own) for own in nearest]


def mean(points: list[Point]) -> Point:
    """Return the centre of points."""
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


@step
def table(centres: list[Point], counts: list[int]) -> list[str]:
    """Write a line about each kind of day."""
    kinds = sorted(zip(centres, counts, strict=True))
    return [f"{count:>3} days: {x:>5.1f} °F, wind {y:>4.1f}" for (x, y), count in kinds]


start = points_of(days_of_2013("JFK"))
found = improved(start["points"], start["centres"])
for _ in range(ROUNDS - 1):
    found = improved(start["points"], found[0])
clusters = Pipeline("clusters", steps=[table(found[0], found[1])])

if __name__ == "__main__":
    main(clusters)
