"""OME-NGFF 0.5 metadata of the images that we write, so that viewers know what they are.

The standard has no axis that counts images: ``index`` stands where it has time, and ``batch`` as an axis of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import zarr

VERSION = "0.5"
_KINDS = {"index": "time", "batch": "batch", "channel": "channel", "z": "space", "y": "space", "x": "space"}
_COLOURS = ("FF00FF", "00FF00", "00FFFF", "FFFF00", "FF8000", "FFFFFF")


def describe_array(root: zarr.Group, name: str, axes: Sequence[str], pixel_um: Sequence[float] = ()) -> None:
    """Note the array ``name`` as an image in the attributes of its group, if its ``axes`` are those of images."""
    folder, _, last = name.rpartition("/")
    if not folder or not {"y", "x"} <= set(axes) <= _KINDS.keys() or len(axes) > 5:
        return
    group = root.require_group(folder)
    noted: Any = group.attrs.get("ome", {})
    others = [one for one in noted.get("multiscales", ()) if one["name"] != last]
    images = sorted([*others, _multiscale(last, axes, pixel_um)], key=lambda one: str(one["name"]))
    group.attrs["ome"] = {**noted, "version": VERSION, "multiscales": images}


def describe_channels(root: zarr.Group, folder: str, channels: Sequence[str], span: tuple[float, float]) -> None:
    """Note names and colours of the ``channels`` of all images in ``folder``, and ``span`` as what is to be shown."""
    group = root.require_group(folder)
    noted: Any = group.attrs.get("ome", {})
    window = {"start": span[0], "end": span[1], "min": span[0], "max": span[1]}
    colours = ("FFFFFF",) if len(channels) == 1 else _COLOURS
    shown: Any = [
        {"label": name, "color": colours[number % len(colours)], "window": window, "active": True}
        for number, name in enumerate(channels)
    ]
    group.attrs["ome"] = {**noted, "version": VERSION, "omero": {"channels": shown}}


def _multiscale(path: str, axes: Sequence[str], pixel_um: Sequence[float]) -> Mapping[str, Any]:
    space = [name for name in axes if _KINDS[name] == "space"]
    known = len(pixel_um) == len(space)
    unit = {"unit": "micrometer"} if known else {}
    steps = dict(zip(space, pixel_um, strict=True)) if known else {}
    return {
        "name": path,
        "axes": [{"name": name, "type": _KINDS[name], **(unit if _KINDS[name] == "space" else {})} for name in axes],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [{"type": "scale", "scale": [float(steps.get(name, 1)) for name in axes]}],
            }
        ],
    }
