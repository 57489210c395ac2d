"""Find the kinds of ambiguous images there are, and how far they would be found again."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import NonNegativeInt

from aliter.core.errors import DataError
from aliter.core.rng import chance, torch_seed
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.methods.cluster import Cluster
from aliter.methods.cluster.gaussian_mixture import GaussianMixture
from aliter.methods.reduce import Reduce
from aliter.ops.clusters import Validity, agreement, validity
from aliter.workflows.boundary.search import Search, searched

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

SCORES = ("silhouette", "coverage", "count")
"""What is known of each candidate, in order."""
_SHARE = 0.8
"""Of the rows in a resample."""


class Clustering(Spec):
    """Which groupings are tried, and how often the chosen one is repeated."""

    candidates: tuple[Cluster, ...] = tuple(GaussianMixture(count=count) for count in range(3, 9))
    """The one with the highest silhouette, in the features and not in the reduced space, times coverage is taken."""
    search: Search | None = None
    """Instead of the candidates: a search, of reductions too; every trial is kept in ``study.db`` of the run."""
    resamples: NonNegativeInt = 20
    """Random parts of 80 % that are reduced and grouped anew, to see whether the groups come back."""
    seed: int = 0


def cluster(config: "Config", run: Run) -> None:
    """Save the labels of the best grouping; record how valid it is and how stable."""
    choice, rows = config.cluster, run.load("ambiguous/features")
    reduce, candidates, reduced = config.embed.reduce, choice.candidates, run.load("ambiguous/reduced")
    if choice.search is not None:
        reduce, method = searched(choice.search, rows, reduce, choice.seed, run.folder / "study.db")
        candidates, reduced = (method,), reduce(rows, choice.seed)
    groupings = [one(reduced, choice.seed) for one in candidates]
    scores = [validity(rows, labels) for labels in groupings]
    worth = np.array([one.silhouette * one.coverage for one in scores])
    if np.isnan(worth).all():
        raise DataError("expected a grouping of two groups or more, found none; name other candidates")
    best = int(np.nanargmax(worth))
    labels = _by_size(groupings[best])
    run.save("clusters/label", labels, ("index",))
    run.save(
        "clusters/candidates",
        np.array([[one.silhouette, one.coverage, one.count] for one in scores]),
        ("candidate", "score"),
    )
    found = _resampled(choice, rows, labels, reduce, candidates[best])
    run.save("clusters/agreement", found, ("resample",))
    inflated = validity(reduced, groupings[best])
    run.record(_figures(scores[best], inflated, found, len(rows), candidates[best].kind))


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Return the labels renamed, the largest group first; -1 stays."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = names[np.lexsort((names, -counts))]
    renamed = {int(name): place for place, name in enumerate(order)}
    return np.array([renamed.get(int(label), -1) for label in labels], np.int64)


def _resampled(choice: Clustering, rows: np.ndarray, labels: np.ndarray, reduce: Reduce, method: Cluster) -> np.ndarray:
    """Return, for each resample, how far the groups found in it agree with the groups of all."""
    found = []
    for resample in range(choice.resamples):
        size = max(3, round(_SHARE * len(rows)))
        part = np.sort(chance(choice.seed, "resample", resample).choice(len(rows), size, replace=False))
        seed = torch_seed(choice.seed, "resample", resample) % 2**31
        found.append(agreement(labels[part], method(reduce(rows[part], seed), seed)))
    return np.array(found)


def _figures(best: Validity, inflated: Validity, found: np.ndarray, count: int, kind: str) -> list[Figure]:
    figures = [
        Figure("clusters", float(best.count), count, note=kind),
        Figure("share in clusters", best.coverage, count),
        Figure("silhouette", best.silhouette, count, note="in the features; rows in no cluster left out"),
        Figure("silhouette, reduced", inflated.silhouette, count, note="inflated: not to be compared"),
        Figure("Davies-Bouldin", best.davies_bouldin, count, note="in the features"),
        Figure("Calinski-Harabasz", best.calinski_harabasz, count, note="in the features"),
    ]
    if len(found):
        low, high = np.quantile(found, (0.025, 0.975))
        note = f"mean of {len(found)} parts of 80 %, grouped anew; 95 % of them lie in the interval"
        figures.append(Figure("adjusted Rand index", float(found.mean()), count, float(low), float(high), note))
    return figures
