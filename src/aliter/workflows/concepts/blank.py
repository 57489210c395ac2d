"""The same concepts in detectors that learned nothing."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int

from aliter.core.errors import RequestError
from aliter.core.progress import progress
from aliter.core.rng import chance
from aliter.data.run import Run
from aliter.data.tiles import Tiles
from aliter.nets.detections import Detector
from aliter.nets.detector import FasterRCNN
from aliter.nets.whole import WholeImage
from aliter.workflows.concepts.answer import answer_gradients
from aliter.workflows.concepts.bench import Bench, Row
from aliter.workflows.concepts.detect import fresh_detector
from aliter.workflows.concepts.discover import all_of
from aliter.workflows.concepts.judge import Found
from aliter.workflows.concepts.patches import Patches, activations

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_POOL = 600
"""Segments elsewhere that are looked at, at most."""


def blank_rows(config: "Config", run: Run, tiles: Tiles, found: Found) -> list[Row]:
    """Return all concepts as they stand in each of the detectors that learned nothing.

    Only the segments that stand for concepts are looked at, and some of those elsewhere.
    """
    layers, choice = config.discover.layers, config.score
    concepts = [one for layer in layers for one in all_of(config, run, layer)]
    own, pool = Patches.load(run, "patches"), Patches.load(run, "pool")
    members = np.unique(np.concatenate([one.members for one in concepts]))
    chosen = np.sort(chance(choice.seed, "blank").permutation(len(pool))[:_POOL])
    blank = config.detect.model_copy(update={"net": _unlearned(config.detect.net)})
    rows: list[Row] = []
    with progress("blank", choice.blanks) as advance:
        for network in range(1, choice.blanks + 1):
            net = fresh_detector(blank, tiles, network).to(run.device).eval().requires_grad_(False)
            gradients = answer_gradients(net, tiles, found, layers, choice.answer, run.device)
            seen = _seen(config, net, tiles, own, members)
            around = _seen(config, net, tiles, pool, chosen)
            benches = {one: Bench(choice, gradients[one], seen[one], around[one][chosen], one) for one in layers}
            rows += [benches[one.layer].brief(one, network) for one in concepts]
            advance(1, "")
    return rows


def _unlearned(net: FasterRCNN | WholeImage) -> FasterRCNN | WholeImage:
    """Return the same without weights that were learned before.

    Raises
    ------
    RequestError
        If that cannot be made.
    """
    if isinstance(net, FasterRCNN):
        return net.model_copy(update={"weights": None})
    if net.learned:
        raise RequestError(
            "score.controls: expected a classifier that can be drawn anew with random weights, found one of your own; "
            "set score.controls: false"
        )
    bare = {"weights": None} if "weights" in type(net.of).model_fields else {}
    return net.model_copy(update={"of": net.of.model_copy(update=bare)})


def _seen(
    config: "Config", net: Detector, tiles: Tiles, patches: Patches, rows: Int[np.ndarray, " M"]
) -> dict[str, Float32[np.ndarray, "N D"]]:
    """Return what each layer makes of some segments, NaN for all others."""
    device = str(next(net.parameters()).device)
    found = activations(net, tiles, patches.where(rows), config.discover.layers, config.discover.segments.view, device)
    made = {}
    for layer, values in found.items():
        made[layer] = np.full((len(patches), values.shape[1]), np.nan, np.float32)
        made[layer][rows] = values
    return made
