"""How the weights of one network move."""

import torch
from torch import nn

from aliter.train.plan import Fit


def adam(net: nn.Module, plan: Fit, name: str) -> torch.optim.Adam:
    """Return the optimiser of the network ``name``: as the plan says of it, else as it says of all."""
    pace = plan.networks.get(name)
    rate = pace.rate if pace and pace.rate is not None else plan.rate
    betas = pace.betas if pace and pace.betas is not None else plan.betas
    decay = pace.decay if pace and pace.decay is not None else plan.decay
    return torch.optim.Adam(net.parameters(), lr=rate, betas=betas, weight_decay=decay, fused=True)
