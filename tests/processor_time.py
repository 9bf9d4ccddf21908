"""Shows where the processor time of tests goes, with all processes that they start.

``python -m pytest -n 0 -p processor_time tests/operate`` ends with the modules, tests and fixtures
that need most. Without workers, so that what runs in the background belongs to the test at hand.
Linux only.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_SHOWN = 25
_TICKS = os.sysconf("SC_CLK_TCK")
_BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, see prctl(2)
_used: dict[str, Counter[str]] = {kind: Counter() for kind in ("module", "test", "fixture")}


def pytest_configure() -> None:
    """Remain the parent of processes whose own parent ends."""
    ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)


def used() -> float:
    """Return the seconds that this process and all below it have used."""
    return sum(os.times()[:4]) + sum(_of(child) for child in _children(os.getpid()))


def _of(process: int) -> float:
    with suppress(OSError):  # it has ended
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        own = sum(map(int, fields[11:15])) / _TICKS
        return own + sum(_of(child) for child in _children(process))
    return 0.0


def _children(process: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            yield from map(int, (thread / "children").read_text().split())


@contextmanager
def _measured(*counted: tuple[str, str]) -> Iterator[None]:
    before = used()
    yield
    for kind, name in counted:
        _used[kind][name] += used() - before


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Measure a test with its fixtures."""
    name = item.nodeid.partition("[")[0]
    with _measured(("module", name.partition("::")[0]), ("test", name)):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Any:
    """Measure a fixture, those that it uses apart."""
    if fixturedef.scope == "function":
        return (yield)
    with _measured(("fixture", f"{fixturedef.argname} for {request.node.nodeid or 'all tests'}")):
        return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what needs most."""
    terminalreporter.write_line(f"{used():.1f} s of processor time in all")
    for kind, counted in _used.items():
        terminalreporter.section(f"processor time by {kind}")
        for name, seconds in counted.most_common(_SHOWN):
            terminalreporter.write_line(f"{seconds:8.2f} s  {name}")
