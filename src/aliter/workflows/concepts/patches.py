"""Segments of windows of tiles: where they are, what was drawn there, what a layer makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from aliter.core.errors import RequestError
from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.data.tiles import Tiles
from aliter.nets.detections import Detector
from aliter.nets.layers import watched
from aliter.ops.superpixels import alone, superpixels

_BATCH = 32
_GRID = 32
"""Pixels a side of an image are a multiple of this."""
_MOSTLY = 0.5

View = Literal["place", "crop", "resized"]
"""How a segment is shown: ``crop``, alone in the mean colour, as large as it is; ``place``, where it is in its tile, so
that what lies around it is seen too; ``resized``, alone and as large as a tile, as published."""


class Segmenting(Spec):
    """How images are cut into segments."""

    window: int = 48
    """Pixels a side of the windows that are segmented, each around a detection."""
    counts: tuple[int, ...] = (6, 15)
    """Segments of a window, at each resolution."""
    compactness: float = 20.0
    sigma_px: float = 1.0
    view: View = "crop"


@dataclass(frozen=True)
class Patches:
    """Segments, in the order of the windows that they are in."""

    tile: Int[np.ndarray, " N"]
    origin: Int[np.ndarray, "N 2"]
    """Where the window of each begins in its tile: y, x."""
    source: Int[np.ndarray, " N"]
    """Number of the window."""
    mask: Bool[np.ndarray, "N W W"]
    """Which pixels of the window belong to it."""

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.tile)

    def where(self, chosen: np.ndarray) -> "Patches":
        """Return those that are ``chosen``."""
        return Patches(self.tile[chosen], self.origin[chosen], self.source[chosen], self.mask[chosen])

    def whole(self, row: int, side: int) -> Bool[np.ndarray, "H W"]:
        """Return which pixels of its tile belong to one."""
        made = np.zeros((side, side), bool)
        y, x = self.origin[row].tolist()
        width = self.mask.shape[1]
        made[y : y + width, x : x + width] = self.mask[row]
        return made

    def save(self, run: Run, name: str) -> None:
        """Save them under ``name``."""
        run.save(f"{name}/tile", self.tile, ("patch",))
        run.save(f"{name}/origin", self.origin, ("patch", "axis"))
        run.save(f"{name}/source", self.source, ("patch",))
        run.save(f"{name}/mask", self.mask, ("patch", "y", "x"))

    @classmethod
    def load(cls, run: Run, name: str) -> "Patches":
        """Return those saved under ``name``."""
        return cls(*(run.load(f"{name}/{part}") for part in ("tile", "origin", "source", "mask")))


def cut(tiles: Tiles, tile: Int[np.ndarray, " N"], centre: Float32[np.ndarray, "N 2"], choice: Segmenting) -> Patches:
    """Return the segments of windows around these places (x, y) of these tiles, windows kept inside the tile."""
    side = tiles.shape[1]
    if choice.window > side:
        found_px = f"expected {side} at most, the side of an image, found {choice.window}"
        raise RequestError(f"discover.segments.window: {found_px}; lower it")
    rows: list[tuple[int, tuple[int, int], int]] = []
    masks: list[np.ndarray] = []
    with progress("segment", len(tile)) as advance:
        for number, (one, (x, y)) in enumerate(zip(tile.tolist(), centre.tolist(), strict=True)):
            top, left = (int(np.clip(round(at - choice.window / 2), 0, side - choice.window)) for at in (y, x))
            whole = _colours(tiles.take(np.array([one]))[0], tiles.range)
            window = whole[:, top : top + choice.window, left : left + choice.window]
            found = superpixels(window.transpose(1, 2, 0), choice.counts, choice.compactness, choice.sigma_px)
            rows += [(one, (top, left), number)] * len(found)
            masks += found
            advance(1, "")
    return Patches(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64).reshape(-1, 2),
        np.array([row[2] for row in rows], np.int64),
        np.array(masks, bool).reshape(-1, choice.window, choice.window),
    )


def _colours(image: np.ndarray, declared: tuple[float, float]) -> Float[np.ndarray, "3 H W"]:
    """Return an image as colours from 0 to 1: its first three channels, or the first alone as grey."""
    low, high = declared
    scaled = (image - low) / (high - low)
    return scaled[:3] if len(scaled) >= 3 else np.repeat(scaled[:1], 3, axis=0)


def kinds_of(tiles: Tiles, patches: Patches) -> Int[np.ndarray, " N"]:
    """Return what was drawn at most pixels of each segment; 0 where nothing fills half of it, or none is known."""
    known = tiles.kinds
    found = np.zeros(len(patches), np.int64)
    width = patches.mask.shape[1]
    for row in range(len(patches) if known is not None else 0):
        y, x = patches.origin[row].tolist()
        assert known is not None
        inside = known[patches.tile[row], y : y + width, x : x + width][patches.mask[row]]
        counts = np.bincount(inside)
        if counts.max() >= _MOSTLY * len(inside):
            found[row] = int(counts.argmax())
    return found


@torch.no_grad()
def activations(
    net: Detector, tiles: Tiles, patches: Patches, layers: Sequence[str], view: View, device: str
) -> dict[str, Float32[np.ndarray, "N D"]]:
    """Return what each of ``layers`` makes of each segment, pooled over space."""
    shown = _placed if view == "place" else _cropped
    body = net.backbone.body if all(name.startswith("backbone.body.") for name in layers) else net.backbone
    found: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    with progress("activate", len(patches)) as advance, watched(net, layers) as seen:
        for rows in _groups(patches, view):
            x, masks = shown(tiles, patches, rows, view)
            body(net.prepare(torch.from_numpy(x).to(device)))
            for name in layers:
                found[name].append(pooled(seen[name], torch.from_numpy(masks).to(device)).cpu().numpy())
            advance(len(rows), "")
    return {name: np.concatenate(parts) for name, parts in found.items()}


def pooled(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the mean of maps (B or 1, D, h, w) over each of the masks (N, H, W), cells weighted by what is covered."""
    grid = (int(maps.shape[-2]), int(maps.shape[-1]))
    weight = F.adaptive_avg_pool2d(masks[:, None].float(), grid)
    weight = weight / weight.sum((2, 3), keepdim=True)
    return (maps * weight).sum((2, 3))


def _groups(patches: Patches, view: View) -> list[Int[np.ndarray, " B"]]:
    """Return which segments go together: in place, those of one tile; else so many."""
    if view == "place":
        borders = np.flatnonzero(np.diff(patches.tile)) + 1
        return np.split(np.arange(len(patches)), borders)
    return np.array_split(np.arange(len(patches)), ceil(len(patches) / _BATCH))


def _placed(tiles: Tiles, patches: Patches, rows: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    masks = np.stack([patches.whole(row, tiles.shape[1]) for row in rows.tolist()])
    return tiles.signed(patches.tile[rows[:1]]), masks


def _cropped(tiles: Tiles, patches: Patches, rows: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return each segment alone, in the middle of a canvas of the mean colour, or enlarged to fill it."""
    whole_side, width = tiles.shape[1], patches.mask.shape[1]
    side = whole_side if view == "resized" else min(whole_side, _GRID * ceil(2 * width / _GRID))
    canvas = np.empty((len(rows), tiles.shape[0], side, side), np.float32)
    masks = np.zeros((len(rows), side, side), bool)
    for place, row in enumerate(rows.tolist()):
        whole = tiles.signed(patches.tile[row : row + 1])[0]
        seen, mask = alone(whole, patches.whole(row, whole_side))
        if view == "resized":
            large = F.interpolate(torch.from_numpy(seen)[None], (side, side), mode="bicubic", align_corners=False)
            canvas[place], masks[place] = large[0].clamp(-1, 1).numpy(), True
            continue
        top, left = ((side - length) // 2 for length in mask.shape)
        canvas[place] = whole.mean(axis=(1, 2))[:, None, None]
        canvas[place, :, top : top + mask.shape[0], left : left + mask.shape[1]] = seen
        masks[place, top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return canvas, masks


def strip(tiles: Tiles, patches: Patches, rows: Sequence[int]) -> np.ndarray:
    """Return the windows of these segments side by side, all but the segment faded, (3, W, W * count) in [-1, 1]."""
    shown = []
    width = patches.mask.shape[1]
    for row in rows:
        y, x = patches.origin[row].tolist()
        window = tiles.signed(patches.tile[row : row + 1])[0][:, y : y + width, x : x + width]
        shown.append(np.where(patches.mask[row], window, 0.35 * window + 0.65))
    return np.concatenate(shown, axis=2)


def mapping(values: Mapping[str, Float32[np.ndarray, "N D"]], run: Run, start: str) -> None:
    """Save activations, an array for each layer, under ``start``."""
    for name, rows in values.items():
        run.save(f"{start}/{name}", rows, ("patch", "channel"))
