"""Pairs of images on disk: plates of OME-Zarr whose channels have names, and folders of files, a folder a channel."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from jaxtyping import Integer, Shaped

from aliter.core.errors import DataError, RequestError
from aliter.data import ngff, reader
from aliter.data.convert import beside
from aliter.data.fields import Fields, write_objects
from aliter.data.images import Header, full_range, write_images
from aliter.data.picture import Unusable
from aliter.data.planes import Planes
from aliter.data.splits import SPLITS, draw_group_splits
from aliter.data.tiff import write_tiff

_PLANES = Planes(z="middle", t=0)
_OBJECTS = re.compile(r"label|mask|segmentation", re.IGNORECASE)
"""Channels of such a name hold the numbers of objects."""
_TILE = re.compile(r"_crop\d+$")
"""What tiles of one field differ in; they never stand in two splits."""
_COLUMNS = 12
"""Wells of a row of a plate."""


@dataclass(frozen=True)
class Paired:
    """Fields on disk, and how one is read."""

    ids: tuple[str, ...]
    channels: tuple[str, ...]
    labelled: bool
    read: Callable[[str], Shaped[np.ndarray, "C H W"]]
    """Channels of the field of an id, without objects."""
    objects: Callable[[str], Integer[np.ndarray, "H W"]]
    splits: Mapping[str, int]
    """Of each id, where it is told."""


def paired(source: Path) -> Paired:
    """Return the pairs at ``source``: an OME-Zarr plate or image, or folders of files of equal names.

    Raises
    ------
    RequestError
        If there is neither.
    DataError
        If a channel lacks a field that another has.
    """
    try:
        if source.is_dir() and ngff.is_zarr(source):
            return _plate(source)
        if source.is_dir():
            return _folders(source)
    except Unusable as error:
        raise DataError(f"{source}: {error}") from error
    raise RequestError(f"{source}: expected an OME-Zarr plate, or a folder for each channel, found neither")


def convert_paired(
    source: Path,
    out: Path,
    declared: tuple[float, float] | None = None,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> Path:
    """Write the pairs at ``source`` to a store of fields at ``out``, and return its path.

    Splits that are not told are drawn, tiles of one field together. Channels of several types become one that holds
    them all. With ``only`` fields of these ids are written, the splits being those of all. Errors are those of
    ``paired``.
    """
    found, header = paired(source), surveyed_pairs(source, declared, seed)
    if only is not None:
        header = header.only(only)
    (ids,) = header.ids

    def block(label: int, start: int, stop: int) -> np.ndarray:
        return np.stack([_like(_read(found, id_), header, id_) for id_ in ids[start:stop]])

    with beside(out) as part:
        write_images(part, header, block)
        if found.labelled:
            write_objects(part, np.int32, lambda number: found.objects(ids[number]).astype(np.int32))
    return out


def surveyed_pairs(source: Path, declared: tuple[float, float] | None = None, seed: int = 0) -> Header:
    """Return what ``convert_paired`` will say of the fields at ``source``; errors are the same."""
    found = paired(source)
    first = _read(found, found.ids[0])
    groups = tuple(_TILE.sub("", id_.rpartition(".")[0] or id_) for id_ in found.ids)
    (drawn,) = draw_group_splits([groups], seed)
    told = [found.splits.get(id_) for id_ in found.ids]
    return Header(
        classes=("fields",),
        channels=found.channels,
        range=declared or full_range(first.dtype, source),
        shape=first.shape,
        dtype=first.dtype.name,
        ids=(found.ids,),
        splits=(drawn if None in told else np.array(told, np.uint8),),
        groups=(groups,),
        source={"kind": "pairs", "name": source.absolute().name, "fields": len(found.ids)},
    )


def _read(found: Paired, id_: str) -> Shaped[np.ndarray, "C H W"]:
    try:
        return found.read(id_)
    except Unusable as error:
        raise DataError(f"{id_}: {error}") from error


def _like(image: np.ndarray, first: Header, id_: str) -> np.ndarray:
    if image.shape != first.shape:
        raise DataError(f"{id_}: expected fields of one shape, {first.shape}, found {image.shape}; crop them")
    return image.astype(first.dtype)


def _plate(source: Path) -> Paired:
    ids = tuple(one.path for one in ngff.inside(source))
    names = ngff.describe_zarr(source / ids[0], _PLANES).channels
    objects = [place for place, name in enumerate(names) if _OBJECTS.search(name)]
    kept = [place for place in range(len(names)) if place not in objects]

    def read(id_: str) -> Shaped[np.ndarray, "C H W"]:
        there = ngff.describe_zarr(source / id_, _PLANES).channels
        if there != names:
            raise DataError(f"{source / id_}: expected the channels {', '.join(names)}, found {', '.join(there)}")
        return np.asarray(reader.read(source / id_, _PLANES)[kept])

    def labels(id_: str) -> Integer[np.ndarray, "H W"]:
        if objects:
            return np.asarray(reader.read(source / id_, _PLANES)[objects[0]], np.int64)
        return np.asarray(reader.read(_label(source / id_), _PLANES)[0], np.int64)

    labelled = bool(objects) or (source / ids[0] / "labels").is_dir()
    told = ngff.attributes(source).get("splits", {})
    splits = {id_: SPLITS.index(told[id_]) for id_ in ids if told.get(id_) in SPLITS}
    return Paired(ids, tuple(names[place] for place in kept), labelled, read, labels, splits)


def _label(image: Path) -> Path:
    """Return the first label image of an image."""
    listed = ngff.attributes(image / "labels").get("labels", [])
    if not listed:
        raise DataError(f"{image}: expected labels that its metadata names, found none")
    return image / "labels" / str(listed[0])


def _folders(source: Path) -> Paired:
    channels = sorted(one for one in source.iterdir() if one.is_dir() and not one.name.startswith("."))
    files = {
        one.name: {path.relative_to(one).as_posix(): path for path in sorted(one.rglob("*")) if _is_image(path)}
        for one in channels
    }
    files = {name: found for name, found in files.items() if found}
    if len(files) < 2:
        raise RequestError(f"{source}: expected a folder for each of two channels or more, found {len(files)}")
    ids = next(iter(files.values())).keys()
    for name, found in files.items():
        if odd := sorted(found.keys() ^ ids):
            raise DataError(f"{source / name}: expected the same files in each folder; {odd[0]} is in one only")
    seen = [name for name in files if not _OBJECTS.search(name)]
    known = [name for name in files if name not in seen]
    splits = {id_: SPLITS.index(head) for id_ in ids if (head := id_.partition("/")[0]) in SPLITS}

    def read(id_: str) -> Shaped[np.ndarray, "C H W"]:
        return np.concatenate([reader.read(files[name][id_], _PLANES)[:1] for name in seen])

    def labels(id_: str) -> Integer[np.ndarray, "H W"]:
        return np.asarray(reader.read(files[known[0]][id_], _PLANES)[0], np.int64)

    return Paired(tuple(ids), tuple(seen), bool(known), read, labels, splits)


def _is_image(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in reader.FORMATS and not path.name.startswith(".")


def write_paired(fields: Fields, out: Path) -> None:
    """Write ``fields`` as ``out``/channel/split/name.tif, objects as ``out``/labels, so that ``paired`` reads them."""
    with beside(out) as part:
        for number, split in enumerate(fields.splits.tolist()):
            name = f"{number:06d}.tif"
            for channel, values in zip(fields.channels, fields.stored(number), strict=True):
                place = part / channel / SPLITS[split] / name
                place.parent.mkdir(parents=True, exist_ok=True)
                write_tiff(place, values[None], (channel,))
            if fields.labelled:
                place = part / "labels" / SPLITS[split] / name
                place.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(place, fields.objects(number))


def write_plate(fields: Fields, out: Path) -> None:
    """Write ``fields`` as a plate of OME-Zarr 0.5, a well each, objects as labels; the splits are noted too.

    References
    ----------
    Moore et al. 2023, OME-Zarr: a cloud-optimized bioimaging file format, doi:10.1007/s00418-023-02209-1.
    """
    places = [(chr(ord("A") + number // _COLUMNS), str(number % _COLUMNS + 1)) for number in range(len(fields))]
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*places, strict=True))
    wells = [
        {"path": f"{row}/{column}", "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
        for row, column in places
    ]
    plate: Any = {
        "version": "0.5",
        "name": out.stem.removesuffix(".ome"),
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "wells": wells,
        "field_count": 1,
    }
    told = {f"{row}/{column}/0": SPLITS[split] for (row, column), split in zip(places, fields.splits, strict=True)}
    with beside(out) as part:
        root = zarr.open_group(part, mode="w", zarr_format=3)
        root.attrs.update({"ome": {"version": "0.5", "plate": plate}, "splits": told})
        for number, (row, column) in enumerate(places):
            well = root.require_group(f"{row}/{column}")
            well.attrs["ome"] = {"version": "0.5", "well": {"version": "0.5", "images": [{"path": "0"}]}}
            _write_field(fields, number, well.create_group("0"))


def _write_field(fields: Fields, number: int, group: zarr.Group) -> None:
    values = fields.stored(number)
    shown: Any = [{"label": name, "active": True} for name in fields.channels]
    _write_image(group, values, ("c", "y", "x"), fields.pixel_um, {"omero": {"channels": shown}})
    if fields.labelled:
        labels = group.create_group("labels")
        labels.attrs["ome"] = {"version": "0.5", "labels": ["objects"]}
        objects = np.asarray(fields.objects(number), np.int32)
        _write_image(labels.create_group("objects"), objects, ("y", "x"), fields.pixel_um, {"image-label": {}})


def _write_image(
    group: zarr.Group,
    values: np.ndarray,
    axes: Sequence[str],
    pixel_um: tuple[float, ...],
    facts: Mapping[str, Any],
) -> None:
    kinds, unit = {"c": "channel"}, {"unit": "micrometer"} if pixel_um else {}
    steps = dict(zip("yx", pixel_um, strict=True)) if pixel_um else {}
    sizes = [float(steps.get(one, 1.0)) for one in axes]
    scale: Any = {
        "axes": [{"name": one, "type": kinds.get(one, "space"), **({} if one in kinds else unit)} for one in axes],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": sizes}]}],
    }
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scale], **facts}
    group.create_array("0", data=values, chunks=values.shape, dimension_names=list(axes))
