"""What a sweep says of one map."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from aliter.core.probe import Scores
from aliter.core.walk import Walk
from aliter.methods.walk import Sweep
from aliter.methods.walk.mask_sweep import optimal_index, quac_score


@dataclass(frozen=True)
class Swept:
    """A walk, its score, and the mask that changes most for its size."""

    walk: Walk
    chosen: int
    """Position of that mask in the walk."""
    score: float
    """QuAC score."""
    mask: Bool[Tensor, "C H W"]
    """The mask, before its blur."""


def swept(
    scores: Scores,
    sweep: Sweep,
    x: Float[Tensor, "C H W"],
    counterfactual: Float[Tensor, "C H W"],
    map: Float[Tensor, "C H W"],
    target: int,
) -> Swept:
    """Return what ``sweep`` finds along ``map``, an attribution in [0, 1], on the way to ``target``."""
    walk = sweep(scores, x, counterfactual, map, target)
    change = walk.change(target)
    chosen = optimal_index(walk.t, change)
    return Swept(walk, chosen, quac_score(walk.t, change), sweep.mask(map, float(walk.setting[chosen])))
