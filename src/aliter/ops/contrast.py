"""Learning by telling pairs from everything else."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


def info_nce(
    a: Float[Tensor, "N D"],
    b: Float[Tensor, "N D"],
    temperature: float | int,
    ignored: Bool[Tensor, "N N"] | None = None,
) -> Float[Tensor, ""]:
    """Return the normalised, temperature-scaled cross entropy of finding each row's partner among all others.

    Row i of ``a`` matches row i of ``b``; rows are unit vectors. Each of the 2N rows has one partner and 2N - 2
    negatives, so the loss is ln(2N - 1) when all rows are equal, and 0 for N = 1. Swapping ``a`` and ``b`` changes
    nothing. Stable in single precision at any temperature. Rows i and j are no negatives of each other, in either
    view, where ``ignored[i, j]``, as it may be where they show the same thing.

    References
    ----------
    Chen et al. 2020, A simple framework for contrastive learning (SimCLR), arXiv:2002.05709, equation 1.
    """
    rows = torch.cat([a, b])
    count = len(a)
    logits = (rows / temperature) @ rows.T
    logits = logits.fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * count, device=rows.device).roll(count)
    if ignored is not None:
        apart = ignored & ~torch.eye(count, dtype=torch.bool, device=rows.device)
        logits = logits.masked_fill(apart.repeat(2, 2), -torch.inf)
    return functional.cross_entropy(logits, partner)


def variance_covariance(rows: Float[Tensor, "N D"], floor: float = 1e-4) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return by how much the channels of ``rows`` fall short of a deviation of 1, and how much they share.

    References
    ----------
    Bardes et al. 2022, VICReg, arXiv:2105.04906, equations 1 to 4.
    """
    centred = rows - rows.mean(0)
    short = torch.relu(1 - (centred.square().mean(0) * len(rows) / (len(rows) - 1) + floor).sqrt()).mean()
    covariance = centred.T @ centred / (len(rows) - 1)
    shared = (covariance.square().sum() - covariance.diagonal().square().sum()) / rows.shape[1]
    return short, shared
