"""What differs, whatever the model makes of it."""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import paired


class Residual(Spec):
    """Subtract ``baseline`` from ``x``: a control that asks no model.

    References
    ----------
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    kind: Literal["residual"] = "residual"

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return ``x - baseline``, signed, in units of intensity."""
        x, baseline = paired(x, baseline)
        return x - baseline
