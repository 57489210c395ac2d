"""Images in Zarr folders, versions 2 and 3: plain arrays, and OME-Zarr 0.4 and 0.5 with its plates.

References
----------
Moore et al. 2023, OME-Zarr: a cloud-optimized bioimaging file format, doi:10.1007/s00418-023-02209-1.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from jaxtyping import Shaped

from aliter.data.ome import UM
from aliter.data.picture import Picture, Unusable, picture, plain
from aliter.data.planes import KEPT, Arrangement, Planes, arrange, named

_NOTES = ("zarr.json", ".zgroup", ".zarray")


@dataclass(frozen=True)
class Inside:
    """An image in a Zarr folder."""

    path: str
    """Relative to that folder; empty if it is the folder itself."""
    group: str
    """The well, or the folder, that it shares with others; empty if it stands alone."""


def is_zarr(path: Path) -> bool:
    """Return whether ``path`` is a folder of Zarr, version 2 or 3."""
    return any((path / name).is_file() for name in _NOTES)


def is_array(path: Path) -> bool:
    """Return whether ``path`` is an array of Zarr, version 2 or 3."""
    try:
        note = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return (path / ".zarray").is_file()
    return isinstance(note, dict) and note.get("node_type") == "array"


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the group or array at ``path``; those of OME-Zarr 0.5 stand where 0.4 has them.

    Raises
    ------
    Unusable
        If they cannot be read.
    """
    place = path / ".zattrs"
    try:
        if (path / "zarr.json").is_file():
            found = json.loads((path / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
        else:
            found = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
        return {**found, **found.get("ome", {})}
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise Unusable("cannot be read", f"its metadata is damaged ({error})") from error


def inside(path: Path) -> list[Inside]:
    """Return the images at ``path``: of a plate or a well all fields, by the names of wells, rows first.

    Raises
    ------
    Unusable
        If the metadata is damaged, or leads out of the folder.
    """
    facts = attributes(path)
    if "plate" in facts:
        wells = sorted(_safe(one["path"]) for one in _list(facts["plate"], "wells"))
        return [Inside(f"{well}/{field}", well) for well in wells for field in _fields(attributes(path / well))]
    if "well" in facts:
        return [Inside(field, ".") for field in _fields(facts)]
    if "bioformats2raw.layout" in facts and "multiscales" not in facts:
        numbers = sorted(int(one.name) for one in path.iterdir() if one.name.isdecimal())
        return [Inside(str(number), ".") for number in numbers]
    return [Inside("", "")]


def describe_zarr(path: Path, planes: Planes = KEPT) -> Picture:
    """Return what the metadata of one image at ``path`` says.

    Raises
    ------
    Unusable
        If it is no image, holds several, or its axes cannot be told apart.
    """
    return _opened(path, planes)[0]


def read_zarr(path: Path, planes: Planes = KEPT) -> Shaped[np.ndarray, "C *space"]:
    """Return the values of one image at ``path``, at full resolution."""
    _, array, arrangement = _opened(path, planes)
    return plain(arrangement(array))


def open_array(path: Path) -> zarr.Array[Any]:
    """Return the array at ``path``, whose values are plain numbers and whose codecs run no code.

    Raises
    ------
    Unusable
        If it is none, or its codecs unpickle.
    """
    for name in ("zarr.json", ".zarray"):
        if (path / name).is_file() and "pickle" in (path / name).read_text(encoding="utf-8"):
            raise Unusable("cannot be read", "its values are stored by pickle, which may run code; store plain numbers")
    found = zarr.open(path, mode="r")
    if not isinstance(found, zarr.Array):
        raise Unusable("no plain image", "it is a Zarr group; expected an array, or the metadata of OME-Zarr")
    picture((1, prod(found.chunks)), found.dtype)
    return found


def names_of(array: zarr.Array[Any]) -> str:
    """Return the names of the axes of ``array`` as far as it gives them, a letter each; nothing if it does not."""
    given = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not given or not isinstance(given, list | tuple) or not all(given):
        return ""
    letters = {"channel": "C", "time": "T", "index": "N", "sample": "N", "image": "N"}
    return "".join(letters.get(str(one).lower(), str(one)[0].upper()) for one in given)


def _opened(path: Path, planes: Planes) -> tuple[Picture, zarr.Array[Any], Arrangement]:
    facts = attributes(path)
    scales = facts.get("multiscales")
    if scales is None:
        array = open_array(path)
        found = arrange(array.shape, names_of(array) or named(array.shape, planes), planes)
        return picture(found.shape, array.dtype), array, found
    if not isinstance(scales, list) or len(scales) != 1:
        raise Unusable("no plain image", f"it holds {len(scales)} images; expected one")
    finest = _list(scales[0], "datasets")[0]
    array = open_array(path / _safe(finest["path"]))
    found = arrange(array.shape, _axes(scales[0], array.ndim), planes)
    sizes = _sizes(scales[0], finest)[1 - len(found.shape) :]
    return picture(found.shape, array.dtype, tuple(_channels(facts)), sizes), array, found


def _axes(scale: Mapping[str, Any], count: int) -> str:
    """Return a letter for each axis; before 0.3 all images had the same five."""
    axes = scale.get("axes", "tczyx" if count == 5 else "")
    names = [
        (one if isinstance(one, str) else one["name"], "" if isinstance(one, str) else one.get("type")) for one in axes
    ]
    letters = {"channel": "C", "time": "T"}
    return "".join(letters.get(kind, str(name)[:1].upper()) for name, kind in names)


def _sizes(scale: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the size of a pixel along z, y, x in micrometres, if the units are told."""
    axes = [one for one in scale.get("axes", ()) if isinstance(one, Mapping) and one.get("type") == "space"]
    factors = [UM.get(str(one.get("unit")), 0.0) for one in axes]
    for changes in (dataset, scale):
        for one in changes.get("coordinateTransformations", ()):
            if one.get("type") == "scale" and axes:
                pairs = zip(factors, one["scale"][-len(axes) :], strict=True)
                factors = [factor * float(step) for factor, step in pairs]
    return (*[1.0] * (3 - len(factors)), *factors) if factors and all(factors) else ()


def _channels(facts: Mapping[str, Any]) -> Iterator[str]:
    shown = facts.get("omero")
    for number, one in enumerate(shown.get("channels", ()) if isinstance(shown, Mapping) else ()):
        yield str(one.get("label") or f"channel {number}")


def _fields(facts: Mapping[str, Any]) -> list[str]:
    return [_safe(one["path"]) for one in _list(facts.get("well", {}), "images")]


def _list(facts: Any, name: str) -> list[Any]:
    found = facts.get(name) if isinstance(facts, Mapping) else None
    if not isinstance(found, list) or not found:
        raise Unusable("cannot be read", f"its metadata names no {name}")
    return found


def _safe(path: Any) -> str:
    """Return ``path`` as metadata gives it, if it does not lead out of the folder."""
    parts = PurePosixPath(str(path)).parts
    if ".." in parts or not parts or parts[0] == "/":
        raise Unusable("cannot be read", f"its metadata leads to '{path}', outside of its folder")
    return str(path)
