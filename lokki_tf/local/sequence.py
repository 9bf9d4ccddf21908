"""Runs nodes one after another, for debugging."""

from __future__ import annotations

import threading
from time import sleep

from .frames import Frame
from .work import Work


def in_order(work: Work, frame: Frame) -> None:
    """Run the nodes of a graph in their order, in this thread; for maps, item after item.

    It is recursive only for a map inside a map.
    """
    work.here = True
    for index in frame.plan.order:
        if frame.is_stopped():
            return
        if index in frame.plan.bodies:
            _item_after_item(work, frame, index)
        else:
            delay = work.attempt(frame, index)
            while delay is not None:
                sleep(min(delay, threading.TIMEOUT_MAX))
                delay = work.attempt(frame, index)


def _item_after_item(work: Work, frame: Frame, index: int) -> None:
    run = work.open(frame, index)
    if run is None:
        return
    while not run.is_stopped():
        item = run.claim()
        if item is None:
            break
        in_order(work, item)
        run.take(item)
    work.close(run)
