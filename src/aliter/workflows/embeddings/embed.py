"""Describe every voxel of every field: by the embedding, by one that learned nothing, by filters."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from jaxtyping import Float32, Int
from pydantic import PositiveInt

from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data.fields import Box, Fields
from aliter.data.run import Run
from aliter.nets.scan import embedded, tile_for, tiles
from aliter.nets.unet import UNet
from aliter.ops.filters import filter_bank
from aliter.workflows.embeddings.contrast import encoder_of, fresh_encoder
from aliter.workflows.embeddings.gather import fields_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

Feature = Literal["embedding", "random", "pyramid", "random_pyramid", "filters"]
"""``random`` is the encoder before it learned anything; a pyramid has all levels of the decoder as well."""
_FRESH = 1
"""Seed of the encoder that has learned nothing, over that of the one that has."""


class Embedding(Spec):
    """What describes a voxel, and how fields are cut up for it."""

    features: tuple[Feature, ...] = ("embedding", "random", "filters")
    tile_px: PositiveInt = 256
    """Voxels of a tile along each axis at most: memory grows with it, the numbers do not depend on it."""
    spacing: tuple[float, ...] | None = None
    """Distance of voxels along each axis, for the filters; the same along all if None."""


def embed(config: "Config", run: Run) -> None:
    """Write what describes each voxel, tile by tile."""
    fields, choice = fields_of(run), config.embed
    tile = tile_for(config.contrast.net, fields.shape, choice.tile_px)
    with progress("embed", len(choice.features) * len(fields)) as advance:
        for name in choice.features:
            describe = _describer(config, run, fields, name)
            made = _blank(run, fields, name, tile, len(describe(0, next(tiles(fields.shape, tile)))))
            for number in range(len(fields)):
                for box in tiles(fields.shape, tile):
                    made[tile_of(number, box)] = describe(number, box).astype(np.float16)
                advance(1, name)
            run.save(f"scales/{name}", _scales(made, fields.split("train"), tile), ("middle_spread", "channel"))


def _blank(run: Run, fields: Fields, name: Feature, tile: tuple[int, ...], channels: int) -> zarr.Array[Any]:
    axes = ("index", "channel", *("z", "y", "x")[-len(fields.shape) :])
    shape = (len(fields), channels, *fields.shape)
    return run.create(f"features/{name}", shape, np.float16, axes, tile=(1, channels, *tile))


def tile_of(number: int, box: Box) -> tuple[int | slice, ...]:
    """Return where the channels of a part of a field are in an array of features."""
    return (number, slice(None), *box)


def _scales(
    features: zarr.Array[Any], train: Int[np.ndarray, " N"], tile: tuple[int, ...]
) -> Float32[np.ndarray, "2 D"]:
    """Return mean and deviation of each channel over the training fields."""
    sums, count = np.zeros((2, features.shape[1])), 0
    for number in train:
        for box in tiles(features.shape[2:], tile):
            values = np.asarray(features[tile_of(int(number), box)], np.float64).reshape(features.shape[1], -1)
            sums += np.stack([values.sum(1), np.square(values).sum(1)])
            count += values.shape[1]
    middle, square = sums / count
    return np.stack([middle, np.sqrt(np.maximum(square - middle**2, 1e-12))]).astype(np.float32)


Describe = Callable[[int, Box], Float32[np.ndarray, "D *box"]]


def _describer(config: "Config", run: Run, fields: Fields, name: Feature) -> Describe:
    """Return what gives the features ``name`` of a part of a field."""
    choice = config.contrast
    if name == "filters":
        return lambda number, box: filter_bank(fields.read(number), config.embed.spacing)[(slice(None), *box)]
    seed = choice.fit.seed + _FRESH
    encoder: UNet = encoder_of(choice, fields, run) if "random" not in name else fresh_encoder(choice, fields, seed)
    encoder = encoder.eval().requires_grad_(False).to(run.device)
    net = encoder.pyramid if "pyramid" in name else encoder

    def describe(number: int, box: Box) -> Float32[np.ndarray, "D *box"]:
        return embedded(choice.net, net, lambda part: fields.read(number, part), fields.shape, box)

    return describe
