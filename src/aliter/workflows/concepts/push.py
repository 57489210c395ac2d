"""What a detection is pushed along: gradient, concepts, or both, in some layers, inside its box or everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import NonNegativeInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.nets.decoder import Encoder
from aliter.nets.detector import Detector
from aliter.nets.layers import inserted, watched
from aliter.ops.boxes import box_cells
from aliter.ops.shift import Mode, as_strong_as, direction
from aliter.workflows.concepts.score import answer_of, cavs_of, gradient_maps, scored

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

TOP = "top"


class Push(Spec):
    """One way of shifting a detection."""

    mode: Mode = "grad"
    concepts: dict[str, dict[str, float]] = {}
    """Layer, concept and weight; ``top`` is the concept that stands out most in its layer. Empty: none."""
    gradient: Literal["decoder", "encoder"] = "decoder"
    """Whether the gradient is taken through the decoder and the whole detector, or in the detector's own maps."""
    within: Literal["box", "everywhere"] = "box"
    dilate: NonNegativeInt = 0
    """Cells around the box that may change too."""
    alpha: float = 1.0
    """Weight of the concept where it is added to the gradient."""

    @property
    def name(self) -> str:
        """What pages and files call it."""
        concepts = [f"{name}" for layer in self.concepts.values() for name in layer]
        where = "" if self.within == "box" else ", everywhere"
        taken = "" if self.gradient == "decoder" or self.mode == "cav" else ", own gradient"
        return f"{self.mode}{' ' + '+'.join(concepts) if concepts else ''}{taken}{where}"


@dataclass(frozen=True)
class Loom:
    """Detector, decoder and what lies between: draws an image at any shift."""

    detector: Detector
    encoder: Encoder
    decoder: nn.Module
    stage: str
    """Name, in the detector, of the layer that is decoded."""

    @torch.no_grad()
    def draw(self, x: Tensor, shifts: Mapping[str, Tensor], amount: float) -> Tensor:
        """Return what is drawn of ``x`` (1, 3, H, W), with shifts, by layer, so many times inserted on the way."""
        values = {name: amount * shift[None] for name, shift in shifts.items()} if amount else {}
        with inserted(self.detector, values):
            z = self.encoder(x)
        drawn: Tensor = self.decoder(z, x.shape[-1])
        return drawn

    def gradient(
        self, x: Tensor, box: Tensor, layer: str, push: Push, answer: Literal["margin", "logit", "prob"]
    ) -> Tensor:
        """Return the gradient of the answer in ``box`` at a layer, (D, h, w)."""
        if push.gradient == "encoder":
            return gradient_maps(self.detector, x, box, (layer,), answer)[layer][0]
        with torch.no_grad(), watched(self.detector, (layer,)) as seen:
            self.encoder(x)
        zero = torch.zeros_like(seen[layer], requires_grad=True)
        with inserted(self.detector, {layer: zero}):
            z = self.encoder(x)
        drawn = self.decoder(z, x.shape[-1])
        found = answer_of(answer)(self.detector.box_logits(drawn, [box])).sum()
        (gradient,) = torch.autograd.grad(found, zero)
        return gradient[0]

    @torch.no_grad()
    def maps(self, x: Tensor, layer: str) -> Tensor:
        """Return what a layer gives for ``x``, (D, h, w)."""
        with watched(self.detector, (layer,)) as seen:
            self.encoder(x)
        if layer not in seen:
            raise RequestError(
                f"{layer}: expected a layer before or at {self.stage}, which is decoded; raise decode.stage"
            )
        return seen[layer][0]


def shifts_of(config: "Config", run: Run, loom: Loom, x: Tensor, box: Tensor, push: Push) -> dict[str, Tensor]:
    """Return by layer what is inserted at shift 1: as strong as what the layer gives there."""
    layers = list(push.concepts) or [loom.stage]
    found = {}
    for layer in layers:
        maps = loom.maps(x, layer)
        mask = mask_of(push, box[0], x.shape[-1], maps)
        concept = _concept(run, layer, push.concepts.get(layer, {}))
        gradient = loom.gradient(x, box, layer, push, config.score.answer)
        along = None if concept is None else torch.from_numpy(concept).to(maps)
        found[layer] = as_strong_as(direction(push.mode, gradient, along, mask, push.alpha), maps, mask)
    return found


def mask_of(push: Push, box: Float[Tensor, " 4"], side: int, maps: Float[Tensor, "D h w"]) -> Bool[Tensor, "h w"]:
    """Return which cells may change."""
    grid = (int(maps.shape[1]), int(maps.shape[2]))
    if push.within == "everywhere":
        return torch.ones(grid, dtype=torch.bool)
    return box_cells(box.cpu(), side / grid[1], grid, push.dilate)


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
        raise RequestError(f"{layer}: expected a concept that was found there, found none; name one that was planted")
    return max(rows, key=lambda row: (row.effect, row.score)).name
