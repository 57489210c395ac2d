"""A walk as files that need no tool of ours: a moving picture, its frames, and all scores."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aliter.core.walk import Walk
from aliter.ops.shift import heat
from aliter.report.pictures import composite, gif, grey, png
from aliter.workflows.concepts.outcome import Twice

_SECONDS = 4.0


def write_walk(folder: Path, walk: Walk, scores: Twice, facts: Mapping[str, Any]) -> None:
    """Write ``walk.gif``, ``frames/``, ``heat.png`` (from frame to frame, the largest is white) and ``sweep.json``.

    The moving picture goes forth and back, at one pace, in one palette.
    """
    assert walk.image is not None
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    frames = np.stack([composite(one) for one in walk.image])
    (folder / "walk.gif").write_bytes(gif(frames, _SECONDS))
    for number, one in enumerate(frames):
        (folder / "frames" / f"{number:03}.png").write_bytes(png(one))
    changed = heat(walk.image, walk.origin, "int").sum(axis=0)
    (folder / "heat.png").write_bytes(png(grey(changed, (0.0, float(changed.max()) or 1.0))))
    steps = [
        {"shift": float(setting), "box": float(box), "matched": float(matched)}
        for setting, box, matched in zip(walk.setting, scores.box, scores.matched, strict=True)
    ]
    (folder / "sweep.json").write_text(json.dumps({**facts, "steps": steps}, indent=1), encoding="utf-8")


def plain(name: str) -> str:
    """Return ``name`` as a file may be called anywhere."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
