"""What can be learned: each a frozen value whose turns ``fit`` plays."""

from aliter.methods.objective.classify import Classify
from aliter.methods.objective.stargan import StarGAN

__all__ = ["Classify", "StarGAN", "examples"]


def examples() -> tuple[Classify | StarGAN, ...]:
    """Return one of each, and of each form, for the laws that all must obey."""
    return (
        Classify(),
        StarGAN(diversity=0.5),
        StarGAN(passes="shared", r1_every=4, diversity=0.5),
    )
