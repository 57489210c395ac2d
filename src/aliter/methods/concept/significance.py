"""Whether a concept moves the answer more than what is no concept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.special import stdtr

from aliter.core.errors import DataError
from aliter.methods.concept.cav import Kind, cav
from aliter.methods.concept.tcav import tcav_score
from aliter.ops.classification import wilson
from aliter.ops.stats import paired_t, sign_flip_p

Rows = Float[np.ndarray, "_ D"]


@dataclass(frozen=True)
class Scores:
    """What directions from R other sets to each of S sets come to."""

    share: Float64[np.ndarray, "S R"]
    """Share of answers that rise along each: the published score."""
    lean: Float64[np.ndarray, "S R"]
    """Mean cosine between the gradients and each: how much of the rise it takes part in, from -1 to 1."""

    def __getitem__(self, rows: slice) -> "Scores":
        """Return the scores of some of the sets."""
        return Scores(self.share[rows], self.lean[rows])


@dataclass(frozen=True)
class Tested:
    """What a concept came to, over all sets that it was compared with."""

    share: float
    """Mean share of answers that rise along it."""
    lean: float
    """Mean cosine with the gradients."""
    t_p: float
    """Two-sided p of the paired t of the shares against sets that are no concept, as published."""
    flip_p: float
    """The same by flips of signs."""
    rank_p: float
    """Two-sided p of its lean among those of many sets that are no concept."""
    effect: float
    """Lean less the median of those, in their standard deviations; NaN if all are equal."""


@dataclass(frozen=True)
class Standing:
    """How far a concept stands out among sets that are no concept; the fields are those of ``Tested``."""

    share: float
    lean: float
    rank_p: float
    effect: float


def score_table(gradients: Rows, sets: Sequence[Rows], negatives: Sequence[Rows], kind: Kind) -> Scores:
    """Return how answers change along the direction from each of ``negatives`` to each of ``sets``.

    Two sets apart, ``mean_difference`` and ``pattern`` point from mean to mean, which needs no fit for each pair.
    """
    lengths = np.linalg.norm(gradients.astype(float), axis=1, keepdims=True)
    steepest = (gradients / np.where(lengths > 0, lengths, 1)).mean(axis=0)
    if kind in ("mean_difference", "pattern"):
        heads, tails = _means(sets), _means(negatives)
        along, away = (gradients.astype(float) @ means.T for means in (heads, tails))
        share = np.stack([(along > other[:, None]).mean(axis=0) for other in away.T], axis=1)
        far = np.stack([np.linalg.norm(heads - tail, axis=1) for tail in tails], axis=1)
        lean = (heads @ steepest)[:, None] - (tails @ steepest)[None]
        return Scores(share, lean / np.where(far > 0, far, 1))
    directions = [[cav(one, other, kind) for other in negatives] for one in sets]
    share = np.array([[tcav_score(gradients, direction) for direction in row] for row in directions])
    return Scores(share, np.array([[float(steepest @ direction) for direction in row] for row in directions]))


def significance(scores: Scores, null: Scores) -> Tested:
    """Return the tests of one concept's ``scores`` against those of sets that are no concept, on the same R others.

    The paired tests take the R sets for the sample, and set them against the first of the others. All R directions
    share the concept's own examples, so they are not independent, and a set that is no concept may pass too often. The
    rank among many such sets is right by its making: under the null hypothesis the concept is one of them. It is of
    the lean, since shares are all 1 where answers hang on much.

    Raises
    ------
    DataError
        If there are too few sets that are no concept.

    References
    ----------
    Kim et al. 2018, Interpretability beyond feature attribution, arXiv:1711.11279, section 3.5: the t-test.
    Phipson and Smyth 2010, Permutation p-values should never be zero, equation 2: the rank.
    """
    ranked = standing(scores, null)
    shares, place = scores.share[0], np.arange(scores.share.shape[1])
    paired = null.share[place % len(null.share), place]
    tests = paired_t(shares, paired)[1], sign_flip_p(shares, paired), ranked.rank_p
    return Tested(ranked.share, ranked.lean, *tests, ranked.effect)


def standing(scores: Scores, null: Scores) -> Standing:
    """Return what ``significance`` does, but for the paired tests.

    Raises
    ------
    DataError
        If there are too few sets that are no concept.
    """
    if len(null.share) < 2:
        raise DataError(f"expected two or more sets that are no concept, found {len(null.share)}; draw more")
    leans, lean = null.lean.mean(axis=1), float(scores.lean[0].mean())
    spread = float(leans.std(ddof=1))
    effect = (lean - float(np.median(leans))) / spread if spread > 0 else float("nan")
    return Standing(float(scores.share[0].mean()), lean, rank_p(lean, leans), effect)


def learned_p(lean: float, blank: Float64[np.ndarray, " R"]) -> float:
    """Return the two-sided p of ``lean`` among those of R networks that learned nothing.

    Colour and brightness reach every answer of any network, and with them all concepts that share them, so that in
    one network of random weights many concepts stand out together, on either side. Which side is up to chance: the
    same network with its two classes exchanged is as likely. So a lean is compared with the root mean square of theirs
    about zero, by Student's t of R degrees of freedom.

    References
    ----------
    Adebayo et al. 2018, Sanity checks for saliency maps, arXiv:1810.03292, section 3: networks of random weights.
    """
    size = float(np.sqrt(np.mean(np.square(blank))))
    return 2 * float(stdtr(len(blank), -abs(lean) / size)) if size > 0 else float(lean == 0)


def rank_p(value: float, null: Float64[np.ndarray, " S"]) -> float:
    """Return the two-sided p of ``value`` among those of ``null``: the share as far from their median; never 0."""
    middle = float(np.median(null))
    beyond = int((np.abs(null - middle) >= abs(value - middle) - 1e-12).sum())
    return (1 + beyond) / (1 + len(null))


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
