"""What a run leaves for others to use: the detector's weights, and the decoder on its body."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aliter.data.run import Run
from aliter.nets.decoder import Encoder
from aliter.nets.portable import IMAGE, Port, Portable, Scaled, signing, unsigning
from aliter.workflows.concepts.decode import decoder_of
from aliter.workflows.concepts.detect import detector_of
from aliter.workflows.concepts.gather import tiles_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


class _Drawn(nn.Module):
    """A tile as it is stored, drawn again from what a stage of the detector sees of it."""

    def __init__(self, encoder: Encoder, decoder: nn.Module, declared: tuple[float, float]) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.signing: Scaled = signing(declared)
        self.unsigning: Scaled = unsigning(declared)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        drawn = self.decoder(self.encoder(self.signing(image)), int(image.shape[-1]))
        return torch.as_tensor(self.unsigning(drawn))


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return what draws again what the detector's body sees; the detector's own weights lie beside the decoder's."""
    tiles, detector = tiles_of(run), detector_of(config, run)
    decoder = decoder_of(config, run, detector).eval().requires_grad_(False)
    tile = Port("image", IMAGE, tiles.channels)
    return {
        "autoencoder": Portable(
            _Drawn(Encoder(detector, config.decode.at), decoder, tiles.range),
            {"detector": detector, "decoder": decoder},
            f"Draws a tile again from what {detector.layer_at(config.decode.at)} of the detector's body sees of it.",
            {tile: tiles.take(tiles.split("test")[:1]).astype(np.float32)},
            Port("drawn", IMAGE, tiles.channels),
        )
    }
