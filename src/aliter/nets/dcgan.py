"""The generator and the discriminator of a DCGAN, for images of any size."""

from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import SLOPE, BatchNorm


class DCGANSpec(Spec):
    """Strided 5x5 convolutions down to a few pixels, and back up.

    Every block halves the image, odd sizes rounded up: 28, 14, 7, 4. At 28 x 28, three blocks and a width of 64 the
    generator has 1,296,320 parameters and the discriminator 1,030,465.

    References
    ----------
    Radford et al. 2016, Unsupervised representation learning with deep convolutional GANs, arXiv:1511.06434.
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 4.
    """

    kind: Literal["dcgan"] = "dcgan"
    latent: PositiveInt = 64
    width: PositiveInt = 64
    """Channels next to the image; each further block has twice as many."""
    depth: PositiveInt = 3
    """Blocks."""
    norm: Literal["batch", "layer"] = "batch"
    """Normalisation in the discriminator: ``layer`` where images of a batch must not see each other (WGAN-GP)."""

    def build(self, channels: int, size: int) -> dict[str, nn.Module]:
        """Return ``generator``, from latents ``(B, latent)`` to images, and ``discriminator``, to logits ``(B,)``.

        Raises
        ------
        RequestError
            If the images are too small for the depth.
        """
        sizes = [size]
        for _ in range(self.depth):
            sizes.append((sizes[-1] + 1) // 2)
        if sizes[-1] < 2:
            raise RequestError(f"expected images that can be halved {self.depth} times, found {size} pixels a side")
        widths = [channels, *(self.width * 2**level for level in range(self.depth))]
        return {
            "generator": Generator(self.latent, widths, sizes),
            "discriminator": Discriminator(widths, sizes, self.norm),
        }


class Generator(nn.Module):
    """Draw an image from a latent."""

    def __init__(self, latent: int, widths: list[int], sizes: list[int]) -> None:
        super().__init__()
        deepest, smallest = widths[-1], sizes[-1]
        self.project = nn.Linear(latent, deepest * smallest**2, bias=False)
        self.start = nn.Sequential(BatchNorm(deepest * smallest**2), nn.ReLU())
        self.unflatten = nn.Unflatten(1, (deepest, smallest, smallest))
        steps = list(zip(pairwise(reversed(widths)), pairwise(reversed(sizes)), strict=True))
        blocks: list[nn.Module] = []
        for (inner, outer), (small, large) in steps:
            blocks.append(nn.ConvTranspose2d(inner, outer, 5, 2, 2, large - 2 * small + 1, bias=False))
            blocks += [BatchNorm(outer), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks[:-2], nn.Tanh())

    def forward(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B C H W"]:
        """Return images in [-1, 1] of standard normal ``z``, float32."""
        h = self.start(self.project(z)[:, :, None, None]).flatten(1)
        images: Tensor = self.blocks(self.unflatten(h))
        return images.float()


class Discriminator(nn.Module):
    """Tell real images from generated ones."""

    def __init__(self, widths: list[int], sizes: list[int], norm: Literal["batch", "layer"]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for level, (inner, outer) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(inner, outer, 5, 2, 2, bias=False))
            if level:
                side = sizes[level + 1]
                layers.append(BatchNorm(outer) if norm == "batch" else nn.LayerNorm([outer, side, side]))
            layers.append(nn.LeakyReLU(SLOPE))
        self.blocks = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * sizes[-1] ** 2, 1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """Return the logits that ``x`` are real images, float32."""
        logits: Tensor = self.head(self.blocks(x))
        return logits[:, 0].float()
