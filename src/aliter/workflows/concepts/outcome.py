"""What a walk came to: whether it reached its target, how local it was, what else it moved."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aliter.methods.walk.latent_shift import Shifted
from aliter.nets.detections import Detector
from aliter.ops.detection import iou
from aliter.ops.shift import locality, monotonicity
from aliter.workflows.concepts.judge import SAME

_BATCH = 8
Corners = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


@dataclass(frozen=True)
class Subject:
    """What is pushed: something in a tile."""

    tile: int
    place: Corners
    """Where it is: what may change, and what a detection must cover to be it."""
    box: Corners
    """The proposal in which its score was read."""
    rise: bool
    """Whether it is pushed up."""
    others: tuple[Corners, ...]
    """What else was detected in the tile."""


@dataclass(frozen=True)
class Outcome:
    """One walk, judged."""

    subject: int
    push: str
    tile: str
    rise: bool
    stop: str
    start: float
    """Score in the image itself: that which is to reach the target, as in the next two."""
    drawn: float
    """Score in what is drawn of it, unshifted."""
    end: float
    target: float | None
    """None where a published search has none."""
    matched: float
    """Score of the detection that covers the place at the end, 0 if there is none."""
    box: float
    """Score in the box at the end."""
    proximity: float
    """Mean absolute change of the image, on the scale from 0 to 1."""
    locality: float
    """Share of the change in the box and a margin; where a difference was planted, there and in a margin. NaN where
    that is the whole image."""
    collateral: float
    """Largest change of the score of another detection in the tile; NaN if there is none."""
    monotonicity: float
    shift: float
    area: float = float("nan")
    """Share of the image that ``locality`` is about: what a change all over the image would reach."""
    planted: bool = False
    """Whether that is where a difference was planted, instead of a box."""

    @property
    def reached(self) -> bool:
        """Whether the score is within 0.02 of the target; without one, whether the fall that was asked for ended it."""
        return self.stop == "target" if self.target is None else abs(self.end - self.target) <= 0.02


@torch.no_grad()
def box_scores(net: Detector, x: Tensor, boxes: Tensor) -> Float[np.ndarray, "N K"]:
    """Return the probabilities of each class in each of these boxes of one image."""
    return np.asarray(net.box_logits(x, [boxes]).softmax(-1).cpu().numpy())


@dataclass(frozen=True)
class Twice:
    """Both scores of each frame."""

    box: Float[np.ndarray, " T"]
    matched: Float[np.ndarray, " T"]


@torch.no_grad()
def matched_scores(net: Detector, frames: Float[np.ndarray, "T C H W"], place: Corners) -> Float[np.ndarray, " T"]:
    """Return, in each frame, the score of the detection that covers a place; 0 if the detector finds none there."""
    device = next(net.parameters()).device
    scores = []
    for start in range(0, len(frames), _BATCH):
        for one in net.detect(torch.from_numpy(frames[start : start + _BATCH]).to(device)):
            overlap = iou(np.array([place]), one.corners.cpu().numpy())[0]
            scores.append(float(np.where(overlap >= SAME, one.scores.cpu().numpy(), 0.0).max(initial=0.0)))
    return np.array(scores)


@torch.no_grad()
def covering(net: Detector, x: Tensor, box: Float[Tensor, "1 4"]) -> Float[Tensor, "M 4"]:
    """Return the box, and all that is proposed in one image and covers it at least by half of ``SAME``."""
    proposals = net.detect(x)[0].proposals
    overlap = torch.from_numpy(iou(box.cpu().numpy(), proposals.cpu().numpy())[0])
    return torch.cat([box, proposals[(overlap >= SAME / 2).to(proposals.device)]])


@dataclass(frozen=True)
class Asked:
    """What was asked of a walk."""

    number: int
    """Of the subject."""
    subject: Subject
    tile: str
    """Id of its tile."""
    push: str
    target: float | None
    near: Bool[np.ndarray, "H W"]
    """Pixels where a change is local."""
    planted: bool


def judged(net: Detector, asked: Asked, found: Shifted, start: float, scores: Twice) -> Outcome:
    """Return how a walk went."""
    walk, one = found.walk, asked.subject
    assert walk.image is not None
    first, last = walk.image[0], walk.image[-1]
    score = walk.score[:, 1]
    part = not asked.near.all()
    return Outcome(
        subject=asked.number,
        push=asked.push,
        tile=asked.tile,
        rise=one.rise,
        stop=found.stop,
        start=start,
        drawn=float(score[0]),
        end=float(score[-1]),
        target=asked.target,
        matched=float(scores.matched[-1]),
        box=float(scores.box[-1]),
        proximity=float(np.abs(last - first).mean() / 2),
        locality=locality(np.abs(last - first).sum(axis=0), asked.near) if part else float("nan"),
        collateral=_collateral(net, one, first, last),
        monotonicity=monotonicity(walk.t, score if one.rise else -score),
        shift=float(walk.setting[-1]),
        area=float(asked.near.mean()) if part else float("nan"),
        planted=asked.planted,
    )


def _collateral(net: Detector, one: Subject, first: np.ndarray, last: np.ndarray) -> float:
    """Return the largest change of the score of another detection; NaN if there is none."""
    if not one.others:
        return float("nan")
    device = next(net.parameters()).device
    boxes = torch.tensor(one.others, device=device)
    before, after = (box_scores(net, torch.from_numpy(x)[None].to(device), boxes) for x in (first, last))
    return float(np.abs(after[:, 1] - before[:, 1]).max())


def near_box(box: tuple[float, ...], shape: tuple[int, ...], margin: float) -> np.ndarray:
    """Return which pixels lie in a box, or nearer to it than ``margin`` along both axes."""
    left, top, right, low = box
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    down = (rows >= top - margin) & (rows <= low + margin)
    across = (columns >= left - margin) & (columns <= right + margin)
    return np.asarray(down[:, None] & across[None])
