"""Random changes that leave the class of an image alone."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def flips(x: Float[Tensor, "B C H W"], rng: np.random.Generator, probability: float = 0.5) -> Float[Tensor, "B C H W"]:
    """Mirror each image along each axis with ``probability``."""
    drawn = torch.from_numpy(rng.random((2, len(x))) < probability).to(x.device)
    x = _where(drawn[0], x.flip(2), x)
    return _where(drawn[1], x.flip(3), x)


def rotations(x: Float[Tensor, "B C H W"], rng: np.random.Generator, degrees: float) -> Float[Tensor, "B C H W"]:
    """Turn each image about its centre by an angle drawn evenly from ``-degrees`` to ``degrees``; edges repeat."""
    angles = torch.from_numpy(rng.uniform(-degrees, degrees, len(x)) * (math.pi / 180)).to(x)
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    height, width = x.shape[-2:]
    rows = [torch.stack((cos, -sin * height / width, zero), 1), torch.stack((sin * width / height, cos, zero), 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def gaussian_noise(x: Float[Tensor, "B C H W"], rng: np.random.Generator, sd: float) -> Float[Tensor, "B C H W"]:
    """Add independent noise of standard deviation ``sd`` and clip to [-1, 1]."""
    noise = torch.from_numpy(rng.standard_normal(tuple(x.shape), np.float32)).to(x)
    return (x + sd * noise).clamp(-1, 1)


def _where(mask: Bool[Tensor, " B"], a: Tensor, b: Tensor) -> Tensor:
    return torch.where(mask[:, None, None, None], a, b)
