"""The worker processes of a run: how they start, and how they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from .remote import Function, inherit

if TYPE_CHECKING:
    from concurrent.futures import Executor, ProcessPoolExecutor


def start_processes(
    workers: int, functions: Iterable[Function], method: str | None = None
) -> tuple[ProcessPoolExecutor, bool]:
    """A pool of processes, and whether they inherit the functions.

    Args:
        workers: Most processes.
        functions: What they are to call.
        method: How they start; ``fork`` on Linux unless given, so that functions of
            notebooks and closures work; elsewhere forking is not safe, so Python's default.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    context = get_context(method or ("fork" if sys.platform == "linux" else None))
    forks = context.get_start_method() == "fork"
    inherited = {id(function): function for function in functions} if forks else {}
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_become_worker, initargs=(inherited,)
    )
    return pool, forks


def _become_worker(functions: dict[int, Function]) -> None:
    inherit(functions)
    # Ctrl-C reaches all processes of a terminal; the parent's answer is to end us. Not
    # SIG_IGN, which programs that a step starts would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def terminate(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once, whatever they do."""
    # Public only from Python 3.14 on, as terminate_workers().
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def forget_cancelled(executor: Executor) -> None:
    """Let somebody's pool of processes shut down after calls in it were cancelled.

    Before Python 3.11.3, which Debian 12 does not have, shutdown() waits for ever where only
    cancelled calls are left (CPython's issue 94440); a call behind them clears them away.

    Args:
        executor: Of any kind.
    """
    if sys.version_info >= (3, 11, 3) or type(executor).__name__ != "ProcessPoolExecutor":
        return
    with suppress(RuntimeError):  # it is broken, or shut down
        executor.submit(int)


def usable_cpus() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return min(os.cpu_count() or 1, 61)  # Windows cannot wait for more
