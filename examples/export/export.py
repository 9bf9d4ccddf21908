"""A job of another service: started, then polled until it is done; nothing runs while it waits.

python examples/export/export.py run
"""

from __future__ import annotations

from lokki_tf import DAG, NotReady, main, run_context, task

LOOKS = 3
"""How often this example's service is asked until its job is done."""


@task
def start_export() -> str:
    """Start the job; a real one is a query of Athena, a training or a rendering, for example."""
    return "export-of-september"


@task(poll=2, poll_timeout=3600, poll_backoff=1.5)
def exported(job: str) -> list[int]:
    """Return the job's result; while it runs, look again after 2 s, 3 s, 4.5 s and so on."""
    looks = run_context().attempt
    if looks < LOOKS:
        raise NotReady(f"{job} is running, {looks} of {LOOKS}")
    return [day * day for day in range(1, 31)]


@task
def report(squares: list[int]) -> str:
    """Write what was exported."""
    return f"{len(squares)} days, {sum(squares):,} in total"


start_export >> exported >> report
export = DAG("export", tasks=[report])

if __name__ == "__main__":
    main(export)
