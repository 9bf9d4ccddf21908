"""More Distributed Maps than a policy names one by one, some inside others, for the validators."""

from typing import Any

from lokki_tf import Pipeline, step


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def total(rows: list[Any]) -> int:
    return len(rows)


items = numbers(3)
nested = items.map(numbers).map(numbers).agg(total).agg(total)
pipe = Pipeline("maps", steps=[nested, *(items.map(numbers).agg(total) for _ in range(25))])
