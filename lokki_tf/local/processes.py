"""The worker processes of a run: how they start, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
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
        workers,
        mp_context=context,
        initializer=_become_worker,
        initargs=(inherited, os.getpid() if forks else 0),
    )
    return pool, forks


def _become_worker(functions: dict[int, Function], parent: int) -> None:
    inherit(functions)
    _end_with(parent)
    # Ctrl-C reaches all processes of a terminal; the parent's answer is to end us. Not
    # SIG_IGN, which programs that a step starts would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with(parent: int) -> None:
    """Let this process end when the one that started it does, however that ends.

    Otherwise each worker waits for ever: forked ones hold each other's pipes open.

    Args:
        parent: The process that this one was forked from; 0 if it was started anew.
    """
    if parent:
        import ctypes

        # prctl(2), PR_SET_PDEATHSIG. A C library without it leaves things as they were.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        return
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    started_by = parent_process()
    if started_by is not None:

        def watch() -> None:
            wait([started_by.sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def terminate(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once, whatever they do."""
    # Public only from Python 3.14 on, as terminate_workers().
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    manager = getattr(pool, "_executor_manager_thread", None)
    pool.shutdown(wait=False, cancel_futures=True)
    if manager is not None:
        manager.join(2)  # it ends with the processes; Python's own end would trip over it


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
