"""What a detection is pushed along: gradient, concepts, or both, in some layers, inside its box or everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.nets.decoder import Encoder
from aliter.nets.detections import Detector
from aliter.nets.layers import inserted, watched
from aliter.ops.boxes import box_cells
from aliter.ops.shift import Mode, as_strong_as, direction
from aliter.workflows.concepts.answer import Answer, answer_of, gradient_maps
from aliter.workflows.concepts.outcome import Corners
from aliter.workflows.concepts.score import cavs_of, scored
from aliter.workflows.concepts.way import Values

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

TOP = "top"


class Push(Spec):
    """One way of shifting a detection."""

    mode: Mode = "grad"
    concepts: dict[str, dict[str, float]] = {}
    """Layer, concept and weight; ``top`` is the concept that stands out most in its layer. A layer without any is where
    the gradient is taken and the shift inserted; empty: at the layer that is decoded."""
    gradient: Literal["decoder", "encoder"] = "decoder"
    """Whether the gradient is taken through the decoder and the whole detector, or in the detector's own maps."""
    within: Literal["box", "pixels", "everywhere"] = "box"
    """Where maps may change: in the cells under the box; there, and no pixel far from it, since what a decoder draws of
    a cell reaches further: frames are laid over the unshifted drawing; or everywhere."""
    dilate: NonNegativeInt = 0
    """Cells around the box that may change too."""
    bend: Annotated[float, Field(gt=1)] | None = 1.2
    """Factor by which the shift grows until the gradient is taken anew, where it stands; None: never, as published."""
    alpha: float = 1.0
    """Weight of the concept where it is added to the gradient."""
    label: str = ""
    """What pages and files call it; empty: what it does, in words."""

    @property
    def name(self) -> str:
        """What pages and files call it."""
        if self.label:
            return self.label
        concepts = [f"{name}" for layer in self.concepts.values() for name in layer]
        bare = [layer.rpartition(".")[2] for layer, named in self.concepts.items() if not named]
        at = f" at {'+'.join(bare)}" if bare else ""
        where = "" if self.within == "box" else f", {self.within}"
        taken = "" if self.gradient == "decoder" or self.mode == "cav" else ", own gradient"
        straight = ", straight" if self.bend is None and self.mode != "cav" else ""
        return f"{self.mode}{' ' + '+'.join(concepts) if concepts else ''}{at}{taken}{straight}{where}"

    @property
    def bends(self) -> float | None:
        """``bend``, but for a concept alone, which is the same everywhere."""
        return None if self.mode == "cav" else self.bend

    def sign(self, rise: bool) -> Literal[-1, 0, 1]:
        """Return the sign of shifts that raise or lower the answer; 0 where it cannot be known beforehand."""
        if self.mode in ("cav", "gate"):
            return 0
        return 1 if rise else -1


@dataclass(frozen=True)
class Loom:
    """Detector, decoder and what lies between: draws an image, whatever is inserted."""

    detector: Detector
    encoder: Encoder
    decoder: nn.Module
    stage: str
    """Name, in the detector, of the layer that is decoded."""

    @torch.no_grad()
    def draw(self, x: Tensor, values: Values) -> Tensor:
        """Return what is drawn of ``x`` (1, 3, H, W), with ``values`` (D, h, w), by layer, inserted on the way."""
        return self.drawn(x, values)

    def drawn(self, x: Tensor, values: Values) -> Tensor:
        """Return the same, differentiable."""
        with inserted(self.detector, {name: value[None] for name, value in values.items()}):
            z = self.encoder(x)
        image: Tensor = self.decoder(z, x.shape[-1])
        return image

    def gradient(self, at: "Place", layer: str, push: Push, answer: Answer) -> Tensor:
        """Return the gradient of the answer at a layer, (D, h, w), where so much is inserted already.

        Of several boxes, it is of the soft maximum of their answers: the logarithm of the sum of their exponentials.
        """

        def whole(logits: Tensor) -> Tensor:
            return answer_of(answer)(logits).logsumexp(0)

        if push.gradient == "encoder":
            with inserted(self.detector, {name: value[None] for name, value in at.values.items()}):
                return gradient_maps(self.detector, at.x, [at.boxes], (layer,), whole)[layer][0]
        zero = torch.zeros_like(self.maps(at.x, layer), requires_grad=True)
        with inserted(self.detector, {layer: zero[None]}):
            drawn = self.drawn(at.x, at.values)
        (gradient,) = torch.autograd.grad(whole(self.detector.box_logits(drawn, [at.boxes])), zero)
        return gradient

    @torch.no_grad()
    def maps(self, x: Tensor, layer: str) -> Tensor:
        """Return what a layer gives for ``x``, (D, h, w)."""
        with watched(self.detector, (layer,)) as seen:
            self.encoder(x)
        if layer not in seen:
            raise RequestError(
                f"{layer}: expected a layer before or at {self.stage}, which is decoded; decode a later one"
            )
        return seen[layer][0]


@dataclass(frozen=True)
class Place:
    """Where a push stands."""

    x: Tensor
    values: Values
    """What is inserted so far."""
    boxes: Float[Tensor, "M 4"]
    """Boxes in which the answer is read."""
    within: Corners
    """Where the subject is."""


def shifts_of(config: "Config", run: Run, loom: Loom, at: Place, push: Push) -> dict[str, Tensor]:
    """Return by layer the way on: as strong as what the layer gives there, unshifted."""
    layers = list(push.concepts) or [loom.stage]
    found = {}
    for layer in layers:
        maps = loom.maps(at.x, layer)
        mask = mask_of(push, at.within, at.x.shape[-1], maps)
        concept = _concept(run, layer, push.concepts.get(layer, {}))
        gradient = torch.ones_like(maps) if push.mode == "cav" else loom.gradient(at, layer, push, config.score.answer)
        along = None if concept is None else torch.from_numpy(concept).to(maps)
        found[layer] = as_strong_as(direction(push.mode, gradient, along, mask, push.alpha), maps, mask)
    return found


def mask_of(push: Push, within: Corners, side: int, maps: Float[Tensor, "D h w"]) -> Bool[Tensor, "h w"]:
    """Return which cells may change."""
    grid = (int(maps.shape[1]), int(maps.shape[2]))
    if push.within == "everywhere":
        return torch.ones(grid, dtype=torch.bool)
    return box_cells(torch.tensor(within), side / grid[1], grid, push.dilate)


def _concept(run: Run, layer: str, weights: Mapping[str, float]) -> np.ndarray | None:
    """Return the weighted sum of stored directions of a layer.

    Raises
    ------
    RequestError
        If there is no such concept.
    """
    if not weights:
        return None
    known = cavs_of(run, layer)
    total: np.ndarray = np.zeros(1, np.float32)
    for name, weight in weights.items():
        chosen = top_of(run, layer) if name == TOP else name
        if chosen not in known:
            raise RequestError(f"{layer}: expected a concept, one of {', '.join(known)}; found '{chosen}'")
        total = total + weight * known[chosen]
    return np.asarray(total)


def top_of(run: Run, layer: str) -> str:
    """Return the discovered concept of a layer along which the answer rises most, against what is no concept."""
    rows = [row for row in scored(run) if row.layer == layer and not row.control and row.name.isdigit()]
    if not rows:
        raise RequestError(
            f"{layer}: expected a concept that was found there, found none; lower discover.method.least, or leave the "
            f"pushes along '{TOP}' out"
        )
    return max(rows, key=lambda row: (row.effect, row.score)).name
