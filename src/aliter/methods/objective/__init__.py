"""What can be learned: each a frozen value whose turns ``fit`` plays."""

from aliter.methods.adversary.hinge import HingeR1
from aliter.methods.adversary.wasserstein import WassersteinGP
from aliter.methods.confusion.gaussian import Gaussian
from aliter.methods.objective.ambiguous import Ambiguous
from aliter.methods.objective.classify import Classify
from aliter.methods.objective.contrast import Contrast, Vicreg
from aliter.methods.objective.detect import Detect
from aliter.methods.objective.gan import GAN
from aliter.methods.objective.pix2pixhd import Pix2PixHD
from aliter.methods.objective.reconstruct import Reconstruct
from aliter.methods.objective.regress import Regress
from aliter.methods.objective.sparse import AffinityHead, SparseHead, SparseNet
from aliter.methods.objective.stargan import StarGAN

__all__ = [
    "GAN",
    "AffinityHead",
    "Ambiguous",
    "Classify",
    "Contrast",
    "Detect",
    "Example",
    "Pix2PixHD",
    "Reconstruct",
    "Regress",
    "SparseHead",
    "SparseNet",
    "StarGAN",
    "Vicreg",
    "examples",
]

Example = (
    AffinityHead
    | Ambiguous
    | Classify
    | Contrast
    | Detect
    | GAN
    | Pix2PixHD
    | Reconstruct
    | Regress
    | SparseHead
    | SparseNet
    | StarGAN
    | Vicreg
)
"""One of those that there are."""


def examples() -> tuple[Example, ...]:
    """Return one of each, and of each form, for the laws that all must obey."""
    return (
        Classify(),
        StarGAN(diversity=0.5),
        StarGAN(passes="shared", r1_every=4, diversity=0.5),
        Contrast(negatives="batch", ignore_px=3.0),
        Vicreg(),
        SparseHead(),
        AffinityHead(),
        SparseNet(),
        GAN(adversary=WassersteinGP()),
        Ambiguous(adversary=HingeR1(), confusion=Gaussian()),
        Ambiguous(weight="mgda"),
        Detect(),
        Regress(),
        Pix2PixHD(pixel=1.0),
        Pix2PixHD(adversary="cross_entropy", moves=("enhancer",)),
        Pix2PixHD(moves=("generator", "enhancer")),
        Reconstruct(absolute=0.5, slopes=0.5, features=0.1),
    )
