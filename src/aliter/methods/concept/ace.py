"""Concepts as groups of segments that a layer sees alike."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import NonNegativeInt, PositiveInt

from aliter.core.spec import Spec
from aliter.methods.cluster.k_means import KMeans
from aliter.methods.concept.group import Concept


class ACE(Spec):
    """Groups of segments whose activations are near each other, and that recur in many images.

    References
    ----------
    Ghorbani et al. 2019, Towards automatic concept-based explanations, arXiv:1902.03129, section 3.
    """

    kind: Literal["ace"] = "ace"
    count: PositiveInt = 25
    """Groups to start with."""
    least: NonNegativeInt = 20
    """A group has more members than this."""
    most: PositiveInt = 40
    """Members that stand for a group: those nearest to its mean."""

    def __call__(self, rows: Float[np.ndarray, "N D"], image: Int[np.ndarray, " N"], seed: int = 0) -> list[Concept]:
        """Return the groups of segments with activations ``rows`` in images of these numbers, the largest first."""
        labels, among = KMeans(count=self.count)(rows, seed), len(np.unique(image))
        found = []
        for label in np.unique(labels):
            inside = np.flatnonzero(labels == label)
            if not recurs(len(inside), len(np.unique(image[inside])), among, self.least):
                continue
            distance = np.linalg.norm(rows[inside] - rows[inside].mean(axis=0), axis=1)
            found.append(Concept(inside[np.argsort(distance, kind="stable")][: self.most], inside, None))
        return sorted(found, key=lambda one: (-len(one.group), int(one.group[0])))


def recurs(size: int, images: int, among: int, least: int) -> bool:
    """Return whether a group of ``size`` segments from so many different ``images`` ``among`` all is common enough.

    It has more than ``least`` members, and they come from many images: for its size, for all images, or both.
    """
    if size <= least:
        return False
    high = images > 0.5 * size
    medium = images > 0.25 * size and images > 0.25 * among
    popular = images > 0.1 * size and images > 0.5 * among
    return high or medium or popular
