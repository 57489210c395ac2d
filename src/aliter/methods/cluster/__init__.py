"""Groups: each a frozen value, called as ``(rows (N, D), seed) -> labels (N,)``; -1 is in no group."""

from typing import Annotated

from pydantic import Field

from aliter.methods.cluster.gaussian_mixture import GaussianMixture
from aliter.methods.cluster.hdbscan import HDBSCAN
from aliter.methods.cluster.k_means import KMeans

Cluster = Annotated[GaussianMixture | HDBSCAN | KMeans, Field(discriminator="kind")]
"""What a config can name."""


def examples() -> tuple[Cluster, ...]:
    """Return one of each."""
    return (GaussianMixture(), HDBSCAN(), KMeans())
