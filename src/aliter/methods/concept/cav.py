"""Find the direction in which a concept lies among a model's activations."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float64, Real
from numpy.typing import ArrayLike

from aliter.core.errors import DataError, RequestError

Kind = Literal["svm", "logistic", "mean_difference", "pattern"]
"""How the direction is found."""
Rows = Real[np.ndarray, "N D"] | ArrayLike
"""Activations of N examples in D dimensions."""
_Direction = Callable[[Float64[np.ndarray, "N D"], Float64[np.ndarray, " N"]], Float64[np.ndarray, " D"]]

_PENALTY = 0.01
"""Weight of half the squared norm beside the mean loss of an example, as published."""


def cav(positive: Rows, negative: Rows, kind: Kind = "svm") -> Float64[np.ndarray, " D"]:
    """Return the concept activation vector: the unit direction from ``negative`` to ``positive`` examples.

    ``svm`` (hinge loss) and ``logistic`` answer whether the concept can be read off linearly; they lean away from
    whatever else varies. ``mean_difference`` and ``pattern``, the regression of activations on membership, say how
    activations change with the concept and are the ones to steer by; with two sets of examples the two agree. The
    concept's own examples always score higher on average.

    Raises
    ------
    DataError
        If the sets are empty, differ in dimension, or cannot be told apart.
    RequestError
        If ``kind`` is none of the four.

    References
    ----------
    Kim et al. 2018, Interpretability beyond feature attribution: quantitative testing with concept activation vectors
    (TCAV), arXiv:1711.11279, section 3.2.
    Pahde et al. 2022, Navigating neural space: revisiting concept activation vectors, arXiv:2202.03482, equation 5.
    """
    if kind not in _DIRECTIONS:
        raise RequestError(f"expected a kind among {', '.join(_DIRECTIONS)}, found '{kind}'; name one of them")
    members, others = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    if members.ndim != 2 or others.ndim != 2 or members.shape[1] != others.shape[1] or not len(members) * len(others):
        shapes = f"{members.shape} and {others.shape}"
        raise DataError(f"expected two sets of rows of one dimension, found {shapes}; pool or flatten both alike")
    membership = np.repeat([1.0, 0.0], [len(members), len(others)])
    direction = _DIRECTIONS[kind](np.concatenate([members, others]), membership)
    length = float(np.linalg.norm(direction))
    if not 0 < length < np.inf:
        raise DataError("expected two sets that can be told apart, found no direction between them; add examples")
    rises = (members.mean(axis=0) - others.mean(axis=0)) @ direction >= 0
    return np.asarray(direction / (length if rises else -length))


def _svm(rows: Float64[np.ndarray, "N D"], membership: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " D"]:
    """Return the normal of the widest margin."""
    from sklearn.svm import SVC

    model = SVC(kernel="linear", C=1 / (_PENALTY * len(rows)), tol=1e-6)
    return np.asarray(model.fit(rows, membership).coef_[0])


def _logistic(rows: Float64[np.ndarray, "N D"], membership: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " D"]:
    """Return the slope of the log odds of membership."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / (_PENALTY * len(rows)), max_iter=1000)
    return np.asarray(model.fit(rows, membership).coef_[0])


def _mean_difference(
    rows: Float64[np.ndarray, "N D"], membership: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, " D"]:
    """Return the way from the mean of the others to the mean of the members."""
    return np.asarray(rows[membership == 1].mean(axis=0) - rows[membership == 0].mean(axis=0))


def _pattern(rows: Float64[np.ndarray, "N D"], membership: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " D"]:
    """Return the covariance of activations with membership over the variance of membership."""
    deviation = membership - membership.mean()
    return np.asarray(deviation @ (rows - rows.mean(axis=0)) / (deviation @ deviation))


_DIRECTIONS: dict[str, _Direction] = {
    "svm": _svm,
    "logistic": _logistic,
    "mean_difference": _mean_difference,
    "pattern": _pattern,
}
