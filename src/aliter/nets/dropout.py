"""Dropout whose strength is learned with the weights: what is sampled later is what was trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aliter.core.errors import CheckpointError


class Dropout(nn.Module):
    """Set values to 0 with a probability that is kept in every checkpoint, and scale up the others.

    References
    ----------
    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15.
    """

    p: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p))

    def forward(self, x: Float[Tensor, "B *shape"]) -> Float[Tensor, "B *shape"]:
        """Return ``x`` with values dropped while it trains or is sampled."""
        return F.dropout(x, float(self.p)) if self.training else x


@contextmanager
def sampled(net: nn.Module) -> Iterator[None]:
    """Let ``net`` drop values as when it was trained; all else stays as in evaluation.

    References
    ----------
    Gal and Ghahramani 2016, Dropout as a Bayesian approximation, arXiv:1506.02142.
    """
    sites = [module for module in net.modules() if isinstance(module, Dropout)]
    before = [site.training for site in sites]
    try:
        for site in sites:
            site.train()
        yield
    finally:
        for site, mode in zip(sites, before, strict=True):
            site.train(mode)


def require_strength(net: nn.Module, p: float) -> None:
    """Refuse to sample ``net`` with another strength than it was trained with.

    Raises
    ------
    CheckpointError
        If the strength that came with its weights is not ``p``.
    """
    found = {round(float(module.p), 6) for module in net.modules() if isinstance(module, Dropout)}
    if found - {round(p, 6)}:
        trained = ", ".join(f"{one:g}" for one in sorted(found))
        raise CheckpointError(f"expected weights learned with dropout {p:g}, found {trained}; sample as they learned")
