"""Whether a concept moves the answer more than what is no concept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from aliter.core.errors import DataError
from aliter.methods.concept.cav import Kind, cav
from aliter.methods.concept.tcav import tcav_score
from aliter.ops.classification import wilson
from aliter.ops.stats import paired_t, sign_flip_p

Rows = Float[np.ndarray, "_ D"]


@dataclass(frozen=True)
class Tested:
    """What a concept came to, over all sets that it was compared with."""

    scores: Float64[np.ndarray, " R"]
    """Share of answers that rise along it, once for each set."""
    t_p: float
    """Two-sided p of the paired t against sets that are no concept, as published."""
    flip_p: float
    """The same by flips of signs."""
    rank_p: float
    """Two-sided p of its mean score among the means of many sets that are no concept."""
    effect: float
    """Mean score less the median of those, in their standard deviations; NaN if all are equal."""

    @property
    def score(self) -> float:
        """The mean score."""
        return float(self.scores.mean())


def score_table(
    gradients: Rows, sets: Sequence[Rows], negatives: Sequence[Rows], kind: Kind
) -> Float64[np.ndarray, "S R"]:
    """Return the share of answers that rise along each of ``sets``, against each of ``negatives``.

    Two sets apart, ``mean_difference`` and ``pattern`` point from mean to mean, which needs no fit for each pair.
    """
    if kind in ("mean_difference", "pattern"):
        along, away = (gradients.astype(float) @ _means(rows).T for rows in (sets, negatives))
        return np.stack([(along > other[:, None]).mean(axis=0) for other in away.T], axis=1)
    return np.array([[tcav_score(gradients, cav(one, other, kind)) for other in negatives] for one in sets])


def significance(scores: Float64[np.ndarray, " R"], null: Float64[np.ndarray, "S R"]) -> Tested:
    """Return the tests of a concept's ``scores`` against those of S sets that are no concept, on the same R sets.

    The paired tests take the R sets for the sample, and set them against the first of the S. All R directions share
    the concept's own examples, so they are not independent, and a set that is no concept may pass too often. The
    rank among S such sets is right by its making: under the null hypothesis the concept is one of them.

    Raises
    ------
    DataError
        If there are too few sets that are no concept.

    References
    ----------
    Kim et al. 2018, Interpretability beyond feature attribution, arXiv:1711.11279, section 3.5: the t-test.
    Phipson and Smyth 2010, Permutation p-values should never be zero, equation 2: the rank.
    """
    if len(null) < 2:
        raise DataError(f"expected two or more sets that are no concept, found {len(null)}; draw more")
    means, middle = null.mean(axis=1), float(np.median(null.mean(axis=1)))
    spread = float(means.std(ddof=1))
    effect = (float(scores.mean()) - middle) / spread if spread > 0 else float("nan")
    paired = null[np.arange(len(scores)) % len(null), np.arange(len(scores))]
    return Tested(scores, paired_t(scores, paired)[1], sign_flip_p(scores, paired), rank_p(scores, null), effect)


def rank_p(scores: Float64[np.ndarray, " R"], null: Float64[np.ndarray, "S R"]) -> float:
    """Return the two-sided p of a mean score among the means of sets that are no concept; never 0."""
    means = null.mean(axis=1)
    middle = float(np.median(means))
    beyond = int((np.abs(means - middle) >= abs(float(scores.mean()) - middle) - 1e-12).sum())
    return (1 + beyond) / (1 + len(means))


@dataclass(frozen=True)
class Held:
    """How well a direction tells its concept apart in examples that it did not learn from."""

    share: float
    low: float
    high: float


def held_out(positive: Rows, negatives: Sequence[Rows], kind: Kind, rng: np.random.Generator) -> Held:
    """Return the accuracy on a third of the examples, mean over ``negatives``; its interval counts each example once.

    The border lies midway between what the examples learned from come to along the direction.
    """
    right: list[float] = []
    for other in negatives:
        (a, a_held), (b, b_held) = (_halved(rows, rng) for rows in (positive, other))
        direction = cav(a, b, kind)
        border = ((a @ direction).mean() + (b @ direction).mean()) / 2
        right.append(float(np.mean(np.r_[a_held @ direction > border, b_held @ direction <= border])))
    share = float(np.mean(right))
    low, high = wilson(share, 2 * max(1, len(positive) // 3))
    return Held(share, low, high)


def drawn_sets(
    count: int, size: int, among: Int[np.ndarray, " N"], rng: np.random.Generator
) -> list[Int[np.ndarray, " M"]]:
    """Return so many sets of ``size`` rows ``among`` those given, none twice in one set.

    Raises
    ------
    DataError
        If there are fewer rows than a set takes.
    """
    if len(among) < size:
        raise DataError(f"expected {size} segments to draw from, found {len(among)}; take more windows elsewhere")
    return [rng.choice(among, size, replace=False) for _ in range(count)]


def _means(sets: Sequence[Rows]) -> Rows:
    return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in sets])


def _halved(rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return two thirds of the rows, and the rest."""
    order = rng.permutation(len(rows))
    held = max(1, len(rows) // 3)
    return rows[order[held:]], rows[order[:held]]
