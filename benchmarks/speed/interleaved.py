"""Ratios of processor time, taken in turns in one process: A B A B ..., so that a drifting machine cancels out."""

import time
from collections.abc import Callable

import numpy as np


def ratio(name: str, ours: Callable[[], object], other: Callable[[], object], rounds: int = 5) -> float:
    """Print and return the median of the CPU seconds of ``other`` over those of ``ours``, with the range."""
    ours(), other()
    found = []
    for _ in range(rounds):
        found.append([_cpu(ours), _cpu(other)])
    seconds = np.array(found)
    ratios = seconds[:, 1] / seconds[:, 0]
    low, high = ratios.min(), ratios.max()
    mine, theirs = np.median(seconds, axis=0)
    print(f"| {name} | {np.median(ratios):.1f} | {low:.1f} to {high:.1f} | {mine:.4f} | {theirs:.4f} |", flush=True)
    return float(np.median(ratios))


def header() -> None:
    """Print the head of the table."""
    print("| what | ratio | range | CPU s, ours | CPU s, other |\n|---|--:|--:|--:|--:|")


def _cpu(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start
