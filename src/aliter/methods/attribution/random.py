"""A map that knows nothing: what chance reaches."""

from hashlib import blake2b
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat
from scipy.ndimage import gaussian_filter
from torch import Tensor

from aliter.core.probe import Probe
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import paired


class Random(Spec):
    """Smooth ``|N(0, 1)|``, drawn for every value: a control that asks neither model nor baseline.

    The draw is a function of the values of ``x`` alone, so the same image always gets the same map.

    References
    ----------
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    discriminative: ClassVar[bool] = False
    complete: ClassVar[bool] = False

    kind: Literal["random"] = "random"
    sigma_px: NonNegativeFloat = 4.0
    """Width of the Gaussian that smooths each channel along its spatial axes, reflected at the border."""

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the map, not negative."""
        x, _ = paired(x, baseline)
        maps = [self._map(image) for image in x.cpu().numpy()]
        return torch.as_tensor(np.stack(maps)).to(x)

    def _map(self, image: Float[np.ndarray, "C *space"]) -> Float[np.ndarray, "C *space"]:
        """Return the map of one image."""
        # Adding 0 makes -0 and 0, which are equal, one.
        values = np.ascontiguousarray(image + 0, dtype=np.float32)
        name = blake2b(repr(values.shape).encode() + values.tobytes(), digest_size=16).hexdigest()
        noise = np.abs(chance(0, "random attribution", name).standard_normal(values.shape))
        smooth: Float[np.ndarray, "C *space"] = gaussian_filter(noise, self.sigma_px, axes=range(1, noise.ndim))
        return smooth
