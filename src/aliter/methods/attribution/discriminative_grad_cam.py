"""Where the maps of a late layer differ, and the answer hangs on it."""

from typing import ClassVar, Literal

from einops import reduce
from jaxtyping import Float
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.grad_cam import spread
from aliter.methods.attribution.gradient import paired
from aliter.methods.attribution.layers import hookable_module, look, mapping_layers


class DiscriminativeGradCAM(Spec):
    """Sum the changes of a layer's maps from ``baseline`` to ``x``, times the gradient of the answer at ``x``.

    The gradient is not averaged over pixels. Interpolated linearly to the pixels of ``x`` and the same in all
    channels.

    References
    ----------
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    kind: Literal["discriminative_grad_cam"] = "discriminative_grad_cam"
    layer: str | None = None
    """Name of the layer; by default the last convolution to run, of those that give more than one pixel."""

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed.

        Raises
        ------
        RequestError
            If layers cannot be hooked, or ``layer`` gives no maps.
        """
        layers = mapping_layers(hookable_module(probe, self.kind), self.layer)
        x, baseline = paired(x, baseline)
        answer = probe.answer(target)
        maps, gradient = look(answer, x, layers)
        others, _ = look(answer, baseline, layers)
        return spread(reduce(gradient * (maps - others), "b d ... -> b ...", "sum"), x)
