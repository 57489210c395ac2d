"""Concepts in the activations of a network: found, turned into directions, and tested."""

from typing import Annotated

from pydantic import Field

from aliter.methods.concept.ace import ACE
from aliter.methods.concept.craft import CRAFT

__all__ = ["ACE", "CRAFT", "Discovery", "examples"]

Discovery = Annotated[ACE | CRAFT, Field(discriminator="kind")]
"""How concepts are found: called as ``(rows, image, seed) -> list[Concept]``."""


def examples() -> tuple[ACE | CRAFT, ...]:
    """Return one of each."""
    return (ACE(), CRAFT())
