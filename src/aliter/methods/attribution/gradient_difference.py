"""Follow the tangent of the answer from the image to the baseline."""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import gradient, paired


class GradientDifference(Spec):
    """Multiply the gradient at ``x`` by ``x - baseline``.

    With a zero baseline it is gradient times input; with the counterfactual, D-InGrad.

    References
    ----------
    Shrikumar et al. 2016, Not just a black box, arXiv:1605.01713.
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    kind: Literal["gradient_difference"] = "gradient_difference"

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed, in units of the answer."""
        x, baseline = paired(x, baseline)
        return gradient(probe.answer(target), x) * (x - baseline)
