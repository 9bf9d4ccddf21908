"""Stock: a delivery is booked while a lock is held, which is released whatever happens.

The lock is an object in your own bucket, which is written only if it does not exist.

export STOCK_BUCKET=my-bucket
python stock.py run
python stock.py run --delivery "kettle;4"$'\\n'"cup;many"     # a wrong line: the lock is released
python stock.py graph
"""

import json
import os

from lokki_tf import flow, main, run_context, step

BUCKET = os.environ.get("STOCK_BUCKET", "stock-locks")
# Without s3:ListBucket, S3 reports a lock that does not exist as forbidden.
POLICY = f"""{{
  "Version": "2012-10-17",
  "Statement": [
    {{
      "Effect": "Allow",
      "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      "Resource": "arn:aws:s3:::{BUCKET}/locks/*"
    }},
    {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::{BUCKET}"}}
  ]
}}"""


class Locked(Exception):
    """Another run books deliveries of this warehouse."""


@step(policies=[POLICY], env_variables={"STOCK_BUCKET": BUCKET})
def lock(warehouse: str) -> str:
    """Take the lock for this run."""
    import boto3

    s3, owner = boto3.client("s3"), run_context().run_id
    key = f"locks/{warehouse}"
    try:
        s3.put_object(Bucket=os.environ["STOCK_BUCKET"], Key=key, Body=owner, IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        raise Locked(warehouse) from None
    return owner


@step
def read(owner: str, delivery: str) -> list[tuple[str, int]]:
    """Read the lines of a delivery note: an item and its number."""
    rows = []
    for number, line in enumerate(delivery.splitlines(), 1):
        item, _, count = line.partition(";")
        if not count.strip().isdigit():
            raise ValueError(f"line {number} of the delivery note has no number: {line!r}")
        rows.append((item.strip(), int(count)))
    return rows


@step
def book(rows: list[tuple[str, int]]) -> dict[str, int]:
    """Add up the numbers of each item."""
    stock: dict[str, int] = {}
    for item, count in rows:
        stock[item] = stock.get(item, 0) + count
    return stock


@step(policies=[POLICY], env_variables={"STOCK_BUCKET": BUCKET})
def release(warehouse: str, book: dict[str, int] | None) -> None:
    """Delete the lock if this run holds it, also if the run was aborted while it took it."""
    import boto3

    s3 = boto3.client("s3")
    place = {"Bucket": os.environ["STOCK_BUCKET"], "Key": f"locks/{warehouse}"}
    try:
        holder = s3.get_object(**place)["Body"].read().decode()
    except s3.exceptions.NoSuchKey:
        return
    if holder == run_context().run_id:
        s3.delete_object(**place)
        print(json.dumps({"released": warehouse, "booked": book}))


@flow(cleanup=release)
def stock(warehouse: str = "north", delivery: str = "kettle;4\ncup;12\nkettle;1") -> dict[str, int]:
    """Book a delivery note."""
    return book(read(lock(warehouse), delivery))


if __name__ == "__main__":
    main(stock)
