"""Grow the mask of an attribution from the query to its counterfactual, and watch the answer change."""

from typing import Annotated, Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Float64, Real
from numpy.typing import ArrayLike
from pydantic import AfterValidator, NonNegativeFloat, PositiveInt
from torch import Tensor

from aliter.core.errors import DataError, RequestError
from aliter.core.probe import Scores
from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.ops.masks import blur, closed_grey, threshold_masks

_VALUES = 500_000
"""Values in the hybrids that are made and scored at once: as many as a processor's cache holds."""
_TIE = 1e-9
"""Differences of size and change below this are rounding."""


def _odd(value: int) -> int:
    """Return ``value`` if it is odd."""
    if value % 2 == 0:
        raise ValueError("expected an odd number: an even ellipse has no centre")
    return value


class MaskSweep(Spec):
    """Replace ever more of the query by its counterfactual, what the attribution holds strongest first.

    Thresholds are -1 (everything), 0, 1/steps, ..., (steps-1)/steps and 1 (nothing). The mask of a threshold are the
    values above it, closed by an ellipse; the hybrid is the counterfactual where the mask, blurred, is 1 and the
    query where it is 0. The walk has one position for each distinct mask, under the lowest threshold that gives it.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    Eckstein et al. 2021, Discriminative attribution from counterfactuals, arXiv:2109.13412.
    """

    kind: Literal["mask_sweep"] = "mask_sweep"
    steps: PositiveInt = 100
    """Thresholds between 0 and 1."""
    close_px: Annotated[PositiveInt, AfterValidator(_odd)] = 11
    """Diameter of the ellipse that closes the mask, odd; 1 closes nothing."""
    blur_sigma_px: NonNegativeFloat = 2.0
    """Width of the Gaussian, 11 taps an axis, that softens the edge of the mask; 0 blurs nothing."""
    channelwise: bool = True
    """Whether each channel has its own mask; otherwise a pixel above the threshold in any channel counts for all."""

    def __call__(
        self,
        score: Scores,
        x: Float[Tensor, "C H W"],
        counterfactual: Float[Tensor, "C H W"],
        attribution: Float[Tensor, "C H W"],
        target: int,
    ) -> Walk:
        """Return the walk from ``x`` to ``counterfactual``; ``target`` is the class that it should lead to.

        ``attribution`` is in [0, 1]. ``t`` is the share of values in the mask before the blur, from 0 (the query) to 1
        (the counterfactual), both always there; ``setting`` is the threshold, hence descending.

        Raises
        ------
        DataError
            If the attribution leaves [0, 1] or is not finite.
        RequestError
            If the classifier has no class ``target``.
        """
        if not (attribution.amin() >= 0 and attribution.amax() <= 1):
            raise DataError("expected an attribution in [0, 1], found values outside; take the absolute value, scale")
        closed = self.closed(attribution)
        threshold, size = self._distinct(closed)
        answer = answers(score, x, counterfactual, closed, threshold, self.blur_sigma_px)
        if not 0 <= target < answer.shape[1]:
            raise RequestError(f"expected a target among {answer.shape[1]} classes, found {target}; name one of them")
        return Walk(threshold, size, answer, x.detach().cpu().numpy())

    def closed(self, attribution: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
        """Return the grey image whose values above a threshold are the mask of that threshold."""
        return closed_grey(attribution, self.close_px, self.channelwise)

    def mask(self, attribution: Float[Tensor, "C H W"], threshold: float) -> Bool[Tensor, "C H W"]:
        """Return the closed mask of ``threshold``, not blurred: what ``t`` is the size of."""
        return threshold_masks(attribution, [threshold], self.close_px, self.channelwise)[0]

    def hybrid(
        self, x: Float[Tensor, "C H W"], counterfactual: Float[Tensor, "C H W"], mask: Bool[Tensor, "C H W"]
    ) -> Float[Tensor, "C H W"]:
        """Return the query with what is in the blurred ``mask`` replaced: what the walk scored."""
        return hybrid(x, counterfactual, mask, self.blur_sigma_px)

    def _distinct(self, closed: Float[Tensor, "C H W"]) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " T"]]:
        """Return the lowest threshold and the size of each distinct mask, smallest mask first."""
        thresholds = np.concatenate([[-1.0], np.arange(self.steps + 1) / self.steps])
        levels = torch.as_tensor(thresholds, dtype=closed.dtype, device=closed.device)
        exceeded = torch.bincount(torch.bucketize(closed.flatten(), levels), minlength=len(levels) + 1)
        count = closed.numel() - exceeded.cumsum(0)[:-1].cpu().numpy()
        distinct, first = np.unique(count, return_index=True)
        return thresholds[first], distinct / closed.numel()


def answers(
    score: Scores,
    x: Float[Tensor, "C H W"],
    counterfactual: Float[Tensor, "C H W"],
    closed: Float[Tensor, "C H W"],
    thresholds: Float64[np.ndarray, " T"],
    blur_sigma_px: float,
) -> Float64[np.ndarray, "T K"]:
    """Return what the classifier makes of the hybrids whose masks are ``closed`` above each threshold, blurred.

    Some hybrids are made and scored at a time, so memory does not grow with the thresholds.
    """
    levels = rearrange(torch.as_tensor(thresholds, dtype=closed.dtype, device=closed.device), "t -> t 1 1 1")
    count = max(1, _VALUES // x.numel())
    found = []
    with torch.no_grad():
        for part in (levels[start : start + count] for start in range(0, len(levels), count)):
            masks = torch.gt(closed, part, out=x.new_empty(len(part), *x.shape))
            found.append(score(torch.lerp(x, counterfactual, blur(masks, blur_sigma_px))))
    return np.asarray(torch.cat(found).double().cpu().numpy())


def hybrid(
    x: Float[Tensor, "C H W"],
    counterfactual: Float[Tensor, "C H W"],
    mask: Bool[Tensor, "C H W"],
    blur_sigma_px: float,
) -> Float[Tensor, "C H W"]:
    """Return the query with what is in the blurred ``mask`` replaced."""
    return torch.lerp(x, counterfactual, blur(mask[None].to(x), blur_sigma_px)[0])


def quac_score(sizes: Real[np.ndarray, " T"] | ArrayLike, changes: Real[np.ndarray, " T"] | ArrayLike) -> float:
    """Return the area under the change of score over the size of the mask, on 101 points.

    Sizes in [0, 1], in any order. The points (1, change of the largest mask) and (0, 0) are added; of equal sizes
    the later one holds to the right. For the exact area of a walk see ``Walk.area``.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """
    sizes, changes = np.asarray(sizes), np.asarray(changes)
    size = np.concatenate([[1.0], sizes, [0.0]])
    change = np.concatenate([[changes[np.argmax(sizes)]], changes, [0.0]])
    order = np.argsort(size, kind="stable")
    grid = np.arange(101) / 100
    return float(np.trapezoid(np.interp(grid, size[order], change[order]), grid))


def optimal_index(sizes: Real[np.ndarray, " T"] | ArrayLike, changes: Real[np.ndarray, " T"] | ArrayLike) -> int:
    """Return the index of the mask that changes most for its size: the least ``size - change``.

    Of those that are equal, up to rounding, the smallest mask.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """
    sizes = np.asarray(sizes)
    cost = sizes - np.asarray(changes)
    best = np.flatnonzero(cost <= cost.min() + _TIE)
    return int(best[np.argmin(sizes[best])])
