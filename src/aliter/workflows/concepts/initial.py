"""What a first config of this room is for given slides, or images with classes."""

from pathlib import Path
from typing import Any

import numpy as np

from aliter.core.errors import DataError, RequestError
from aliter.data.annotations import Listed, listed_slides
from aliter.data.boxes import FIGURE
from aliter.data.images import is_store
from aliter.data.scan import Scan, scan
from aliter.data.slides import Slide, holds_boxes, stored_slides
from aliter.workflows.initial import Fitted, range_of, side_of

_USUAL_PX = 20.0
"""Side of the objects that the defaults are for."""
_STEP_PX = 32
_TINY, _SMALL = 32, 96
"""Images below so many pixels get a classifier with fewer blocks, and one that learns on two cores."""
_WINDOWS = 60
_PLAN = {"judge_every": 100, "save_every": 100, "keep": 1}


def fitted(images: Path) -> Fitted:
    """Return what fits slides with boxes, or images with classes.

    ``images`` is a store of either, a JSON file of boxes with the slides beside it, there or in a folder ``slides`` or
    ``images``, a folder with one such file, or whatever names classes: a folder for each, a table, arrays.

    Raises
    ------
    RequestError
        If it is neither, slides are missing, or images are not square.
    DataError
        If no box is of what is looked for, boxes do not lie in their slides, or images cannot be used.
    """
    lists = [images] if images.suffix.lower() == ".json" else sorted(images.glob("*.json"))
    if holds_boxes(images):
        return _of_slides(images, stored_slides(images), {})
    if is_store(images) or not lists:
        return _of_classes(images)
    source, slides = _read(_listed(images, lists))
    listed = source.model_dump(mode="json", exclude_defaults=True) | {"format": source.format}
    return _of_slides(images, slides, {"images": listed})


def _of_slides(images: Path, slides: list[Slide], values: dict[str, Any]) -> Fitted:
    """Return tiles, anchors and windows for the size of the objects."""
    corners = np.concatenate([one.corners[one.label == FIGURE] for one in slides])
    if not len(corners):
        raise DataError(f"{images}: expected boxes of category 1, found none; name yours under images.figures")
    side = float(np.median(corners[:, 2:] - corners[:, :2]))
    scale = side / _USUAL_PX
    tile = min(_tiles(128 * scale), *(min(one.height, one.width) // _STEP_PX * _STEP_PX for one in slides))
    values["tiles"] = {"side": tile, "overlap": min(tile // 2, round(2 * side))}
    values["detect"] = {
        "net": {"anchors_px": [round(anchor * scale, 1) for anchor in (20, 32, 64)]},
        "fit": {**_PLAN, "steps": 400, "size": 4, "rate": 1e-3, "best": ["f1"]},
        "reach_px": round(side / 2.5, 1),
    }
    values["discover"] = {"segments": {"window": max(16, round(1.6 * side)), "counts": [4, 10]}}
    values["decode"] = {"objective": {"features": 0.05}, "fit": {**_PLAN, "steps": 600, "size": 8, "rate": 2e-3}}
    return values, f"Fitted to {_said(slides, len(corners), side)}."


def _of_classes(images: Path) -> Fitted:
    """Return the last class as the one that is asked about, a classifier for the size, and numbers for the count."""
    found = _classes(images)
    side, figure = side_of(found), found.classes[-1]
    train = [int((one == 0).sum()) for one in found.assigned()]
    small, windows = side < _SMALL, min(_WINDOWS, train[-1])
    net = {"kind": "small_cnn", "depth": 3 if side < _TINY else 4} if small else {"kind": "timm", "name": "resnet18"}
    layers = [f"backbone.{name}" for name in (("block1", "block2") if small else ("layer2", "layer3"))]
    plan = {**_PLAN, "size": 32, "rate": 2e-3}
    learn = {**plan, "steps": int(np.clip(sum(train), 200, 2000)), "rate": 2e-3 if small else 1e-4}
    values: dict[str, Any] = {"range": range_of(found)} if found.kind != "store" else {}
    values["tiles"] = {"figure": figure}
    values["detect"] = {"net": {"kind": "classifier", "of": net}, "fit": {**learn, "best": ["accuracy"]}}
    values["discover"] = {
        "layers": layers,
        "images": windows,
        "elsewhere": min(_WINDOWS, sum(train[:-1])),
        "segments": {"window": side, "counts": [4, 10]},
        "method": {"kind": "ace", "count": int(np.clip(windows // 5, 2, 12)), "least": 10},
    }
    values["decode"] = {"layer": layers[0], "objective": {"features": 0.05}, "fit": {**plan, "steps": 400}}
    concept = {"mode": "cav", "within": "everywhere", "concepts": {layers[0]: {"top": 1.0}}}
    values["shift"] = {"look_alikes": 12, "pushes": [{"mode": "grad", "within": "everywhere"}, concept]}
    return values, f"Fitted to {found.summary()}. The last class is the one that is asked about."


def _classes(images: Path) -> Scan:
    """Return what names two classes or more; refuse all else by the two forms that there are."""
    try:
        found = scan(images)
    except RequestError as error:
        raise RequestError(f"{error}; slides are given by the JSON file of their boxes") from error
    if len(found.classes) < 2:
        there = f"images of '{found.classes[0]}' alone" if found.classes else "neither"
        raise RequestError(
            f"{images}: expected a folder of images for each of two classes or more, or slides with one JSON file of "
            f"their boxes; found {there}"
        )
    return found


def _listed(images: Path, lists: list[Path]) -> Listed:
    """Return the list of boxes at ``images``, and where its slides are."""
    if len(lists) != 1:
        found = ", ".join(one.name for one in lists)
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
