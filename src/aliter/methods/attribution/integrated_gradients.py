"""Average the gradient along the line from the baseline."""

from typing import ClassVar, Literal

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor

from aliter.core.probe import Answer, Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import exact, gradient, paired

_PIXELS = 250_000
"""Pixels of the images that are differentiated at once, which bounds memory whatever the batch and the steps."""


class IntegratedGradients(Spec):
    """Average the gradient along the straight line from ``baseline`` to ``x``, times their difference.

    The map sums to ``answer(x) - answer(baseline)``, up to the error of ``steps``. With the counterfactual as
    baseline it is D-IG.

    References
    ----------
    Sundararajan et al. 2017, Axiomatic attribution for deep networks, arXiv:1703.01365, equation 1.
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = True

    kind: Literal["integrated_gradients"] = "integrated_gradients"
    steps: PositiveInt = 50
    """Gauss-Legendre points at which the gradient is read."""

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed, in units of the answer."""
        answer = probe.answer(target)
        x, baseline = paired(x, baseline)
        with exact(x):
            return torch.stack([self._map(answer, one, other) for one, other in zip(x, baseline, strict=True)])

    def _map(
        self, answer: Answer, x: Float[Tensor, "C *space"], baseline: Float[Tensor, "C *space"]
    ) -> Float[Tensor, "C *space"]:
        """Return the map of one image."""
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        place = torch.as_tensor((nodes + 1) / 2).to(x)
        weight = torch.as_tensor(weights / 2).to(x)
        change = x - baseline
        total = torch.zeros_like(x)
        rows = max(1, _PIXELS // x[0].numel())
        for start in range(0, self.steps, rows):
            part = slice(start, start + rows)
            path = baseline + einsum(place[part], change, "s, c ... -> s c ...")
            total += einsum(weight[part], gradient(answer, path), "s, s c ... -> c ...")
        return change * total
