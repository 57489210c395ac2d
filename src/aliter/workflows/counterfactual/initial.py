"""What a first config of this room is for given images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aliter.nets.stargan import StarGANSpec
from aliter.workflows.initial import Fitted, range_of, scanned

_SMALL = 96
"""Images below so many pixels get networks that learn on two cores."""


def fitted(images: Path) -> Fitted:
    """Return a range that holds the intensities found, networks for the size, and numbers for the count.

    Raises
    ------
    RequestError
        If the images are not square or of a size that the generator cannot halve.
    """
    found, side = scanned(images)
    StarGANSpec().build(1, side, 2)
    values: dict[str, Any] = {"range": range_of(found)} if found.kind != "store" else {}
    shares = [np.bincount(one, minlength=3) for one in found.assigned()]
    train, _, test = np.min(shares, axis=0).tolist()
    steps = int(np.clip(10 * len(found.classes) * train, 200, 3000))
    every = max(1, steps // 10)
    small = side < _SMALL
    plan = {"steps": steps, "size": 32, "rate": 2e-3 if small else 1e-4, "judge_every": every, "save_every": every}
    kind: dict[str, Any] = {"kind": "small_cnn"} if small else {"kind": "timm", "name": "resnet18"}
    values["classify"] = {"net": kind, "fit": {**plan, "best": ["accuracy"]}}
    values["translate"] = _narrow(len(found.classes)) if small else {"fit": {"steps": 10_000, "size": 16}}
    values["generate"] = {"count": max(1, min(50, test))}
    return values, f"Fitted to {found.summary()}."


def _narrow(classes: int) -> Mapping[str, Any]:
    """Return a translator that learns on two cores, as in the demo; more classes take longer."""
    steps = 200 if classes == 2 else 800
    return {
        "net": {
            "width": 16,
            "cap": 64,
            "style": 16,
            "latent": 8,
            "mapping": 128,
            "output": {"kind": "logit_residual", "strength": 0.5 if classes == 2 else 1.0},
        },
        "targets": "other",
        "objective": {"passes": "shared", "r1_every": 4, "cycle": 1.0 if classes == 2 else 0.3},
        "fit": {
            "steps": steps,
            "size": 8,
            "rate": 1e-3,
            "betas": [0.0, 0.99],
            "decay": 1e-4,
            "networks": {"discriminator": {"rate": 5e-4 if classes == 2 else 1e-3}},
            "ema": {"nets": ["generator", "mapping", "style"], "decay": 0.99},
            "channels_last": True,
            "judge_every": 50,
            "save_every": 50,
            "best": ["conversion", "translation"],
        },
    }
