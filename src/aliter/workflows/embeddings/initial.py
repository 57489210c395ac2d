"""What a first config of this room is for given fields."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aliter.core.errors import RequestError
from aliter.data.fields import Fields
from aliter.data.images import is_store
from aliter.data.masks import sampled, surveyed
from aliter.nets.unet import Extent, UNetSpec
from aliter.workflows.initial import Fitted, depth_of

_LOOKED_AT = 6
"""Fields whose intensities are looked at."""
_VIEW = {2: (92, 92), 3: (16, 48, 48)}
"""Voxels of a view along each axis, at most: what learns on two cores."""
_NETS: Mapping[int, Mapping[str, Any]] = {2: {}, 3: {"width": 6, "factors": [[1, 2, 2]], "features": 8}}
_PLAN = {"steps": 400, "size": 2, "rate": 1e-3, "judge_every": 100, "save_every": 100}
_HEAD = {"steps": 200, "size": 128, "rate": 1e-2, "decay": 3e-2, "save_every": 200, "keep": 1}


def fitted(images: Path) -> Fitted:
    """Return a range that holds the intensities found, and views, clicks and learners for the shape.

    Raises
    ------
    RequestError
        If there are no fields, or they are smaller than the network can see.
    DataError
        If a field cannot be used.
    """
    values: dict[str, Any] = {}
    if is_store(images):
        fields = Fields(images)
        shape, count = fields.shape, len(fields)
    else:
        said = surveyed(images)
        shape, count = said.shape[1:], len(said.ids[0])
        values["range"] = depth_of(sampled(images, _LOOKED_AT))
    ndim = len(shape)
    view = tuple(map(_fitting, UNetSpec(**_NETS[ndim]).extents(ndim), shape, _VIEW[ndim]))
    values["points"] = {"count": 128, "repeats": 2}
    values["contrast"] = {
        **({"net": _NETS[ndim], "projection": 8} if ndim == 3 else {}),
        "views": {"size": view, "density": 0.06 if ndim == 2 else 0.01},
        "objective": {"kind": "contrast", "negatives": "batch", "ignore_px": 5},
        "fit": _PLAN,
    }
    values["segment"] = {
        "clicks": [8, 32, 128],
        "learners": [
            {"kind": "head", "hidden": [], "fit": _HEAD},
            {"kind": "head", "hidden": [], "features": ["random"], "fit": _HEAD},
            {"kind": "forest", "trees": 30},
            {"kind": "forest", "trees": 30, "features": ["embedding", "filters"]},
        ],
    }
    size = " x ".join(map(str, shape))
    return values, f"Fitted to {count} fields of {size}."


def _fitting(extent: Extent, length: int, most: int) -> int:
    """Return the largest size up to ``most`` that goes through the network and fits into ``length``."""
    room = min(length, most) - extent.smallest
    if room < 0:
        raise RequestError(f"expected fields of {extent.smallest} voxels or more, found {length}; join or pad them")
    return extent.smallest + room // extent.period * extent.period
