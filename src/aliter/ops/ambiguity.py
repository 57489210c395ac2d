"""How undecided a classifier is, and how to weigh that against realism."""

import numpy as np
from jaxtyping import Float, Int, Real

from aliter.ops.arrays import Array, as_tensor


def confusion_distance(p: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return how far each probability is from undecided: ``|p - 1/2|``, in [0, 1/2]; differentiable.

    References
    ----------
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 3.
    """
    return abs(p - 0.5)


def min_norm_weights(g1: Real[Array, " D"], g2: Real[Array, " D"]) -> tuple[float, float]:
    """Return the weights, in [0, 1] and of sum 1, that make the weighted sum of two gradients shortest.

    Along that sum neither loss rises. Equal gradients are weighed equally.

    References
    ----------
    Desideri 2012, Multiple-gradient descent algorithm (MGDA), section 2.
    Sener and Koltun 2018, Multi-task learning as multi-objective optimization, arXiv:1810.04650, equation 4.
    """
    first, second = (as_tensor(one).detach().double() for one in (g1, g2))
    step = second - first
    length = float(step @ step)
    if length == 0:
        return 0.5, 0.5
    weight = min(max(float(second @ step) / length, 0.0), 1.0)
    return weight, 1 - weight


def pareto_front(points: Real[np.ndarray, "N 2"]) -> Int[np.ndarray, " front"]:
    """Return the indices, ascending, of the points that no other point beats; both values are to be small.

    A point beats another if it is no worse in either value and better in one, so equal points stay together. Points
    with a NaN are left out.
    """
    points = np.asarray(points, dtype=float)
    valid = np.flatnonzero(~np.isnan(points).any(axis=1))
    firsts, group = np.unique(points[valid, 0], return_inverse=True)
    lowest = np.full(len(firsts), np.inf)
    np.minimum.at(lowest, group, points[valid, 1])
    before = np.minimum.accumulate(np.concatenate([[np.inf], lowest]))[:-1]
    second = points[valid, 1]
    # The very first group has nothing before it, and stays even at infinity.
    stays = (second == lowest[group]) & ((second < before[group]) | (group == 0))
    return np.asarray(valid[stays])
