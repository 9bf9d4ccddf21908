"""A pipeline that has all that a pipeline can have, for the validators."""

from dataclasses import dataclass
from typing import Any

from lokki_tf import Pipeline, RetryConfig, step


@dataclass
class Order:
    number: int


@step(expected_seconds=3, tags={"team": "data"})
def load(day: str, order: Any = None) -> list[int]:
    """Loads a day."""
    return [len(day)]


@step(retry=RetryConfig(retries=3, delay=2, max_delay=30, exceptions=(ConnectionError,)))
def clean(rows: list[int]) -> list[int]:
    return rows


@step(architecture="arm64", timeout_seconds=60, retry_count=2)
def count(rows: list[Any], kinds: Any = None) -> int:
    return len(rows)


@step
def together(*parts: Any, tolerated: int = 0) -> Any:
    return parts


@step
def split(item: int) -> list[int]:
    return list(range(item))


@step
def double(item: int) -> int:
    return 2 * item


@step
def notify() -> None: ...


@step(retry=RetryConfig(retries=2, exceptions=(OSError,)), env_variables={"CHANNEL": "${x}"})
def tell(failure: dict[str, Any]) -> None:
    """Notifies of a failure."""


rows = load("2024-01-01", Order(7))
cleaned = clean(rows)
counts = [count(rows), count(cleaned, kinds={"a", "b", "c", "d"}), {"x": count([cleaned, rows])}]
last = together(rows, counts, "x" * 5_000, "${x}", {"a.$": "$"})
inner = rows.map(split, concurrency_limit=5).map(double).agg(count)
mapped = inner.next(double).agg(together, tolerated=1)
batched = rows.map(double, batch_size=50).agg(together)
tolerant = rows.map(double, tolerated_failure_percentage=12).agg(together)
small = rows.map(double, mode="inline").agg(together)
done = notify()
done.after(last)
pipe = Pipeline(
    "everything",
    steps=[done, count(load("2024-01-02")), mapped, batched, tolerant, small],
    schedule="cron(0 6 1 * ? *)",
    description="All that there is",
    tags={"stage": "audit"},
    on_failure=tell,
)
