"""Chance as a function: every random number has a seed and a name."""

from hashlib import blake2b
from operator import index
from typing import SupportsIndex

import numpy as np


def _digest(seed: SupportsIndex, keys: tuple[SupportsIndex | str, ...]) -> bytes:
    # An int of numpy names the same as one of Python.
    text = "\x1f".join(f"str:{key}" if isinstance(key, str) else f"int:{index(key)}" for key in (seed, *keys))
    return blake2b(text.encode(), digest_size=16).digest()


def chance(seed: SupportsIndex, *keys: SupportsIndex | str) -> np.random.Generator:
    """Return the generator that belongs to ``seed`` and ``keys``, always the same.

    Different keys give independent streams, so no generator state need ever be saved.

    References
    ----------
    Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (Philox).
    """
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, keys), "little")))


def torch_seed(seed: SupportsIndex, *keys: SupportsIndex | str) -> int:
    """Return a 63-bit seed for torch's own generators, a function of ``seed`` and ``keys``."""
    return int.from_bytes(_digest(seed, keys)[:8], "little") >> 1
