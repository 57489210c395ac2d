"""How undecided a classifier is, and how to weigh that against realism."""

import numpy as np
from jaxtyping import Float, Int, Real

from aliter.core.errors import DataError
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


def hypervolume(points: Real[np.ndarray, "N 2"], reference: tuple[float, float]) -> float:
    """Return the area that ``points`` beat, as far as ``reference``; both values are to be small.

    References
    ----------
    Zitzler and Thiele 1998, Multiobjective optimization using evolutionary algorithms, section 4.
    """
    points = np.asarray(points, dtype=float)
    points = points[(points < reference).all(axis=1)]
    order = np.unique(points[pareto_front(points)], axis=0)
    if not len(order):
        return 0.0
    above = np.concatenate([[reference[1]], order[:-1, 1]])
    return float(((reference[0] - order[:, 0]) * (above - order[:, 1])).sum())


def knee(points: Real[np.ndarray, "N 2"]) -> tuple[int, float]:
    """Return the index of the point of the front nearest to the ideal one, and how near, in units of the front.

    The front is scaled to [0, 1] in either value; the ideal point has the lowest of both. The first of equals.

    Raises
    ------
    DataError
        If no point is without a NaN.

    References
    ----------
    Zeleny 1974, A concept of compromise solutions and the method of the displaced ideal.
    """
    front, values = _front(points)
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    distance = np.linalg.norm((values - low) / np.where(span > 0, span, 1.0), axis=1)
    best = int(np.argmin(distance))
    return int(front[best]), float(distance[best])


def surest(p: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Return of the K probabilities in each row the one that is farthest from 0.5; the first of equals."""
    return np.asarray(np.take_along_axis(p, np.abs(p - 0.5).argmax(1)[:, None], axis=1)[:, 0])


def most_real(points: Real[np.ndarray, "N 2"], near: float) -> int:
    """Return the index of the lowest first value among the points whose second is at most ``near``.

    If there is none, that of the lowest second value; the first of equals. Points with a NaN are left out.

    Raises
    ------
    DataError
        If no point is without a NaN.
    """
    front, values = _front(points)
    enough = values[:, 1] <= near
    best = np.where(enough, values[:, 0], np.inf) if enough.any() else values[:, 1]
    return int(front[np.argmin(best)])


def _front(points: Real[np.ndarray, "N 2"]) -> tuple[Int[np.ndarray, " front"], Float[np.ndarray, "front 2"]]:
    """Return the indices of the front, and its points; refuse to find none."""
    front = pareto_front(points)
    if not len(front):
        raise DataError("expected points to choose from, found none without a NaN; look at what was measured")
    return front, np.asarray(points, dtype=float)[front]
