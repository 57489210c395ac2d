"""The Frechet distance of 2048 features against scipy's root of the product of the covariances."""

import numpy as np
from interleaved import header, ratio
from scipy.linalg import sqrtm

from aliter.ops.frechet import frechet_distance, moments

_FEATURES, _ROWS = 2048, 5000


def by_root(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Return the distance as it is mostly computed."""
    root = np.real(sqrtm(cov_a @ cov_b))
    step = mean_a - mean_b
    return float(step @ step + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


def main() -> None:
    """Compare, then time."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(_FEATURES, _FEATURES)) / np.sqrt(_FEATURES)
    a = moments(rng.normal(size=(_ROWS, _FEATURES)) @ mixing)
    b = moments(rng.normal(0.1, 1.1, size=(_ROWS, _FEATURES)) @ mixing)
    ours, theirs = frechet_distance(*a, *b), by_root(*a, *b)
    print(f"ours {ours:.10g}, by the root {theirs:.10g}, relative difference {abs(ours / theirs - 1):.1e}\n")
    header()
    ratio(f"Frechet distance, {_FEATURES} features", lambda: frechet_distance(*a, *b), lambda: by_root(*a, *b), 3)


if __name__ == "__main__":
    main()
