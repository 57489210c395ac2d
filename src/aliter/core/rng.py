"""Chance as a function: every random number has a seed and a name."""

from hashlib import blake2b

import numpy as np


def _digest(seed: int, keys: tuple[int | str, ...]) -> bytes:
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in (seed, *keys))
    return blake2b(text.encode(), digest_size=16).digest()


def chance(seed: int, *keys: int | str) -> np.random.Generator:
    """Return the generator that belongs to ``seed`` and ``keys``, always the same.

    Different keys give independent streams, so no generator state need ever be saved.

    References
    ----------
    Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (Philox).
    """
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, keys), "little")))


def torch_seed(seed: int, *keys: int | str) -> int:
    """Return a 63-bit seed for torch's own generators, a function of ``seed`` and ``keys``."""
    return int.from_bytes(_digest(seed, keys)[:8], "little") >> 1
