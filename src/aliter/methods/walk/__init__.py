"""Walks: one knob turns, the image and the answer change."""

from typing import Annotated

from pydantic import Field

from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.methods.walk.published_sweep import PublishedSweep

Sweep = Annotated[MaskSweep | PublishedSweep, Field(discriminator="kind")]
"""How masks are grown from an attribution: called as ``(score, x, counterfactual, attribution, target) -> Walk``."""


def examples() -> tuple[MaskSweep | PublishedSweep, ...]:
    """Return one of each: what the laws of the family are tried on."""
    return (MaskSweep(), PublishedSweep())
