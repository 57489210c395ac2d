"""Terms of adversarial games."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def non_saturating(logits: Float[Tensor, " B"], real: bool) -> Float[Tensor, ""]:
    """Return the mean binary cross-entropy of ``logits`` against "real" or "fake".

    References
    ----------
    Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661.
    """
    return F.softplus(-logits.float() if real else logits.float()).mean()


def gradient_penalty(logits: Float[Tensor, " B"], x: Float[Tensor, "B *shape"]) -> Float[Tensor, ""]:
    """Return R1: half the mean squared norm of the gradient of ``logits`` at ``x``, differentiable.

    References
    ----------
    Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406, eq. 9.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), x, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean() / 2
