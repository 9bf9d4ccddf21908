"""An inbox: each CSV file that arrives in a bucket starts a run, which reads it row by row.

python examples/inbox/inbox.py run --event examples/inbox/event.json
python examples/inbox/inbox.py deploy

Step Functions reads the rows from S3 itself. A row that is wrong is kept as an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from lokki_tf import Failure, Parameter, Pipeline, S3Created, S3Csv, main, step

BUCKET = "orders-inbox"
PRICES = {"kettle": 39.0, "cup": 8.5, "tea": 12.0}
"""Euros."""


@step(catch=(KeyError, ValueError))
def amount(row: dict[str, str]) -> float:
    """Return what the items of a row cost."""
    return PRICES[row["item"]] * int(row["count"])


@step
def summary(amounts: Sequence[float | Failure], file: str) -> str:
    """Add the amounts up, and name what was wrong."""
    wrong = [f"{one.error}: {one.message}" for one in amounts if isinstance(one, Failure)]
    total = sum(one for one in amounts if not isinstance(one, Failure))
    return f"{file}: {total:.2f} euros in {len(amounts)} rows, wrong: {wrong or 'none'}"


file = Parameter("file", str)
inbox = Pipeline(
    "inbox",
    steps=[summary(S3Csv(BUCKET, file).map(amount), file=file)],
    triggers=S3Created(
        BUCKET, prefix="in/", suffix=".csv", parameters={"file": "detail.object.key"}
    ),
)

if __name__ == "__main__":
    main(inbox)
