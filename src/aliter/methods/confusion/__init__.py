"""What pulls images to the boundary: each a frozen value, called with logits ``(B,)`` of one class against another."""

from typing import Annotated

from pydantic import Field

from aliter.methods.confusion.distance import Distance
from aliter.methods.confusion.divergence import Divergence
from aliter.methods.confusion.gaussian import Gaussian

Confusion = Annotated[Distance | Gaussian | Divergence, Field(discriminator="kind")]
"""What a config can name."""


def examples() -> tuple[Confusion, ...]:
    """Return one of each."""
    return (Distance(), Gaussian(), Divergence())
