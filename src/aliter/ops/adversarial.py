"""Terms of adversarial games."""

from collections.abc import Sequence

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


Maps = Sequence[Sequence[Float[Tensor, "B _ _ _"]]]
"""Of each scale of a discriminator: what its layers give, the logits last."""


def least_squares(maps: Maps, real: bool) -> Float[Tensor, ""]:
    """Return the sum over scales of the mean squared distance of logits from 1 where real, from 0 where fake.

    References
    ----------
    Mao et al. 2017, Least squares generative adversarial networks, arXiv:1611.04076, equation 9.
    """
    return torch.stack([(scale[-1].float() - float(real)).square().mean() for scale in maps]).sum()


def cross_entropies(maps: Maps, real: bool) -> Float[Tensor, ""]:
    """Return the sum over scales of the mean binary cross-entropy of logits against "real" or "fake"."""
    return torch.stack([non_saturating(scale[-1].flatten(), real) for scale in maps]).sum()


def feature_matching(real: Maps, fake: Maps) -> Float[Tensor, ""]:
    """Return how far features of generated images are from those of real ones.

    Of K scales with L layers of features: ``sum over all of mean |real - fake| * 4 / (K L)``. The published code
    weighs so; its paper writes the plain sum.

    References
    ----------
    Wang et al. 2018, arXiv:1711.11585, equation 4.
    """
    count = len(fake) * (len(fake[0]) - 1)
    terms = [
        F.l1_loss(ours.float(), theirs.float())
        for one, other in zip(fake, real, strict=True)
        for ours, theirs in zip(one[:-1], other[:-1], strict=True)
    ]
    return torch.stack(terms).sum() * (4 / count)


def perceptual(real: Sequence[Float[Tensor, "..."]], fake: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, ""]:
    """Return how far maps of generated images are from those of real ones, of five levels that see.

    ``sum of w mean |real - fake|`` with w of 1/32, 1/16, 1/8, 1/4 and 1, from the finest to the coarsest.

    References
    ----------
    Johnson et al. 2016, Perceptual losses for real-time style transfer, arXiv:1603.08155, equation 2; the weights are
    those of pix2pixHD's code.
    """
    terms = [F.l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(fake, real, strict=True)]
    return torch.stack([weight * term for weight, term in zip(_LEVELS, terms, strict=True)]).sum()


_LEVELS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
