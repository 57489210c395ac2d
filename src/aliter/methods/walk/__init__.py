"""Walks: one knob turns, the image and the answer change."""

from typing import Annotated

from pydantic import Tag

from aliter.core.spec import kind_or
from aliter.methods.walk.latent_gradient import LatentGradient
from aliter.methods.walk.latent_shift import LatentShift
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.methods.walk.published_shift import FirstShift, PublishedShift
from aliter.methods.walk.published_sweep import PublishedSweep

__all__ = ["FirstShift", "LatentShift", "MaskSweep", "PublishedShift", "PublishedSweep", "Shift", "Sweep", "examples"]


Shift = Annotated[
    Annotated[LatentShift, Tag("latent_shift")]
    | Annotated[PublishedShift, Tag("published_shift")]
    | Annotated[FirstShift, Tag("first_shift")],
    kind_or("latent_shift"),
]
"""How the end of a shift is sought: called as ``(draw, score, k, sign) -> Shifted``."""
Sweep = Annotated[
    Annotated[MaskSweep, Tag("mask_sweep")] | Annotated[PublishedSweep, Tag("published_sweep")], kind_or("mask_sweep")
]
"""How masks are grown from an attribution: called as ``(score, x, counterfactual, attribution, target) -> Walk``."""


def examples() -> tuple[FirstShift | LatentGradient | LatentShift | MaskSweep | PublishedShift | PublishedSweep, ...]:
    """Return one of each: what the laws of the family are tried on."""
    return (FirstShift(), LatentGradient(), LatentShift(), MaskSweep(), PublishedShift(), PublishedSweep())
