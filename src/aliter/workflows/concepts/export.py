"""What a run leaves for others to use: the weights of what is explained, and the decoder on its body."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aliter.data.run import Run
from aliter.nets.decoder import Encoder
from aliter.nets.portable import IMAGE, Port, Portable, Scaled, signing, unsigning
from aliter.nets.whole import Whole
from aliter.workflows.classifier import portable
from aliter.workflows.concepts.decode import decoder_of
from aliter.workflows.concepts.detect import detector_of, learning
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


class _Drawn(nn.Module):
    """A tile as it is stored, drawn again from what a layer sees of it."""

    def __init__(self, encoder: Encoder, decoder: nn.Module, declared: tuple[float, float]) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.signing: Scaled = signing(declared)
        self.unsigning: Scaled = unsigning(declared)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        drawn = self.decoder(self.encoder(self.signing(image)), int(image.shape[-1]))
        return torch.as_tensor(self.unsigning(drawn))


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return what draws again what a layer sees, with the weights of what is explained; and a classifier itself."""
    tiles, detector = tiles_of(run), detector_of(config, run)
    words, tile = words_of(tiles), Port("image", IMAGE, tiles.channels)
    decoder = decoder_of(config, run, detector).eval().requires_grad_(False)
    found = {
        "autoencoder": Portable(
            _Drawn(Encoder(detector, config.decode.at), decoder, tiles.range),
            {**learning(detector), "decoder": decoder},
            f"Draws each {words.tile} again from what {detector.layer_at(config.decode.at)} of the {words.model} sees.",
            {tile: tiles.take(tiles.split("test")[:1]).astype(np.float32)},
            Port("drawn", IMAGE, tiles.channels),
        )
    }
    if isinstance(detector, Whole) and config.detect.learns:
        found["classifier"] = portable(detector.backbone, tiles)
    return found
