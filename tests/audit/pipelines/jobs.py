"""Jobs of Batch on every platform, and functions in the pipeline's image, for the validators."""

from typing import Any

from lokki_tf import Pipeline, RetryConfig, step


@step(package="image", env_variables={"CHANNEL": "${x}"})
def load(count: int) -> list[int]:
    return list(range(count))


@step(job_type="batch", vcpu=8, memory_mb=16384, timeout_seconds=3600)
def fit(rows: list[int], factor: str = 'a"b\\ ${x}') -> int:
    """Takes hours."""
    return sum(rows)


@step(
    job_type="batch",
    platform="ec2",
    gpu=1,
    vcpu=4,
    memory_mb=16000,
    retry=RetryConfig(retries=2, exceptions=(OSError,)),
)
def train(rows: list[int]) -> int:
    return max(rows)


@step(job_type="batch", platform="fargate_spot", env_variables={"A": "${b}"})
def item(row: int) -> int:
    return row


@step(job_type="batch", when=lambda parts: len(parts) > 1)
def together(*parts: Any) -> Any:
    return parts


rows = load(3)
pipe = Pipeline("jobs", steps=[together(fit(rows), train(rows), rows.map(item).agg(together))])
