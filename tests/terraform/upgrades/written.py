"""Pipelines of the upgrade tests, one a kind, and the archive of what a version writes for them.

``written.tar.xz`` holds the stacks' folders as the previous version wrote them. Zips are stored
as folders, which compress ten times better. To make the archive again, before a release and with
the version that is about to become the previous one::

    python tests/terraform/upgrades/written.py

Steps fail while the variable ``BROKEN`` is set, so that an execution can fail before the upgrade
and be redriven after it.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from lokki_tf import MicroFunctions, Pipeline, flow, step

BROKEN = {"BROKEN": "yes"}
TOPIC = "arn:aws:sns:us-east-1:123456789012:failures"


def work(text: str) -> None:
    """Raise an error while the step is broken."""
    if os.environ.get("BROKEN"):
        raise ValueError(text)


def steps(env: dict[str, str]) -> Pipeline:
    """Four steps with a schedule, ``retry=`` and ``on_failure=`` a step."""

    @step
    def load() -> list[int]:
        return list(range(4))

    @step(retry={"retries": 1, "delay": 0.1, "exceptions": (OSError,)}, env_variables=env)
    def scale(rows: list[int], by: int) -> list[int]:
        work("scale")
        return [row * by for row in rows]

    @step
    def label(rows: list[int]) -> str:
        return ",".join(map(str, rows)) + "!" * 300_000

    @step
    def report(scaled: list[int], text: str) -> dict[str, Any]:
        return {"sum": sum(scaled), "text": text.rstrip("!")}

    @step
    def tell(failure: dict[str, Any]) -> None:
        print(failure["step"], failure["error"])

    rows = load()
    return Pipeline(
        "upgraded-steps",
        steps=[report(scale(rows, 3), label(rows))],
        schedule="rate(1 day)",
        on_failure=tell,
    )


def maps(env: dict[str, str], on_failure: str | None = None) -> Any:
    """A flow with a parameter, a Distributed Map in batches, one in another, and an inline Map."""

    @step
    def numbers(count: int) -> list[list[int]]:
        return [list(range(size + 1)) for size in range(count)]

    @step
    def inner(rows: list[int]) -> list[int]:
        return rows

    @step(env_variables=env)
    def double(row: int) -> int:
        if row == 2:
            work("double")
        return row * 2

    @step
    def total(rows: list[int]) -> int:
        return sum(rows)

    @step
    def words(totals: list[int]) -> list[str]:
        return [str(one) for one in totals]

    @step
    def shout(word: str) -> str:
        return word + "!"

    @step
    def join(parts: list[str]) -> str:
        return " ".join(parts)

    @flow(name="upgraded-maps", on_failure=on_failure)
    def upgraded_maps(count: int = 3) -> Any:
        nested = numbers(count).map(inner).map(double, batch_size=2).agg(total).agg(words)
        return nested.map(shout, mode="inline").agg(join)

    return upgraded_maps


def routed(env: dict[str, str]) -> MicroFunctions:
    """A routed pipeline with a loop, and ``on_failure=`` a topic."""
    functions = MicroFunctions("begin", name="upgraded-routed", on_failure=TOPIC)

    @functions.fn()
    def begin(count: int = 0) -> Any:
        return {"$next": "again", "count": count}

    @functions.fn(terminates=True, env_variables=env)
    def again(count: int) -> Any:
        if count == 2:
            work("again")
        if count > 3:
            return {"count": count}
        return {"$next": "begin", "count": count + 1}

    return functions


def jobs(env: dict[str, str]) -> Pipeline:
    """A function, and a Batch job in the pipeline's image."""

    @step
    def load() -> list[int]:
        return [1, 2, 3]

    @step(job_type="batch", env_variables=env)
    def train(rows: list[int]) -> int:
        work("train")
        return sum(rows)

    @step
    def report(model: int) -> str:
        return f"model {model}"

    return Pipeline("upgraded-jobs", steps=[report(train(load()))])


PIPELINES = {"steps": steps, "maps": maps, "routed": routed, "jobs": jobs}
ARCHIVE = Path(__file__).with_name("written.tar.xz")


def write_archive() -> None:
    """Write what this version of lokki_tf synthesizes for the pipelines into the archive."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(ARCHIVE, "w:xz") as archive:
        for name, make in PIPELINES.items():
            folder = make(BROKEN).synth(Path(scratch)).folder
            for code in folder.glob("lambdas/*/code.zip"):
                shutil.unpack_archive(code, code.with_name("code"))
                code.unlink()
            archive.add(folder, name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.mtime = 1_000_000_000  # zips have no earlier times than 1980
    member.uname = member.gname = ""
    return member


def previous_stack(name: str, folder: Path) -> Path:
    """Return the folder of a pipeline's stack as the previous version wrote it.

    Args:
        name: Of the pipeline, a key of ``PIPELINES``.
        folder: Where to unpack the archive.
    """
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for code in sorted((folder / name).glob("lambdas/*/code")):
        shutil.make_archive(str(code), "zip", code)
        shutil.rmtree(code)
    return folder / name


if __name__ == "__main__":
    write_archive()
