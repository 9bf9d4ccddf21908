"""Declared packages the whole way: their layer in the local AWS, and the local run's result."""

from __future__ import annotations

import platform
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import Pipeline, step

if TYPE_CHECKING:
    import pandas

    from lokki_tf.testing import LocalAws

# Locked, and not what the tests themselves import: so what runs there came from the layer.
PACKAGES = ["numpy==2.2.6", "pandas==2.2.3", "python-dateutil==2.9.0.post0", "pytz==2025.2"]
PACKAGES += ["six==1.17.0", "tzdata==2025.2"]
# The local AWS runs functions with the Python, and on the processor, of the tests.
RUNTIME = f"python3.{sys.version_info.minor}"
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")

with_pandas = partial(
    step,
    requirements=PACKAGES,
    python_runtime=RUNTIME,
    architecture=MACHINE,
    memory_size=1024,
)


@with_pandas()
def sales(days: int) -> pandas.DataFrame:
    """A table with dates, floats, ints and something missing."""
    import numpy as np
    import pandas as pd

    day = pd.date_range("2024-02-28", periods=days, freq="D")
    sold = np.arange(days) * 1.5
    sold[3] = np.nan
    return pd.DataFrame({"day": day, "sold": sold, "pieces": np.arange(days) % 7})


@with_pandas()
def monthly(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The table by month."""
    return frame.groupby(frame["day"].dt.month)[["sold", "pieces"]].sum()


@with_pandas()
def joined(frames: list[pandas.DataFrame], weights: Any) -> tuple[dict[int, float], Any]:
    """Two tables combined, weighted by an array literal of the pipeline."""
    table = sum(frame["sold"] * weight for frame, weight in zip(frames, weights, strict=True))
    return {int(month): float(sold) for month, sold in table.items()}, weights


@with_pandas()
def versions() -> list[str]:
    """What runs there."""
    import numpy
    import pandas

    return [numpy.__version__, pandas.__version__]


def frames() -> Pipeline:
    import numpy as np

    tables = [monthly(sales(40)), monthly(sales(60))]
    result = joined(tables, weights=np.array([0.5, 2.0]))
    return Pipeline("frames", steps=[result, versions()])


@stack
def with_layer(aws: LocalAws, folder: Path) -> Path:
    """A stack of steps that share a layer."""
    made = frames().synth(folder)
    assert made.layers == 1
    return made.folder


@pytest.mark.skipif(sys.platform != "linux", reason="binaries for Lambda run on Linux alone")
def test_frames_are_passed_between_steps_of_a_layer(applied: Applied) -> None:
    """pandas and numpy, resolved for Lambda and deployed by Terraform, give what they give here."""
    import numpy as np

    there = applied.values("with_layer")
    here = frames().local_run().outputs
    assert there["joined"][0] == here["joined"][0]
    assert np.array_equal(there["joined"][1], here["joined"][1])
    assert there["versions"] == ["2.2.6", "2.2.3"]
    assert there["versions"] != here["versions"]
