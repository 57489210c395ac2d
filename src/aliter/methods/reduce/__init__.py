"""Fewer dimensions: each a frozen value, called as ``(rows (N, D), seed) -> (N, d)``."""

from typing import Annotated

from pydantic import Field

from aliter.methods.reduce.pca import PCA
from aliter.methods.reduce.umap import UMAP

Reduce = Annotated[PCA | UMAP, Field(discriminator="kind")]
"""What a config can name."""


def examples() -> tuple[Reduce, ...]:
    """Return one of each."""
    return (PCA(), UMAP())
