"""What there is to do: so that what a run will take can be estimated."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliter.data import layout
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.data.splits import SPLITS
from aliter.workflows.boundary.confuse import Guard, attempts_of
from aliter.workflows.estimate import Amount, Room
from aliter.workflows.gather import require_planes

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

_IMAGES = 1000
"""Images of each class that are tried on at most: features need many more of them than there are features."""
_DRAWN, _COMPARED, _TRIES = 100, 10, 125
"""Images that are drawn of a generator, compared, and tried, at the smaller size."""


def survey(config: "Config") -> Census:
    """Return what is known of the images that ``config`` names, from headers alone.

    Raises
    ------
    DataError
        If images cannot be used, or a split of a class holds none.
    """
    found = census(config.images, config.range)
    require_planes(found.shape)
    pair = [str(one) for one in config.pair or found.classes]
    for label, name in enumerate(found.classes):
        if name in pair:
            found.require(SPLITS, label)
    return found


def small(config: "Config", found: Census, size: int, out: Path) -> "Config":
    """Return the config on a part of the images, with one attempt, and few images at every later stage."""
    images = write_sample(config.images, found, out, spread=_IMAGES)
    search, drawn = config.cluster.search, min(_DRAWN * size, config.select.count)
    blocks: dict[str, Mapping[str, Any]] = {
        "measure": {"count": min(drawn, config.measure.count)},
        "confuse": {
            "classifiers": (attempts_of(config)[0].classifier,),
            "starts": (1,),
            "weights": config.confuse.weights[-1:],
            "guard": Guard(accuracy=0, confusion=0),
        },
        "select": dict.fromkeys(("classifier", "start", "weight", "epoch")) | {"count": drawn},
        "compare": {
            "count": min(_COMPARED * size, config.compare.count),
            "tries": min(_TRIES * size, config.compare.tries),
        },
        "cluster": {"resamples": 1, "search": search and search.model_copy(update={"trials": 2})},
        "prototypes": {"resamples": 1},
    }
    updated = {name: getattr(config, name).model_copy(update=values) for name, values in blocks.items()}
    return config.model_copy(update={"images": images.path, "range": found.range} | updated)


def amounts(config: "Config", found: Census) -> Mapping[str, Amount]:
    """Return how many images there are, how many are drawn, and how often they are grouped."""
    images, drawn, compare = int(found.counts.sum()), config.select.count, config.compare
    ambiguous = min(config.embed.count, drawn)
    groupings = (config.cluster.search.trials if config.cluster.search else 1) + config.cluster.resamples
    return {
        "gather": Amount(images),
        "classify": Amount(images),
        "measure": Amount(images),
        "pretrain": Amount(config.measure.count),
        "confuse": Amount(config.measure.count, fits=len(attempts_of(config))),
        "select": Amount(drawn),
        # A step of descent draws, asks, and goes back through both.
        "compare": Amount(compare.count, compare.tries + compare.count * (3 * compare.iterations + compare.halvings)),
        "embed": Amount(ambiguous),
        "cluster": Amount(ambiguous, ambiguous * groupings),
        "prototypes": Amount(ambiguous, ambiguous * (1 + config.prototypes.resamples)),
        "report": Amount(min(config.report.items, drawn)),
    }


def stand_in(config: "Config", stage: str, run: Run) -> Mapping[str, int]:
    """Let all images go on, as many as there may be at most, whatever the classifier says so early."""
    if stage == "select":
        store = layout.open_store(run.path / "store.zarr", "a")
        layout.array(store, "step2/probability")[...] = 0.5
    return {}


ROOM = Room(survey, small, amounts, stand_in)
