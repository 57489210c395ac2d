"""Weigh the maps of a late layer by how much the answer hangs on each."""

from typing import ClassVar, Literal

import torch.nn.functional as F
from einops import einsum, reduce, repeat
from jaxtyping import Float
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import exact, paired
from aliter.methods.attribution.layers import hookable_module, look, mapping_layers

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


class GradCAM(Spec):
    """Sum the maps of a layer at ``x``, each weighed by the mean gradient of the answer over that map.

    Interpolated linearly to the pixels of ``x`` and the same in all channels. ``baseline`` is not looked at. Signed:
    the paper keeps what is positive.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, equation 1, and equation 2 without its ReLU.
    """

    discriminative: ClassVar[bool] = False
    complete: ClassVar[bool] = False

    kind: Literal["grad_cam"] = "grad_cam"
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
        x, _ = paired(x, baseline)
        maps, gradient = look(probe.answer(target), x, layers)
        with exact(x):
            weight = reduce(gradient, "b d ... -> b d", "mean")
            return spread(einsum(weight, maps, "b d, b d ... -> b ..."), x)


def spread(cam: Float[Tensor, "B *grid"], x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
    """Return ``cam`` interpolated linearly to the pixels of ``x``, the same in all its channels."""
    fine = F.interpolate(cam[:, None], size=x.shape[2:], mode=_LINEAR[x.ndim], align_corners=False)
    return repeat(fine.to(x), "b 1 ... -> b c ...", c=x.shape[1])
