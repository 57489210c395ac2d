"""Directions in the maps of a layer, made of a gradient and a concept; and what a walk along one changed."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aliter.core.errors import DataError, RequestError

Mode = Literal["grad", "cav", "sum", "gate", "project", "reject"]
"""What a shift is made of: the gradient; the concept; both, added; both, multiplied value by value; the part of the
gradient along the concept in each cell; the rest of it."""
Heat = Literal["int", "max", "mean", "mm"]
"""How frames become one map."""
_TINY = 1e-20


def direction(
    mode: Mode,
    gradient: Float[Tensor, "C h w"],
    concept: Float[Tensor, " C"] | None,
    mask: Bool[Tensor, "h w"],
    alpha: float | int = 1.0,
) -> Float[Tensor, "C h w"]:
    """Return the direction of a shift, 0 outside ``mask``, its length left open.

    Gradient and concept are of length 1 before they are combined; the concept is the same in every cell.

    Raises
    ------
    RequestError
        If the mode needs a concept and there is none.
    DataError
        If nothing is left, or something is not finite.
    """
    inside = mask.to(gradient.dtype)
    g = unit(gradient * inside)
    if mode != "grad" and concept is None:
        raise RequestError(f"mode '{mode}': expected a concept to push along, found none; name one")
    c = torch.zeros_like(g[:, 0, 0]) if concept is None else unit(concept)
    spread = unit(c[:, None, None] * inside) if concept is not None else g
    along = (g * c[:, None, None]).sum(0, keepdim=True) * c[:, None, None]
    made = {
        "grad": lambda: g,
        "cav": lambda: spread,
        "sum": lambda: g + alpha * spread,
        "gate": lambda: g * spread,
        "project": lambda: along,
        "reject": lambda: g - along,
    }[mode]()
    if not float(made.abs().max()) > 0:
        raise DataError(f"mode '{mode}': expected a direction, found none: the gradient, or its part, is zero there")
    return made


def unit(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return ``values`` with length 1.

    Raises
    ------
    DataError
        If they are all zero, or not finite.
    """
    length = values.double().norm()
    if not torch.isfinite(length) or float(length) <= _TINY:
        raise DataError(
            f"expected a direction, found one of length {float(length):g}; the answer does not change there"
        )
    made: Tensor = (values / length).to(values.dtype)
    return made


def as_strong_as(
    shift: Float[Tensor, "C h w"], maps: Float[Tensor, "C h w"], mask: Bool[Tensor, "h w"]
) -> Float[Tensor, "C h w"]:
    """Return ``shift`` with the root mean square, over the cells of ``mask``, that ``maps`` have there."""
    wanted, found = (one[:, mask].double().square().mean().sqrt() for one in (maps, shift))
    return (shift * (wanted / found)).to(shift.dtype)


def heat(
    frames: Float[np.ndarray, "T C H W"], origin: Float[np.ndarray, "C H W"], kind: Heat
) -> Float[np.ndarray, "C H W"]:
    """Return where a walk changed the image.

    ``int``: from frame to frame, in the mean; ``max`` and ``mean``: from its origin, at most and in the mean; ``mm``:
    between its ends.

    References
    ----------
    Cohen et al. 2021, Gifsplanation via latent shift, arXiv:2102.09475, section 2.1.
    """
    if kind == "int":
        return np.asarray(np.abs(np.diff(frames, axis=0)).mean(axis=0))
    if kind == "mm":
        return np.asarray(np.abs(frames[0] - frames[-1]))
    away = np.abs(frames - origin)
    return np.asarray(away.max(axis=0) if kind == "max" else away.mean(axis=0))


def locality(change: Float[np.ndarray, "H W"], inside: Bool[np.ndarray, "H W"]) -> float:
    """Return the share of all change that lies ``inside``; NaN where nothing changed."""
    total = float(np.abs(change).sum(dtype=np.float64))
    return float(np.abs(change)[inside].sum(dtype=np.float64)) / total if total > 0 else float("nan")


def monotonicity(setting: Float[np.ndarray, " T"], score: Float[np.ndarray, " T"]) -> float:
    """Return how much a score keeps rising with what is turned: Spearman's correlation; NaN if either is constant."""
    from scipy.stats import rankdata

    a, b = (rankdata(one) - (len(one) + 1) / 2 for one in (setting, score))
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else float("nan")
