"""Choose the few points whose class is known: what a person would click, or did."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from aliter.core.errors import RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.clicks import Clicks, Pools, read_strokes, read_table, write_table
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.workflows.embeddings.gather import fields_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

_ROUNDS = 200
_DRAWN = 256


class Pointing(Spec):
    """How many points are clicked, and how often anew."""

    source: Path | None = None
    """Where they are from. None: drawn from the true objects. A CSV file with the columns field, (z,) y, x and label
    (1 in an object, 0 in the background), in the order of clicking: these, no others. A folder of label images named
    like the fields (0 says nothing, 1 background, 2 an object): drawn from these strokes."""
    count: PositiveInt = 128
    """Points in all, half of them in objects. A smaller number of clicks is always the beginning of a larger one."""
    repeats: PositiveInt = 1
    """Sets of points, drawn independently: what is learned from each shows how much hangs on the clicks."""
    margin_px: NonNegativeInt = 0
    """No point is drawn closer to a border than this, in voxels."""
    seed: int = 0
    """Fixes the points."""


def points(config: "Config", run: Run) -> None:
    """Read or draw points of the training fields; write them as arrays and as tables."""
    fields, choice = fields_of(run), config.points
    sets = _sets(fields, choice)
    run.save("points/field", np.stack([one.field for one in sets]), ("repeat", "point"))
    run.save("points/at", np.stack([one.at for one in sets]), ("repeat", "point", "axis"))
    run.save("points/label", np.stack([one.label for one in sets]), ("repeat", "point"))
    for repeat, one in enumerate(sets):
        write_table(run.folder / "points" / f"points_{repeat}.csv", fields, one)


def clicks_of(run: Run, repeat: int, count: int | None = None) -> Clicks:
    """Return a set of points of a run, or its first ``count``.

    Raises
    ------
    RequestError
        If there are not so many, or they are all of one class.
    """
    found = Clicks(*(np.asarray(run.array(f"points/{name}")[repeat]) for name in ("field", "at", "label")))
    if count is None:
        return found
    if count > len(found.label):
        raise RequestError(
            f"segment.clicks: expected at most the {len(found.label)} points there are, found {count}; "
            "raise points.count, or click more"
        )
    first = found.first(count)
    if len(set(first.label.tolist())) < 2:
        raise RequestError(
            f"segment.clicks: expected objects and background among the first {count} points, found one of them; "
            "click in turns, or ask for more"
        )
    return first


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
        at = rng.integers(low, high, (_DRAWN, len(fields.shape)))
        for place, inside in zip(at.tolist(), fields.objects_at(number, at) > 0, strict=True):
            if len(found[int(inside)]) < half:
                found[int(inside)][(number, *place)] = None
        if all(len(one) == half for one in found):
            break
    else:
        raise RequestError(f"points.count: expected {half} points of each class, found {[len(one) for one in found]}")
    return _in_turn((np.array(list(found[0])), np.array(list(found[1]))), choice.count)


def _sets(fields: Fields, choice: Pointing) -> list[Clicks]:
    if choice.source is None:
        return [drawn(fields, choice, repeat) for repeat in range(choice.repeats)]
    if choice.source.is_dir():
        pools = read_strokes(choice.source, fields)
        return [_from_strokes(pools, choice, repeat) for repeat in range(choice.repeats)]
    if choice.repeats > 1:
        raise RequestError(f"points.repeats: expected 1 with the clicks of {choice.source}, found {choice.repeats}")
    return [read_table(choice.source, fields)]


def _from_strokes(pools: Pools, choice: Pointing, repeat: int) -> Clicks:
    """Return points of the strokes, one in an object and one in the background in turn."""
    half = (choice.count + 1) // 2
    if min(map(len, pools)) < half:
        raise RequestError(
            f"points.count: expected at most {2 * min(map(len, pools))} with what was painted, found {choice.count}; "
            "lower it, or paint more"
        )
    rng = chance(choice.seed, "strokes", repeat)
    background, objects = (pool[rng.choice(len(pool), half, replace=False)] for pool in pools)
    return _in_turn((background, objects), choice.count)


def _in_turn(pools: Pools, count: int) -> Clicks:
    """Return an object, a background, an object and so on: ``count`` of them."""
    rows = np.stack(pools[::-1], 1).reshape(-1, pools[0].shape[1])[:count]
    return Clicks(rows[:, 0], rows[:, 1:], (np.arange(count) % 2 == 0).astype(np.uint8))
