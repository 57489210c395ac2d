"""What becomes of a map when the method is done: its range, and whether it adds up."""

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from aliter.core.errors import DataError


def normalised(map: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
    """Return the absolute values, stretched over [0, 1] for each image, over its channels and pixels together.

    A map that is constant becomes 0.

    Raises
    ------
    DataError
        If a value is not finite.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """
    if not map.isfinite().all():
        raise DataError("expected a finite attribution, found NaN or infinity; check the weights and the images")
    strength = map.abs()
    axes = tuple(range(1, map.ndim))
    low, high = strength.amin(axes, keepdim=True), strength.amax(axes, keepdim=True)
    return torch.where(high > low, (strength - low) / torch.where(high > low, high - low, 1), 0)


def completeness(map: Float[Tensor, "B C *space"], gap: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return ``|sum of the map - gap| / |gap|`` for each image, in float64.

    ``gap`` is ``answer(x) - answer(baseline)``. 0 where nothing is missing, infinite where only the gap is 0.

    References
    ----------
    Sundararajan et al. 2017, Axiomatic attribution for deep networks, arXiv:1703.01365, section 3.
    """
    gap = gap.double()
    missing = (reduce(map.double(), "b ... -> b", "sum") - gap).abs()
    return torch.where(missing == 0, missing, missing / gap.abs())
