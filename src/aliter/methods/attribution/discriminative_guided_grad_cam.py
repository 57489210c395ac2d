"""Sharpen discriminative Grad-CAM by guided backpropagation."""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.discriminative_grad_cam import DiscriminativeGradCAM
from aliter.methods.attribution.guided_grad_cam import guided_gradient


class DiscriminativeGuidedGradCAM(Spec):
    """Multiply the guided gradient at ``x`` by the map of ``DiscriminativeGradCAM``.

    References
    ----------
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    kind: Literal["discriminative_guided_grad_cam"] = "discriminative_guided_grad_cam"
    layer: str | None = None
    """Name of the layer; by default the last convolution to run, of those that give more than one pixel."""

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed.

        Raises
        ------
        RequestError
            If layers cannot be hooked, ``layer`` gives no maps, or a ReLU of the network is not a module.
        """
        guided = guided_gradient(probe, x, target, self.kind)
        return guided * DiscriminativeGradCAM(layer=self.layer)(probe, x, baseline, target)
