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


def hinge(logits: Float[Tensor, " B"], real: bool) -> Float[Tensor, ""]:
    """Return how far, in the mean, ``logits`` fall short of 1 where real, or of -1 where fake.

    References
    ----------
    Lim and Ye 2017, Geometric GAN, arXiv:1705.02894, equation 12.
    """
    return F.relu(1 - logits.float() if real else 1 + logits.float()).mean()


def lipschitz_penalty(logits: Float[Tensor, " B"], x: Float[Tensor, "B *shape"]) -> Float[Tensor, ""]:
    """Return the mean squared distance from 1 of the norm of the gradient of ``logits`` at ``x``, differentiable.

    References
    ----------
    Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028, equation 3.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), x, create_graph=True)
    length: Tensor = torch.linalg.vector_norm(gradient.float().flatten(1), dim=1)
    return (length - 1).square().mean()


def gradient_penalty(logits: Float[Tensor, " B"], x: Float[Tensor, "B *shape"]) -> Float[Tensor, ""]:
    """Return R1: half the mean squared norm of the gradient of ``logits`` at ``x``, differentiable.

    References
    ----------
    Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406, eq. 9.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), x, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean() / 2
