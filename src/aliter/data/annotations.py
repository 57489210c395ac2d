"""Slides as files, with their boxes in one JSON file: as COCO writes it, or as the MIDOG challenge does."""

import json
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from aliter.core.errors import DataError, RequestError
from aliter.core.spec import Spec
from aliter.data.boxes import FIGURE, LOOK_ALIKE
from aliter.data.slides import Slide
from aliter.data.splits import SPLITS, draw_group_splits

_SLACK_PX = 1.0


class Listed(Spec):
    """Slides in a folder, with boxes in a JSON file.

    References
    ----------
    Lin et al. 2014, Microsoft COCO: common objects in context, arXiv:1405.0312.
    Aubreville et al. 2023, Mitosis domain generalization in histopathology images: the MIDOG challenge,
    arXiv:2204.03742.
    """

    slides: Path
    """Folder of the files that the list names: TIFF, PNG or JPEG, three channels of eight bits."""
    boxes: Path
    """The JSON file."""
    format: Literal["coco", "midog"] = "coco"
    """What four numbers of a box are: left, top, width and height, or left, top, right and bottom."""
    figures: tuple[int | str, ...] = (1,)
    """Categories, by number or name, that are looked for; boxes of all others are look-alikes."""
    patients: str = "file_name"
    """Key of an image, in the list, that says what must stand in one split."""
    seed: int = 0
    """Draws the splits, where the list does not name them (``split``: train, val or test)."""


def listed_slides(source: Listed) -> list[Slide]:
    """Return the slides of a list, in its order; pixels are read when they are first asked for.

    Raises
    ------
    RequestError
        If a file is missing.
    DataError
        If the list lacks something, or boxes do not lie in their images.
    """
    found = _read(source.boxes)
    names = {int(one["id"]): str(one.get("name", one["id"])) for one in found.get("categories", ())}
    wanted = {number for number, name in names.items() if {number, name} & set(source.figures)}
    wanted |= {one for one in source.figures if isinstance(one, int)}
    boxes: dict[int, list[Mapping[str, Any]]] = {}
    for one in found["annotations"]:
        boxes.setdefault(int(one["image_id"]), []).append(one)
    images = found["images"]
    splits = _splits(images, source)
    missing = [one["file_name"] for one in images if not (source.slides / one["file_name"]).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise RequestError(f"{source.slides}: expected the slides of the list, found no {', '.join(missing[:3])}{more}")
    return [
        _slide(one, boxes.get(int(one["id"]), []), split, source, wanted)
        for one, split in zip(images, splits, strict=True)
    ]


def write_listed(slides: list[Slide], out: Path) -> None:
    """Write slides as PNG files with a list of their boxes, as COCO does, in the folder ``out``."""
    (out / "slides").mkdir(parents=True)
    every = slice(None)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, one in enumerate(slides):
        name = f"{number:06d}.png"
        Image.fromarray(np.ascontiguousarray(one.read(every, every).transpose(1, 2, 0))).save(out / "slides" / name)
        size = {"width": one.width, "height": one.height}
        images.append({"id": number, "file_name": name, **size, "split": SPLITS[one.split]})
        for corners, label in zip(one.corners.tolist(), one.label.tolist(), strict=True):
            left, top, right, low = corners
            box = [left, top, right - left, low - top]
            annotations.append({"id": len(annotations), "image_id": number, "bbox": box, "category_id": label})
    names = {FIGURE: "figure", LOOK_ALIKE: "look-alike"}
    categories = [{"id": label, "name": name} for label, name in names.items()]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (out / "boxes.json").write_text(json.dumps(whole), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RequestError(f"{path}: expected a JSON file of boxes, found none; check the path")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, found what cannot be read as such: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(found.get(key), list) for key in ("images", "annotations")):
        raise DataError(f"{path}: expected lists 'images' and 'annotations', found none; write it as COCO does")
    needed = {"images": {"id", "file_name", "width", "height"}, "annotations": {"image_id", "bbox", "category_id"}}
    for key, wanted in needed.items():
        for one in found[key]:
            if lacking := sorted(wanted - one.keys()):
                raise DataError(f"{path}: expected {', '.join(lacking)} in each of '{key}', found one without; add it")
    return found


def _splits(images: list[dict[str, Any]], source: Listed) -> list[int]:
    """Return the split of each image: the one that the list names, or drawn, patient by patient."""
    if all("split" in one for one in images):
        unknown = [one["split"] for one in images if one["split"] not in SPLITS]
        if unknown:
            raise DataError(f"{source.boxes}: expected splits of {', '.join(SPLITS)}, found '{unknown[0]}'; rename it")
        return [SPLITS.index(one["split"]) for one in images]
    if lacking := [one["file_name"] for one in images if source.patients not in one]:
        raise DataError(f"{source.boxes}: expected '{source.patients}' of each image, found none for {lacking[0]}")
    (drawn,) = draw_group_splits([[str(one[source.patients]) for one in images]], source.seed)
    return [int(one) for one in drawn]


def _slide(
    image: Mapping[str, Any], boxes: list[Mapping[str, Any]], split: int, source: Listed, wanted: set[int]
) -> Slide:
    path, width, height = source.slides / image["file_name"], int(image["width"]), int(image["height"])
    corners = np.array([one["bbox"] for one in boxes], np.float32).reshape(-1, 4)
    if source.format == "coco":
        corners = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
    outside = (corners[:, :2] < -_SLACK_PX).any(1) | (corners[:, 2:] > np.array([width, height]) + _SLACK_PX).any(1)
    flat = (corners[:, 2:] <= corners[:, :2]).any(1)
    if (outside | flat).any():
        other = "midog" if source.format == "coco" else "coco"
        share = f"{int((outside | flat).sum())} of {len(corners)}"
        raise DataError(
            f"{path.name}: expected boxes inside {width} x {height} pixels, found {share} outside or empty; "
            f"if they are of the other form, set 'format: {other}'"
        )
    read = partial(_pixels, path, (height, width))
    label = [FIGURE if int(one["category_id"]) in wanted else LOOK_ALIKE for one in boxes]
    return Slide(
        id=Path(image["file_name"]).with_suffix("").as_posix(),
        height=height,
        width=width,
        split=split,
        corners=np.clip(corners, 0, np.array([width, height] * 2, np.float32)).astype(np.float32),
        label=np.array(label, np.uint8),
        kind=np.zeros(len(boxes), np.uint8),
        read=lambda y, x: read()[:, y, x],
    )


@lru_cache(maxsize=2)
def _pixels(path: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "3 H W"]:
    """Return a whole slide; the last two stay in memory, since tiles are cut slide by slide."""
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        values = np.asarray(tifffile.imread(path, key=0))
    else:
        with Image.open(path) as file:
            values = np.asarray(file.convert("RGB") if file.mode in ("RGBA", "P", "L") else file)
    if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[2] not in (3, 4):
        values = np.moveaxis(values, 0, 2)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8 or values.shape[:2] != size:
        found = f"{' x '.join(map(str, values.shape))} of {values.dtype}"
        raise DataError(f"{path}: expected {size[0]} x {size[1]} pixels of 3 channels, 8 bits each, found {found}")
    return np.ascontiguousarray(np.moveaxis(values[..., :3], 2, 0))
