"""What a run leaves for others to use: the encoder, which describes every voxel."""

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from aliter.data.run import Run
from aliter.nets.portable import IMAGE, VOLUME, Port, Portable, signing
from aliter.nets.scan import tile_for
from aliter.workflows.embeddings.contrast import encoder_of
from aliter.workflows.embeddings.gather import fields_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return the encoder; it takes a tile with the context around it, and describes what it can see whole."""
    fields, spec = fields_of(run), config.contrast.net
    encoder = encoder_of(config.contrast, fields, run).eval().requires_grad_(False)
    tile = tile_for(spec, fields.shape, config.embed.tile_px)
    extra = spec.context(len(tile))
    stored = fields.stored(int(fields.split("test")[0])).astype(np.float32)
    sides = [
        (0, 0),
        *(
            (more // 2, size + more - more // 2 - length)
            for size, more, length in zip(tile, extra, fields.shape, strict=True)
        ),
    ]
    axes = IMAGE if len(tile) == 2 else VOLUME
    return {
        "encoder": Portable(
            nn.Sequential(signing(fields.range, len(axes)), encoder),
            {"encoder": encoder},
            f"Describes each voxel by {spec.features} numbers, learned without labels.",
            {Port("image", axes, fields.channels): np.pad(stored, sides, mode="reflect")[None]},
            Port("embedding", axes),
        )
    }
