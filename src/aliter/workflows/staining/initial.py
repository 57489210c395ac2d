"""What a first config of this room is for given pairs."""

from pathlib import Path
from typing import Any

import numpy as np

from aliter.core.errors import RequestError
from aliter.data.fields import Fields
from aliter.data.images import is_store
from aliter.data.paired import paired
from aliter.workflows.initial import Fitted, depth_of

_LOOKED_AT = 6
"""Fields whose intensities are looked at."""
_CROP_PX, _PERIOD = 128, 16
_PLAN = {"steps": 600, "size": 4, "channels_last": True, "judge_every": 100, "save_every": 100}
_FALL = {"after": 300, "over": 300}
_RATES = {"rate": 4e-4, "betas": [0.5, 0.999], "networks": {"generator": {"rate": 1e-3}}}


def fitted(images: Path) -> Fitted:
    """Return channels by name, a range if they are floats, and networks that learn on two cores.

    Raises
    ------
    RequestError
        If there are no pairs, a single channel, or fields too small to be learned from.
    DataError
        If a field cannot be used.
    """
    channels, count, shape, values = _looked_at(images)
    if len(channels) < 2:
        raise RequestError(f"{images}: expected a channel without stain and one with, found {', '.join(channels)}")
    crop = min(_CROP_PX, *(side // _PERIOD * _PERIOD for side in shape))
    if crop < 2 * _PERIOD:
        raise RequestError(f"{images}: expected sides of {2 * _PERIOD} pixels or more, found {min(shape)}; join fields")
    values["source"], values["target"] = channels[:1], channels[1:]
    values["regress"] = {
        "net": {"width": 12, "factors": [2, 2, 2, 2], "norm": "batch", "padding": "same", "features": 1},
        "objective": {"loss": "mse"},
        "crop_px": crop,
        "fit": {**_PLAN, "rate": 2e-3, "fall": _FALL},
    }
    values["translate"] = {
        "net": {"width": 16, "downs": 2, "blocks": 4, "norm": "batch", "upsample": "resize"},
        "discriminator": {"width": 16},
        "objective": {"pixel": 100, "error": "squared"},
        "crop_px": crop,
        "fit": {**_PLAN, **_RATES, "fall": _FALL},
    }
    values["doubt"] = {"draws": 10}
    said = (
        f"{count} fields of {' x '.join(map(str, shape))} with the channels {', '.join(channels)}; the first is taken "
        "for the one without stain. The first target is the one in which objects are looked for."
    )
    return values, f"Fitted to {said}"


def _looked_at(images: Path) -> tuple[tuple[str, ...], int, tuple[int, ...], dict[str, Any]]:
    """Return channels, how many fields there are, their shape, and the range to declare, if they are floats."""
    if is_store(images):
        fields = Fields(images)
        return fields.channels, len(fields), fields.shape, {}
    found = paired(images)
    places = np.unique(np.linspace(0, len(found.ids) - 1, _LOOKED_AT).round().astype(int))
    seen = [found.read(found.ids[place]) for place in places]
    floats = np.issubdtype(seen[0].dtype, np.floating)
    return found.channels, len(found.ids), seen[0].shape[1:], {"range": depth_of(seen)} if floats else {}
