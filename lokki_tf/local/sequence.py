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
    while True:
        while not run.is_stopped():
            item = run.claim()
            if item is not None:
                in_order(work, item)
                run.take(item)
            elif run.is_feeding:
                work.pull(run)
            else:
                break
        delay = None if run.feed is None else run.feed.again
        if delay is None:
            break
        is_open = False
        while delay is not None:
            sleep(min(delay, threading.TIMEOUT_MAX))
            delay, is_open = work.refeed(run)
        if not is_open:
            return
    work.close(run)
