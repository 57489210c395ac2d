"""What is found in tiles, against what is there: every place of a slide once."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int

from aliter.core.progress import progress
from aliter.data.boxes import FIGURE, LOOK_ALIKE
from aliter.data.run import Figure
from aliter.data.tiles import Tiles
from aliter.nets.detections import Detector
from aliter.ops.classification import wilson
from aliter.ops.detection import average_precision, counted, distinct, iou, matched, nearness
from aliter.workflows.concepts.words import words_of

_BATCH = 8
SAME = 0.5
"""Intersection over union from which on two boxes are of one object."""


@dataclass(frozen=True)
class Found:
    """What was found in some tiles, each place of a slide once."""

    tile: Int[np.ndarray, " N"]
    corners: Float32[np.ndarray, "N 4"]
    scores: Float32[np.ndarray, " N"]
    boxes: Float32[np.ndarray, "N 4"]
    """The proposals behind them: where the score of each was read."""

    def where(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " M"]) -> "Found":
        """Return those that are ``chosen``."""
        return Found(self.tile[chosen], self.corners[chosen], self.scores[chosen], self.boxes[chosen])


@dataclass(frozen=True)
class Judged:
    """What was found, against what is there."""

    found: Found
    near: Int[np.ndarray, " N"]
    """Row of the figure that each stands for by distance, in the boxes of all tiles; -1 for none."""
    overlapping: Bool[np.ndarray, " N"]
    """Whether each covers a figure by half of the area of both."""
    there: int
    """Figures."""
    tiles: int


def judged(net: Detector, tiles: Tiles, numbers: Int[np.ndarray, " N"], reach_px: float, device: str) -> Judged:
    """Return what ``net`` finds in these tiles, against the figures there, slide by slide: every place counts once.

    Of what two tiles find within ``reach_px``, about the border between what they answer for, the surer one stays.
    """
    found = _found_in(net, tiles, numbers, reach_px, device)
    places, boxes = tiles.places, tiles.boxes
    rows = np.flatnonzero(np.isin(boxes.image, numbers) & (boxes.label == FIGURE))
    rows = rows[[bool(tiles.answers(int(boxes.image[row]), boxes.corners[row : row + 1])[0]) for row in rows]]
    kept: list[np.ndarray] = []
    near: list[np.ndarray] = []
    overlapping: list[np.ndarray] = []
    for slide in np.unique(places[numbers, 0]):
        mine = np.flatnonzero(places[found.tile, 0] == slide)
        seen = _on_slide(tiles, found.tile[mine], found.corners[mine])
        single = distinct(seen, found.scores[mine], found.tile[mine], reach_px)
        mine, seen = mine[single], seen[single]
        truth = rows[places[boxes.image[rows], 0] == slide]
        there = _on_slide(tiles, boxes.image[truth], boxes.corners[truth])
        match = matched(nearness(seen, there), found.scores[mine], -reach_px)
        kept.append(mine)
        near.append(np.where(match >= 0, truth[match] if len(truth) else -1, -1))
        overlapping.append(matched(iou(seen, there), found.scores[mine], SAME) >= 0)
    return Judged(
        found.where(np.concatenate(kept)), np.concatenate(near), np.concatenate(overlapping), len(rows), len(numbers)
    )


def _on_slide(
    tiles: Tiles, tile: Int[np.ndarray, " N"], corners: Float32[np.ndarray, "N 4"]
) -> Float32[np.ndarray, "N 4"]:
    """Return boxes of tiles in pixels of their slide."""
    return np.asarray(corners + np.tile(tiles.places[tile][:, [2, 1]], 2).astype(np.float32))


def _found_in(net: Detector, tiles: Tiles, numbers: Int[np.ndarray, " N"], reach_px: float, device: str) -> Found:
    """Return what is found in these tiles, in or near the part that each answers for."""
    parts: list[Found] = []
    with progress("look", len(numbers)) as advance:
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            x = torch.from_numpy(tiles.signed(batch)).to(device)
            for number, one in zip(batch.tolist(), net.detect(x), strict=True):
                corners, scores, boxes = (value.cpu().numpy() for value in (one.corners, one.scores, one.boxes))
                whole = Found(np.full(len(scores), number), corners, scores, boxes)
                parts.append(whole.where(tiles.answers(number, corners, reach_px / 2)))
            advance(len(batch), "")
    names = ("tile", "corners", "scores", "boxes")
    return Found(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def figures_of(tiles: Tiles, one: Judged, threshold: float) -> list[Figure]:
    """Return how good the detector is on the tiles for testing, at the threshold that was chosen on others."""
    words, whole = words_of(tiles), tiles.figure is not None
    loud = one.found.scores >= threshold
    counts = counted(one.near[loud], one.there)
    area = "area under precision over recall"
    note = f"{'' if whole else 'centre distance; '}threshold {threshold:.3f} chosen on val"
    low, high = wilson(counts.recall, one.there) if one.there else (None, None)
    ap = average_precision(one.found.scores, one.overlapping, one.there)
    fooled, alike = _fooled(tiles, one, loud)
    figures = [
        Figure("F1", counts.f1, one.tiles, note=note),
        Figure("precision", counts.precision, one.tiles, note=note),
        Figure("recall", counts.recall, one.tiles, low, high, f"of {one.there} {words.figures}"),
        Figure("average precision" if whole else "AP50", ap, one.tiles, note=f"{area}{'' if whole else ' at IoU 0.5'}"),
    ]
    if alike:
        name = f"{words.look_alikes} taken for {words.figures}"
        figures.append(Figure(name, fooled / alike, one.tiles, note=f"of {alike}"))
    return figures


def _fooled(tiles: Tiles, one: Judged, loud: Bool[np.ndarray, " N"]) -> tuple[int, int]:
    """Return how many look-alikes something invented lies on, and how many there are."""
    wrong = one.found.where(loud & (one.near < 0))
    fooled = alike = 0
    for number in np.unique(tiles.split("test")).tolist():
        others = tiles.boxes.of(number, LOOK_ALIKE).corners
        mine = wrong.where(wrong.tile == number)
        fooled += int((matched(nearness(mine.corners, others), mine.scores, -8.0) >= 0).sum())
        alike += int(tiles.answers(number, others).sum())
    return fooled, alike
