"""Runs the flights here, then as deployed: Terraform, Lambda, Step Functions on a local AWS.

python examples/flights/demo.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from pipeline import pipe

from lokki_tf.testing import LocalAws


def demo() -> int:
    """Prints the report, what was deployed, and whether both results are equal.

    Returns:
        The exit code: 0 if they are.
    """
    start = time.perf_counter()
    here = pipe.local_run().result
    print(here["report"])
    say(f"\n1. run here: {len(pipe.graph.nodes)} steps", start)

    with tempfile.TemporaryDirectory() as folder, LocalAws() as aws:
        start = time.perf_counter()
        made = pipe.synth(folder)
        say(f"2. synthesised: {made.functions} functions, one state machine", start)
        start = time.perf_counter()
        outputs = aws.deploy(made.folder)
        say("3. terraform init and apply, to the local AWS", start)
        start = time.perf_counter()
        execution = aws.execute(outputs["state_machine_arn"])
        say(f"4. executed: {execution.status}", start)
        there = aws.values(execution)

    equal = there == here
    print(f"5. the execution's result {'equals' if equal else 'DIFFERS FROM'} the local one")
    target = Path("terraform-out/delays.svg")
    target.write_text(here["picture"])
    print(f"   the picture is in {target}")
    return 0 if equal else 1


def say(text: str, start: float) -> None:
    """A line with the seconds since ``start``."""
    print(f"{text} ({time.perf_counter() - start:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(demo())
