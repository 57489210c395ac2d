"""Processes that work for another one."""

import multiprocessing
import os
import signal
import threading

from aliter.core.stops import STOPS


def enter() -> None:
    """Make this process a worker: it stops when it is told to, and never outlives the one that started it."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
