"""How unlikely the answer is under a Gaussian around undecided."""

from math import log
from typing import Literal

from jaxtyping import Float
from pydantic import PositiveFloat
from torch import Tensor

from aliter.core.spec import Spec


class Gaussian(Spec):
    """The mean negative log-likelihood of the probability under a Gaussian around one half, constants left out.

    Its gradient fades towards the boundary; a smaller variance makes a narrower band.

    References
    ----------
    Teixeira et al. 2024, GASTeNv2: generative adversarial stress testing networks with Gaussian loss.
    """

    kind: Literal["gaussian"] = "gaussian"
    variance: PositiveFloat = 0.01

    def __call__(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the term."""
        square = (logits.float().sigmoid() - 0.5).square()
        return (log(self.variance) + square / self.variance).mean() / 2
