"""What a first config of this room is for given slides."""

from pathlib import Path
from typing import Any

import numpy as np

from aliter.core.errors import DataError, RequestError
from aliter.data.annotations import Listed, listed_slides
from aliter.data.boxes import FIGURE
from aliter.data.images import is_store
from aliter.data.slides import Slide, stored_slides
from aliter.workflows.initial import Fitted

_USUAL_PX = 20.0
"""Side of the objects that the defaults are for."""
_STEP_PX = 32
_PLAN = {"judge_every": 100, "save_every": 100, "keep": 1}


def fitted(images: Path) -> Fitted:
    """Return where slides and boxes are, and tiles, anchors and windows for the size of the objects.

    ``images`` is a store of slides, a JSON file of boxes with the slides beside it, there or in a folder ``slides`` or
    ``images``, or a folder with one such file.

    Raises
    ------
    RequestError
        If there is no list of boxes, or slides are missing.
    DataError
        If no box is of what is looked for, or boxes do not lie in their slides.
    """
    values: dict[str, Any] = {}
    if is_store(images):
        slides = stored_slides(images)
    else:
        source, slides = _read(_listed(images))
        values["images"] = source.model_dump(mode="json", exclude_defaults=True) | {"format": source.format}
    corners = np.concatenate([one.corners[one.label == FIGURE] for one in slides])
    if not len(corners):
        raise DataError(f"{images}: expected boxes of category 1, found none; name yours under images.figures")
    side = float(np.median(corners[:, 2:] - corners[:, :2]))
    scale = side / _USUAL_PX
    tile = min(_tiles(128 * scale), *(min(one.height, one.width) // _STEP_PX * _STEP_PX for one in slides))
    values["tiles"] = {"side": tile, "overlap": min(tile // 2, round(2 * side))}
    values["detect"] = {
        "net": {"anchors_px": [round(anchor * scale, 1) for anchor in (20, 32, 64)]},
        "fit": {
            "steps": 400,
            "size": 4,
            "rate": 1e-3,
            "judge_every": 100,
            "save_every": 100,
            "keep": 1,
            "best": ["f1"],
        },
        "reach_px": round(side / 2.5, 1),
    }
    values["discover"] = {"segments": {"window": max(16, round(1.6 * side)), "counts": [4, 10]}}
    values["decode"] = {
        "objective": {"features": 0.05},
        "fit": {"steps": 600, "size": 8, "rate": 2e-3, "judge_every": 100, "save_every": 100, "keep": 1},
    }
    return values, f"Fitted to {_said(slides, len(corners), side)}."


def _listed(images: Path) -> Listed:
    """Return the list of boxes at ``images``, and where its slides are."""
    lists = [images] if images.is_file() else sorted(images.glob("*.json"))
    if len(lists) != 1:
        found = ", ".join(one.name for one in lists) or "none"
        raise RequestError(f"{images}: expected one JSON file of boxes, found {found}; name the file itself")
    folder = lists[0].parent
    places = [place for name in ("slides", "images") if (place := folder / name).is_dir()]
    return Listed(slides=(places or [folder])[0], boxes=lists[0])


def _read(source: Listed) -> tuple[Listed, list[Slide]]:
    """Return the list in the format in which its boxes lie in their slides, and the slides."""
    try:
        return source, listed_slides(source)
    except DataError:
        other = source.model_copy(update={"format": "midog"})
        return other, listed_slides(other)


def _tiles(wanted: float) -> int:
    return max(2, round(wanted / _STEP_PX)) * _STEP_PX


def _said(slides: list[Slide], figures: int, side: float) -> str:
    others = sum(int((one.label != FIGURE).sum()) for one in slides)
    return f"{len(slides)} slides with {figures} figures of {side:.0f} pixels and {others} look-alikes"
