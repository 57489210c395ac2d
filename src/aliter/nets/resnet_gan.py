"""Generator and discriminator of residual blocks, for images of 32 pixels."""

from typing import Literal

from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import BatchNorm, Resize, convolution, double, halve, keep

_SIZE = 32


class ResNetGANSpec(Spec):
    """Residual blocks of one width, normalised before each convolution; every shortcut that resizes is a convolution.

    With three channels and a width and latent of 128 the generator has 1,595,651 parameters and the discriminator
    1,042,017.

    References
    ----------
    Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028, appendix F.
    """

    kind: Literal["resnet_gan"] = "resnet_gan"
    latent: PositiveInt = 128
    width: PositiveInt = 128
    """Channels of all blocks."""
    norm: Literal["batch", "layer"] = "batch"
    """Normalisation in the discriminator: ``layer`` where images of a batch must not see each other (WGAN-GP)."""

    def build(self, channels: int, size: int) -> dict[str, nn.Module]:
        """Return ``generator``, from latents ``(B, latent)`` to images, and ``discriminator``, to logits ``(B,)``.

        Raises
        ------
        RequestError
            If the images are not 32 pixels a side.
        """
        if size != _SIZE:
            raise RequestError(
                f"expected images of {_SIZE} pixels a side, found {size}; use 'kind: dcgan', or resize them"
            )
        return {
            "generator": ResNetGenerator(self.latent, self.width, channels),
            "discriminator": ResNetDiscriminator(self.width, channels, self.norm),
        }


class ResNetGenerator(nn.Module):
    """Draw an image from a latent."""

    def __init__(self, latent: int, width: int, channels: int) -> None:
        super().__init__()
        blocks = [ResidualBlock((width, width), (BatchNorm(width), BatchNorm(width)), double, keep) for _ in range(3)]
        self.project = nn.Linear(latent, 16 * width, bias=False)
        self.unflatten = nn.Unflatten(1, (width, 4, 4))
        self.blocks = nn.Sequential(*blocks, BatchNorm(width), convolution(width, channels), nn.Tanh())

    def forward(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B C H W"]:
        """Return images in [-1, 1] of standard normal ``z``, float32."""
        images: Tensor = self.blocks(self.unflatten(self.project(z)))
        return images.float()


class ResNetDiscriminator(nn.Module):
    """Tell real images from generated ones."""

    def __init__(self, width: int, channels: int, norm: Literal["batch", "layer"]) -> None:
        super().__init__()
        steps = [
            (channels, width, _SIZE, halve),
            (width, width, 16, halve),
            (width, width, 8, keep),
            (width, width, 8, keep),
        ]
        blocks = []
        for inner, outer, side, resize in steps:
            norms = tuple(BatchNorm(inner) if norm == "batch" else nn.LayerNorm([inner, side, side]) for _ in range(2))
            blocks.append(ResidualBlock((inner, outer), (norms[0], norms[1]), keep, resize))
        self.blocks = nn.Sequential(*blocks, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, 1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """Return the logits that ``x`` are real images, float32."""
        logits: Tensor = self.head(self.blocks(x))
        return logits[:, 0].float()


class ResidualBlock(nn.Module):
    """Two convolutions, each after a normalisation and a ReLU, beside a shortcut; ``before`` and ``after`` resize."""

    def __init__(
        self, widths: tuple[int, int], norms: tuple[nn.Module, nn.Module], before: Resize, after: Resize
    ) -> None:
        super().__init__()
        inner, outer = widths
        self.before, self.after = before, after
        self.norms = nn.ModuleList(norms)
        self.convolutions = nn.ModuleList([convolution(inner, inner), convolution(inner, outer)])
        resized = before is not keep or after is not keep
        self.shortcut: nn.Module = convolution(inner, outer) if resized else nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the maps, resized."""
        h = self.convolutions[0](self.before(self.norms[0](x).relu()))
        h = self.convolutions[1](self.norms[1](h).relu())
        found: Tensor = self.after(h + self.shortcut(self.before(x)))
        return found
