"""Gradients of an answer, exact and apart from whatever else is going on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from aliter.core.errors import RequestError
from aliter.core.probe import Answer


def paired(
    x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"]
) -> tuple[Float[Tensor, "B C *space"], Float[Tensor, "B C *space"]]:
    """Return both images in float32, or in float64 if they are that, apart from any graph.

    Raises
    ------
    RequestError
        If their shapes differ: a baseline is an image for each image, never broadcast.
    """
    if x.shape != baseline.shape:
        raise RequestError(
            f"expected a baseline of shape {tuple(x.shape)}, found {tuple(baseline.shape)}; give one for each image"
        )
    wide = torch.promote_types(torch.promote_types(x.dtype, baseline.dtype), torch.float32)
    with torch.inference_mode(False):
        return x.detach().to(wide, copy=True), baseline.detach().to(wide, copy=True)


@contextmanager
def exact(x: Tensor) -> Iterator[None]:
    """Take gradients in full precision on the device of ``x``, even under autocast, ``no_grad`` or inference mode."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        yield


def slope(answer: Float[Tensor, " B"], at: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Return the gradient of each ``answer`` with respect to its row of ``at``; 0 where it does not depend on it.

    Only that gradient is computed: parameters and their gradients are left alone.

    Raises
    ------
    RequestError
        If the answer cannot be differentiated at all.
    """
    if not answer.requires_grad:
        raise RequestError(
            "expected an answer that can be differentiated, found one without gradient; use residual or random"
        )
    (gradient,) = torch.autograd.grad(answer.sum(), at, materialize_grads=True)
    return gradient


def gradient(answer: Answer, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
    """Return the gradient of ``answer`` at every image of ``x``, which ``paired`` made."""
    with exact(x):
        x = x.detach().clone().requires_grad_()
        return slope(answer(x), x)
