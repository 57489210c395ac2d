"""What a run leaves for others to use: the detector's weights, and the decoder on its body."""

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from aliter.data.run import Run
from aliter.nets.decoder import Encoder
from aliter.nets.portable import IMAGE, Port, Portable, signing, unsigning
from aliter.workflows.concepts.decode import decoder_of
from aliter.workflows.concepts.detect import detector_of
from aliter.workflows.concepts.gather import tiles_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return what draws again what the detector's body sees; the detector's own weights lie beside the decoder's."""
    tiles, detector = tiles_of(run), detector_of(config, run)
    decoder = decoder_of(config, run, detector).eval().requires_grad_(False)
    tile = Port("image", IMAGE, tiles.channels)
    return {
        "autoencoder": Portable(
            nn.Sequential(
                signing(tiles.range), Encoder(detector, config.decode.stage), decoder, unsigning(tiles.range)
            ),
            {"detector": detector, "decoder": decoder},
            f"Draws a tile again from what stage {config.decode.stage} of the detector's body sees of it.",
            {tile: tiles.take(tiles.split("test")[:1]).astype(np.float32)},
            Port("drawn", IMAGE, tiles.channels),
        )
    }
