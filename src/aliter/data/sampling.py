"""Pure draws: which images a step sees is a function of (seed, step)."""

import numpy as np
from jaxtyping import Int


def balanced(labels: Int[np.ndarray, " N"], rng: np.random.Generator, size: int) -> Int[np.ndarray, " B"]:
    """Return ``size`` positions, each of a class drawn evenly, then evenly within the class."""
    return alike(labels, rng.choice(np.unique(labels), size), rng)


def alike(
    labels: Int[np.ndarray, " N"], wanted: Int[np.ndarray, " B"], rng: np.random.Generator
) -> Int[np.ndarray, " B"]:
    """Return for each of the ``wanted`` classes a position of that class, drawn evenly."""
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], wanted, "left")
    last = np.searchsorted(labels[order], wanted, "right")
    return order[first + (rng.random(len(wanted)) * (last - first)).astype(np.int64)]
