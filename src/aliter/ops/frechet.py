"""How far two sets of features lie apart, as Gaussians."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Real
from scipy.linalg import eigh, eigvalsh, svdvals
from scipy.linalg.lapack import dpstrf

from aliter.core.errors import DataError

_LOST = 1e-8
"""Below this share of the largest, the root of an eigenvalue holds rounding; it is found another way."""


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of rows that come a batch at a time; how they are cut into batches has no influence."""

    count: int
    """Rows seen."""
    mean: Float64[np.ndarray, " D"]
    """Mean of the rows."""
    scatter: Float64[np.ndarray, "D D"]
    """Sum of the outer products of the rows' deviations from the mean."""

    @classmethod
    def of(cls, rows: Real[np.ndarray, "N D"]) -> "Moments":
        """Return the moments of one batch; an empty one is a start."""
        rows = np.asarray(rows, dtype=float)
        mean = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
        deviation = rows - mean
        return cls(len(rows), mean, deviation.T @ deviation)

    def add(self, rows: Real[np.ndarray, "N D"]) -> "Moments":
        """Return the moments of these rows and ``rows`` together.

        References
        ----------
        Chan et al. 1983, Algorithms for computing the sample variance, equation 2.1.
        """
        other = Moments.of(rows)
        count = self.count + other.count
        share = other.count / max(count, 1)
        step = other.mean - self.mean
        scatter = self.scatter + other.scatter + self.count * share * np.outer(step, step)
        return Moments(count, self.mean + share * step, scatter)

    @property
    def covariance(self) -> Float64[np.ndarray, "D D"]:
        """The covariance, divided by N - 1.

        Raises
        ------
        DataError
            For fewer than two rows.
        """
        if self.count < 2:
            raise DataError(f"expected at least 2 rows for a covariance, found {self.count}; add more")
        return self.scatter / (self.count - 1)


def moments(rows: Real[np.ndarray, "N D"]) -> tuple[Float64[np.ndarray, " D"], Float64[np.ndarray, "D D"]]:
    """Return the mean of ``rows`` and their covariance, divided by N - 1.

    Raises
    ------
    DataError
        For fewer than two rows.
    """
    whole = Moments.of(rows)
    return whole.mean, whole.covariance


def frechet_distance(
    mean_a: Real[np.ndarray, " D"],
    cov_a: Real[np.ndarray, "D D"],
    mean_b: Real[np.ndarray, " D"],
    cov_b: Real[np.ndarray, "D D"],
) -> float:
    """Return the squared Frechet distance between two Gaussians: 0 if they are equal, never negative.

    In squared units of the features. Covariances may be singular; only their upper triangles are read.

    Raises
    ------
    DataError
        If anything is not finite.

    References
    ----------
    Dowson and Landau 1982, The Frechet distance between multivariate normal distributions, equation 4.
    Heusel et al. 2017, GANs trained by a two time-scale update rule, arXiv:1706.08500, equation 6.
    """
    step = np.subtract(mean_a, mean_b, dtype=float)
    cov_a, cov_b = np.asarray(cov_a, dtype=float), np.asarray(cov_b, dtype=float)
    if not (np.isfinite(step).all() and np.isfinite(cov_a).all() and np.isfinite(cov_b).all()):
        raise DataError("expected finite means and covariances, found some that are not; leave out broken rows")
    shared = _sum_of_singular_values(_root(cov_a) @ _root(cov_b).T)
    return max(0.0, float(step @ step + np.trace(cov_a) + np.trace(cov_b) - 2 * shared))


def _root(covariance: Float64[np.ndarray, "D D"]) -> Float64[np.ndarray, "R D"]:
    """Return the matrix of as many rows as the rank whose product with itself is ``covariance``."""
    upper, order, rank, _ = dpstrf(covariance)
    root = np.zeros((rank, len(covariance)))
    root[:, order - 1] = np.triu(upper)[:rank]
    return root


def _sum_of_singular_values(matrix: Float64[np.ndarray, "R S"]) -> float:
    """Return the sum of the singular values, as exactly as by their decomposition and in less than half the time.

    Of a product of roots it is the trace of the root of ``cov_a @ cov_b`` that the distance asks for.
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    if not tall.size:
        return 0.0
    gram = tall.T @ tall
    squares = eigvalsh(gram, check_finite=False)
    lost = int(np.count_nonzero(squares < _LOST * squares[-1]))
    total = float(np.sqrt(squares[lost:]).sum())
    if lost:
        _, vectors = eigh(gram, subset_by_index=[0, lost - 1], check_finite=False)
        total += float(svdvals(tall @ vectors, check_finite=False).sum())
    return total
