"""Walks: one knob turns, the image and the answer change."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from aliter.methods.walk.latent_gradient import LatentGradient
from aliter.methods.walk.latent_shift import LatentShift
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.methods.walk.published_shift import FirstShift, PublishedShift
from aliter.methods.walk.published_sweep import PublishedSweep

__all__ = ["FirstShift", "LatentShift", "MaskSweep", "PublishedShift", "PublishedSweep", "Sweep", "examples"]


def _kind(value: Any) -> str:
    """Return what ``value`` asks for: a mask sweep, if it does not say."""
    kind = value.get("kind", "mask_sweep") if isinstance(value, Mapping) else getattr(value, "kind", "")
    return str(kind)


Sweep = Annotated[
    Annotated[MaskSweep, Tag("mask_sweep")] | Annotated[PublishedSweep, Tag("published_sweep")], Discriminator(_kind)
]
"""How masks are grown from an attribution: called as ``(score, x, counterfactual, attribution, target) -> Walk``."""


def examples() -> tuple[FirstShift | LatentGradient | LatentShift | MaskSweep | PublishedShift | PublishedSweep, ...]:
    """Return one of each: what the laws of the family are tried on."""
    return (FirstShift(), LatentGradient(), LatentShift(), MaskSweep(), PublishedShift(), PublishedSweep())
