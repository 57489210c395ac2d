"""Which images are learned from, which are for choosing, and which are for judging: drawn from a seed."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from aliter.core.rng import chance

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_SHARES = np.array([0.8, 0.1, 0.1])
_ORDER = np.array([0, 2, 1])
"""Where groups are few, training comes first, then testing."""


def draw_splits(count: int, seed: int, label: int) -> UInt8[np.ndarray, " N"]:
    """Return a split for each of ``count`` images of a class: 80/10/10 per cent."""
    held_out = max(1, round(count / 10)) if count > 2 else 0
    # In the order of their numbers as texts, for no reason but that it has always been so.
    places = np.array(sorted(range(count), key=str), int)
    rank = np.empty(count, int)
    rank[places[chance(seed, "split", label).permutation(count)]] = np.arange(count)
    return np.select([rank < held_out, rank < 2 * held_out], [2, 1], 0).astype(np.uint8)


def draw_group_splits(groups: Sequence[Sequence[str]], seed: int) -> tuple[UInt8[np.ndarray, " _"], ...]:
    """Return a split for each image of each class: whole groups together, of every class about 80/10/10 per cent.

    In an order that ``seed`` draws, each group goes where its classes lack most, as a share of what they are to have
    there. Where a class has fewer than three groups, a split may hold none of it.

    Parameters
    ----------
    groups
        Of each class: the group of each image.
    """
    names = sorted({name for column in groups for name in column})
    place = {name: row for row, name in enumerate(names)}
    rows = [np.array([place[name] for name in column], int) for column in groups]
    counts = np.stack([np.bincount(one, minlength=len(names)) for one in rows], axis=1)
    split = _assigned(counts / np.maximum(counts.sum(0), 1), chance(seed, "split").permutation(len(names)))
    return tuple(split[one] for one in rows)


def straddling(groups: Sequence[str], splits: UInt8[np.ndarray, " N"]) -> list[str]:
    """Return the groups that stand in more than one split: there must be none."""
    pairs = {(group, int(split)) for group, split in zip(groups, splits, strict=True)}
    return sorted(group for group, count in Counter(group for group, _ in pairs).items() if count > 1)


def _assigned(parts: Float[np.ndarray, "G K"], order: np.ndarray) -> UInt8[np.ndarray, " G"]:
    """Return a split for each group, given which part of each class it holds."""
    split = np.zeros(len(parts), np.uint8)
    held = np.zeros((len(SPLITS), parts.shape[1]))
    for group in order:
        lack = (1 - held / _SHARES[:, None]) @ parts[group]
        split[group] = _ORDER[np.argmax(np.round(lack[_ORDER], 9))]
        held[split[group]] += parts[group]
    return split
