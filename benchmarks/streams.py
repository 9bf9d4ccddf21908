"""Maps over many numbers, and over items of 1 MB, through functions of 512 MB on the local AWS.

    python benchmarks/streams.py [small items] [items of 1 MB]

A generator makes the numbers, a map squares them in batches, and a step adds the results, which it
reads one after another. The same pipeline then runs on this computer. Printed are the duration and
the most memory of each process, as the system counts it.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from lokki_tf import flow, step
from lokki_tf.testing import LocalAws

MEMORY = 512  # MB of each function


def _most() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@step(memory_size=MEMORY)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)
    print("MOST numbers", _most())


@step(memory_size=MEMORY)
def square(number: int) -> int:
    return number * number


@step(memory_size=MEMORY)
def total(values: Iterator[int]) -> list[Any]:
    return [sum(values), _most()]


@step(memory_size=MEMORY)
def texts(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"{number:09}" * 111_111


@step(memory_size=MEMORY)
def doubled(text: str) -> bytes:
    return text.encode() * 2


@step(memory_size=MEMORY)
def lengths(values: Iterator[bytes]) -> list[Any]:
    return [sum(map(len, values)), _most()]


@flow
def squares(count: int = 1_000_000) -> Any:
    return numbers(count).map(square, batch_size=500).agg(total)


@flow
def megabytes(count: int = 1_000) -> Any:
    return texts(count).map(doubled, batch_size=10).agg(lengths)


def main(count: int, large: int) -> None:
    """Run both pipelines there and here.

    Args:
        count: The number of small items.
        large: The number of items of 1 MB.
    """
    for pipeline, given in ((squares, count), (megabytes, large)):
        with LocalAws() as aws:
            began = time.perf_counter()
            execution = aws.run(pipeline, {"count": given}, timeout=3_600)
            seconds = time.perf_counter() - began
            if execution.status != "SUCCEEDED":
                raise SystemExit(f"{execution.error}: {execution.cause}")
            ((result, most),) = aws.values(execution).values()
        line = f"{pipeline.name:10} {given:>9,} items"
        print(
            f"{line}  local AWS {seconds:8.1f} s, function {most:6.0f} MiB, {_most():6.0f} MiB here"
        )
        began = time.perf_counter()
        run = pipeline.local_run({"count": given})
        seconds = time.perf_counter() - began
        assert run.result[0] == result
        print(f"{line}  local run {seconds:8.1f} s, process  {_most():6.0f} MiB")


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] or ("100000", "200"))))
