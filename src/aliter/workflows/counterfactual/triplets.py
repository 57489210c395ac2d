"""Query, counterfactual and hybrid side by side: how far a translator is, while it learns."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8

from aliter.data.images import Images
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.normalise import normalised
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.methods.walk.swept import swept
from aliter.nets.frozen import Frozen
from aliter.report.pictures import composite
from aliter.workflows.counterfactual.translation import Translator

_METHOD, _SWEEP = IntegratedGradients(steps=8), MaskSweep(steps=20)
"""Coarser than what explains in the end: a glance, taken often."""


def triplets(translator: Translator, images: Images, probe: Frozen, most: int = 4) -> UInt8[np.ndarray, "H W 3"]:
    """Return a row for the first validation image of each class, of ``most`` at most, shown as the next class."""
    classes = len(images.classes)
    rows = [_triplet(translator, images, probe, (label, (label + 1) % classes)) for label in range(min(classes, most))]
    return np.concatenate(rows)


def _triplet(
    translator: Translator, images: Images, probe: Frozen, pair: tuple[int, int]
) -> UInt8[np.ndarray, "H W 3"]:
    number = images.split("val", pair[0])[:1]
    origins = translator.origins("latent", pair, 0, 1, images.split("val", pair[1]))
    x = torch.from_numpy(images.signed(number))
    other = translator.translate("latent", x, origins, pair[1], images).cpu()
    map = normalised(_METHOD(probe, x, other, pair[0]).detach())[0]
    found = swept(probe.scores, _SWEEP, x[0], other[0], map, pair[1])
    hybrid = _SWEEP.hybrid(x[0], other[0], found.mask)
    row = torch.stack([x[0], other[0], hybrid]).numpy()
    return composite(np.asarray(rearrange(row, "image c y x -> c y (image x)")))
