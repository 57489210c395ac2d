"""The two classes between which the boundary lies, and the classifiers that are asked about them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from aliter.core.errors import RequestError
from aliter.core.rng import chance
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config


def pair_of(config: "Config", run: Run) -> Images:
    """Return the images of the two classes, as if there were no others: 0 is the first, 1 the second.

    Raises
    ------
    RequestError
        If the config names no pair and there are not just two classes, or it names what is not there.
    """
    images = images_of(run)
    if config.pair is None and len(images.classes) == 2:
        return images
    if config.pair is None:
        raise RequestError(
            f"expected the two classes to look between, found {len(images.classes)} ({', '.join(images.classes)}); "
            f"name two, as in 'pair: [{images.classes[0]}, {images.classes[1]}]'"
        )
    first, second = (str(one) for one in config.pair)
    return Images(images.path, images.range, (first, second))


def latents(seed: int, name: str, rows: Sequence[int] | range, length: int) -> Float32[np.ndarray, "B L"]:
    """Return the latents of these ``rows`` of the list ``name``: a row is the same whatever stands beside it."""
    return np.stack([chance(seed, name, row).standard_normal(length, np.float32) for row in rows])


@torch.no_grad()
def drawn(generator: nn.Module, z: Float32[np.ndarray, "N L"], device: str) -> Float32[np.ndarray, "N C H W"]:
    """Return the images that ``generator`` draws from ``z``."""
    parts = [generator(part.to(device)).cpu().numpy() for part in torch.split(torch.from_numpy(z), 256)]
    return np.concatenate(parts)


@torch.no_grad()
def probability(between: nn.Module, x: Float[np.ndarray, "N C H W"], device: str) -> Float[np.ndarray, " N"]:
    """Return the probabilities of the second class against the first."""
    parts = [
        between(part.to(device)).double().sigmoid().cpu().numpy() for part in torch.split(torch.from_numpy(x), 256)
    ]
    return np.concatenate(parts)
