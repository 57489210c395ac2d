"""What is asked of the detector about one detection, and how it changes with what a layer gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32

from aliter.data.tiles import Tiles
from aliter.nets.detections import Detector
from aliter.nets.layers import inserted, watched
from aliter.workflows.concepts.judge import Found

Answer = Literal["margin", "logit", "prob"]
"""What is differentiated: the logit of a figure less that of the background, itself, or its probability."""
Answered = Callable[[torch.Tensor], torch.Tensor]
"""From logits (M, K) to what is differentiated."""
_BATCH = 8


def answer_of(kind: Answer) -> Answered:
    """Return the function from logits (B, K) to what is differentiated, of class 1."""
    if kind == "margin":
        return lambda logits: logits[:, 1] - logits[:, 0]
    return (lambda logits: logits[:, 1]) if kind == "logit" else (lambda logits: logits.softmax(-1)[:, 1])


def answer_gradients(
    net: Detector, tiles: Tiles, found: Found, layers: Sequence[str], kind: Answer, device: str
) -> dict[str, Float32[np.ndarray, "N D"]]:
    """Return the gradient of each detection's answer at each layer, summed over cells.

    The answer is read where the detector read it: in the proposal that the detection comes from.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    for start in range(0, len(found.tile), _BATCH):
        rows = slice(start, start + _BATCH)
        x = torch.from_numpy(tiles.signed(found.tile[rows])).to(device)
        boxes = torch.from_numpy(found.boxes[rows]).to(device)
        maps = gradient_maps(net, x, torch.split(boxes, 1), layers, lambda logits: answer_of(kind)(logits).sum())
        for name in layers:
            parts[name].append(maps[name].sum((2, 3)).cpu().numpy())
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def gradient_maps(
    net: Detector, x: torch.Tensor, boxes: Sequence[torch.Tensor], layers: Sequence[str], answer: Answered
) -> dict[str, torch.Tensor]:
    """Return the gradient of the ``answer`` to the logits in the boxes of each image, by layer, (B, D, h, w)."""
    with torch.no_grad(), watched(net, layers) as seen:
        net.backbone(net.prepare(x))
        shapes = {name: seen[name].shape for name in layers}
    zeros: Mapping[str, torch.Tensor] = {
        name: torch.zeros(shapes[name], device=x.device, requires_grad=True) for name in layers
    }
    with inserted(net, zeros):
        found = answer(net.box_logits(x, boxes))
    return dict(zip(layers, torch.autograd.grad(found, [zeros[name] for name in layers]), strict=True))
