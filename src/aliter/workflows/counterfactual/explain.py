"""One pair explained, from Python."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.core.probe import Probe
from aliter.core.walk import Walk
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.normalise import normalised
from aliter.methods.walk import MaskSweep, Sweep
from aliter.methods.walk.swept import swept
from aliter.nets.frozen import Frozen
from aliter.report.pictures import composite

Method = Callable[[Probe, Tensor, Tensor, int], Tensor]
"""``method(probe, x, baseline, target) -> map``, signed: a member of the attribution family, or a function."""
_METHODS: tuple[Method, ...] = (IntegratedGradients(),)
_SWEEP = MaskSweep()
_SIDE = 160
"""Pixels of the longer side of what is shown."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where one pair differs in what the classifier goes by, and how much of the answer hangs on it."""

    method: str
    source: int
    target: int
    score: float
    """QuAC score: area under the change of the answer over the size of the mask."""
    map: Float32[np.ndarray, "C H W"] = field(repr=False)
    """The attribution, in [0, 1]."""
    walk: Walk = field(repr=False)
    """From the query to the counterfactual, mask by mask."""
    mask: Bool[np.ndarray, "C H W"] = field(repr=False)
    """The one that changes most for its size, before its blur."""
    hybrid: Float32[np.ndarray, "C H W"] = field(repr=False)
    """The query with only that mask replaced, in [-1, 1]."""
    counterfactual: Float32[np.ndarray, "C H W"] = field(repr=False)

    def _repr_html_(self) -> str:
        """Return query, hybrid, counterfactual, map and mask side by side, with the score."""
        shown = {
            "query": composite(self.walk.origin),
            "hybrid": composite(self.hybrid),
            "counterfactual": composite(self.counterfactual),
            "map": composite(self.map * 2 - 1),
            "mask": composite(self.mask.astype(np.float32) * 2 - 1),
        }
        cells = "".join(
            f'<figure style="display:inline-block;margin:4px;text-align:center"><img src="{_png(pixels)}" '
            f'alt="{name}"><figcaption>{name}</figcaption></figure>'
            for name, pixels in shown.items()
        )
        text = f"{html.escape(self.method)}, class {self.source} to {self.target}: score {self.score:.3f}"
        return f"<div>{cells}<p>{text}</p></div>"


def explain(
    x: Float[np.ndarray, "C H W"] | Float[Tensor, "C H W"],
    counterfactual: Float[np.ndarray, "C H W"] | Float[Tensor, "C H W"],
    probe: Probe | nn.Module,
    methods: Sequence[Method] = _METHODS,
    sweep: Sweep = _SWEEP,
    source: int | None = None,
    target: int | None = None,
) -> list[Explanation]:
    """Return, for each of ``methods``, what the answer of ``probe`` to one pair hangs on.

    Images are in [-1, 1]; ``probe`` may be a module that gives logits for them. ``source`` is the class whose answer
    is attributed, ``target`` the one that the sweep leads to; if None, what ``probe`` takes ``x`` and
    ``counterfactual`` for.

    Raises
    ------
    RequestError
        If the images differ in shape, are no floats, or both are taken for the same class.
    """
    asked = Frozen(probe) if isinstance(probe, nn.Module) else probe
    query, other = _image(x), _image(counterfactual)
    if query.shape != other.shape:
        raise RequestError(f"expected two images of one shape, found {tuple(query.shape)} and {tuple(other.shape)}")
    source, target = _classes(asked, query, other, source, target)
    found = []
    for method in methods:
        # Rounded as stored maps are, so that the numbers are those of a run.
        map = normalised(method(asked, query[None], other[None], source).detach())[0].half().float()
        one = swept(asked.scores, sweep, query, other, map, target)
        hybrid = sweep.hybrid(query, other, one.mask)
        arrays = (map.numpy(), one.walk, one.mask.numpy(), hybrid.numpy(), other.numpy())
        found.append(Explanation(_name(method), source, target, one.score, *arrays))
    return found


def _image(values: Float[np.ndarray, "C H W"] | Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
    found = torch.as_tensor(values).detach().cpu()
    if found.ndim != 3 or not found.is_floating_point():
        raise RequestError(
            f"expected an image (channels, y, x) of floats in [-1, 1], found {tuple(found.shape)} of {found.dtype}; "
            "map the range of the images to [-1, 1]"
        )
    if not found.isfinite().all():
        raise DataError("expected a finite image, found NaN or infinity; mend or leave out this image")
    return found.float()


def _classes(
    probe: Probe, x: Float[Tensor, "C H W"], other: Float[Tensor, "C H W"], source: int | None, target: int | None
) -> tuple[int, int]:
    """Return source and target; those not given are what ``probe`` takes the images for."""
    taken = [int(label) for label in probe.scores(torch.stack([x, other])).argmax(1)]
    pair = (taken[0] if source is None else source, taken[1] if target is None else target)
    if pair[0] == pair[1]:
        raise RequestError(f"expected two classes, found {pair[0]} for both images; name them: source=..., target=...")
    return pair


def _name(method: Method) -> str:
    return str(getattr(method, "kind", getattr(method, "__name__", type(method).__name__)))


def _png(pixels: UInt8[np.ndarray, "H W 3"]) -> str:
    """Return a picture as the address of an inline PNG, enlarged without smoothing if it is small."""
    scale = max(1, _SIDE // max(pixels.shape[:2]))
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(np.repeat(pixels, scale, 0), scale, 1)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
