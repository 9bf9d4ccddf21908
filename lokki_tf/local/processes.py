"""The worker processes of a run: their start and their end."""

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
    """Start a pool of processes; also return whether they inherit the functions.

    Args:
        workers: Largest number of processes.
        functions: The functions that they call.
        method: Start method. By default ``fork`` on Linux, so that functions of notebooks and
            closures work, and Python's default elsewhere, where forking is not safe.
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
    # Ctrl-C reaches all processes of a terminal; the parent then ends its workers. SIG_IGN would be
    # inherited by programs that a step starts.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with(parent: int) -> None:
    """End this process when its parent ends, for any reason.

    Otherwise each worker waits forever: forked ones hold each other's pipes open.

    Args:
        parent: The process that forked this one; 0 if it was not forked.
    """
    if parent:
        import ctypes

        # prctl(2), PR_SET_PDEATHSIG. With a C library that lacks it nothing happens.
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


def terminate(pool: Executor) -> None:
    """End a pool's processes immediately."""
    # Public only from Python 3.14 on, as terminate_workers().
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    manager = getattr(pool, "_executor_manager_thread", None)
    pool.shutdown(wait=False, cancel_futures=True)
    if manager is not None:
        manager.join(2)  # it ends with the processes; otherwise Python's own shutdown would raise


def forget_cancelled(executor: Executor) -> None:
    """Prepare the shutdown of a pool of processes after calls in it were cancelled.

    Before Python 3.11.3, which Debian 12 does not have, shutdown() waits forever if only cancelled
    calls are left (CPython issue 94440). Another call after them avoids this.

    Args:
        executor: Any executor.
    """
    if sys.version_info >= (3, 11, 3) or type(executor).__name__ != "ProcessPoolExecutor":
        return
    with suppress(RuntimeError):  # it is broken, or was shut down
        executor.submit(int)


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return min(os.cpu_count() or 1, 61)  # Windows cannot wait for more
