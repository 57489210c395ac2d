"""What a first config of this room is for given images."""

from pathlib import Path
from typing import Any

import numpy as np

from aliter.core.errors import DataError
from aliter.workflows.initial import Fitted, range_of, scanned

_SMALLEST = 4
"""Pixels a side that the generator starts from, or a few more."""
_SMALL = 33
"""Images below so many pixels get the classifier of the publication."""


def fitted(images: Path) -> Fitted:
    """Return a range that holds the intensities found, the first two classes, and networks for the size.

    Raises
    ------
    RequestError
        If the images are not square.
    DataError
        If there is one class only.
    """
    found, side = scanned(images)
    if len(found.classes) < 2:
        raise DataError(f"{images}: expected at least two classes, found {found.classes[0]}; add another")
    train = int(min(np.bincount(one, minlength=3)[0] for one in found.assigned()[:2]))
    values: dict[str, Any] = {"range": range_of(found)} if found.kind != "store" else {}
    net = {"kind": "pool_cnn", "width": 2} if side < _SMALL else {"kind": "small_cnn", "width": 8}
    learn = {"steps": int(np.clip(2 * train, 200, 2000)), "size": 64, "best": ["log_likelihood"]}
    depth = max(1, (side // _SMALLEST).bit_length() - 1)
    draw, average = {"size": 64, "betas": [0.5, 0.999]}, {"nets": ["generator"], "decay": 0.99}
    values |= {
        "pair": list(found.classes[:2]),
        "classify": {"nets": {"cnn": net}, "seeds": [0, 1, 2], "fit": {**learn, "rate": 5e-3, "judge_every": 50}},
        "measure": {"net": {"kind": "small_cnn", "width": 8, "depth": min(3, depth)}, "fit": {**learn, "rate": 2e-3}},
        "pretrain": {
            "net": {"kind": "dcgan", "width": 16, "depth": depth},
            "fit": {**draw, "steps": 1500, "rate": 5e-4, "judge_every": 100, "save_every": 500},
        },
        "confuse": {
            "objective": {"kind": "ambiguous", "confusion": {"kind": "divergence"}, "rise": 1600},
            "weights": [150],
            "fit": {**draw, "steps": 1600, "rate": 3e-4, "ema": average, "judge_every": 40, "save_every": 200},
        },
        "select": {"near": 0.13},
    }
    others = f" Of {len(found.classes)} classes the first two are the pair." if len(found.classes) > 2 else ""
    return values, f"Fitted to {found.summary()}.{others}"
