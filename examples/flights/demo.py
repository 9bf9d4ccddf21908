"""Runs the flights here, on a local AWS, and deployed to it by Terraform; compares the results.

python examples/flights/demo.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

from lokki_tf.errors import MissingToolError
from lokki_tf.terraform_cli import find_program, find_provider
from lokki_tf.testing import Execution, LocalAws

HEARTBEAT = 5  # seconds


def demo() -> int:
    """Print the report, what was run where, and whether all results are equal.

    Returns:
        The exit code: 0 if they are.
    """
    with timed("reading the flights"):
        from pipeline import pipe  # its module reads them
    with timed("1. run here", f"{len(pipe.graph.nodes)} steps"):
        here = pipe.local_run().result
    print(f"\n{here['report']}\n")
    equal = True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        with timed("2. synthesised", "Terraform of 4 functions and one state machine"):
            made = pipe.synth(folder)
        with timed("3. executed on a local AWS", "without Terraform"):
            aws = stack.enter_context(LocalAws())
            execution = aws.run(pipe)
        equal &= compare(aws, execution, here)
        aws.reset()
        try:
            find_provider(find_program())
        except MissingToolError as error:
            print(f"4. left out, Terraform: {error.message}; {error.remedy}")
        else:
            with timed("4. deployed", "terraform init and apply, to the local AWS"):
                outputs = aws.deploy(made.folder)
            with timed("5. executed as deployed"):
                execution = aws.execute(outputs["state_machine_arn"])
            equal &= compare(aws, execution, here)
    target = Path("terraform-out/delays.svg")
    target.parent.mkdir(exist_ok=True)
    target.write_text(here["picture"])
    print(f"the picture is in {target}")
    return 0 if equal else 1


def compare(aws: LocalAws, execution: Execution, here: object) -> bool:
    """Print whether an execution succeeded with the local result."""
    equal = execution.succeeded and aws.values(execution) == here
    print(
        f"   {execution.status}, the result {'equals' if equal else 'DIFFERS FROM'} the local one"
    )
    return equal


@contextmanager
def timed(title: str, detail: str = "") -> Iterator[None]:
    """Print a line before, a sign of life every few seconds, and the seconds after."""
    start, done = time.perf_counter(), Event()

    def show_life() -> None:
        while not done.wait(HEARTBEAT):
            print(f"   … {time.perf_counter() - start:.0f} s", flush=True)

    print(f"{title}: {detail}" if detail else title, flush=True)
    Thread(target=show_life, daemon=True).start()
    try:
        yield
    finally:
        done.set()
    print(f"   {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(demo())
