"""What can be learned: each a frozen value whose turns ``fit`` plays."""

from aliter.methods.objective.classify import Classify
from aliter.methods.objective.contrast import Contrast, Vicreg
from aliter.methods.objective.sparse import SparseHead, SparseNet
from aliter.methods.objective.stargan import StarGAN

__all__ = ["Classify", "Contrast", "SparseHead", "SparseNet", "StarGAN", "Vicreg", "examples"]


def examples() -> tuple[Classify | Contrast | SparseHead | SparseNet | StarGAN | Vicreg, ...]:
    """Return one of each, and of each form, for the laws that all must obey."""
    return (
        Classify(),
        StarGAN(diversity=0.5),
        StarGAN(passes="shared", r1_every=4, diversity=0.5),
        Contrast(negatives="batch", ignore_px=3.0),
        Vicreg(),
        SparseHead(),
        SparseNet(),
    )
