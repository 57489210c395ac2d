"""Regions that grow together: fragments merged where the affinity between them is high."""

import heapq
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int, Integer, Real
from numpy.typing import ArrayLike

from aliter.core.errors import DataError


def agglomerate(
    fragments: Integer[np.ndarray, "*space"],
    affinities: Real[np.ndarray, "ndim *space"],
    thresholds: Real[np.ndarray, " T"] | ArrayLike,
) -> list[Integer[np.ndarray, "*space"]]:
    """Return the labels after merging fragments up to each threshold, in the order of ``thresholds``.

    Two touching fragments score 1 less the mean affinity over all faces between them; ``affinities[d]`` is that of a
    voxel with its neighbour towards -1 on axis d. The pair with the lowest score merges first, its faces with other
    fragments are pooled, and so on while a score is below the threshold, so a higher threshold only merges more.
    Fragment 0 is background and never merges; a region has the lowest id of its fragments. The input is untouched.

    Raises
    ------
    DataError
        If the affinities do not fit the fragments.

    References
    ----------
    Nunez-Iglesias et al. 2013, Machine learning of hierarchical clustering to segment 2D and 3D images.
    Funke et al. 2019, Large scale image segmentation with structured loss based deep learning, section 3.3.
    """
    fragments, affinities = np.asarray(fragments), np.asarray(affinities)
    if affinities.shape != (fragments.ndim, *fragments.shape):
        expected = (fragments.ndim, *fragments.shape)
        raise DataError(f"expected affinities of shape {expected}, found {affinities.shape}; give one for each axis")
    levels = np.asarray(thresholds, dtype=float)
    ids, index = np.unique(fragments, return_inverse=True)
    graph = _Graph.of(index.reshape(fragments.shape), affinities, ids)
    found = {}
    for level in np.unique(levels):
        graph.merge_below(float(level))
        found[level] = ids[graph.roots()][index].reshape(fragments.shape)
    return [found[level].copy() for level in levels]


@dataclass
class _Graph:
    """Regions, the faces between them, and who has become part of whom."""

    parent: Int[np.ndarray, " R"]
    faces: list[dict[int, tuple[float, int]]]
    """For each region, its neighbours with the sum of affinities and the number of faces between the two."""
    heap: list[tuple[float, int, int]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        index: Int[np.ndarray, "*space"],
        affinities: Real[np.ndarray, "ndim *space"],
        ids: Integer[np.ndarray, " R"],
    ) -> "_Graph":
        """Return the graph of regions numbered 0, 1, ..., without the one whose id is 0."""
        graph = cls(np.arange(len(ids)), [{} for _ in ids])
        for low, high, total, count in zip(*_touching(index, affinities), strict=True):
            if ids[low] != 0 and ids[high] != 0:
                graph.connect(int(low), int(high), float(total), int(count))
        return graph

    def connect(self, one: int, other: int, total: float, count: int) -> None:
        """Let two regions touch over these faces and none else."""
        self.faces[one][other] = self.faces[other][one] = (total, count)
        heapq.heappush(self.heap, (1 - total / count, min(one, other), max(one, other)))

    def merge_below(self, threshold: float) -> None:
        """Merge the pair with the lowest score while that is below ``threshold``."""
        while self.heap and self.heap[0][0] < threshold:
            score, low, high = heapq.heappop(self.heap)
            current = self.faces[low].get(high)
            # An entry is out of date once either region has merged or their faces were pooled.
            if current is not None and 1 - current[0] / current[1] == score:
                self._merge(low, high)

    def roots(self) -> Int[np.ndarray, " R"]:
        """Return, for each region, the lowest of those it is merged with."""
        # A parent is lower than its child, so one pass in ascending order follows all chains.
        for region in range(len(self.parent)):
            self.parent[region] = self.parent[self.parent[region]]
        return self.parent

    def _merge(self, low: int, high: int) -> None:
        """Make ``high`` a part of ``low``."""
        self.parent[high] = low
        del self.faces[low][high]
        for other, (total, count) in self.faces[high].items():
            if other == low:
                continue
            del self.faces[other][high]
            pooled, faces = self.faces[low].get(other, (0.0, 0))
            self.connect(low, other, pooled + total, faces + count)
        self.faces[high] = {}


def _touching(
    index: Int[np.ndarray, "*space"], affinities: Real[np.ndarray, "ndim *space"]
) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"], Float64[np.ndarray, " E"], Int[np.ndarray, " E"]]:
    """Return the pairs of regions that touch, lower first, with the sum of affinities and the number of faces."""
    lows, highs, values = [], [], []
    for axis, affinity in enumerate(affinities):
        here, before = np.moveaxis(index, axis, 0)[1:], np.moveaxis(index, axis, 0)[:-1]
        differ = here != before
        lows.append(np.minimum(here, before)[differ])
        highs.append(np.maximum(here, before)[differ])
        values.append(np.moveaxis(affinity, axis, 0)[1:][differ])
    regions = int(index.max(initial=0)) + 1
    pairs, edge = np.unique(np.concatenate(lows) * regions + np.concatenate(highs), return_inverse=True)
    total = np.bincount(edge, weights=np.concatenate(values), minlength=len(pairs))
    return pairs // regions, pairs % regions, total, np.bincount(edge, minlength=len(pairs))
