"""Maps read at points, between voxels too."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def sampled(
    maps: Float[Tensor, "B C *space"], at: Float[Tensor, "B *grid n"], padding: str = "border"
) -> Float[Tensor, "B C *grid"]:
    """Return ``maps`` at the indices ``at``, interpolated linearly; voxel i has its centre at index i.

    ``padding`` says what lies outside: "border" or "reflection", about the centres of the outermost voxels.
    """
    size = at.new_tensor([max(length - 1, 1) for length in maps.shape[2:]])
    flat = rearrange(2 * at / size - 1, "b ... n -> b (...) n").flip(-1)
    grid = flat.reshape(len(at), *(1,) * (maps.ndim - 3), -1, maps.ndim - 2)
    found = F.grid_sample(maps, grid, padding_mode=padding, align_corners=True)
    return found.reshape(*maps.shape[:2], *at.shape[1:-1])


def rows_at(maps: Float[Tensor, "B D *space"], at: Float[Tensor, "B P n"]) -> Float[Tensor, "B P D"]:
    """Return the vector of each map at each of its points."""
    return rearrange(sampled(maps, at), "b d p -> b p d")
