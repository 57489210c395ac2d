"""What there is to do: so that what a run will take can be estimated."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from aliter.data.labelled import Labelled
from aliter.data.layout import ROWS
from aliter.data.run import Run
from aliter.data.sample import Census, census, few_pairs, write_sample
from aliter.data.simulate import Simulation
from aliter.data.splits import SPLITS, Split
from aliter.nets.own import Own
from aliter.workflows.counterfactual.attribute import BATCH
from aliter.workflows.counterfactual.generate import generates
from aliter.workflows.counterfactual.pairs import pairs_of
from aliter.workflows.estimate import Amount, Room
from aliter.workflows.gather import require_planes

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

_FEW = {1: 1, 2: 3}
"""Images of each class and split that are tried on at either size."""
_DRAWN = 10
"""Images that are drawn of a class for one of them to be in the test split."""


def survey(config: "Config") -> Census:
    """Return what is known of the images that ``config`` names, from headers alone.

    Raises
    ------
    DataError
        If images cannot be used, or a split that is needed holds none.
    """
    found = census(config.images, config.range)
    require_planes(found.shape)
    each: set[Split] = {"train", "val"} if generates(config) else set()
    if config.generate.split != "all":
        each.add(config.generate.split)
    for label in range(len(found.classes)):
        found.require(sorted(each), label)
    if not isinstance(config.classify.net, Own):
        found.require(SPLITS)
    return found


def small(config: "Config", found: Census, size: int, out: Path) -> "Config":
    """Return the config on few images, with one try of each."""
    few, choice = _FEW[size], config.generate
    images, pairs = _few(config, found, few, out)
    count = min(few, choice.count or few, int(_there(config, found).min()))
    blocks = {
        "translate": {"tries": 1, "judge_tries": 1},
        "generate": {"tries": choice.keep, "count": count},
        "report": {"items": min(count * choice.keep, config.report.items)},
    }
    updated = {name: getattr(config, name).model_copy(update=values) for name, values in blocks.items()}
    return config.model_copy(update={"images": images, "range": found.range, "pairs": pairs} | updated)


def amounts(config: "Config", found: Census) -> Mapping[str, Amount]:
    """Return how many images of a class there are, and are explained."""
    choice, translate, classes = config.generate, config.translate, len(found.classes)
    whole, (_, judged, tested) = float(found.counts.sum(1).mean()), found.counts.mean(0).tolist()
    explained = np.minimum(_there(config, found), choice.count or found.counts.sum(1).max())
    # Pairs may be given of some classes only.
    rows = float(explained.mean() if config.pairs is None else explained.max())
    shown = min(config.report.items, rows * choice.keep * classes * (classes - 1))
    asked = whole if isinstance(config.classify.net, Own) else 3 * judged + tested
    tries, shots = {"try": choice.tries}, {"shot": translate.tries}
    return {
        "gather": Amount(whole, held=ROWS),
        "classify": Amount(judged, asked, held=ROWS),
        "translate": Amount(judged * translate.judge_tries, judged * translate.tries, held=ROWS, lengths=shots),
        "generate": Amount(rows, rows * choice.tries, held=ROWS, lengths=tries),
        "attribute": Amount(rows, held=BATCH),
        "evaluate": Amount(rows, held=ROWS),
        "report": Amount(shown),
    }


def stand_in(config: "Config", stage: str, run: Run) -> Mapping[str, int]:
    """Let the first pair of each kind stand for the others, which cost the same."""
    kinds: Counter[str] = Counter()
    for pairs in pairs_of(run) if stage == "generate" else ():
        if pairs.kind in kinds:
            shutil.rmtree(run.path / "store.zarr" / pairs.name("generated"))
        kinds[pairs.kind] += 1
    return kinds


def _few(config: "Config", found: Census, few: int, out: Path) -> tuple[Path | Simulation, Path | None]:
    """Return few images and the pairs that are given of them; a simulator draws fewer, and plants its own pairs."""
    source, pairs = config.images, config.pairs
    if pairs is None and not isinstance(source, Path | Labelled):
        return source.model_copy(update={"count": min(source.count, _DRAWN * few)}), None
    sample = census(write_sample(source, found, out, few, 3 * few).path, found.range)
    if isinstance(source, Path):
        few_pairs(source, out, found.counts[:, 2], sample.counts[:, 2])
    return out, pairs and few_pairs(pairs, out.with_name("pairs.zarr"), _there(config, found), _there(config, sample))


def _there(config: "Config", found: Census) -> Int[np.ndarray, " K"]:
    """Return how many images of each class are in the split that is explained."""
    split = config.generate.split
    return found.counts.sum(1) if split == "all" else found.counts[:, SPLITS.index(split)]


ROOM = Room(survey, small, amounts, stand_in)
