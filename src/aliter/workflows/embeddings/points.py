"""Choose the few points whose class is known: what a person would click."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int, UInt8
from pydantic import NonNegativeInt, PositiveInt

from aliter.core.errors import RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.workflows.embeddings.gather import fields_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

_ROUNDS = 200
_DRAWN = 4096
AXES = ("z", "y", "x")


class Pointing(Spec):
    """How many points are clicked, and how often anew."""

    count: PositiveInt = 128
    """Points in all, half of them in objects. A smaller number of clicks is always the beginning of a larger one."""
    repeats: PositiveInt = 1
    """Sets of points, drawn independently: what is learned from each shows how much hangs on the clicks."""
    margin_px: NonNegativeInt = 0
    """No point is closer to a border than this, in voxels."""
    seed: int = 0
    """Fixes the points."""


@dataclass(frozen=True)
class Clicks:
    """Points whose class is known, in the order of clicking."""

    field: Int[np.ndarray, " P"]
    at: Int[np.ndarray, "P n"]
    """Indices of voxels."""
    label: UInt8[np.ndarray, " P"]
    """1 in an object, 0 in the background."""

    def first(self, count: int) -> "Clicks":
        """Return the first so many."""
        return Clicks(self.field[:count], self.at[:count], self.label[:count])


def points(config: "Config", run: Run) -> None:
    """Draw points of the training fields; write them as arrays and as tables."""
    fields, choice = fields_of(run), config.points
    sets = [drawn(fields, choice, repeat) for repeat in range(choice.repeats)]
    run.save("points/field", np.stack([one.field for one in sets]), ("repeat", "point"))
    run.save("points/at", np.stack([one.at for one in sets]), ("repeat", "point", "axis"))
    run.save("points/label", np.stack([one.label for one in sets]), ("repeat", "point"))
    for repeat, one in enumerate(sets):
        _write_table(run.folder / "points" / f"points_{repeat}.csv", fields, one)


def clicks_of(run: Run, repeat: int) -> Clicks:
    """Return a set of points of a run."""
    return Clicks(*(np.asarray(run.array(f"points/{name}")[repeat]) for name in ("field", "at", "label")))


def drawn(fields: Fields, choice: Pointing, repeat: int) -> Clicks:
    """Return distinct points of the training fields, one in an object and one in the background in turn.

    Raises
    ------
    RequestError
        If the margin leaves no room, or objects or background are too rare.
    """
    rng = chance(choice.seed, "points", repeat)
    low, high = choice.margin_px, np.array(fields.shape) - choice.margin_px
    if (high <= low).any():
        raise RequestError(f"points.margin_px: expected less than half of {fields.shape}, found {low}; lower it")
    train, half = fields.split("train"), (choice.count + 1) // 2
    found: tuple[dict[tuple[int, ...], None], ...] = ({}, {})
    for _ in range(_ROUNDS):
        number = int(rng.choice(train))
        at = rng.integers(low, high, (_DRAWN // 16, len(fields.shape)))
        for place, inside in zip(at.tolist(), fields.objects_at(number, at) > 0, strict=True):
            if len(found[int(inside)]) < half:
                found[int(inside)][(number, *place)] = None
        if all(len(one) == half for one in found):
            break
    else:
        raise RequestError(f"points.count: expected {half} points of each class, found {[len(one) for one in found]}")
    rows = np.array([row for pair in zip(*(list(one) for one in reversed(found)), strict=True) for row in pair])
    labels = np.tile(np.array([1, 0], np.uint8), half)
    return Clicks(rows[:, 0], rows[:, 1:], labels).first(choice.count)


def _write_table(path: Path, fields: Fields, clicks: Clicks) -> None:
    axes = AXES[-clicks.at.shape[1] :]
    lines = [",".join(("field", *axes, "label"))]
    for number, at, label in zip(clicks.field.tolist(), clicks.at.tolist(), clicks.label.tolist(), strict=True):
        lines.append(",".join(map(str, (fields.ids[number], *at, label))))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
