"""Describe every ambiguous image by features, in fewer dimensions, and by a place on a map."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import PositiveInt

from aliter.core.errors import DataError
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.methods.reduce import Reduce
from aliter.methods.reduce.umap import UMAP
from aliter.nets.frozen import Frozen
from aliter.workflows.boundary.classify import chosen_members, classifier_of, in_band, real_probability
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.boundary.select import ambiguous

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

_FEWEST = 10


class Embedding(Spec):
    """How ambiguous images are described."""

    space: Literal["classifier", "measure"] = "classifier"
    """Whose features: those of the classifier that cannot decide, of several side by side, or those that realism is
    measured in."""
    layer: str = "flatten"
    """Layer of the classifier that gives them."""
    reduce: Reduce = UMAP()
    """What clusters are looked for in."""
    map: Reduce = UMAP(dimensions=2)
    """What is shown."""
    count: PositiveInt = 2000
    """Images in the band that are described at most, those drawn first."""
    seed: int = 0


def embed(config: "Config", run: Run) -> None:
    """Save features, reduced features, and a map that real images held out in the band share."""
    choice = config.embed
    numbers = ambiguous(config, run)[: choice.count]
    if len(numbers) < _FEWEST:
        raise DataError(
            f"expected at least {_FEWEST} images in the band, found {len(numbers)}; "
            "raise select.count, the weight of the confusion, or the steps of confuse"
        )
    made, real = _features(config, run, numbers)
    reduced = choice.reduce(made, choice.seed)
    mapped = choice.map(np.concatenate([made, real]), choice.seed)
    run.save("ambiguous/number", numbers, ("index",))
    run.save("ambiguous/features", made, ("index", "feature"))
    run.save("ambiguous/reduced", reduced, ("index", "dimension"))
    run.save("ambiguous/map", mapped[: len(made)], ("index", "dimension"))
    run.save("real/map", mapped[len(made) :], ("index", "dimension"))
    note = f"{made.shape[1]} features of the {choice.space}, {reduced.shape[1]} after {choice.reduce.kind}"
    run.record([Figure("ambiguous images", float(len(numbers)), len(numbers), note=note)])


def held_out_in_band(config: "Config", run: Run) -> np.ndarray:
    """Return the numbers, within the pair, of real images held out that the chosen classifier cannot decide."""
    return np.flatnonzero(in_band(real_probability(config, run)) & (pair_of(config, run).splits > 0))


def _features(config: "Config", run: Run, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of generated images of these numbers, and of real ones held out in the band."""
    choice, images, real = config.embed, pair_of(config, run), held_out_in_band(config, run)
    if choice.space == "measure":
        return run.load("step2/features")[numbers], run.load("real/features")[real]
    probes = [Frozen(classifier_of(config, run, one)) for one in chosen_members(config, run)]

    def features(x: np.ndarray) -> np.ndarray:
        found = [one.activations(torch.from_numpy(x), choice.layer).flatten(1) for one in probes]
        return torch.cat(found, dim=1).double().numpy()

    made = features(np.asarray(run.array("step2/generated").oindex[numbers]))
    return made, features(images.signed(real)) if len(real) else made[:0]
