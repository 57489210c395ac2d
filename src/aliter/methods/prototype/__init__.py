"""Rows that stand for a group: each a frozen value, called as ``(rows (N, D), labels (N,)) -> indices``.

The indices go by group, best first; rows labelled -1 are in no group.
"""

from typing import Annotated

from pydantic import Field

from aliter.methods.prototype.k_medoids import KMedoids
from aliter.methods.prototype.medoid import Medoid
from aliter.methods.prototype.mmd_critic import MMDCritic

Prototype = Annotated[Medoid | MMDCritic | KMedoids, Field(discriminator="kind")]
"""What a config can name."""


def examples() -> tuple[Prototype, ...]:
    """Return one of each."""
    return (Medoid(), MMDCritic(), KMedoids())
