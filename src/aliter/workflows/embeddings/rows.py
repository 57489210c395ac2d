"""What is known of voxels: features side by side, on one scale."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod

import numpy as np
from jaxtyping import Float32, Int

from aliter.data.clicks import Clicks
from aliter.data.fields import Box
from aliter.data.images import IN_MEMORY
from aliter.data.run import Run
from aliter.workflows.embeddings.embed import Feature

Describe = Callable[[tuple[Feature, ...], int], Float32[np.ndarray, "D *space"]]
"""Gives the features of a field side by side."""


@dataclass(frozen=True)
class Rows:
    """Voxels whose class is known."""

    x: Float32[np.ndarray, "N D"]
    y: Int[np.ndarray, " N"]


def described(
    run: Run, features: Sequence[Feature], number: int, box: Box | None = None
) -> Float32[np.ndarray, "D *space"]:
    """Return the features of a field, or of a part, each with mean 0 and deviation 1 over the training fields."""
    where: tuple[int | slice, ...] = (number, slice(None), *(box or ()))
    return np.concatenate([_scaled(run, name, np.asarray(run.array(f"features/{name}")[where])) for name in features])


def rows_of(run: Run, features: Sequence[Feature], clicks: Clicks) -> Rows:
    """Return the features at clicks, on the scale of ``described``."""
    parts = []
    for name in features:
        array = run.array(f"features/{name}")
        channels = np.arange(array.shape[1])[:, None]
        parts.append(_scaled(run, name, np.asarray(array.vindex[(clicks.field, channels, *clicks.at.T)])))
    return Rows(np.concatenate(parts).T.copy(), clicks.label.astype(np.int64))


def remembered(run: Run, features: Collection[Feature], fields: int) -> Describe:
    """Return ``described`` for whole fields; what was read of ``fields`` of them stays, if that is not too much."""
    voxels = [prod(run.array(f"features/{name}").shape[1:]) for name in features]
    small = fields * sum(voxels) * np.dtype(np.float32).itemsize <= IN_MEMORY
    return lru_cache(maxsize=fields if small else 0)(partial(described, run))


def _scaled(run: Run, name: Feature, values: Float32[np.ndarray, "D *any"]) -> Float32[np.ndarray, "D *any"]:
    middle, spread = run.load(f"scales/{name}").reshape(2, -1, *[1] * (values.ndim - 1))
    scaled: np.ndarray = (values.astype(np.float32) - middle) / spread
    return scaled.astype(np.float32)
